"""Short runs whose results must stay the same, bit for bit, while the code changes.

    python -m benchmarks.golden --record      run all entries and write results/golden.json
    python -m benchmarks.golden               run them again and compare
    python -m benchmarks.golden --only tagging killed

Each entry trains a model, predicts with it and evaluates it, only through the commands, so the same file runs before
and after minitf's modules are moved. The record has the SHA-256 of the weights, of the numbers of
metrics.jsonl, report.json and `evaluate`, and of the output of `predict`. It also has the names of the files, the
printed predictions and the scores. Times are left out.

The digests depend on the processor and the version of PyTorch: a record of another machine is not compared (status 2).
To compare two commits on a new machine, run `--record FILE` at one of them and `--against FILE` at the other.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.golden_inputs import ARGUMENTS, write_models, write_tables

RECORD = record.RESULTS / "golden.json"
SAME_MACHINE = ("cpu", "instructions", "torch", "inputs")  # otherwise digests are not comparable
STEPS_BEFORE_A_SIGNAL = 5
ATTEMPTS = 5  # to send a signal before a run has ended


@dataclasses.dataclass(frozen=True)
class Entry:
    """One run: its data, the flags of `finetune`, and how it is started."""

    name: str
    table: str | None  # None: built-in data
    flags: str
    model: str | None = "tiny"  # None: the default model
    start: str = "once"  # a key of STARTS

    @property
    def suffix(self) -> str:
        return {"pairs": ".tsv", "tags": ".conll", "questions": ".json"}.get(self.table or "", ".csv")

    def finetune(self) -> list[str]:
        """All flags but --output."""
        flags = ["--device", "cpu"]
        if self.table is not None:
            flags += ["--train", self.path("train"), "--test", self.path("test"), *columns(self.table)]
        if self.model is not None:
            flags += ["--model", f"models/{self.model}", "--offline", "--seed", "1", "--batch-size", "8"]
        return [*flags, *shlex.split(self.flags)]

    def path(self, part: str) -> str:
        """A part of its table, relative to the working folder."""
        return f"tables/{self.table or 'reviews'}-{part}{self.suffix}"


GRADUAL = (
    "--epochs 3 --batch-size 4 --max-length 32 --lr 1e-3 --metric loss"
    " --freeze embeddings --unfreeze gradual --layer-lr-decay 0.9"
)

ENTRIES = (
    Entry("default", None, "--train hard-reviews --epochs 1", model=None),
    Entry("classes", "classes", "--epochs 12 --max-length 32 --lr 2e-3 --class-weights balanced --label-smoothing 0.1"),
    Entry("several-labels", "label-sets", "--epochs 12 --max-length 32 --lr 2e-3"),
    Entry("regression", "pairs", "--epochs 12 --max-length 32 --lr 2e-3"),
    Entry("tagging", "tags", "--epochs 20 --max-length 16 --stride 4 --lr 1e-2"),
    Entry("question-answering", "questions", "--epochs 20 --max-length 32 --stride 8 --lr 1e-2"),
    Entry("windows", "long", "--epochs 12 --max-length 24 --lr 2e-3 --long-text windows --stride 6"),
    Entry("head-tail", "long", "--epochs 12 --max-length 24 --lr 2e-3 --long-text head-tail"),
    Entry("gradual-unfreezing", "classes", GRADUAL),
    Entry("augmentation", "classes", "--epochs 2 --max-length 32 --lr 1e-3 --augment delete=0.2,swap=0.2"),
    Entry(
        "augmentation-replace",
        "classes",
        "--epochs 2 --max-length 32 --lr 1e-3 --augment replace=0.3 --augment-share 0.8",
        model="masked-lm",
    ),
    Entry("accumulation", "classes", "--epochs 2 --max-length 32 --lr 1e-3 --accumulate 3"),
    Entry(
        "momentum",
        "classes",
        "--epochs 2 --max-length 32 --math equations --optimizer momentum --lr 1e-2 --schedule cosine --warmup 0.2"
        " --clip 0.5 --dropout 0.2 --reinit-top 1 --early-stopping 1",
    ),
    # Two matrices only (pooler and head): with more, the logged loss depends on PYTHONHASHSEED at commit cb0bf20, since
    # the penalties are summed in the order of a set. The hash seed is left random, to find such dependencies.
    Entry(
        "penalties",
        "classes",
        "--epochs 2 --max-length 32 --optimizer adam --lr 1e-2 --freeze 3 --l1 1e-5 --l2 1e-3",
    ),
    Entry("two-seeds", "classes", "--epochs 1 --max-length 32 --lr 1e-3 --seeds 2"),
    Entry("killed", "classes", f"{GRADUAL} --save-every 1", start="killed"),
    Entry("interrupted", "classes", f"{GRADUAL} --save-every 1", start="interrupted"),
    Entry("two-processes", "classes", "--epochs 2 --max-length 32 --lr 1e-3 --accumulate 2", start="two-processes"),
)


def columns(table: str) -> list[str]:
    """The flags that name the columns, where minitf cannot find them."""
    return ["--text", "first", "--pair", "second", "--label", "score"] if table == "pairs" else []


# Runs -----------------------------------------------------------------------------------------------------------------


def run_entry(entry: Entry, folder: Path) -> dict[str, Any]:
    """Train, predict, evaluate; `folder` has the tables and models."""
    out = folder / "runs" / entry.name
    STARTS[entry.start](entry, folder, out)
    shown: dict[str, Any] = {"command": shlex.join(["finetune", *entry.finetune()]), "start": entry.start}
    shown["files"] = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    names = ("weights", "metrics", "reports", "answers", "printed", "evaluations", "scores")
    shown |= {name: {} for name in names}
    for best in sorted(out.rglob("best")):
        run = best.parent
        name = str(run.relative_to(out))
        content, printed = answers(entry, best, folder)
        evaluation = evaluate(entry, best, folder)
        shown["weights"][name] = digest((best / "model.safetensors").read_bytes())
        shown["metrics"][name] = digest_of_numbers(read_lines(run / "metrics.jsonl"))
        shown["reports"][name] = digest_of_numbers(numbers_of_report(read_json(run / "report.json")))
        shown["answers"][name] = digest(content)
        shown["printed"][name] = printed
        shown["evaluations"][name] = digest_of_numbers(evaluation)
        shown["scores"][name] = evaluation["scores"]
    return shown


def train_once(entry: Entry, folder: Path, out: Path) -> None:
    run(["-m", "minitf.finetune", *entry.finetune(), "--output", out], folder)


def train_in_two_processes(entry: Entry, folder: Path, out: Path) -> None:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run([*torchrun, "-m", "minitf.finetune", *entry.finetune(), "--output", out], folder)


def train_killed(entry: Entry, folder: Path, out: Path) -> None:
    train_stopped(entry, folder, out, signal.SIGKILL, -signal.SIGKILL)


def train_interrupted(entry: Entry, folder: Path, out: Path) -> None:
    train_stopped(entry, folder, out, signal.SIGINT, 130)


STARTS: dict[str, Callable[[Entry, Path, Path], None]] = {
    "once": train_once,
    "killed": train_killed,
    "interrupted": train_interrupted,
    "two-processes": train_in_two_processes,
}


def train_stopped(entry: Entry, folder: Path, out: Path, sent: signal.Signals, expected: int) -> None:
    """Send a signal after a few steps, then resume. Raises RuntimeError if the run does not end as `expected`."""
    for _ in range(ATTEMPTS):
        shutil.rmtree(out, ignore_errors=True)
        status = stopped(entry, folder, out, sent)
        if status != 0:  # else it ended before the signal
            break
    if status != expected:
        raise RuntimeError(f"{entry.name}: status {status} after {sent.name}, expected {expected}")
    run(["-m", "minitf.finetune", "--resume", "--output", out], folder)


def stopped(entry: Entry, folder: Path, out: Path, sent: signal.Signals) -> int:
    """The status of a run that gets a signal as soon as it has logged a few steps."""
    process = subprocess.Popen(
        [sys.executable, "-m", "minitf.finetune", *entry.finetune(), "--output", str(out)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = out / "metrics.jsonl"
    while process.poll() is None:
        if metrics.is_file() and metrics.read_bytes().count(b"\n") >= STEPS_BEFORE_A_SIGNAL:
            process.send_signal(sent)
            break
        time.sleep(0.002)
    return process.wait()


def answers(entry: Entry, best: Path, folder: Path) -> tuple[bytes, list[str]]:
    """The output of `predict` for a table, and the lines it prints for texts."""
    output = best.parent.parent / f"{entry.name}-answers{entry.suffix if entry.table != 'pairs' else '.csv'}"
    predict = ["-m", "minitf.predict", best, "--device", "cpu", "--offline"]
    run([*predict, "--input", entry.path("input"), "--output", output], folder)
    content = output.read_bytes()
    output.unlink()
    return content, run([*predict, *ARGUMENTS[entry.table or "reviews"]], folder).splitlines()


def evaluate(entry: Entry, best: Path, folder: Path) -> dict[str, Any]:
    """The numbers of `evaluate --output`."""
    output = best.parent.parent / f"{entry.name}-evaluation.json"
    flags = ["--data", entry.path("test"), "--device", "cpu", "--offline", "--output", output]
    run(["-m", "minitf.evaluate", best, *flags], folder)
    content = read_json(output)
    output.unlink()
    return {**numbers_of_report(content), "scores": content["scores"]}


def run(arguments: Sequence[object], folder: Path) -> str:
    """Run Python with these arguments and return what it prints. Raises RuntimeError if it fails."""
    words = [str(argument) for argument in arguments]
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {shlex.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment() -> dict[str, str]:
    """One thread, the minitf of this checkout, and a random hash seed."""
    path = os.pathsep.join(filter(None, [str(record.ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONHASHSEED": "random", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}


# Digests --------------------------------------------------------------------------------------------------------------


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of_numbers(value: Any) -> str:
    """The digest of JSON values, independent of the order of keys and of times."""
    return digest(json.dumps(without_times(value), sort_keys=True).encode())


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key != "seconds"}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def numbers_of_report(content: dict[str, Any]) -> dict[str, Any]:
    """The measured values of a report, without commands, paths, versions and text."""
    names = ("epochs", "best_epoch", "valid", "test", "scores", "learned", "mistaken")
    numbers = {name: content[name] for name in names if name in content}
    return numbers | {"mistakes": [[mistake["row"], mistake["loss"]] for mistake in content["mistakes"]]}


def digest_of_inputs(folder: Path) -> str:
    """The digest of all tables and models."""
    paths = [path for part in ("tables", "models") for path in (folder / part).rglob("*") if path.is_file()]
    paths = [path for path in paths if path.name != "config.json"]  # has the version of transformers
    each = {str(path.relative_to(folder)): digest(path.read_bytes()) for path in paths}
    return digest_of_numbers(each)


# Comparison -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The differences between two records of an entry; new files are allowed."""

    different: tuple[str, ...]
    new_files: tuple[str, ...]


