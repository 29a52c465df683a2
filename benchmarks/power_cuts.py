"""Cut the power at random times during a run, resume what is on the disk, and require the same result bit for bit.

    python -m benchmarks.power_cuts --cuts 50            (as root; Linux with loop devices)

The run writes to an ext4 file system with its default options, in a file mounted as a loop device. A power cut is
ext4's shutdown without a flush of the journal (EXT4_IOC_SHUTDOWN): from then on nothing reaches the device, so
everything that was not synced and that the system has not written by itself is lost. The process is killed, and a copy
of the device's content is mounted. There `--resume` must end with the same result, or with status 2 because nothing was
saved; then a new run (`--overwrite`) must. The device has no cache of its own: a disk that loses what it reported as
written is not tested. Half of the cuts are during a save, as in `benchmarks.kills`, which has the run, the times and
the digests.

First a file without a sync is written and the power is cut: if it is not lost, the benchmark measures nothing and
fails.
"""

import argparse
import contextlib
import fcntl
import os
import random
import signal
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import kills, record

SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
INTO_SAVE = 0.02  # seconds; a cut during a save is at most so long after it has begun


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.power_cuts", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    p.add_argument("--cuts", type=int, default=50)
    p.add_argument("--model", help="default: one of BERT-Tiny's size with random weights")
    p.add_argument("--sentences", type=int, default=96, help="of the built-in corpus, to train on")
    p.add_argument("--save-every", type=int, default=1)
    p.add_argument("--megabytes", type=int, default=256, help="size of the file system")
    p.add_argument("--seed", type=int, default=0, help="of the random times")
    p.add_argument("--name", default="power-cuts", help="of the record")
    p.add_argument("--folder", type=Path, help="working folder (default: a temporary one)")
    return p


class NoLoopDeviceError(Exception):
    """This machine cannot mount a file."""


class Disk:
    """An ext4 file system in a file, mounted at `place`."""

    def __init__(self, folder: Path, megabytes: int):
        self.image, self.copy, self.place = folder / "disk", folder / "disk after the cut", folder / "mounted"
        self.size = megabytes * 2**20
        self.place.mkdir(exist_ok=True)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[None]:
        """Format and mount it; unmount it after the block."""
        self.image.unlink(missing_ok=True)
        with self.image.open("wb") as file:
            file.truncate(self.size)
        system("mkfs.ext4", "-q", self.image)
        system("mount", "-o", "loop", self.image, self.place)
        system("sync", "-f", self.place)
        try:
            yield
        finally:
            unmount(self.place)

    def cut(self) -> None:
        """Cut the power; keep the content of the device in `copy`."""
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(handle)
        system("cp", "--sparse=always", self.image, self.copy)

    @contextlib.contextmanager
    def after_cut(self) -> Iterator[None]:
        """Mount what the cut has left, at the same place; unmount it after the block."""
        system("mount", "-o", "loop", self.copy, self.place)
        try:
            yield
        finally:
            unmount(self.place)


