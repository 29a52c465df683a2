"""One spoiled checkpoint: what loading it comes to. As a program, one after another (see `fuzz`).

A finding is whatever is neither a CheckpointError that names the file or its folder nor a sound model: another error, a
file made or changed anywhere around, weights that differ from what nothing changed or a checksum seals, or memory
beyond 64 MiB and twice what the checkpoint declares. Declared are the bytes of its files, four for each weight of the
model that came of it, and 256 for each word: what a word takes in the tables of the library `tokenizers`.
"""

import copy
import ctypes
import json
import os
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import fuzz_files, fuzz_hostile
from minitf.bert import Bert
from minitf.checkpoints.load import STORED_HEAD, load_tokenizer, load_with_report
from minitf.errors import InputError

MOST_MEMORY = 64 << 20
PER_WEIGHT, PER_WORD = 4, 256


class Finding(Exception):  # noqa: N818 (what is looked for)
    """What should not have happened, in words."""


def examine(folder: Path, kind: str, head: str | None = STORED_HEAD, sound: Bert | None = None) -> tuple[str, int]:
    """Load what lies in `folder`: "loaded" or "refused", and how many bytes were declared. Raises Finding.

    If `sound` is given, what loads must have its weights.
    """
    source = fuzz_hostile.source(folder, kind)
    declared = sum(file.stat().st_size for file in folder.iterdir())
    outcome, model = "loaded", None
    try:
        model, report = load_with_report(source, head)
        str(report).encode()
    except InputError as error:
        outcome = _refused(error, folder)
    except BaseException as error:  # a panic in Rust is no Exception
        raise _unexpected(error) from error
    else:
        _check(model, report.loaded, sound)
        declared += PER_WEIGHT * report.parameters
    try:
        tokenizer = load_tokenizer(source, model=model)
        tokenizer(["the film, was so good", ""])
        tokenizer(["the film", ""], ["bad", "x"])
    except InputError as error:
        outcome = _refused(error, folder)
    except BaseException as error:
        raise _unexpected(error) from error
    else:
        declared += PER_WORD * tokenizer.vocabulary_size
    return outcome, declared


def _refused(error: InputError, folder: Path) -> str:
    if str(folder) not in str(error):
        raise Finding(f"an error that does not name the file: {error}"[:500]) from error
    return "refused"


def _unexpected(error: BaseException) -> Finding:
    return Finding(f"{type(error).__name__}: {error}"[:500])


def _check(model: Bert, loaded: tuple[str, ...], sound: Bert | None) -> None:
    """Raises Finding unless every weight is there as the config says, and what was loaded is what was sealed."""
    held = {name: p.detach() for name, p in model.named_parameters()}
    with torch.device("meta"):
        fresh = Bert(model.config, model.head_name, pooler=model.pooler is not None)
    if {name: p.shape for name, p in held.items()} != {name: p.shape for name, p in fresh.named_parameters()}:
        raise Finding("the weights have not the shapes of the config")
    for name, p in held.items():
        if p.dtype != torch.float32 or p.device.type != "cpu":
            raise Finding(f"{name} is {p.dtype} on {p.device}")
        p.sum().item()  # reads every number
    if sound is None:
        return
    sealed = dict(sound.named_parameters())
    for name in loaded:
        # What two heads call alike is not the same.
        alike = model.head_name == sound.head_name or not name.startswith("head.")
        if alike and not (name in sealed and held[name].equal(sealed[name])):
            raise Finding(f"{name} is not what the file has, which nothing changed or a checksum seals")


# --- as a program


def main(argv: list[str]) -> None:
    bases, seed = fuzz_files.read_bases(Path(argv[0])), argv[1]
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # what takes more is refused, not given
    torch.set_num_threads(1)
    around = Path.cwd().parent
    folder = around / "case"
    sound = {}
    for kind, k in fuzz_hostile.KINDS.items():  # what a library keeps from its first use is none of a case's growth
        fuzz_files.put(folder, bases[0][k.layout])
        examine(folder, kind)
        sound[kind] = copy.deepcopy(load_with_report(fuzz_hostile.source(folder, kind), STORED_HEAD)[0])
        shutil.rmtree(folder)
    print("ready", flush=True)
    for number in range(*map(int, argv[2:])):
        made = fuzz_hostile.case(seed, number, bases)
        fuzz_files.put(folder, made.files)
        what = {"case": number, "kind": made.kind, "how": made.how, "head": made.head}
        print(json.dumps(what | run(made, folder, sound[made.kind])), flush=True)
        shutil.rmtree(folder)


def run(made: fuzz_hostile.Case, folder: Path, sound: Bert) -> dict[str, Any]:
    """A case in this process, watched from all sides."""
    there = _listing(folder.parent)
    ctypes.CDLL(None).malloc_trim(0)  # what is kept for later use would hide what a case takes
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    try:
        outcome, declared = examine(folder, made.kind, made.head, sound if made.sealed else None)
        growth = max(0, memory("VmHWM") - before)
        if growth > MOST_MEMORY + 2 * declared:
            raise Finding(f"{growth / 2**20:.0f} MiB of memory for {declared:,} bytes declared")
        if changed := {path for path, _ in there ^ _listing(folder.parent)}:
            raise Finding(f"files made or changed: {sorted(changed)}"[:500])
    except Finding as finding:
        return {"outcome": "finding", "said": str(finding), "growth": max(0, memory("VmHWM") - before)}
    return {"outcome": outcome, "growth": growth}


def _listing(around: Path) -> set[tuple[str, tuple[int, int]]]:
    """Every file with its size and when it was changed."""
    found = [Path(place, name) for place, folders, files in os.walk(around) for name in [*folders, *files]]
    return {(str(path), ((stat := path.lstat()).st_size, stat.st_mtime_ns)) for path in found}


def memory(name: str) -> int:
    """Of this process, in bytes: VmRSS what it has, VmHWM the most that it had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
