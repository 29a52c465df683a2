"""minitf and `transformers` trained alternately: without dropout both reach the same scores."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import golden_inputs, tasks
from benchmarks.side_by_side import alternate
from minitf.tasks import registry
from minitf.tasks.spec import TaskSettings
from minitf.training.loop import Epoch, Step

ROW = tasks.Row("classification", "train", "test", "loss", 2, 1e-3, batch_size=8, max_length=32)
ROWS = {
    "classes": (ROW, ".csv"),
    "long": (dataclasses.replace(ROW, max_length=24, settings=TaskSettings("windows", 6)), ".csv"),
    "pairs": (dataclasses.replace(ROW, task="regression"), ".tsv"),
    "tags": (dataclasses.replace(ROW, task="tagging"), ".conll"),
    "questions": (dataclasses.replace(ROW, task="qa", settings=TaskSettings(stride=8)), ".json"),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small tables and a tiny model without dropout."""
    folder = tmp_path_factory.mktemp("inputs")
    golden_inputs.write_tables(folder / "tables")
    golden_inputs.write_models(folder / "models")
    path = folder / "models/tiny/config.json"
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | rates))
    return folder


@pytest.mark.parametrize("name", ROWS)
def test_both_reach_the_same_scores(name: str, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MODEL", str(inputs / "models/tiny"))
    row, suffix = ROWS[name]
    columns = {"text": "first", "pair": "second", "label": "score"} if name == "pairs" else {}
    train, dev = (
        registry.SPECS[row.task].read(str(inputs / f"tables/{name}-{part}{suffix}"), **columns)
        for part in ("train", "test")
    )
    result = tasks.one_seed(row, train, dev, seed=0)
    assert result["train"] == len(train.examples) > 2 * 8
    assert min(result["seconds"]) > 0
    if row.task == "qa":  # padding takes part in the softmax of the reference, not in that of minitf
        assert result["minitf"]["loss"] == pytest.approx(result["transformers"]["loss"], rel=0.01)
    else:
        assert result["minitf"] == pytest.approx(result["transformers"], rel=1e-4)


def test_turns() -> None:
    """The reference takes as many steps as minitf, after every eight and at the end; evaluations are not timed."""

    class Reference:
        batches = range(20)
        done = 0

        def train(self, steps: int) -> None:
            self.done = min(self.done + steps, len(self.batches))
            times.append(f"reference {self.done}")

    def events():
        for number in range(1, 21):
            yield Step(number, 1 + number // 11, 0.0, 0.0, 1.0, number % 10 == 0)
            if number % 10 == 0:
                times.append("evaluation")
                yield Epoch(number // 10, 0.0, {}, {}, True, 0.0)

    times: list[str] = []
    reference = Reference()
    history, turns = alternate(events(), reference, now=lambda: float(len(times)))
    assert [epoch.number for epoch in history] == [1, 2]
    assert times == ["reference 8", "evaluation", "reference 16", "reference 20", "evaluation"]
    assert turns == [(0.0, 1.0)] * 3
