"""The folder of a run is accepted wherever its best/ is."""

from pathlib import Path

import pytest

from minitf.checkpoints import sources
from minitf.checkpoints.metadata import model_files, model_folder, read_metadata
from minitf.errors import InputError
from minitf.files import MANIFEST


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


def test_a_run_that_has_not_saved_a_model_yet(tmp_path: Path) -> None:
    """While its first epoch trains, or if it was stopped before: not "no such model", but what to do."""
    run = tmp_path / "run"
    (run / "seed-0").mkdir(parents=True)
    message = f"{run}: the run has not saved a model yet; wait for the end of its first epoch"
    for manifest in (run / "seed-0" / MANIFEST, run / MANIFEST):  # of several seeds, of one
        manifest.write_text('{"files": ["metrics.jsonl", "best/config.json"]}')
        for given in (run, run / "best"):
            for use in (sources.find, read_metadata, model_files):
                with pytest.raises(InputError, match=message):
                    use(given)


def test_a_finished_run_without_its_model_is_an_ordinary_folder(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"files": ["best/config.json"]}')
    (tmp_path / "report.json").touch()
    with pytest.raises(InputError, match="does not hold a checkpoint"):
        sources.find(tmp_path)
