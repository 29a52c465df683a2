"""Spoiled checkpoints of every kind, loaded by the thousand: each is refused in words, or loads right.

    python -m benchmarks.fuzz

Each case is a small checkpoint with one file spoiled (`fuzz_files`, `fuzz_hostile`), loaded in a worker that has no
other work (`fuzz_case` says what is a finding there). The death of a worker is one too, and 20 seconds without an
answer. A finding's files are kept by its number; `--case NUMBER --seed SEED` runs that one alone.
"""

import argparse
import collections
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from benchmarks import record

PATIENCE = 20.0  # seconds for one case
START = 120.0  # and for a worker to import everything
CHILD = ("-m", "benchmarks.fuzz_case")
GENERATION = 30_000  # cases until a worker is replaced, so that what little a library keeps adds up to nothing

READY = b"ready"  # what a worker says first
Results = collections.deque[dict[str, Any]]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.partition("\n")[0])
    p.add_argument("--cases", type=int, default=120_000)
    p.add_argument("--seed", default="0")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--name", default="fuzz", help="of the record")
    p.add_argument("--keep", type=Path, default=record.ROOT / "runs" / "fuzz", help="where the findings' files go")
    p.add_argument("--case", type=int, help="run this one alone, here, and say what it comes to")
    return p


def main() -> int:
    arguments = parser().parse_args()
    seed, keep = arguments.seed, arguments.keep
    with tempfile.TemporaryDirectory() as folder:
        if arguments.case is not None:
            alone(Path(folder), seed, arguments.case, keep)
            return 0
        summary = record.surroundings() | fuzz(Path(folder), seed, arguments.cases, arguments.workers, keep)
    print(f"{len(summary['findings'])} findings; written: {record.write(arguments.name, summary)}")
    return int(bool(summary["findings"]))


def fuzz(folder: Path, seed: str, cases: int, workers: int, keep: Path) -> dict[str, Any]:
    """Run the cases; what came of them, by kind, and the findings. `folder` is to be empty."""
    from benchmarks import fuzz_files

    fuzz_files.write_bases(folder / "bases")
    start, results = time.perf_counter(), Results()
    with ThreadPoolExecutor(workers) as pool:
        watched = [
            pool.submit(_watch, folder, seed, range(first, cases, workers), results, keep) for first in range(workers)
        ]
        while wait(watched, 10).not_done:
            print(f"{len(results):,} of {cases:,} in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        for future in watched:
            future.result()  # raises what went wrong in the watching itself
    seconds = time.perf_counter() - start
    kinds: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for result in results:
        kinds[result["kind"]][result["outcome"]] += 1
    return {
        "seed": seed,
        "cases": len(results),
        "workers": workers,
        "seconds": round(seconds, 1),
        "cases_per_second": round(len(results) / seconds, 1),
        "largest_growth_mib": round(max(result["growth"] for result in results) / 2**20, 1),
        "outcomes": dict(sum(kinds.values(), collections.Counter())),
        "kinds": {kind: dict(sorted(counted.items())) for kind, counted in kinds.items()},
        "spoils": dict(sorted(collections.Counter(f"{r['kind']}: {r['how']}" for r in results).items())),
        "findings": sorted((r for r in results if r["outcome"] == "finding"), key=lambda r: r["case"]),
    }


def alone(folder: Path, seed: str, number: int, keep: Path) -> None:
    """One case in this process; its files are kept."""
    from benchmarks import fuzz_case, fuzz_files

    fuzz_files.write_bases(folder / "bases")
    kept = _keep(folder, seed, number, keep)
    print(kept | {"files": str(keep / str(number))})
    print(fuzz_case.examine(keep / str(number), kept["kind"], kept["head"]))


def _watch(folder: Path, seed: str, numbers: range, results: Results, keep: Path) -> None:
    """One worker after another, each from where the last one stopped."""
    while numbers:
        now, at = numbers[:GENERATION], 0
        with _worker(folder, seed, now) as process:
            lines = _lines(process)
            if next(lines, None) != READY:
                raise RuntimeError(f"a worker does not start: {(folder / 'complaints').read_text()[-2000:]}")
            for line in lines:
                results.append(json.loads(line))
                if results[-1]["outcome"] == "finding":
                    _keep(folder, seed, now[at], keep)
                at += 1
            ended = process.poll()
        if at < len(now):
            said = "no answer in time" if ended is None else f"the worker ended with status {ended}"
            results.append(_keep(folder, seed, now[at], keep) | {"outcome": "finding", "said": said, "growth": 0})
            at += 1
        numbers = numbers[at:]


@contextlib.contextmanager
def _worker(folder: Path, seed: str, numbers: range) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose own folder, home and place for temporary files hold nothing but a file each."""
    place = folder / f"worker-{numbers.start % numbers.step}"
    shutil.rmtree(place, ignore_errors=True)
    for name in ("work", "home", "temporary", "weights"):
        (place / name).mkdir(parents=True)
        (place / name / "guarded").write_text(name)
    surroundings = {"HOME": str(place / "home"), "TMPDIR": str(place / "temporary"), "RUST_BACKTRACE": "0"}
    surroundings |= {"TOKENIZERS_PARALLELISM": "false"}
    surroundings |= {"MINITF_WEIGHTS": str(place / "weights"), "PYTHONPATH": str(record.ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", *CHILD, str(folder / "bases"), seed]
    command += [str(number) for number in (numbers.start, numbers.stop, numbers.step)]
    with (
        (folder / "complaints").open("ab") as complaints,  # what a library prints that panics
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, cwd=place / "work", env=os.environ | surroundings
        ) as process,
    ):
        yield process
        process.kill()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What it says line by line, until it ends or says nothing for too long."""
    assert process.stdout is not None
    stream, said, patience = process.stdout.fileno(), b"", START
    while select.select([stream], [], [], patience)[0]:
        part = os.read(stream, 1 << 16)
        if not part:
            process.wait()
            return
        *lines, said = (said + part).split(b"\n")
        yield from lines
        patience = PATIENCE


def _keep(folder: Path, seed: str, number: int, keep: Path) -> dict[str, Any]:
    """Write a case's files where they stay; what it was."""
    from benchmarks import fuzz_files, fuzz_hostile

    made = fuzz_hostile.case(seed, number, fuzz_files.read_bases(folder / "bases"))
    shutil.rmtree(keep / str(number), ignore_errors=True)
    fuzz_files.put(keep / str(number), made.files)
    return {"case": number, "kind": made.kind, "how": made.how, "head": made.head}


if __name__ == "__main__":
    sys.exit(main())