def system(*command: object) -> None:
    """Run a command of the system. Raises NoLoopDeviceError."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoLoopDeviceError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise NoLoopDeviceError(f"{command[0]}: {done.stderr.strip()}")


def unmount(place: Path) -> None:
    """Unmount; a process that was killed may need a moment to release its files."""
    for _ in range(100):
        if not os.path.ismount(place):
            return
        with contextlib.suppress(NoLoopDeviceError):
            system("umount", place)
            return
        time.sleep(0.1)
    system("umount", place)


def loses_what_is_not_synced(disk: Disk) -> bool:
    """Whether a cut loses a file that is not synced, and keeps one that is."""
    with disk.fresh():
        for name in ("synced", "lost"):
            with (disk.place / name).open("w") as file:
                file.write("content" * 1000)
                file.flush()
                if name == "synced":
                    os.fsync(file.fileno())
        disk.cut()
    with disk.after_cut():
        lost = disk.place / "lost"
        kept = (disk.place / "synced").read_text() == "content" * 1000
        return kept and (not lost.exists() or lost.stat().st_size == 0)


def interrupted(flags: list[str], disk: Disk, out: Path, log: Path, after: float, saving: float | None) -> bool:
    """Start a run and cut the power after some seconds; with `saving`, so long after the next save has begun.

    Returns whether the run was still going on.
    """
    process, end = kills.start(flags, log), time.perf_counter() + after
    ended = False
    while not ended and (time.perf_counter() < end or (saving is not None and not kills.is_saving(out))):
        ended = bool(os.waitpid(process, os.WNOHANG)[0])
        time.sleep(0.0002)
    time.sleep(saving or 0.0)
    disk.cut()
    if not ended:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return not ended


def resumed(flags: list[str], out: Path, log: Path) -> str:
    """Resume the run; if nothing was saved, start it again. Raises RuntimeError for any other end."""
    _, status = os.waitpid(kills.start(["--resume", "--output", str(out)], log), 0)
    if status == 0:
        return "resumed"
    text = log.read_text(encoding="utf-8")
    nothing = "nothing is saved in" in text or "is not the folder of a run" in text
    if os.waitstatus_to_exitcode(status) != 2 or not nothing:
        raise RuntimeError(f"status {os.waitstatus_to_exitcode(status)}: {text}")
    kills.finish([*flags, "--overwrite"], log)
    return "started again"


def one_cut(flags: list[str], disk: Disk, out: Path, draw: random.Random, duration: float) -> dict[str, Any]:
    """Cut the power during a run, and let it end on what is left."""
    after, log = draw.uniform(0.0, duration), disk.image.with_name("log.txt")
    saving = draw.uniform(0.0, INTO_SAVE) if draw.random() < kills.DURING_SAVE else None
    result: dict[str, Any] = {"after": round(after, 3), "saving": saving is not None}
    with disk.fresh():
        result["running"] = interrupted(flags, disk, out, log, after, saving)
    with disk.after_cut():
        result["left"] = kills.found_in(out)
        try:
            result["then"] = resumed(flags, out, log)
            return result | kills.digests(out)
        except RuntimeError as error:
            return result | {"then": str(error)}


def cut_all(arguments: argparse.Namespace, folder: Path, surroundings: dict[str, Any]) -> int:
    """Cut the power `cuts` times, write the record, and return the number of runs that ended differently."""
    disk = Disk(folder, arguments.megabytes)
    if not loses_what_is_not_synced(disk):
        raise NoLoopDeviceError("a power cut keeps what was not synced, or loses what was")
    out = disk.place / "out"
    flags = kills.prepare(arguments, folder, out)
    with disk.fresh():
        expected, duration = kills.undisturbed(flags, out)
    print(f"a whole run takes {duration:.1f} s; best/ {expected['best'][:12]}, state {expected['state'][:12]}")
    draw, runs = random.Random(arguments.seed), list[dict[str, Any]]()
    for n in range(arguments.cuts):
        run = one_cut(flags, disk, out, draw, duration)
        runs.append(run | {"same": {name: run.pop(name, None) == expected[name] for name in expected}})
        verdict = "same result" if all(runs[-1]["same"].values()) else f"DIFFERENT: {runs[-1]}"
        print(f"{n + 1}: power cut after {run['after']:.2f} s, {run['left']}, {run['then']}: {verdict}", flush=True)
    different = sum(not all(run["same"].values()) for run in runs)
    summary = {
        "cuts": len(runs),
        "while running": sum(run["running"] for run in runs),
        "left": dict(Counter(run["left"] for run in runs)),
        "then": dict(Counter(run["then"] for run in runs)),
        "different": different,
        "seconds_of_a_whole_run": round(duration, 2),
    }
    path = record.write(arguments.name, {**surroundings, "summary": summary, "expected": expected, "runs": runs})
    print(f"{len(runs)} power cuts; {different} runs ended differently\n{summary['left']}; written: {path.name}")
    return different


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    surroundings = record.surroundings()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return 1 if cut_all(arguments, folder, surroundings) else 0
        except NoLoopDeviceError as error:
            print(f"power cuts need root, loop devices and ext4: {error}")
            return 2


if __name__ == "__main__":
    raise SystemExit(main())
