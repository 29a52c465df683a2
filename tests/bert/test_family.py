"""Every model type with every head against `transformers`: float64, redrawn weights, a padded batch, from the files
that `transformers` wrote, through the production loader. Compared are outputs, attention weights, gradients, and train
mode with dropout from equal seeds."""

import dataclasses

import pytest
import torch

from minitf.bert import Bert, BertConfig
from minitf.bert.family import FAMILIES
from minitf.bert.heads import HEADS
from minitf.checkpoints.load import load
from minitf.checkpoints.renaming import PYTORCH
from minitf.errors import CheckpointError, InputError
from minitf.layers import after_padding, from_zero
from minitf.text.batches import Batch
from tests.support.batches_to_compare import padded_batch
from tests.support.family import MEMBERS, PREFIXES, reference_config

LABELS = {"classification": 3, "tagging": 5}
PAD = {"bert": 0, "distilbert": 0, "roberta": 1, "xlm-roberta": 1}


def batch_for(model_type: str, seed: int = 0) -> Batch:
    """No real token has the padding id; only BERT gets two segments."""
    batch, _ = padded_batch(seed)
    pad = PAD[model_type]
    ids = torch.where(batch.mask.bool(), batch.token_ids.clamp(min=pad + 1), pad)
    segments = batch.segment_ids if model_type == "bert" else torch.zeros_like(ids)
    return Batch(ids, segments, batch.mask)


def pair(write_member, model_type, head, math, **config):
    labels = {"num_labels": LABELS[head]} if head in LABELS else {}
    folder, theirs = write_member(model_type, head, **labels, **config)
    return load(folder, head=head, math=math, dtype=torch.float64), theirs


def run_theirs(theirs, model_type: str, batch: Batch):
    segments = {"token_type_ids": batch.segment_ids} if model_type == "bert" else {}
    ids = batch.token_ids, batch.mask
    if type(theirs).__name__.endswith(
        "MultipleChoice"
    ):  # [B, choices, S]: each row of ours is a choice of one question
        ids = tuple(t.unsqueeze(0) for t in ids)
        segments = {name: t.unsqueeze(0) for name, t in segments.items()}
    return theirs(
        input_ids=ids[0], attention_mask=ids[1], **segments, output_hidden_states=True, output_attentions=True
    )


