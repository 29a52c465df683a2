"""The benchmark of new encoder-decoders: its flags and its table. It is run by hand."""

from benchmarks import seq2seq
from minitf.datasets.built_in import BUILT_IN
from minitf.fine_tuning.config import field_of


def test_flags() -> None:
    assert seq2seq.flags_of({"from_scratch": True, "lr": 2e-3, "batch_size": 64}) == [
        "--from-scratch",
        "--lr=0.002",
        "--batch-size=64",
    ]
    for name in seq2seq.DATA:
        for change in seq2seq.RECIPES[name]:
            assert all(field_of(setting) for setting in {**BUILT_IN[name].recipe, **change})


def test_table() -> None:
    scores = dict.fromkeys(seq2seq.SCORES, 0.5)
    runs = [{"seed": seed, **scores, "exact_match": e, "seconds": 60 + seed} for seed, e in enumerate((0.98, 1.0))]
    lines = seq2seq.table({"runs": {"dates": runs}, "summary": {"dates": seq2seq.summary(runs)}}).splitlines()
    assert lines[2] == "| dates | 0 | 98.00 | 50.00 | 50.00 | 50.00 | 60 |"
    assert "dates: exact match 99.00 % (mean), 98.00 % (lowest);" in lines
    assert lines[-1] == "60 s a run (median), 61 s (longest)."
