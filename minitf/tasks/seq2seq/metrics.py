"""Exact match, chrF and the teacher-forced accuracy of generated texts. Texts are strings, not tensors."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

ORDER = 6  # the longest n-grams of chrF
BETA = 2.0  # how many times as important recall is as precision


@dataclasses.dataclass(frozen=True)
class Seq2SeqMetrics:
    """`token_accuracy` and `sequence_accuracy` are teacher-forced: each token is predicted after the true ones.

    A model that generates sees its own tokens instead, so these two hide how one mistake leads to the next.
    """

    loss: float  # mean cross-entropy of the tokens, without label smoothing
    exact_match: float  # share of the generated texts that are the target, character by character
    chrf: float  # of the generated texts, 0 … 1
    token_accuracy: float  # share of the tokens
    sequence_accuracy: float  # share of the texts of which every token is right
    unfinished: int  # generated texts that were stopped at the limit, before the model ended them
    bleu: float | None = None  # 0 … 1, if it was requested
    rouge_l: float | None = None  # mean F₁, 0 … 1, if it was requested

    @property
    def scores(self) -> dict[str, float]:
        return {"exact match": self.exact_match, "chrF": self.chrf, "teacher-forced accuracy": self.token_accuracy}

    def table(self) -> str:
        lines = [
            f"  generated: exact match {self.exact_match:.4f}, chrF {self.chrf:.4f}",
            f"  teacher-forced: tokens {self.token_accuracy:.4f}, whole texts {self.sequence_accuracy:.4f}",
        ]
        if self.bleu is not None:
            lines.append(f"  generated: BLEU {self.bleu:.4f}, ROUGE-L {self.rouge_l:.4f}")
        if self.unfinished:
            lines.append(f"  {self.unfinished} generated texts had no end and were stopped at the limit")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def chrf(generated: Sequence[str], targets: Sequence[str], order: int = ORDER, beta: float = BETA) -> float:
    """The character n-gram F-score of a corpus, 0 … 1: (1 + β²) P R / (β² P + R).

    P is the mean over n = 1 … `order` of the share of the generated n-grams that are in the target, R of the share of
    the target's n-grams that are generated, each counted over the whole corpus, without white space. The n-grams of a
    text whose target has none of that length do not count, and an n for which one side has no n-gram is left out.
    Source: Popović 2015, §2; counts and β = 2 as in sacrebleu, which multiplies by 100. Raises ValueError for different
    numbers of texts.
    """
    if len(generated) != len(targets):
        raise ValueError(f"{len(generated)} generated texts and {len(targets)} targets: need the same number of both")
    precisions, recalls = [], []
    for n in range(1, order + 1):
        ours = theirs = common = 0
        for first, second in zip(generated, targets, strict=True):
            a, b = _ngrams(first, n), _ngrams(second, n)
            ours += a.total() if b else 0
            theirs, common = theirs + b.total(), common + (a & b).total()
        if ours and theirs:
            precisions.append(common / ours)
            recalls.append(common / theirs)
    if not sum(precisions):
        return 0.0
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return (1.0 + beta**2) * p * r / (beta**2 * p + r)


def _ngrams(text: str, n: int) -> Counter[str]:
    characters = "".join(text.split())
    return Counter(characters[i : i + n] for i in range(len(characters) - n + 1))
