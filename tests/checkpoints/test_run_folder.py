"""The folder of a run is accepted wherever its best/ is."""

from pathlib import Path

import pytest

from minitf.checkpoints import sources
from minitf.checkpoints.metadata import model_folder, read_metadata
from minitf.errors import InputError


def write_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "minitf.json").write_text('{"task": "classification"}')
    return folder


def test_the_best_model_of_a_run_is_found(tmp_path: Path) -> None:
    best = write_model(tmp_path / "run" / "best")
    for given in (best.parent, best):
        assert model_folder(given) == best
        assert sources.find(given).folder == best
        assert read_metadata(given) == {"task": "classification"}


def test_a_model_with_a_folder_called_best_is_itself(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    write_model(folder / "best")
    assert model_folder(folder) == folder


def test_a_run_with_several_seeds_is_refused(tmp_path: Path) -> None:
    first = write_model(tmp_path / "run" / "seed-0" / "best")
    write_model(tmp_path / "run" / "seed-1" / "best")
    with pytest.raises(InputError, match=rf"run: has the models of several seeds; give one, such as {first}"):
        sources.find(tmp_path / "run")


def test_a_name_that_is_no_folder_stays(tmp_path: Path) -> None:
    assert model_folder(tmp_path / "bert-base-uncased") == tmp_path / "bert-base-uncased"
    assert read_metadata(tmp_path / "bert-base-uncased") == {}
