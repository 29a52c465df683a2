"""Load one mutated checkpoint and check the result. As a program: many, one after another (see `fuzz`).

The result must be an InputError that names the file or its folder, or a correct model. A finding is anything else:
another error; a file created or changed; weights that differ although they were not mutated or have a checksum; or
memory beyond 64 MiB plus twice the declared size. The declared size is the bytes of the files, four for each weight of
the loaded model, and 256 for each token, which is what a token takes in the tables of the library `tokenizers`.
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
from minitf.checkpoints.kinds import kind_of_config
from minitf.checkpoints.load import STORED_HEAD, load_tokenizer, load_with_report
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.transformer import Vit

MOST_MEMORY = 64 << 20
PER_WEIGHT, PER_TOKEN = 4, 256


class Finding(Exception):  # noqa: N818 (the result of fuzzing, not an error of this program)
    """A defect; the message describes it."""


def examine(folder: Path, kind: str, head: str | None = STORED_HEAD, original: Any = None) -> tuple[str, int]:
    """Load the checkpoint in `folder`; return "loaded" or "refused", and the declared bytes. Raises Finding.

    If `original` is given, the loaded weights must equal its weights.
    """
    source = fuzz_hostile.source(folder, kind)
    declared = sum(file.stat().st_size for file in folder.iterdir())
    outcome, model = "loaded", None
    try:
        model, report = load_with_report(source, head)
        str(report).encode()
    except InputError as error:
        outcome = _refused(error, folder)
    except BaseException as error:  # a panic in Rust is not an Exception
        raise _unexpected(error) from error
    else:
        _check(model, report.loaded, original)
        declared += PER_WEIGHT * report.parameters
        if isinstance(model, Vit):
            return outcome, declared  # it reads no text
    try:
        tokenizer = load_tokenizer(source, model=model)
        use(tokenizer)
    except InputError as error:
        outcome = _refused(error, folder)
    except BaseException as error:
        raise _unexpected(error) from error
    else:
        declared += PER_TOKEN * tokenizer.vocabulary_size
    return outcome, declared


def use(tokenizer: Any) -> None:
    """Read texts, a pair of texts, or write one, as the tokenizer can."""
    if isinstance(tokenizer, SequenceTokenizer):
        tokenizer.decode(tokenizer.encode(["the film, was so good", ""], max_length=8)[0])
        tokenizer.encode_targets(["the film", ""])
    else:
        tokenizer(["the film, was so good", ""])
        tokenizer(["the film", ""], ["bad", "x"])


def _refused(error: InputError, folder: Path) -> str:
    if str(folder) not in str(error):
        raise Finding(f"an error that does not name the file: {error}"[:500]) from error
    return "refused"


def _unexpected(error: BaseException) -> Finding:
    return Finding(f"{type(error).__name__}: {error}"[:500])


def _check(model: Any, loaded: tuple[str, ...], original: Any) -> None:
    """Raises Finding unless all weights have the shapes of the config, and those loaded equal the original's."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    with torch.device("meta"):
        expected = kind_of_config(model.config).build(model.config, model.head_name, EQUATIONS, weights)
    if {name: p.shape for name, p in weights.items()} != {name: p.shape for name, p in expected.named_parameters()}:
        raise Finding("the weights do not have the shapes of the config")
    for name, p in weights.items():
        if p.dtype != torch.float32 or p.device.type != "cpu":
            raise Finding(f"{name} is {p.dtype} on {p.device}")
        p.sum().item()  # reads every number
    if original is None:
        return
    originals = original.state_dict()
    for name in loaded:
        # Two heads can have different weights with the same name.
        comparable = model.head_name == original.head_name or not name.startswith("head.")
        if comparable and not (name in originals and model.state_dict()[name].equal(originals[name])):
            raise Finding(f"{name} differs from the file, although it was not mutated or has a checksum")


# As a program --------------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> None:
    bases, seed = fuzz_files.read_bases(Path(argv[0])), argv[1]
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # a limit on memory
    torch.set_num_threads(1)
    folder = Path.cwd().parent / "case"
    originals = {}
    for kind, k in fuzz_hostile.KINDS.items():  # memory that a library keeps from its first use is not counted
        fuzz_files.put(folder, bases[0][k.layout])
        examine(folder, kind)
        originals[kind] = copy.deepcopy(load_with_report(fuzz_hostile.source(folder, kind), STORED_HEAD)[0])
        shutil.rmtree(folder)
    print("ready", flush=True)
    for number in range(*map(int, argv[2:])):
        made = fuzz_hostile.case(seed, number, bases)
        fuzz_files.put(folder, made.files)
        what = {"case": number, "kind": made.kind, "how": made.how, "head": made.head}
        print(json.dumps(what | run(made, folder, originals[made.kind])), flush=True)
        shutil.rmtree(folder)


def run(made: fuzz_hostile.Case, folder: Path, original: Any) -> dict[str, Any]:
    """Run one case in this process; watch its memory and files."""
    before_files = _listing(folder.parent)
    ctypes.CDLL(None).malloc_trim(0)  # freed memory that is kept would hide the growth
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = memory("VmRSS")
    try:
        outcome, declared = examine(folder, made.kind, made.head, original if made.weights_must_match else None)
        growth = max(0, memory("VmHWM") - before)
        if growth > MOST_MEMORY + 2 * declared:
            raise Finding(f"{growth / 2**20:.0f} MiB of memory for {declared:,} bytes declared")
        if changed := {path for path, _ in before_files ^ _listing(folder.parent)}:
            raise Finding(f"files created or changed: {sorted(changed)}"[:500])
    except Finding as finding:
        return {"outcome": "finding", "finding": str(finding), "growth": max(0, memory("VmHWM") - before)}
    return {"outcome": outcome, "growth": growth}


def _listing(around: Path) -> set[tuple[str, tuple[int, int]]]:
    """Every file with its size and modification time."""
    found = [Path(parent, name) for parent, folders, files in os.walk(around) for name in [*folders, *files]]
    return {(str(path), ((stat := path.lstat()).st_size, stat.st_mtime_ns)) for path in found}


def memory(name: str) -> int:
    """The memory of this process in bytes: VmRSS now, VmHWM its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
