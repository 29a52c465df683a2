"""What becomes of the heads in a file: tied decoders, heads named alike, halves, other numbers of labels."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from minitf.checkpoints.load import STORED_HEAD, load, load_with_report
from minitf.checkpoints.renaming import PYTORCH
from minitf.errors import CheckpointError, InputError
from tests.support.family import MEMBERS, reference_class

MASKED_LM = [(t, h) for t, h in MEMBERS if h in ("masked-lm", "pretraining")]


def rewrite(folder, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file({name: t.clone() for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})


def decoder_of(model_type: str) -> str:
    return {"bert": "cls.predictions.decoder.weight", "distilbert": "vocab_projector.weight"}.get(
        model_type, "lm_head.decoder.weight"
    )


def word_of(model_type: str) -> str:
    return f"{PYTORCH[model_type].prefix}embeddings.word_embeddings.weight"


@pytest.mark.parametrize(("model_type", "head"), MASKED_LM)
def test_a_decoder_that_repeats_the_word_table(write_member, model_type, head):
    """As the first files have it: the same matrix twice, and a bias twice."""
    folder, _ = write_member(model_type, head)
    plain = load(folder, head)

    def repeat(tensors):
        tensors[decoder_of(model_type)] = tensors[word_of(model_type)]
        if model_type != "distilbert":
            bias = "cls.predictions" if model_type == "bert" else "lm_head"
            tensors[f"{bias}.decoder.bias"] = tensors[f"{bias}.bias"]

    rewrite(folder, repeat)
    model, report = load_with_report(folder, head)
    assert report.new == ()
    # Whichever name comes first in the file is taken, and the other is left out.
    assert {decoder_of(model_type), word_of(model_type)} & set(report.left_out)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(("model_type", "head"), MASKED_LM)
def test_a_decoder_in_the_place_of_the_word_table(write_member, model_type, head):
    folder, _ = write_member(model_type, head)
    plain = load(folder, head)
    rewrite(folder, lambda tensors: tensors.update({decoder_of(model_type): tensors.pop(word_of(model_type))}))
    model = load(folder, head)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(("model_type", "head"), MASKED_LM)
def test_a_decoder_of_its_own_is_refused(write_member, model_type, head):
    folder, _ = write_member(model_type, head)
    rewrite(folder, lambda tensors: tensors.update({decoder_of(model_type): tensors[word_of(model_type)] + 1}))
    message = r"unexpected: .*its own decoder matrix: only one tied to the word embedding"
    with pytest.raises(CheckpointError, match=message):
        load(folder, head)
    load(folder)  # without the head it is no part of the model


@pytest.mark.parametrize(("model_type", "head"), MASKED_LM)
def test_the_tie_holds_in_training(write_member, model_type, head):
    """One parameter, read twice: a step moves both."""
    folder, _ = write_member(model_type, head)
    model = load(folder, head)
    ids = torch.tensor([[5, 6, 7]])
    out = model(ids).logits
    before = (out.masked_lm if head == "pretraining" else out).detach()
    with torch.no_grad():
        model.embeddings.word.weight[9] += 1.0  # a word that the text has not: only the decoder sees it
    out = model(ids).logits
    after = (out.masked_lm if head == "pretraining" else out).detach()
    moved = (after != before).any(dim=(0, 1))
    assert moved.nonzero().flatten().tolist() == [9]


ALIKE = ("classification", "multiple-choice", "tagging")


@pytest.mark.parametrize("held", ALIKE)
@pytest.mark.parametrize("asked", ALIKE)
def test_a_head_of_another_task_is_not_taken_for_the_one_asked_for(write_member, held, asked):
    """In the files of a BERT all three are `classifier.weight`; the config says which it is."""
    folder, _ = write_member("bert", held, num_labels=1)
    labels = {"num_labels": 1} if asked != "multiple-choice" else {}
    _, report = load_with_report(folder, asked, **labels)
    assert ("head.W.weight" in report.loaded) == (asked == held)
    assert ("classifier.weight" in report.left_out) == (asked != held)


@pytest.mark.parametrize("held", ALIKE)
def test_without_a_name_of_the_class_the_tensor_is_taken(write_member, held):
    folder, _ = write_member("bert", held, num_labels=1)
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))
    for asked in ("classification", "tagging"):
        _, report = load_with_report(folder, asked)
        assert "head.W.weight" in report.loaded


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_the_head_that_is_held(write_member, model_type, head):
    labels = {"num_labels": 3} if head in ("classification", "tagging") else {}
    folder, _ = write_member(model_type, head, **labels)
    model, report = load_with_report(folder, STORED_HEAD)
    assert report.head == model.head_name == head
    assert report.new == ()
    assert report.left_out == ()


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_another_head_than_the_one_held(write_member, model_type, head):
    """Every head on every file: what is held stays out of it or goes in, nothing is unexpected."""
    labels = {"num_labels": 3} if head in ("classification", "tagging") else {}
    folder, reference = write_member(model_type, head, **labels)
    for asked in (None, *PYTORCH[model_type].heads):
        if (head, asked) in (("masked-lm", "pretraining"), ("next-sentence", "pretraining")):
            with pytest.raises(CheckpointError, match="missing: head"):
                load(folder, asked)
            continue
        wanted = {"num_labels": 3} if asked in ("classification", "tagging") else {}
        model, report = load_with_report(folder, asked, **wanted)
        assert set(report.loaded) | set(report.new) == {name for name, _ in model.named_parameters()}
        fits = asked == head or (head, asked) in (("pretraining", "masked-lm"), ("pretraining", "next-sentence"))
        assert (not any(name.startswith("head.") for name in report.new)) == (fits or asked is None)
        official = load_file(folder / "model.safetensors")
        assert len(report.loaded) + len(report.left_out) == len(official)
        assert reference_class(model_type, head) is type(reference)


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert"])
def test_another_number_of_labels_draws_the_last_map_alone(write_member, model_type):
    """What a classifier has below it (RoBERTa's and DistilBERT's own pooler) is kept."""
    folder, _ = write_member(model_type, "classification", num_labels=3)
    _, report = load_with_report(folder, "classification", num_labels=5)
    assert report.new == ("head.W.weight", "head.W.bias")
    assert len(report.left_out) == 2
    if model_type != "bert":
        assert {"head.W_pool.weight", "head.W_pool.bias"} <= set(report.loaded)


@pytest.mark.parametrize(("model_type", "head"), [(t, h) for t, h in MEMBERS if h is not None])
def test_half_a_head_is_none(write_member, model_type, head):
    folder, _ = write_member(model_type, head)
    name = PYTORCH[model_type].heads[head][0][0]
    rewrite(folder, lambda tensors: tensors.pop(name))
    labels = {"num_labels": 2} if head in ("classification", "tagging") else {}
    with pytest.raises(CheckpointError, match=r"missing: head\."):
        load(folder, head, **labels)


@pytest.mark.parametrize("head", ["masked-lm", "next-sentence", "pretraining", "multiple-choice", "qa"])
def test_heads_that_have_no_labels(write_member, head):
    folder, _ = write_member("bert", head)
    with pytest.raises(InputError, match=f"a {head} head has no labels; leave num_labels and labels out"):
        load(folder, head, num_labels=2)


@pytest.mark.parametrize("head", ["masked-lm", "next-sentence", "pretraining", "multiple-choice", "qa"])
def test_a_new_head_is_drawn_as_bert_draws(write_member, head):
    folder, _ = write_member("bert", None)
    model, report = load_with_report(folder, head)
    assert report.new == tuple(name for name, _ in model.named_parameters() if name.startswith("head."))
    for name, p in model.named_parameters():
        if name.startswith("head.") and name.endswith(".weight"):
            assert 0.01 < float(p.detach().std()) < 0.03
        elif name.startswith("head."):
            assert bool((p == (1.0 if name.endswith("gamma") else 0.0)).all())
