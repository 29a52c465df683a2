"""BLEU and ROUGE-L of generated texts, computed by the libraries `sacrebleu` and `rouge-score` (the extra `scores`)."""

import re
from collections.abc import Sequence
from importlib.util import find_spec

from minitf.errors import InputError

LIBRARIES = {"sacrebleu": "sacrebleu", "rouge_score": "rouge-score"}  # name of the module -> of the package

_IDEOGRAPH = r"\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+")


def check_libraries() -> None:
    """Raise InputError if a library is not installed."""
    if missing := [package for module, package in LIBRARIES.items() if find_spec(module) is None]:
        raise InputError(
            f"`bleu_rouge` needs the {'library' if len(missing) == 1 else 'libraries'} {' and '.join(missing)}:"
            " pip install 'minitf[scores]'"
        )


def bleu(generated: Sequence[str], targets: Sequence[str]) -> float:
    """The BLEU of a corpus with one reference for each text, 0 … 1, by `sacrebleu` with its default settings.

    If a target has a Chinese character, its tokenization "zh" is used, in which each of them is a token.
    Source: Papineni et al. 2002; Post 2018.
    """
    import sacrebleu

    tokenize = "zh" if any(re.search(f"[{_IDEOGRAPH}]", text) for text in targets) else "13a"
    score: float = sacrebleu.corpus_bleu(list(generated), [list(targets)], tokenize=tokenize, force=True).score
    return score / 100.0


def rouge_l(generated: Sequence[str], targets: Sequence[str]) -> float:
    """The mean F₁ of ROUGE-L over the texts, 0 … 1, by `rouge-score` without stemming. Source: Lin 2004, §3.

    Tokens are those of that library for English; letters of other alphabets, which it removes, are tokens too, and so
    is each Chinese character.
    """
    from rouge_score import rouge_scorer

    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=_Words())
    pairs = zip(targets, generated, strict=True)
    return sum(float(scorer.score(*pair)["rougeL"].fmeasure) for pair in pairs) / len(targets)


class _Words:
    """A tokenizer of the form that `rouge-score` takes."""

    def tokenize(self, text: str) -> list[str]:
        return _TOKEN.findall(text.lower())