def both_logits(out, other, head: str | None, mask: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The outputs of both heads, for real tokens only."""
    real = mask.bool()
    if head is None:
        pooled = [(out.pooled, other.pooler_output)] if out.pooled is not None else []
        return [(out.hidden_states[-1][real], other.last_hidden_state[real]), *pooled]
    if head == "pretraining":
        return [
            (out.logits.masked_lm[real], other.prediction_logits[real]),
            (out.logits.next_sentence, other.seq_relationship_logits),
        ]
    if head == "qa":
        return [(out.logits[real], torch.stack([other.start_logits, other.end_logits], dim=-1)[real])]
    if head == "multiple-choice":
        return [(out.logits.view(1, -1), other.logits)]
    return [(out.logits[real], other.logits[real])] if out.logits.dim() == 3 else [(out.logits, other.logits)]


def projected(tensors) -> torch.Tensor:
    """A sum with random weights, so that no gradient is zero by symmetry."""
    generator = torch.Generator().manual_seed(1)
    return sum((t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum() for t in tensors)


def assert_close(ours, theirs, what=""):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10, msg=lambda text: f"{what}: {text}")


def assert_same_gradients(ours: Bert, theirs, model_type: str, head: str | None) -> None:
    rename = PYTORCH[model_type].renamer(head)
    other = {rename(name)[1]: p.grad for name, p in theirs.named_parameters() if rename(name)[1]}
    for name, p in ours.named_parameters():
        scale = max(1.0, float(other[name].abs().max()))
        assert_close(p.grad / scale, other[name] / scale, name)
    assert set(other) == {name for name, _ in ours.named_parameters()}


@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_outputs_and_gradients(write_member, model_type, head, math):
    ours, theirs = pair(write_member, model_type, head, math)
    batch = batch_for(model_type)
    out = ours(batch.token_ids, batch.segment_ids, batch.mask)
    other = run_theirs(theirs, model_type, batch)
    outputs = both_logits(out, other, head, batch.mask)
    for mine, their in outputs:
        assert mine.shape == their.shape
        assert_close(mine, their, "logits")
    real = batch.mask.bool()
    assert len(out.hidden_states) == len(other.hidden_states) == 4
    for layer, (mine, their) in enumerate(zip(out.hidden_states, other.hidden_states, strict=True)):
        assert_close(mine[real], their[real], f"hidden state {layer}")
    projected([mine for mine, _ in outputs]).backward()
    projected([their for _, their in outputs]).backward()
    assert_same_gradients(ours, theirs, model_type, head)
    maps = ours(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True).attentions
    for layer, (mine, their) in enumerate(zip(maps, other.attentions, strict=True)):
        assert_close(mine.transpose(1, 2)[real], their.transpose(1, 2)[real], f"A of layer {layer}")


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_train_mode_with_equal_draws(write_member, model_type, head):
    """All rates differ, so that a mix-up shows."""
    if model_type == "distilbert":
        rates = {"dropout": 0.2, "attention_dropout": 0.3, "seq_classif_dropout": 0.4, "qa_dropout": 0.25}
    else:
        rates = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3, "classifier_dropout": 0.4}
    ours, theirs = pair(write_member, model_type, head, "equations", **rates)
    ours.train()
    theirs.train()
    batch = batch_for(model_type)
    torch.manual_seed(3)
    out = ours(batch.token_ids, batch.segment_ids, batch.mask)
    drawn = torch.rand(())
    torch.manual_seed(3)
    other = run_theirs(theirs, model_type, batch)
    assert torch.rand(()) == drawn  # as many draws
    outputs = both_logits(out, other, head, batch.mask)
    for mine, their in outputs:
        assert_close(mine, their, "logits")
    projected([mine for mine, _ in outputs]).backward()
    projected([their for _, their in outputs]).backward()
    assert_same_gradients(ours, theirs, model_type, head)
    torch.manual_seed(4)
    again = both_logits(ours(batch.token_ids, batch.segment_ids, batch.mask), other, head, batch.mask)
    assert not torch.equal(again[0][0], outputs[0][0])  # there is dropout


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta"])
@pytest.mark.parametrize("side", ["left", "right", "within"])
def test_positions_with_padding_anywhere(write_member, model_type, side):
    """They count real tokens only, by id: padding before or between tokens does not change them."""
    ours, theirs = pair(write_member, model_type, None, "equations")
    batch = batch_for(model_type)
    if side == "left":
        batch = Batch(batch.token_ids.flip(1), batch.segment_ids, batch.mask.flip(1))
    if side == "within":
        ids, mask = batch.token_ids.clone(), batch.mask.clone()
        ids[:, 2], mask[:, 2] = PAD[model_type], 0
        batch = Batch(ids, batch.segment_ids, mask)
    out = ours(batch.token_ids, batch.segment_ids, batch.mask)
    other = run_theirs(theirs, model_type, batch)
    real = batch.mask.bool()
    assert_close(out.hidden_states[-1][real], other.last_hidden_state[real])


def test_numbering():
    ids = torch.tensor([[5, 6, 7, 1, 1], [1, 5, 1, 6, 1]])
    assert after_padding(1)(ids).tolist() == [[2, 3, 4, 1, 1], [1, 2, 1, 3, 1]]
    assert after_padding(7)(ids).tolist() == [[8, 9, 7, 10, 11], [8, 9, 10, 11, 12]]
    assert from_zero(ids).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("model_type", "longest"), [("bert", 64), ("distilbert", 64), ("roberta", 62)])
def test_the_longest_text(write_member, model_type, longest):
    """RoBERTa's first two positions are reserved: one unused, one for padding."""
    ours, theirs = pair(write_member, model_type, None, "kernels")
    assert ours.config.longest == longest
    ids = torch.full((1, longest), 5)
    mine = ours(ids).hidden_states[-1]
    assert_close(mine, theirs(input_ids=ids).last_hidden_state)
    with pytest.raises(ValueError, match=f"{longest + 1} tokens, but this model has only {longest} positions"):
        ours(torch.full((1, longest + 1), 5))


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize(
    ("model_type", "head"), [("bert", "pretraining"), ("roberta", "masked-lm"), ("distilbert", "masked-lm")]
)
def test_the_activation_of_the_masked_lm_head(write_member, model_type, head, act):
    """RoBERTa's is erf-GELU for any activation of the layers."""
    key = "activation" if model_type == "distilbert" else "hidden_act"
    ours, theirs = pair(write_member, model_type, head, "equations", **{key: act})
    batch = batch_for(model_type)
    out = ours(batch.token_ids, batch.segment_ids, batch.mask)
    for mine, their in both_logits(out, run_theirs(theirs, model_type, batch), head, batch.mask):
        assert_close(mine, their)


@pytest.mark.parametrize("model_type", PREFIXES)
def test_a_config_round_trip(model_type):
    reference = reference_config(model_type, id2label={0: "no", 1: "yes"})
    config, _ = BertConfig.from_dict(reference.to_dict())
    assert config.model_type == model_type
    assert config.labels == ("no", "yes")
    again, ignored = BertConfig.from_dict(config.to_dict())
    assert again == config
    assert ignored == ()
    written = type(reference).from_dict(config.to_dict())
    for field, key in {f: FAMILIES[model_type].keys.get(f, f) for f in ("hidden_size", "hidden_dropout_prob")}.items():
        assert getattr(written, key) == getattr(config, field)
    assert (
        written.to_dict().items()
        >= {
            key: value
            for key, value in config.to_dict().items()
            if key not in ("position_embedding_type", "id2label", "label2id")
        }.items()
    )


@pytest.mark.parametrize("model_type", PREFIXES)
def test_the_defaults_of_a_config(model_type):
    """Those of the reference, except RoBERTa's segments: its class has two, every official file one."""
    config, _ = BertConfig.from_dict({"model_type": model_type, "vocab_size": 99, "type_vocab_size": 1})
    reference = type(reference_config(model_type))(vocab_size=99, type_vocab_size=1)
    family = FAMILIES[model_type]
    for field in dataclasses.fields(config):
        if field.name not in ("labels", *family.fixed):
            key = family.keys.get(field.name, field.name)
            assert getattr(config, field.name) == getattr(reference, key), field.name


@pytest.mark.parametrize("head", ["next-sentence", "pretraining"])
@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta", "distilbert"])
def test_a_head_that_the_model_type_does_not_have(write_member, model_type, head):
    folder, _ = write_member(model_type, None)
    with pytest.raises(InputError, match=f"no head is called '{head}' in a {model_type} model; choose from: masked-lm"):
        load(folder, head=head)


def test_an_unknown_head(write_member):
    folder, _ = write_member("bert", None)
    with pytest.raises(InputError, match="no head is called 'classifier'; choose from: masked-lm, next-sentence"):
        load(folder, head="classifier")


def test_a_padding_id_that_leaves_no_position():
    with pytest.raises(CheckpointError, match="leaves no position"):
        BertConfig(99, model_type="roberta", pad_token_id=1, max_position_embeddings=2)
    assert BertConfig(99, model_type="roberta", pad_token_id=1, max_position_embeddings=3).longest == 1


def test_the_heads_by_what_they_read():
    """`reads_pooled` and `reads_cls_only` against the gradients of each head's inputs."""
    for model_type, heads in HEADS.items():
        fixed = dict(FAMILIES[model_type].fixed)
        config = BertConfig(9, 8, 1, 2, intermediate_size=8, labels=("a", "b"), model_type=model_type, **fixed)
        for build in heads.values():
            head = build(config, Bert(config).embeddings.word.math).eval()
            X = torch.randn(2, 5, 8, requires_grad=True)
            pooled = torch.randn(2, 8, requires_grad=True)
            logits = head(X, pooled, torch.randn(9, 8))
            total = sum(t.sum() for t in logits) if isinstance(logits, tuple) else logits.sum()
            to_X, to_pooled = torch.autograd.grad(total, (X, pooled), allow_unused=True)
            assert head.reads_pooled == (to_pooled is not None)
            assert head.reads_cls_only == (to_X is None or not to_X[:, 1:].any())
