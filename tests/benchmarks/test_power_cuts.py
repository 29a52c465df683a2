"""The benchmark of power cuts: what is not synced is lost, and a run is resumed. It needs root and loop devices."""

from pathlib import Path

import pytest

from benchmarks import power_cuts
from tests.support.small_training import TINY


@pytest.fixture
def disk(tmp_path: Path) -> power_cuts.Disk:
    disk = power_cuts.Disk(tmp_path, 32)
    try:
        with disk.fresh():
            pass
    except power_cuts.NoLoopDeviceError as error:
        pytest.skip(f"no loop devices: {error}")
    return disk


def test_a_cut_loses_what_is_not_synced(disk: power_cuts.Disk) -> None:
    assert power_cuts.loses_what_is_not_synced(disk)


@pytest.mark.usefixtures("disk")
def test_power_cuts(write_bert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = write_bert(**(TINY | {"num_hidden_layers": 2}))[0]
    written = []
    monkeypatch.setattr(power_cuts.record, "write", lambda name, content: written.append(content) or tmp_path / name)
    monkeypatch.setattr(
        "minitf.fine_tuning.figures.draw_curves", lambda steps, history, path: path.write_bytes(b"curves")
    )
    flags = ("--cuts", 2, "--model", tiny, "--sentences", 64, "--megabytes", 32, "--folder", tmp_path / "bench")
    assert power_cuts.main([str(flag) for flag in flags]) == 0
    assert written[0]["summary"]["cuts"] == 2
    assert all(set(run["same"].values()) == {True} for run in written[0]["runs"])


def test_a_machine_without_loop_devices(tmp_path: Path, monkeypatch, capsys) -> None:
    def refused(*command: object) -> None:
        raise power_cuts.NoLoopDeviceError("mount: permission denied")

    monkeypatch.setattr(power_cuts, "system", refused)
    assert power_cuts.main(["--folder", str(tmp_path)]) == 2
    assert "need root, loop devices and ext4: mount: permission denied" in capsys.readouterr().out
