"""What a model refuses: masks of another meaning, shapes and ids that would be broadcast or wrapped silently."""

import pytest
import torch

from minitf.bert import Bert, BertConfig
from minitf.bert.cls_only import logits_of_first_token
from minitf.mathematics import EQUATIONS, KERNELS

CONFIG = BertConfig(
    vocab_size=20,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=6,
    labels=("a", "b"),
)
IDS = torch.tensor([[2, 5, 6, 3, 0], [2, 7, 3, 0, 0]])
REAL = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])


def model(math):
    torch.manual_seed(0)
    return Bert(CONFIG, "classification", math).eval()


MASKS = {
    "additive, infinite": (1.0 - REAL.float()).masked_fill(REAL == 0, -torch.inf),
    "additive, -1e9": (1 - REAL).float() * -1e9,
    "additive, bfloat16": (1 - REAL).bfloat16() * -1e9,
    "additive, all real": torch.zeros(2, 5),
    "additive, integers": (1 - REAL) * -10_000,
    "real tokens as 1.0": REAL.float(),
    "one for each query": torch.ones(2, 5, 5),
    "as attention takes it": REAL[:, None, None, :].bool(),
    "one column": REAL[:, :1],
    "a token less": REAL[:, :4],
    "more texts": REAL.repeat(2, 1),
    "one text": REAL[0],
}


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_of_another_dtype_or_shape_is_refused(math, name, need_attention):
    with pytest.raises(ValueError, match="mask must be"):
        model(math)(IDS, None, MASKS[name], need_attention)
    with pytest.raises(ValueError, match="mask must be"):
        logits_of_first_token(model(math), IDS, torch.zeros_like(IDS), MASKS[name])


@BOTH
@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.int64, torch.uint8])
def test_a_mask_of_ones_and_zeros_is_taken(math, dtype):
    bert = model(math)
    expected = bert(IDS, None, REAL).logits
    assert torch.equal(bert(IDS, None, REAL.to(dtype)).logits, expected)
    one_for_all = bert(IDS[:1].repeat(3, 1), None, REAL[:1].to(dtype)).logits
    assert torch.allclose(one_for_all, expected[:1].expand(3, 2), atol=1e-6)


@BOTH
@pytest.mark.parametrize(
    ("token_ids", "segment_ids"),
    [
        (IDS - 1, None),  # -1 would be the last row of the table
        (IDS + 20, None),
        (IDS.float(), None),
        (IDS.bool(), None),
        (IDS[0], None),
        (IDS[None], None),
        (IDS, IDS * 0 - 1),
        (IDS, IDS * 0 + 2),
        (IDS, REAL[:, :1]),
        (IDS, REAL[0]),
    ],
)
def test_ids_outside_of_a_table_and_two_shapes_are_refused(math, token_ids, segment_ids):
    with pytest.raises(ValueError, match=r"must (be|have the dtype)"):
        model(math)(token_ids, segment_ids)


@BOTH
@pytest.mark.parametrize("mask", [torch.zeros(5, 5), torch.ones(5, 5, dtype=torch.long)], ids=["floats", "integers"])
def test_attend_refuses_a_mask_that_is_not_boolean(math, mask):
    Q = torch.ones(2, 2, 5, 4)
    for need_attention in (False, True):
        with pytest.raises(ValueError, match="mask must be boolean, True where a query may look"):
            math.attend(Q, Q, Q, mask, 0.0, need_attention)
