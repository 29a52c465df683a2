"""The words that a masked language model predicts, against `transformers`."""

import pytest
import torch
import transformers

from minitf.checkpoints import load
from minitf.tasks.masked_lm import fill
from minitf.tasks.masked_lm.fill import MaskedLanguageModel


@pytest.fixture
def both(write_bert):
    folder, reference = write_bert(transformers.BertForMaskedLM, dtype=torch.float64)
    model = load.load(folder, head="masked-lm", dtype=torch.float64)
    return MaskedLanguageModel(model, load.load_tokenizer(folder), 16), reference, folder


def likeliest(reference, folder, text: str, allowed: list[str]) -> list[list[tuple[str, float]]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(text, return_tensors="pt", truncation=True, max_length=16)
    with torch.no_grad():
        p = reference(**batch).logits[0].softmax(-1)
    found = []
    for place in (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten().tolist():
        words = [(word, float(p[place, tokenizer.convert_tokens_to_ids(word)])) for word in allowed]
        found.append(sorted(words, key=lambda pair: -pair[1])[:10])
    return found


def test_as_the_reference(both) -> None:
    """Several words of a text are masked at once; continuation pieces and punctuation are not predicted."""
    ours, reference, folder = both
    vocabulary = list(transformers.AutoTokenizer.from_pretrained(folder).get_vocab())
    allowed = [word for word in vocabulary if word.isalnum()]
    assert len(allowed) < len(vocabulary) - 10
    texts = [(["the", "film", "was", "good!"], [1, 3]), (["so", "bad"], [0]), (["very"] * 30, [2, 5, 29])]
    hidden = ["the [MASK] was [MASK]!", "[MASK] bad", "very very [MASK] very very [MASK]" + " very" * 24]
    for found, text in zip(ours(texts), hidden, strict=True):
        expected = likeliest(reference, folder, text, allowed)
        assert [[word for word, _ in place] for place in found[: len(expected)]] == [
            [word for word, _ in place] for place in expected
        ]
        for mine, theirs in zip(found, expected, strict=False):
            assert [p for _, p in mine] == pytest.approx([p for _, p in theirs], abs=1e-9)
    assert ours(texts)[2][2] == []  # cut off, so nothing is predicted


def test_the_batch_size_does_not_matter(both, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _, _ = both
    texts = [(["the", "film", str(i)] + ["so"] * i, [1]) for i in range(7)]
    whole = ours(texts)
    monkeypatch.setattr(fill, "BATCH_SIZE", 2)
    for a, b in zip(whole, ours(texts), strict=True):
        assert [word for word, _ in a[0]] == [word for word, _ in b[0]]


def test_a_text_that_contains_mask(both) -> None:
    """It is not clear which [MASK] stands for which word, so nothing is predicted."""
    assert both[0]([(["the", "[MASK]", "film"], [2])]) == [[[]]]
