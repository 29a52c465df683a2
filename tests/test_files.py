"""Atomic writes: a file or folder is complete or unchanged, and an interrupted write leaves nothing for long."""

import errno
import json
import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from minitf import files
from minitf.attention_maps.page import FILES
from minitf.cli import attend, evaluate
from minitf.errors import CheckpointError, InputError
from minitf.fine_tuning.pages.markup import document
from minitf.fine_tuning.reports import report_again
from tests.support.reports_to_show import content as content_of

FULL = OSError(errno.ENOSPC, "No space left on device")
DENIED = OSError(errno.EACCES, "Permission denied")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path, error: BaseException) -> None:
    with files.replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_a_block_that_succeeds_replaces_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with files.replacing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [FULL, DENIED, ZeroDivisionError(), KeyboardInterrupt()], ids=repr)
def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises((InputError, type(error))):
        write_half(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FULL, r"\(no space left on the disk\): free some space or choose another path"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), r"\(no space left on the disk\): free"),
        (SafetensorError("I/O error: File too large (os error 27)"), r"\(.*File too large .*\): choose another path"),
        (Exception("Permission denied (os error 13)"), r"\(Permission denied .*\): choose another path"),
        (DENIED, r"\(Permission denied\): choose another path"),
    ],
    ids=repr,
)
def test_errors_of_the_system_name_the_path_in_one_line(tmp_path, error, reason):
    with pytest.raises(InputError, match=f"a.txt: cannot be written {reason}") as caught:
        write_half(tmp_path / "a.txt", error)
    assert "\n" not in str(caught.value) and "--" not in str(caught.value)


@pytest.mark.parametrize("error", [ValueError("shape"), CheckpointError("x: No space left on device")], ids=repr)
def test_other_errors_pass_through(tmp_path, error):
    with pytest.raises(type(error)) as caught:
        write_half(tmp_path / "a.txt", error)
    assert caught.value is error


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    files.write_text(tmp_path / "a", "größer\r\n\n")
    files.write_bytes(tmp_path / "b", b"\0\n")
    files.write_json(tmp_path / "c", {"größer": 1})
    with files.open_text(tmp_path / "d") as file:
        file.write("one\n")
        file.write("two\n")
    contents = [(tmp_path / name).read_bytes() for name in "abcd"]
    assert contents == ["größer\r\n\n".encode(), b"\0\n", '{\n  "größer": 1\n}\n'.encode(), b"one\ntwo\n"]
    assert names(tmp_path) == ["a", "b", "c", "d"]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"absent/a.txt: cannot be written \(No such file or directory\)"):
        files.write_text(tmp_path / "absent" / "a.txt", "text")


def make(folder: Path, content: str, **settings: bool) -> None:
    with files.replacing_folder(folder, **settings) as temporary:
        (temporary / "file").write_text(content)


def test_a_folder_is_replaced_unless_it_is_kept(tmp_path):
    folder = tmp_path / "new" / "best"
    make(folder, "first")
    make(folder, "second")
    assert (folder / "file").read_text() == "second"
    make(folder, "third", keep_existing=True)
    assert (folder / "file").read_text() == "second"
    assert names(folder.parent) == ["best"]


