"""Thousands of malformed tables through `finetune --dry-run`: each must be refused in one line, or read completely.

    python -m benchmarks.malformed

A case is a valid table in one of the formats, mutated (`malformed_mutations`), then read, checked and tokenized as
`finetune` does before it trains. It must end either with status 2 and one line that names a given file or flag, or
with status 0 and no row lost or changed, compared with an independent reader. No file may change, not even those of
an earlier run. Anything else is a finding; `--case NUMBER` runs and shows that case alone.
"""

import argparse
import collections
import contextlib
import gzip
import io
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import record
from benchmarks.malformed_mutations import Case, case

SLOW = 10.0  # seconds from which a case is a finding
WORDS = """
the film food a hotel room book was great so good ! we loved is not bad awful never again , very it ? of 5 and
""".split()  # noqa: SIM905 (a list of words is easier read as words)
Result = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.malformed", description=__doc__.partition("\n")[0])
    p.add_argument("--cases", type=int, default=8_000)
    p.add_argument("--seed", default="0")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--name", default="malformed", help="of the record")
    p.add_argument("--case", type=int, help="run and show this case alone")
    return p


def main() -> int:
    arguments = parser().parse_args()
    if arguments.case is not None:
        made = case(arguments.seed, arguments.case)
        print(*(f"--- {name}\n{content!r}" for name, content in made.files.items()), sep="\n")
        print(next(run(arguments.seed, [arguments.case])))
        return 0
    start = time.perf_counter()
    numbers = [range(i, arguments.cases, arguments.workers * 4) for i in range(arguments.workers * 4)]
    with ProcessPoolExecutor(arguments.workers) as pool:
        parts = pool.map(_run_all, [arguments.seed] * len(numbers), numbers)
        results = [result for part in parts for result in part]
    summary = record.surroundings() | summarize(results, arguments.seed, time.perf_counter() - start)
    print(f"{len(summary['findings'])} findings; written: {record.write(arguments.name, summary)}")
    return int(bool(summary["findings"]))


def summarize(results: list[Result], seed: str, seconds: float) -> dict[str, Any]:
    """Count the outcomes, by format and task and by mutation."""
    kinds: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    mutations: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for result in results:
        kinds[result["kind"]][result["outcome"]] += 1
        for how in result["how"]:
            mutations[how][result["outcome"]] += 1
    return {
        "seed": seed,
        "cases": len(results),
        "seconds": round(seconds, 1),
        "slowest_case_seconds": round(max(result["seconds"] for result in results), 2),
        "outcomes": dict(sum(kinds.values(), collections.Counter[str]())),
        "kinds": {kind: dict(sorted(counts.items())) for kind, counts in sorted(kinds.items())},
        "mutations": {how: dict(sorted(counts.items())) for how, counts in sorted(mutations.items())},
        "different_refusals": len({result["shape"] for result in results if result["outcome"] == "refused"}),
        "findings": [r for r in sorted(results, key=lambda r: r["case"]) if r["outcome"] == "finding"],
    }


def _run_all(seed: str, numbers: range) -> list[Result]:
    return list(run(seed, numbers))


def run(seed: str, numbers: range | list[int]) -> Iterator[Result]:
    """Run the cases in a temporary folder."""
    import torch

    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    previous = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        around = Path(folder)
        write_model(around / "model")
        write_run(around / "earlier")
        (around / "work").mkdir()
        os.chdir(around / "work")
        try:
            for number in numbers:
                yield {"case": number} | examine(case(seed, number), around)
        finally:
            os.chdir(previous)


def examine(made: Case, around: Path) -> Result:
    """Run one case in the working folder, which has its files; return its result."""
    for name, content in made.files.items():
        Path(name).write_bytes(content)
    before = contents(around)
    start = time.perf_counter()
    status, out, err, read = dry_run(made, around)
    seconds = time.perf_counter() - start
    finding = problem(made, status, out, err, read)
    after = contents(around)
    if changed := sorted(name for name in before | after if before.get(name) != after.get(name)):
        finding = f"files created, deleted or changed: {changed}"
    if seconds > SLOW:
        finding = f"took {seconds:.1f} s"
    for path in Path().iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    outcome = "finding" if finding else "ran" if status == 0 else "refused"
    shape = "".join(c for c in err if not c.isdigit())[:60] if outcome == "refused" else ""
    more = {"finding": finding} if finding else {}
    return {"kind": made.kind, "how": list(made.how), "outcome": outcome, "seconds": seconds, "shape": shape} | more


