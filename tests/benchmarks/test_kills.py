"""The benchmark of random kills: it kills, compares, and finds a state that is incomplete."""

import pytest
import torch

from benchmarks import kills
from minitf.training import state
from tests.support.small_training import TINY


@pytest.fixture
def bench(write_bert, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    tiny = write_bert(**(TINY | {"num_hidden_layers": 2}))[0]
    written = []
    monkeypatch.setattr(kills.record, "write", lambda name, content: written.append(content) or tmp_path / name)
    monkeypatch.setattr(
        "minitf.fine_tuning.figures.draw_curves", lambda steps, history, path: path.write_bytes(b"curves")
    )

    def call(n: int) -> tuple[int, dict]:
        flags = ("--kills", n, "--model", tiny, "--sentences", 64, "--folder", tmp_path / "bench")
        status = kills.main([str(flag) for flag in flags])
        capsys.readouterr()
        return status, written[-1]

    return call


def test_kills(bench) -> None:
    status, results = bench(3)
    assert status == results["summary"]["different"] == 0
    assert results["summary"]["runs"] == 3
    assert sum(run["killed"] for run in results["runs"]) == 3
    assert all(set(run["same"].values()) == {True} for run in results["runs"])


def test_a_state_without_its_random_numbers_is_found(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout draws other numbers after resuming, if any kill came between the first save and the end."""
    restore = state.restore_state

    def forgetful(*given):
        progress = restore(*given)
        torch.manual_seed(1)
        return progress

    monkeypatch.setattr(state, "restore_state", forgetful)
    status, results = bench(4)
    assert status == 1
    assert results["summary"]["different"] > 0