def two_folders(tmp_path) -> tuple[Path, Path]:
    """A new folder, and an old one with a file of each kind."""
    new, old = tmp_path / "run" / "new", tmp_path / "old"
    for path, text in (
        (new / "ours", "new"),
        (old / "ours", "old"),
        (old / "notes", "theirs"),
        (old / "d" / "x", "theirs"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return new, old


def test_files_of_others_stay_in_a_folder_that_is_replaced(tmp_path):
    _, old = two_folders(tmp_path)
    with files.replacing_folder(old, ours=["ours"]) as temporary:
        (temporary / "ours").write_text("new")
    assert [(old / name).read_text() for name in ("ours", "notes", "d/x")] == ["new", "theirs", "theirs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "run"]


def test_files_of_others_stay_when_a_folder_is_moved_over_theirs(tmp_path):
    new, old = two_folders(tmp_path)
    files.move_folder(new, old, ours=["ours"])
    assert [(old / name).read_text() for name in ("ours", "notes", "d/x")] == ["new", "theirs", "theirs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "run"]
    with pytest.raises(InputError, match="cannot be written"):
        files.move_folder(new, old, ours=["ours"])  # moved already: the old one comes back
    assert (old / "ours").read_text() == "new"


@pytest.mark.parametrize("step", ["write", "move aside", "move into place"])
def test_leftovers_of_a_killed_process_are_removed(tmp_path, monkeypatch, step):
    """At each step a complete folder is left, the older or the newer."""
    folder, rename = tmp_path / "best", os.rename
    make(folder, "old")
    (folder / "notes").write_text("theirs")

    def rename_and_exit(source: Path, target: Path) -> None:
        if step == "move into place" and target == folder:
            os._exit(9)
        rename(source, target)
        if step == "move aside":
            os._exit(9)

    if (child := os.fork()) == 0:
        monkeypatch.setattr(os, "rename", rename_and_exit)
        with files.replacing_folder(folder, ours=["file"]) as temporary:
            (temporary / "file").write_text("new")
            if step == "write":
                os._exit(9)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert files.leftovers(tmp_path)
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == ["best"] and (folder / "file").read_text() == "old"
    assert (folder / "notes").read_text() == "theirs"


def test_only_temporary_names_are_leftovers(tmp_path):
    for name in (".a.txt-0123abcd", ".b-0123abcd-old", ".notes", ".c-123", "d-0123abcd", ".git"):
        (tmp_path / name).write_text("")
    (tmp_path / "b").write_text("")
    assert [path.name for path in files.leftovers(tmp_path)] == [".a.txt-0123abcd", ".b-0123abcd-old"]
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".c-123", ".git", ".notes", "b", "d-0123abcd"]
    files.remove_leftovers(tmp_path / "absent")


# --- what is no file of ours, links, and what is on the disk after a power cut


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    files.write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert names(tmp_path) == ["link.txt", "real"] and names(tmp_path / "real") == ["a.txt"]


def test_a_dangling_link_is_written_where_it_points(tmp_path):
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "later.txt")
    files.write_text(link, "new")
    assert link.is_symlink() and (tmp_path / "later.txt").read_text() == "new"


def test_a_device_is_written_through_and_never_replaced(tmp_path):
    before = os.stat(os.devnull)
    files.write_text(Path(os.devnull), "lost")
    assert os.stat(os.devnull).st_rdev == before.st_rdev
    with pytest.raises(InputError, match="is a device or a FIFO"):
        files.write_bytes(Path(os.devnull), b"lost")


def test_a_pipe_without_a_name_is_written_through():
    """As /dev/stdout is one in a pipeline: its link does not resolve to a path."""
    read, write = os.pipe()
    path = Path(f"/dev/fd/{write}")
    files.check_output(path)
    files.write_text(path, "through")
    os.close(write)
    with open(read) as file:
        assert file.read() == "through"


def test_a_fifo_is_written_through(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    if (child := os.fork()) == 0:
        with open(fifo) as file:
            os._exit(0 if file.read() == "through" else 1)
    files.write_text(fifo, "through")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert names(tmp_path) == ["fifo"]


def test_outputs_are_checked_before_the_work(tmp_path):
    source, link = tmp_path / "table.csv", tmp_path / "same.csv"
    source.write_text("text\n")
    link.symlink_to(source)
    hard = tmp_path / "hard.csv"
    os.link(source, hard)
    for path in (source, link, hard, tmp_path / "." / "table.csv"):
        with pytest.raises(InputError, match="is the file that is read"):
            files.check_output(path, [source])
    with pytest.raises(InputError, match="is a folder"):
        files.check_output(tmp_path)
    with pytest.raises(InputError, match="No such file or directory"):
        files.check_output(tmp_path / "absent" / "a.csv")
    with pytest.raises(InputError, match="NUL"):
        files.check_output(tmp_path / "a\0b")
    with pytest.raises(InputError, match="File name too long"):
        files.check_output(tmp_path / ("a" * 300))
    files.check_output(tmp_path / "new.csv", [source])
    files.check_output(Path(os.devnull), [source])
    assert names(tmp_path) == ["hard.csv", "same.csv", "table.csv"]


def test_a_page_of_another_program_is_not_replaced(tmp_path):
    """By none of the commands that write pages; a page of minitf and an empty file are replaced."""
    note = tmp_path / "note.HTML"
    note.write_text("<p>my note</p>")
    with pytest.raises(InputError, match=r"note\.HTML: exists and is not a page of minitf; move it, or choose another"):
        files.check_output(note)
    for name, content in (
        ("report.html", document("Title", "text")),
        ("attention.html", (FILES / "page.html").read_text()),
        ("empty.html", ""),
        ("new.html", None),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
        files.check_output(tmp_path / name)
    for command, argv in (
        (evaluate, ["--data", "no.csv"]),
        (attend, ["a text"]),
    ):
        arguments = command.parser().parse_args(["model", *argv, "--output", str(tmp_path / "note.HTML")])
        with pytest.raises(InputError, match="not a page of minitf"):
            command.check(arguments)
    (tmp_path / "report.json").write_text(json.dumps(content_of("single")))
    with pytest.raises(InputError, match="not a page of minitf"):
        report_again([str(tmp_path / "report.json")], str(note))
    assert note.read_text() == "<p>my note</p>"


def test_everything_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    """What a power cut leaves is the old content or the new, never an empty file."""
    steps = []
    sync, replace, rename = files.sync, os.replace, os.rename
    monkeypatch.setattr(files, "sync", lambda path: (steps.append(("sync", path.name)), sync(path)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append(("rename", Path(b).name)), replace(a, b)))
    monkeypatch.setattr(os, "rename", lambda a, b: (steps.append(("rename", Path(b).name)), rename(a, b)))
    files.write_text(tmp_path / "a.txt", "new")
    assert [(kind, "tmp" if name.startswith(".") else name) for kind, name in steps] == [
        ("sync", "tmp"),
        ("rename", "a.txt"),
        ("sync", tmp_path.name),
    ]
    steps.clear()
    make(tmp_path / "best", "first")
    kinds = [kind for kind, _ in steps]
    assert kinds == ["sync", "sync", "rename", "sync"] and ("sync", "file") in steps


def test_numbers_that_json_does_not_have_become_null():
    content = {"loss": float("nan"), "scores": [1.5, float("inf"), {"x": (-float("inf"),)}], "n": 3, "text": "NaN"}
    expected = {"loss": None, "scores": [1.5, None, {"x": [None]}], "n": 3, "text": "NaN"}
    for indent in (2, None):
        text = files.to_json(content, indent)
        assert json.loads(text, parse_constant=pytest.fail) == expected
    assert files.to_json({"n": [1]}, None) == '{"n": [1]}\n'


def test_the_permissions_of_a_replaced_file_stay(tmp_path):
    path = tmp_path / "private.csv"
    path.write_text("old")
    path.chmod(0o600)
    files.write_text(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_a_file_without_write_permission_is_not_replaced(tmp_path, monkeypatch):
    """Root has every permission, so the system's answer is replaced."""
    path = tmp_path / "protected.csv"
    path.write_text("old")
    monkeypatch.setattr(files.os, "access", lambda asked, mode: Path(asked) != path)
    for write in (files.check_output, lambda path: files.write_text(path, "new")):
        with pytest.raises(InputError, match=r"protected\.csv: cannot be written \(Permission denied\)"):
            write(path)
    assert (path.read_text(), names(tmp_path)) == ("old", ["protected.csv"])
