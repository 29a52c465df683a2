"""BLEU and ROUGE-L through libraries, and minitf's own chrF against `sacrebleu`; what is said if they are missing."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import sacrebleu
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import tokenizers

import minitf
from minitf import evaluate, finetune
from minitf.tasks.seq2seq import library_scores
from minitf.tasks.seq2seq.library_scores import bleu, rouge_l
from minitf.tasks.seq2seq.metrics import Seq2SeqMetrics, chrf

TEXTS = st.text("ab Cé-中文.", max_size=9)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


@settings(deadline=None, derandomize=True, database=None)
@given(PAIRS)
def test_chrf_is_that_of_the_library(pairs: list[tuple[str, str]]) -> None:
    ours, theirs = ([pair[i] for pair in pairs] for i in (0, 1))
    expected = sacrebleu.corpus_chrf(ours, [theirs]).score / 100.0
    assert chrf(ours, theirs) == pytest.approx(expected, abs=1e-12)


def test_bleu() -> None:
    """Equal texts, the brevity penalty exp(1 − 6/5) of the paper, and Chinese, which is split into characters."""
    same = ["the cat is on the mat", "there is a cat here"]
    assert bleu(same, same) == pytest.approx(1.0)
    assert bleu(["the cat is on the"], same[:1]) == pytest.approx(math.exp(1 - 6 / 5))
    assert bleu(["三十四万二千"], ["三十四万二千"]) == pytest.approx(1.0)
    assert 0.0 < bleu(["三十四万二千零一"], ["三十四万二千零二"]) < 1.0


def test_rouge_l() -> None:
    """The example of the paper, §3.1: "police killed the gunman" and "police kill the gunman": 3 of 4 words."""
    assert rouge_l(["police kill the gunman"], ["police killed the gunman"]) == 0.75
    assert rouge_l(["police kill the gunman", "No!"], ["police killed the gunman", "no"]) == 0.875
    assert rouge_l(["三十四万"], ["三十五万"]) == 0.75
    assert rouge_l([""], ["a"]) == 0.0


@settings(deadline=None, derandomize=True, database=None)
@given(st.text("ab Z9-'_.", max_size=20))
def test_tokens_of_english_are_those_of_the_library(text: str) -> None:
    assert library_scores._Words().tokenize(text) == tokenizers.DefaultTokenizer(use_stemmer=False).tokenize(text)


# The command, with stand-ins for the libraries ----------------------------------------------------------------


@pytest.fixture
def run(run_command, here: Path, quick_picture: None) -> tuple[str, ...]:
    for name, numbers in (("pairs.csv", range(20)), ("train.csv", range(20, 40))):
        Path(name).write_text("source,target\n" + "".join(f"say {n},{n} said\n" for n in numbers))
    new = ("--from-scratch", "--layers", 1, "--width", 8, "--device", "cpu", "--epochs", 1)
    assert run_command(finetune.main, "--train", "train.csv", *new, "--output", "run")[0] == 0
    return ("run/best", "--data", "pairs.csv", "--device", "cpu", "--bleu-rouge")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that check what they get, and return constants."""

    def corpus_bleu(generated: Sequence[str], targets: list[list[str]], **settings: object) -> SimpleNamespace:
        assert settings == {"tokenize": "13a", "force": True}
        assert len(generated) == len(targets[0]) == 20
        return SimpleNamespace(score=12.5)

    class RougeScorer:
        def __init__(self, names: list[str], tokenizer: object):
            assert names == ["rougeL"]

        def score(self, target: str, text: str) -> dict[str, SimpleNamespace]:
            assert target.endswith(" said")
            return {"rougeL": SimpleNamespace(fmeasure=0.25)}

    bleus, rouges, scorer = ModuleType("sacrebleu"), ModuleType("rouge_score"), ModuleType("rouge_score.rouge_scorer")
    bleus.corpus_bleu, scorer.RougeScorer = corpus_bleu, RougeScorer
    rouges.rouge_scorer = scorer
    for module in (bleus, rouges, scorer):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(library_scores, "find_spec", lambda name: object())


def test_on_request(run_command, run: tuple[str, ...], stand_ins: None) -> None:
    status, out, err = run_command(evaluate.main, *run, "--output", "report.json")
    assert (status, err) == (0, "")
    assert "  generated: BLEU 0.1250, ROUGE-L 0.2500" in out
    assert '"bleu": 0.125' in Path("report.json").read_text()
    scores = minitf.score("run/best", "pairs.csv", device="cpu", bleu_rouge=True)
    assert isinstance(scores, Seq2SeqMetrics)
    assert (scores.bleu, scores.rouge_l) == (0.125, 0.25)
    status, out, _ = run_command(evaluate.main, *run[:-1], "--output", "plain.json")
    assert "BLEU" not in out + Path("plain.json").read_text()


@pytest.mark.parametrize("missing", [["sacrebleu"], ["rouge-score"], ["sacrebleu", "rouge-score"]])
def test_a_library_that_is_missing(run_command, run: tuple[str, ...], monkeypatch, missing: list[str]) -> None:
    names = library_scores.LIBRARIES
    monkeypatch.setattr(library_scores, "find_spec", lambda name: None if names[name] in missing else object())
    libraries = f"{'library' if len(missing) == 1 else 'libraries'} {' and '.join(missing)}"
    assert run_command(evaluate.main, *run) == (
        2,
        "",
        f"minitf: --bleu-rouge needs the {libraries}: pip install 'minitf[scores]'\n",
    )


def test_a_task_without_targets(run_command, run: tuple[str, ...], write_bert) -> None:
    folder, _ = write_bert(transformers.BertForSequenceClassification)
    Path("t.csv").write_text("text,label\ngood,LABEL_0\nbad,LABEL_1\n")
    status, out, err = run_command(evaluate.main, folder, "--data", "t.csv", "--bleu-rouge")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--bleu-rouge compares texts, and --task classification has no target texts; leave it out" in err