def compare(recorded: dict[str, Any], found: dict[str, Any]) -> Comparison:
    """Compare everything in a recorded entry with a new run."""
    if not recorded or "failed" in found:
        return Comparison((found.get("failed", "not recorded"),), ())
    different = []
    for name in (*recorded, *(found.keys() - recorded.keys())):
        before, after = recorded.get(name), found.get(name)
        if name == "commit" or before == after:
            continue
        if name == "files":
            missing = sorted(set(before or ()) - set(after or ()))
            different += [f"files: missing {', '.join(missing)}"] if missing else []
        elif isinstance(before, dict) and isinstance(after, dict):
            keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
            different += [f"{name} of {key}: {_change(before.get(key), after.get(key))}" for key in keys]
        else:
            different.append(f"{name}: {_change(before, after)}")
    new = sorted(set(found.get("files", ())) - set(recorded.get("files", ())))
    return Comparison(tuple(different), tuple(new))


def _change(before: Any, after: Any) -> str:
    """Format two values; of digests the first characters, of lists the items that differ."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return "; ".join(f"{a!r} → {b!r}" for a, b in zip(before, after, strict=True) if a != b)
    if all(isinstance(value, str) and len(value) == 64 for value in (before, after)):
        return f"{before[:12]} → {after[:12]}"
    return f"{before!r} → {after!r}"


def not_comparable(recorded: dict[str, Any], surroundings: dict[str, Any]) -> list[str]:
    """The reasons why the digests of a record cannot be compared with new ones on this machine."""
    return [
        f"{name}: {recorded.get(name)!r} recorded, {surroundings[name]!r} here"
        for name in SAME_MACHINE
        if recorded.get(name) != surroundings[name]
    ]


# Command --------------------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.golden", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "--record", type=Path, nargs="?", const=RECORD, metavar="FILE", help="write a record, do not compare"
    )
    p.add_argument("--against", type=Path, default=RECORD, metavar="FILE", help="the record to compare with")
    p.add_argument("--only", nargs="+", metavar="NAME", choices=[entry.name for entry in ENTRIES], help="these entries")
    p.add_argument("--jobs", type=int, default=2, help="entries at the same time (default: 2)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    # A process in the background starts with SIGINT ignored, and so would the runs that are interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    entries = [entry for entry in ENTRIES if not arguments.only or entry.name in arguments.only]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_tables(folder / "tables")
        write_models(folder / "models")
        surroundings = record.surroundings() | {"instructions": instructions(), "inputs": digest_of_inputs(folder)}
        surroundings["threads"] = 1  # of each command
        earlier = earlier_record(arguments)
        reasons = not_comparable(earlier, surroundings) if earlier else []
        if reasons:
            print("the earlier record cannot be compared with runs on this machine: " + "; ".join(reasons))
            return 2
        with ThreadPoolExecutor(arguments.jobs) as pool:
            # In the order of the list, each as soon as it is finished.
            found = zip(entries, pool.map(lambda entry: try_entry(entry, folder), entries), strict=True)
            if arguments.record is not None:
                return write_record(arguments.record, surroundings, found, earlier)
            return compare_record(earlier, found, whole=not arguments.only)


def earlier_record(arguments: argparse.Namespace) -> dict[str, Any]:
    """The record to compare with, or to replace single entries in; empty for a new one."""
    path = arguments.against if arguments.record is None else arguments.record
    if arguments.record is not None and not (arguments.only and path.is_file()):
        return {}
    return read_json(path)


def try_entry(entry: Entry, folder: Path) -> dict[str, Any]:
    """The results of an entry, or why it failed."""
    try:
        return run_entry(entry, folder)
    except (RuntimeError, OSError, KeyError) as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def instructions() -> str:
    """The vector instructions that PyTorch uses on this processor."""
    import torch

    return torch.backends.cpu.get_cpu_capability()


Found = Iterator[tuple[Entry, dict[str, Any]]]


def write_record(path: Path, surroundings: dict[str, Any], found: Found, earlier: dict[str, Any]) -> int:
    """Write the record; entries of an earlier one that were not run are kept. Returns the exit status."""
    entries, failed = dict(earlier.get("entries", {})), 0
    for entry, results in found:
        failed += "failed" in results
        print(f"{entry.name}: {results.get('failed', 'recorded')}", flush=True)
        entries[entry.name] = {"commit": surroundings["commit"], **results}
    if failed:
        print(f"{failed} entries failed; nothing is written")
        return 1
    order = [entry.name for entry in ENTRIES if entry.name in entries]
    record.write(path.stem, {**surroundings, "entries": {name: entries[name] for name in order}}, path.parent)
    print(f"written: {path.name}")
    return 0


def compare_record(recorded: dict[str, Any], found: Found, whole: bool) -> int:
    """Print a line for each entry, and its differences. Returns the exit status."""
    entries, seen, different = recorded["entries"], set(), 0
    for entry, results in found:
        seen.add(entry.name)
        comparison = compare(entries.get(entry.name, {}), results)
        new = f" (new files: {', '.join(comparison.new_files)})" if comparison.new_files else ""
        print(f"{entry.name}: {'DIFFERENT' if comparison.different else 'same'}{new}", flush=True)
        for line in comparison.different:
            print(f"  {line}", flush=True)
        different += bool(comparison.different)
    if whole:
        for name in sorted(entries.keys() - seen):
            print(f"{name}: recorded, but no longer in the list")
            different += 1
    print(f"{different} of {len(seen)} entries differ from the record of commit {recorded['commit'][:7]}")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
