"""The padding mask: its shape, its type and its meaning."""

import pytest
import torch

from minitf.layers import padding_mask

ROWS = [[1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.long, torch.int32, torch.bool])
def test_every_query_may_look_at_every_real_token(dtype):
    mask = padding_mask(torch.tensor(ROWS).to(dtype))
    assert mask.dtype == torch.bool and mask.shape == (3, 1, 1, 5)
    may_look = mask.expand(3, 2, 4, 5)  # 2 heads, 4 queries
    for b in range(3):
        for h in range(2):
            for q in range(4):
                assert may_look[b, h, q].tolist() == [bool(n) for n in ROWS[b]]


@pytest.mark.parametrize(
    "mask",
    [
        torch.tensor([[0.0, 0.0, -torch.inf]]),  # additive, as in other libraries: 0 stands for a real token
        torch.tensor([[0.0, 0.0, -1e9]], dtype=torch.float64),
        torch.zeros(1, 3, dtype=torch.bfloat16),
        torch.ones(1, 3),  # the dtype decides, not the values: zeros alone would mask every token
        torch.tensor([[0, 0, -10_000]]),
        torch.tensor([[1, 2, 0]]),
        torch.ones(1, 3, 3, dtype=torch.bool),
        torch.ones(3, dtype=torch.bool),
    ],
    ids=str,
)
def test_an_additive_mask_and_other_shapes_are_refused(mask):
    with pytest.raises(ValueError, match="mask must be"):
        padding_mask(mask)