def dry_run(made: Case, around: Path) -> tuple[object, str, str, dict[str, Any]]:
    """Run `finetune --dry-run`; return its status, standard output, standard error, and the tables it read."""
    from minitf import finetune
    from minitf.cli import console
    from minitf.fine_tuning import run as fine_tuning_run

    tables: dict[str, Any] = {}
    read_data = fine_tuning_run.read_data

    def read(*arguments: Any) -> Any:
        tables.update(read_data(*arguments))
        return tables

    flags = [*made.flags, "--model", str(around / "model"), "--max-length", "12", "--device", "cpu", "--dry-run"]
    flags += ["--output", str(around / "earlier"), "--overwrite", "--offline"]
    out, err = io.StringIO(), io.StringIO()
    status: object = None
    with (
        mock.patch.object(fine_tuning_run, "read_data", read),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        try:
            console.run(lambda _: finetune.main(flags))
        except SystemExit as error:
            status = error.code
        except BaseException:  # a user would see a traceback
            status = traceback.format_exc(limit=-3)
    return status, out.getvalue(), err.getvalue(), tables


def problem(made: Case, status: object, out: str, err: str, tables: dict[str, Any]) -> str:
    """What is wrong with the end of a case; empty if nothing is."""
    if status == 2:
        lines = err.splitlines()
        if len(lines) != 1 or not err.startswith("minitf: "):
            return f"refused in {len(lines)} lines: {err!r:.500}"
        if not any(name in err for name in made.files) and not err.startswith("minitf: --"):
            return f"the refusal names no file and no flag: {err!r:.300}"
        return ""
    if status != 0 or err:
        return f"status {status!s:.1500}; {err!r:.300}"
    if "dry run: everything is in order" not in out:
        return f"status 0, but it says {out[-200:]!r}"
    return lost_rows(made, tables)


def lost_rows(made: Case, tables: dict[str, Any]) -> str:
    """How the texts read differ from those of the independent reader; empty if they do not."""
    by_path: dict[str, list[Any]] = collections.defaultdict(list)
    for table in tables.values():  # without --valid two tables come from one file
        by_path[table.path].append(table)
    for name, content in made.files.items():
        parts = by_path.get(name, [])
        found = sorted((e for table in parts for e in table.examples), key=lambda e: e.row)
        columns = (parts[0].text_column, parts[0].pair_column) if parts else ("", None)
        try:
            content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
            expected = made.format.read(content, *columns)
        except Exception as error:
            return f"{name}: read, but not by the independent reader: {error!r:.200}"
        if [(e.text, getattr(e, "pair", None)) for e in found] != expected:
            return f"{name}: {len(found)} rows read of {len(expected)}, or their texts differ"
    return ""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_model(folder: Path) -> None:
    """Write a tiny checkpoint."""
    from minitf.bert import Bert, BertConfig
    from minitf.checkpoints.save import save
    from minitf.text.tokenizer import Tokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS)]
    config = BertConfig(
        len(words), num_hidden_layers=1, hidden_size=8, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=16,
    )  # fmt: skip
    save(Bert(config, None), Tokenizer.from_vocabulary("\n".join(words).encode(), "malformed"), folder)


def write_run(folder: Path) -> None:
    """Write files of an earlier run, which must not change."""
    from minitf.fine_tuning.manifest import Manifest

    Manifest(folder).add("best/model.safetensors", "metrics.jsonl")
    (folder / "best").mkdir(parents=True)
    (folder / "best" / "model.safetensors").write_text("an earlier model")
    (folder / "metrics.jsonl").write_text("{}\n")


if __name__ == "__main__":
    sys.exit(main())
