"""Load thousands of mutated checkpoints of every kind: each must be refused with a clear error, or load correctly.

    python -m benchmarks.fuzz

Each case is a small checkpoint with one mutated file (`fuzz_files`, `fuzz_hostile`), loaded in a worker process
(`fuzz_case` defines a finding). It is also a finding if the worker dies or does not answer for 20 seconds.
The files of a finding are kept under its number; `--case NUMBER --seed SEED` runs that case alone.
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

TIMEOUT = 20.0  # seconds for one case
START_TIMEOUT = 120.0  # for a worker to import everything
CHILD = ("-m", "benchmarks.fuzz_case")
CASES_PER_WORKER = 30_000  # then a new one starts, so that small memory leaks of libraries do not add up

READY = b"ready"  # the first line of a worker
Results = collections.deque[dict[str, Any]]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.partition("\n")[0])
    p.add_argument("--cases", type=int, default=120_000)
    p.add_argument("--seed", default="0")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--name", default="fuzz", help="of the record")
    p.add_argument("--keep", type=Path, default=record.ROOT / "runs" / "fuzz", help="folder for the files of findings")
    p.add_argument("--case", type=int, help="run this case alone, in this process, and print its result")
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
    """Run the cases; return the counts by kind, and the findings. `folder` must be empty."""
    from benchmarks import fuzz_files

    fuzz_files.write_bases(folder / "bases")
    start, results = time.perf_counter(), Results()
    with ThreadPoolExecutor(workers) as pool:
        futures = [
            pool.submit(_watch, folder, seed, range(first, cases, workers), results, keep) for first in range(workers)
        ]
        while wait(futures, 10).not_done:
            print(f"{len(results):,} of {cases:,} in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        for future in futures:
            future.result()  # raises the errors of `_watch` itself
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
        "kinds": {kind: dict(sorted(counts.items())) for kind, counts in kinds.items()},
        "mutations": dict(sorted(collections.Counter(f"{r['kind']}: {r['how']}" for r in results).items())),
        "findings": sorted((r for r in results if r["outcome"] == "finding"), key=lambda r: r["case"]),
    }


def alone(folder: Path, seed: str, number: int, keep: Path) -> None:
    """Run one case in this process and keep its files."""
    from benchmarks import fuzz_case, fuzz_files

    fuzz_files.write_bases(folder / "bases")
    case = _keep(folder, seed, number, keep)
    print(case | {"files": str(keep / str(number))})
    print(fuzz_case.examine(keep / str(number), case["kind"], case["head"]))


def _watch(folder: Path, seed: str, numbers: range, results: Results, keep: Path) -> None:
    """Run one worker after another; each continues where the last one stopped."""
    while numbers:
        now, at = numbers[:CASES_PER_WORKER], 0
        with _worker(folder, seed, now) as process:
            lines = _lines(process)
            if next(lines, None) != READY:
                raise RuntimeError(f"a worker does not start: {(folder / 'stderr').read_text()[-2000:]}")
            for line in lines:
                results.append(json.loads(line))
                if results[-1]["outcome"] == "finding":
                    _keep(folder, seed, now[at], keep)
                at += 1
            ended = process.poll()
        if at < len(now):
            why = "no answer in time" if ended is None else f"the worker ended with status {ended}"
            results.append(_keep(folder, seed, now[at], keep) | {"outcome": "finding", "finding": why, "growth": 0})
            at += 1
        numbers = numbers[at:]


@contextlib.contextmanager
def _worker(folder: Path, seed: str, numbers: range) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose working folder, home, temporary folder and weights folder contain one guarded file each."""
    own = folder / f"worker-{numbers.start % numbers.step}"
    shutil.rmtree(own, ignore_errors=True)
    for name in ("work", "home", "temporary", "weights"):
        (own / name).mkdir(parents=True)
        (own / name / "guarded").write_text(name)
    environment = {"HOME": str(own / "home"), "TMPDIR": str(own / "temporary"), "RUST_BACKTRACE": "0"}
    environment |= {"TOKENIZERS_PARALLELISM": "false"}
    environment |= {"MINITF_WEIGHTS": str(own / "weights"), "PYTHONPATH": str(record.ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", *CHILD, str(folder / "bases"), seed]
    command += [str(number) for number in (numbers.start, numbers.stop, numbers.step)]
    with (
        (folder / "stderr").open("ab") as stderr,  # a library that panics prints there
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, cwd=own / "work", env=os.environ | environment
        ) as process,
    ):
        yield process
        process.kill()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The lines it prints, until it ends or prints nothing for too long."""
    assert process.stdout is not None
    stream, rest, timeout = process.stdout.fileno(), b"", START_TIMEOUT
    while select.select([stream], [], [], timeout)[0]:
        part = os.read(stream, 1 << 16)
        if not part:
            process.wait()
            return
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
        timeout = TIMEOUT


def _keep(folder: Path, seed: str, number: int, keep: Path) -> dict[str, Any]:
    """Write the files of a case to `keep`; return its description."""
    from benchmarks import fuzz_files, fuzz_hostile

    made = fuzz_hostile.case(seed, number, fuzz_files.read_bases(folder / "bases"))
    shutil.rmtree(keep / str(number), ignore_errors=True)
    fuzz_files.put(keep / str(number), made.files)
    return {"case": number, "kind": made.kind, "how": made.how, "head": made.head}


if __name__ == "__main__":
    sys.exit(main())
