"""Check minitf on this GPU, and measure its speed. At most ten minutes; needs only torch and transformers.

    python -m benchmarks.gpu_report

The checks: equivalence with transformers in float64 and float32 (TF32 off and on), the error of bfloat16 relative to
float64, training in float64 compared with the CPU, and training speed beside a reference loop. Exit status 0 if all
checks pass, 1 if not. On a GPU, writes results/gpu-NAME.json and the table between the marks in docs/results.md. A CPU
runs the same checks, but writes its record only to --output.
"""

import argparse
import dataclasses
import re
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks import record
from benchmarks.gpu_checks import FULL, QUICK, Found, Setup, bfloat16, find, float32, float64, tf32
from benchmarks.gpu_training import speed, trajectory
from minitf.bert.device import choose_device
from minitf.cli.console import Parser, flags_in_errors, run
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, KERNELS, Mathematics
from minitf.proof.report import device_name

CHECKS: dict[str, Callable[[Setup], Found]] = {
    "equivalence, float64": float64,
    "equivalence, float32": float32,
    "equivalence, float32 with TF32": tf32,
    "error, bfloat16": bfloat16,
    "trajectory, float64": trajectory,
    "training speed": speed,
}
PAGE = record.ROOT / "docs" / "results.md"
MARKS = ("<!-- gpu table -->", "<!-- /gpu table -->")


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m benchmarks.gpu_report", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    p.add_argument("--model", default="all-MiniLM-L6-v2", help="default: %(default)s")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    p.add_argument("--quick", action="store_true", help="a few sentences and steps, as a test of the program")
    p.add_argument("--output", type=Path, metavar="FOLDER", help="for the record; leaves docs/results.md unchanged")
    return p


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    return run_checks(parser().parse_args(argv))


def run_checks(
    arguments: argparse.Namespace, equations: Mathematics = EQUATIONS, kernels: Mathematics = KERNELS
) -> int:
    """Run all checks and publish the record; a test replaces the mathematics by a faulty one."""
    device = choose_device(arguments.device)
    make_folder(arguments.output)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    setup = Setup(find(arguments.model), device, QUICK if arguments.quick else FULL, equations, kernels)
    print(f"{arguments.model} on {device_name(device)}", flush=True)
    checks = [run_check(name, check, setup) for name, check in CHECKS.items()]
    content = {**surroundings(device), "model": arguments.model, "size": dataclasses.asdict(setup.size)}
    content["checks"] = checks
    failed = [check["name"] for check in checks if not check["passed"]]
    content["passed"] = not failed
    publish(content, device, arguments.output, arguments.quick)
    print(f"FAILED: {'; '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def run_check(name: str, check: Callable[[Setup], Found], setup: Setup) -> dict[str, Any]:
    """Run one check; return its result with its name and seconds. A check that raises fails; the others still run."""
    start = time.perf_counter()
    try:
        found = check(setup)
    except Exception as error:
        traceback.print_exc()
        first_line = str(error).split("\n")[0].replace("|", "/")  # a bar would end the table cell
        found = {"passed": False, "measured": f"{type(error).__name__}: {first_line}", "tolerance": None, "numbers": {}}
    seconds = round(time.perf_counter() - start, 1)
    print(f"{'pass' if found['passed'] else 'FAIL'}  {name}: {found['measured']}  [{seconds} s]", flush=True)
    return {"name": name, **found, "seconds": seconds}


def surroundings(device: torch.device) -> dict[str, Any]:
    """The surroundings of every record; the GPU is named only if it did the work."""
    known = record.surroundings()
    known.pop("gpu", None)
    if device.type == "cuda":
        known |= {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    return {"device": device.type, **known}


def publish(content: dict[str, Any], device: torch.device, output: Path | None, quick: bool) -> None:
    """Write the record and print where. Only a full run on a GPU adds to the repository."""
    on_gpu = device.type == "cuda"
    name = f"gpu-{slug(content['gpu'])}" if on_gpu else "cpu-check"
    if on_gpu:
        print(f"\n{table(content)}\n")
    if output is None and (quick or not on_gpu):
        why = "this was a quick run" if on_gpu else "not measured on a GPU"
        print(f"nothing written: {why}; --output writes the record")
        return
    path = record.write(name, content, output or record.RESULTS)
    print(f"written: {path.name}")
    if output is None and insert(PAGE, table(content)):
        print(f"written: the table in {PAGE.name}")


def make_folder(output: Path | None) -> None:
    """Create the folder for the record, before anything is measured. Raises InputError."""
    try:
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be created ({error.strerror}); give another folder") from None


def table(content: dict[str, Any]) -> str:
    """Format a record in Markdown: where its numbers come from, and a row for each check."""
    commit = content["commit"][:7] or "unknown"
    changes = " and changes" if content["dirty"] else ""
    versions = f"PyTorch {content['torch']}, transformers {content['transformers']}, CUDA {content['cuda']}"
    where = f"{content['model']} on {content['gpu']}; {versions}; {content['date']}, commit {commit}{changes}:"
    lines = [
        where,
        f"`{content['command']}`",
        "",
        "| check | measured | allowed | passed | seconds |",
        "|" + "---|" * 5,
    ]
    for check in content["checks"]:
        passed = "yes" if check["passed"] else "**no**"
        cells = (check["name"], check["measured"], allowed(check["tolerance"]), passed, f"{check['seconds']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def allowed(tolerance: Any) -> str:
    """Format a tolerance: one number, one for each stage, or none."""
    if isinstance(tolerance, dict):
        return ", ".join(f"{stage} {value:.0e}" for stage, value in tolerance.items())
    return "–" if tolerance is None else f"{tolerance:g}"


def insert(page: Path, text: str) -> bool:
    """Put `text` between the marks of `page`. Returns False, and changes nothing, if it has no marks."""
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, start, rest = old.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (start and end):
        return False
    page.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
    return True


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    run(main)
