"""What a run leaves for a person: a journal that is complete at any moment, tables that add up, a picture."""

import dataclasses
import json
import struct
from pathlib import Path

import pytest

from minitf.tasks.classification.metrics import classification_metrics
from minitf.training import journal
from minitf.training.loop import Epoch

LABELS = ("neg", 'négligé, "so"')
MEASURED = classification_metrics(LABELS, [0, 0, 0, 1], [0, 1, 1, 1], loss=0.75)


def step(number: int, epoch: int) -> dict:
    return {"step": number, "epoch": epoch, "loss": 1.0 / number, "lr": 1e-3 / number, "gradient": 0.5}


def epoch(number: int, best: bool = True, seconds: float = 1.25) -> Epoch:
    return Epoch(
        number, train_loss=0.5 / number, valid=MEASURED.to_dict(), scores=MEASURED.scores, best=best, seconds=seconds
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_journal_is_written_as_it_happens(tmp_path: Path) -> None:
    """Each line is in the file before the next step: an interrupted run has its record."""
    path = tmp_path / "metrics.jsonl"
    with journal.Journal(path) as journal:
        for number in (1, 2):
            journal.step(step(number, 1))
            assert lines(path)[-1] == step(number, 1)
        journal.epoch(epoch(1))
        assert len(lines(path)) == 3
    told = lines(path)[-1]
    assert (told["epoch"], told["train_loss"], told["best"], told["seconds"]) == (1, 0.5, True, 1.25)
    assert told["valid"]["loss"] == 0.75
    assert told["valid"]["confusion"] == [[1, 2], [0, 1]]
    assert [score["label"] for score in told["valid"]["classes"]] == list(LABELS)
    assert LABELS[1].split(",")[0] in path.read_text(encoding="utf-8")  # readable, not \u00e9
    assert journal.steps == [step(1, 1), step(2, 1)]


def test_the_line_of_an_epoch() -> None:
    line = journal.epoch_line(epoch(2), of=3)
    for part in ("epoch 2/3", "train loss 0.2500", "valid loss 0.7500", "accuracy 0.5000", "macro F1 0.5000", "1 s"):
        assert part in line
    assert "best" in line
    assert "best" not in journal.epoch_line(epoch(2, best=False), of=3)


def test_the_table_of_classes() -> None:
    header, *rows = journal.class_table(MEASURED).splitlines()
    assert header.split() == ["class", "precision", "recall", "F1", "texts"]
    assert len(rows) == len(LABELS)
    for row, score in zip(rows, MEASURED.classes, strict=True):
        assert row.strip().startswith(score.label)
        numbers = [float(x) for x in row.split()[-4:]]
        assert numbers == pytest.approx([score.precision, score.recall, score.f1, score.support], abs=1e-4)
    assert len({len(line) for line in (header, *rows)}) == 1  # its columns stand in line


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_curves_are_a_picture(tmp_path: Path, epochs: int) -> None:
    """A PNG of some size, for one epoch and for more; which epoch was kept can be seen in it."""
    steps = [step(4 * e + i, e + 1) for e in range(epochs) for i in range(1, 5)]
    pictures = []
    for kept in {1, epochs}:
        history = [epoch(number, best=number <= kept) for number in range(1, epochs + 1)]
        path = tmp_path / f"{kept}.png"
        journal.draw_curves(steps, history, path)
        pictures.append(path.read_bytes())
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", picture[16:24])  # of the first chunk, IHDR
        assert width > 2 * height > 400
    assert len(set(pictures)) == len(pictures)


def test_curves_of_one_step(tmp_path: Path) -> None:
    """Nothing to draw a line through, yet no error and no warning."""
    journal.draw_curves([step(1, 1)], [dataclasses.replace(epoch(1), train_loss=0.0)], tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("t", "said"), [(0.2, "0 s"), (59.2, "59 s"), (60.0, "1 min 0 s"), (61.9, "1 min 1 s"), (3725.0, "62 min 5 s")]
)
def test_seconds(t: float, said: str) -> None:
    assert journal.seconds(t) == said
