"""What a run prints, writes and draws while it trains: lines, metrics.jsonl, curves.png."""

import dataclasses
import hashlib
import json
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.fine_tuning import figures, terminal
from minitf.fine_tuning.journal import Journal
from minitf.tasks.classification.metrics import classification_metrics
from minitf.training.loop import Epoch, Step

LABELS = ("neg", 'négligé, "so"')
METRICS = classification_metrics(LABELS, [0, 0, 0, 1], [0, 1, 1, 1], loss=0.75)


def step(number: int, epoch: int) -> Step:
    return Step(number, epoch, loss=1.0 / number, lr=1e-3 / number, gradient=0.5, ends_epoch=False)


def epoch(number: int, best: bool = True, seconds: float = 1.25) -> Epoch:
    return Epoch(number, 0.5 / number, METRICS.to_dict(), METRICS.scores, best, seconds)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_journal_is_written_at_once(tmp_path: Path) -> None:
    """Each line is in the file before the next step: an interrupted run has its record."""
    path = tmp_path / "metrics.jsonl"
    with Journal(path) as journal:
        for number in (1, 2):
            journal.write(step(number, 1))
            assert lines(path)[-1] == step(number, 1).to_dict()
            content = path.read_bytes()
            assert journal.mark() == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        journal.write(epoch(1))
        assert len(lines(path)) == 3
    record = lines(path)[-1]
    assert (record["epoch"], record["train_loss"], record["best"], record["seconds"]) == (1, 0.5, True, 1.25)
    assert record["valid"]["loss"] == 0.75
    assert record["valid"]["confusion"] == [[1, 2], [0, 1]]
    assert [score["label"] for score in record["valid"]["classes"]] == list(LABELS)
    assert LABELS[1].split(",")[0] in path.read_text(encoding="utf-8")  # é, not \u00e9
    assert journal.steps == [step(1, 1).to_dict(), step(2, 1).to_dict()]


def test_the_journal_of_a_resumed_run(tmp_path: Path) -> None:
    """What follows the saved state is removed, also half a line; the steps before it are known."""
    path = tmp_path / "metrics.jsonl"
    with Journal(path) as journal:
        journal.write(step(1, 1))
        journal.write(epoch(1))
        mark = journal.mark()
        journal.write(step(2, 2))
    path.write_text(path.read_text(encoding="utf-8") + '{"step": 3, "lo', encoding="utf-8")
    with Journal(path, mark, [epoch(1)], 1) as journal:
        assert (journal.damaged, journal.steps) == (False, [step(1, 1).to_dict()])
        journal.write(step(2, 2))
        content = path.read_bytes()
        assert journal.mark() == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert [record.get("step") for record in lines(path)] == [1, None, 2]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_damage_of_the_journal(tmp_path_factory, data: st.DataObject) -> None:
    """Bytes changed, removed, inserted, cut: the file is whole again, with all epochs and the readable steps."""
    path = tmp_path_factory.mktemp("journal") / "metrics.jsonl"
    with Journal(path) as journal:
        for number in range(1, 7):
            journal.write(step(number, (number + 1) // 2))
            if number in (2, 4):
                journal.write(epoch(number // 2))
        mark = journal.mark()
        journal.write(step(7, 4))  # after the state was saved
    expected, whole = lines(path)[:-1], path.read_bytes()
    first = data.draw(st.integers(0, len(whole)))
    last = data.draw(st.integers(first, min(len(whole), first + 200)))
    damaged = whole[:first] + data.draw(st.binary(max_size=9)) + (b"" if data.draw(st.booleans()) else whole[last:])
    path.write_bytes(damaged)
    with Journal(path, mark, [epoch(1), epoch(2)], 6) as journal:
        assert journal.damaged == (damaged[: mark["size"]] != whole[: mark["size"]])
        steps = [record for record in lines(path) if "step" in record]
        assert journal.steps == steps
        numbers = [record["step"] for record in steps]
        assert numbers == sorted(set(numbers)) and set(numbers) <= set(range(1, 7))
        assert [record for record in lines(path) if "step" not in record] == [r for r in expected if "step" not in r]
        journal.write(step(7, 4))
    assert lines(path)[-1] == step(7, 4).to_dict()


def test_a_journal_without_a_file(tmp_path: Path) -> None:
    """All processes but the first write nothing."""
    with Journal(None) as journal:
        journal.write(step(1, 1))
    assert journal.steps == [step(1, 1).to_dict()]


def test_the_table_of_epochs() -> None:
    table = terminal.EpochTable(3)
    header, line = table.lines(epoch(2))
    assert re.split("  +", header.strip()) == ["epoch", "train loss", "valid loss", "accuracy", "macro F1", "time"]
    assert re.split("  +", line.strip()) == ["2/3", "0.2500", "0.7500", "0.5000", "0.5000", "1 s", "best so far"]
    for name, cell in (("epoch", "2/3"), ("train loss", "0.2500"), ("time", "1 s")):
        assert header.index(name) + len(name) == line.index(cell) + len(cell)  # aligned on the right
    (line,) = table.lines(epoch(3, best=False))
    assert "best" not in line


def test_the_table_of_classes() -> None:
    header, *rows = METRICS.table().splitlines()
    assert header.split() == ["class", "precision", "recall", "F1", "texts"]
    assert len(rows) == len(LABELS)
    for row, score in zip(rows, METRICS.classes, strict=True):
        assert row.strip().startswith(score.label)
        numbers = [float(x) for x in row.split()[-4:]]
        assert numbers == pytest.approx([score.precision, score.recall, score.f1, score.support], abs=1e-4)
    assert len({len(line) for line in (header, *rows)}) == 1  # the columns are aligned


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_curves(tmp_path: Path, epochs: int) -> None:
    """A PNG of the right size, for one epoch and for more; it marks the best epoch."""
    steps = [step(4 * e + i, e + 1).to_dict() for e in range(epochs) for i in range(1, 5)]
    pictures = []
    for best in {1, epochs}:
        history = [epoch(number, best=number <= best) for number in range(1, epochs + 1)]
        path = tmp_path / f"{best}.png"
        figures.draw_curves(steps, history, path)
        pictures.append(path.read_bytes())
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", picture[16:24])  # of the first chunk, IHDR
        assert width > 2 * height > 400
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("known", [(), (1,), (3,), (1, 2)])
def test_the_curves_of_a_run_whose_journal_was_lost(tmp_path: Path, known: tuple[int, ...]) -> None:
    """They are drawn from the steps that are left, or none."""
    steps = [step(4 * (e - 1) + i, e).to_dict() for e in known for i in range(1, 5)]
    figures.draw_curves(steps, [epoch(number) for number in (1, 2, 3)], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_the_curves_of_one_step(tmp_path: Path) -> None:
    """No line can be drawn, but there is no error and no warning."""
    figures.draw_curves([step(1, 1).to_dict()], [dataclasses.replace(epoch(1), train_loss=0.0)], tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.2, "59 s"), (60.0, "1 min 0 s"), (61.9, "1 min 1 s"), (3725.0, "62 min 5 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text


def test_a_copy_made_of_hard_links_does_not_change(tmp_path: Path) -> None:
    """`cp -al` and backups by hard links share their files with the run that is resumed."""
    path, backup = tmp_path / "metrics.jsonl", tmp_path / "backup"
    with Journal(path) as journal:
        journal.write(step(1, 1))
        mark = journal.mark()
    backup.hardlink_to(path)
    with Journal(path, mark) as journal:
        journal.write(step(2, 1))
    assert (len(lines(path)), len(lines(backup))) == (2, 1)
