"""The manifest of a run's folder: what minitf made is removed, and nothing else ever."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.errors import InputError
from minitf.files import MANIFEST as FILE
from minitf.fine_tuning.manifest import Manifest


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def make(folder: Path, *names: str) -> Manifest:
    manifest = Manifest(folder)
    for name in names:
        manifest.add(name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("ours")
    return manifest


def test_what_is_listed_is_removed_and_the_folder_is_empty(tmp_path):
    make(tmp_path, "best/config.json", "last/state.safetensors", "metrics.jsonl")
    Manifest(tmp_path).remove_files()
    assert list(tmp_path.iterdir()) == []


def test_only_the_files_of_these_names_are_removed_and_the_manifest_stays(tmp_path):
    make(tmp_path, "best/config.json", "last/state.safetensors", "metrics.jsonl")
    Manifest(tmp_path).remove_files(["best/config.json", "metrics.json", "other"])
    assert tree(tmp_path) == ["last/state.safetensors", "metrics.jsonl", FILE]
    assert not (tmp_path / "best").exists()


@pytest.mark.parametrize("name", ["metrics.jsonl", "best/config.json"])
def test_a_file_of_others_is_never_listed(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("theirs")
    with pytest.raises(InputError, match="exists and is not from minitf; move it, or choose another folder"):
        Manifest(tmp_path).add(name)
    assert tree(tmp_path) == [name]


def test_a_name_is_listed_before_its_file_is_made(tmp_path):
    Manifest(tmp_path / "new").add("metrics.jsonl")
    assert json.loads((tmp_path / "new" / FILE).read_text())["files"] == ["metrics.jsonl"]
    Manifest(tmp_path / "new").remove_files()  # the file was never made
    assert list((tmp_path / "new").iterdir()) == []


def test_files_of_others_stay_wherever_they_are(tmp_path):
    make(tmp_path, "best/config.json", "metrics.jsonl")
    others = ["best/notes.txt", "seed-words.csv", "last/mine", ".hidden", "report.html"]
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("theirs")
    assert [str(path.relative_to(tmp_path)) for path in Manifest(tmp_path).foreign()] == sorted(
        ["best/notes.txt", "seed-words.csv", "last", ".hidden", "report.html"]
    )
    Manifest(tmp_path).remove_files()
    assert tree(tmp_path) == sorted(others)


def test_a_link_in_the_place_of_a_file_is_removed_and_its_target_stays(tmp_path):
    make(tmp_path / "run", "best/config.json", "metrics.jsonl")
    target = tmp_path / "precious"
    target.write_text("theirs")
    (tmp_path / "run/metrics.jsonl").unlink()
    (tmp_path / "run/metrics.jsonl").symlink_to(target)
    Manifest(tmp_path / "run").remove_files()
    assert target.read_text() == "theirs" and list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("name", ["best/config.json", "seed-0/best/config.json"])
def test_a_folder_that_is_a_link_leads_to_files_of_others(tmp_path, name):
    top = make(tmp_path / "run", "metrics.jsonl")
    if name.startswith("seed-0"):
        top.add_run("seed-0")
        make(tmp_path / "theirs", "best/config.json")
    else:
        top.add(name)
        (tmp_path / "theirs").mkdir()
        (tmp_path / "theirs/config.json").write_text("theirs")
    before = tree(tmp_path / "theirs")
    (tmp_path / "run" / name.partition("/")[0]).symlink_to(tmp_path / "theirs")
    Manifest(tmp_path / "run").remove_files()
    assert tree(tmp_path / "theirs") == before


def test_a_folder_in_the_place_of_a_file_stays(tmp_path):
    make(tmp_path, "metrics.jsonl")
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").mkdir()
    (tmp_path / "metrics.jsonl/mine").write_text("theirs")
    Manifest(tmp_path).remove_files()
    assert tree(tmp_path) == ["metrics.jsonl/mine"]


def test_runs_inside_are_removed_by_their_own_manifests(tmp_path):
    top = make(tmp_path, "report.json")
    for name in ("seed-0", "seed-1"):
        top.add_run(name)
        make(tmp_path / name, "best/config.json")
    (tmp_path / "seed-1/mine").write_text("theirs")
    (tmp_path / "seed-2").mkdir()
    (tmp_path / "seed-2/mine").write_text("theirs")
    Manifest(tmp_path).remove_files()
    assert tree(tmp_path) == ["seed-1/mine", "seed-2/mine"]


def test_leftovers_of_our_names_are_removed_and_of_no_others(tmp_path):
    make(tmp_path, "best/config.json", "metrics.jsonl")
    for name in (".metrics.jsonl-0123abcd", ".theirs.txt-0123abcd"):
        (tmp_path / name).write_text("")
    (tmp_path / ".best-0123abcd-old").mkdir()
    Manifest(tmp_path).remove_files()
    assert tree(tmp_path) == [".theirs.txt-0123abcd"]
    assert not (tmp_path / ".best-0123abcd-old").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "command": "finetune", "files": [], "runs": []}',
        '{"version": 1, "command": "finetune", "files": ["../x"], "runs": []}',
        '{"version": 1, "command": "finetune", "files": ["/etc/passwd"], "runs": []}',
        '{"version": 1, "command": "finetune", "files": [], "runs": [".."]}',
        '{"version": 1, "command": "finetune", "files": [3], "runs": []}',
        '{"version": 1, "command": "finetune", "files": "metrics.jsonl", "runs": null}',
        '{"version": 1, "command": 3, "files": [], "runs": []}',
    ],
)
def test_a_manifest_that_minitf_did_not_write_is_refused(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError, match="is not a manifest"):
        Manifest(tmp_path)


@settings(max_examples=50, deadline=None)
@given(
    ours=st.sets(st.sampled_from(["a", "b/c", "b/d", "e/f/g", "h"]), min_size=1),
    theirs=st.sets(st.sampled_from(["b/mine", "e/mine", "e/f/mine", "mine", "z/a"])),
)
def test_only_ours_are_removed(tmp_path_factory, ours, theirs):
    folder = tmp_path_factory.mktemp("run")
    make(folder, *sorted(ours))
    for name in theirs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("theirs")
    Manifest(folder).remove_files()
    assert tree(folder) == sorted(theirs)


@pytest.mark.parametrize("names", [["."], ["\ud800"], ["best/../.."], "metrics.jsonl", {"metrics.jsonl": 1}])
@pytest.mark.parametrize("part", ["files", "runs"])
def test_names_that_minitf_does_not_write_are_refused(tmp_path, part, names):
    make(tmp_path, "metrics.jsonl")
    content = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(content | {part: names}))
    with pytest.raises(InputError, match="is not a manifest that minitf wrote"):
        Manifest(tmp_path)


def test_deeply_nested_json_is_refused(tmp_path):
    (tmp_path / FILE).write_text("[" * 100_000)
    with pytest.raises(InputError, match="is not a manifest that minitf wrote"):
        Manifest(tmp_path)


@pytest.mark.parametrize("link", [False, True])
def test_another_run_in_the_place_of_a_run_is_refused(tmp_path, link):
    make(tmp_path / "other", "best/config.json")
    (tmp_path / "study").mkdir()
    place = tmp_path / "study" / "run-2"
    place.symlink_to("../other") if link else (tmp_path / "other").rename(place)
    manifest = Manifest(tmp_path / "study")
    with pytest.raises(InputError, match=r"run-2: is another run, not one of .*; move it, or choose another folder"):
        manifest.add_run("run-2")
    assert (place / "best/config.json").read_text() == "ours"
