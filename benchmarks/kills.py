"""End a run at random times by SIGKILL or SIGTERM, resume it to its end, and require the same result bit for bit.

    python -m benchmarks.kills --kills 50

The times are drawn uniformly over the duration of a whole run, which saves at every step. Half of the kills wait for
the next save and interrupt it. A third of the signals are SIGTERM, after which the run must end with status 143. Some
of the resumed runs are killed again before they may finish. The test compares the SHA-256 of best/model.safetensors, of
every tensor of the final state (weights, optimizer, random state), and of the journal and the report without their
times. One thread; a run is a fork of this process, which has all modules loaded.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load_file

from benchmarks import record
from minitf import finetune
from minitf.checkpoints.load import load_tokenizer, load_with_report
from minitf.checkpoints.save import save
from minitf.cli import console
from minitf.datasets.dataset import built_in_corpus
from minitf.files import leftovers

DURING_SAVE = 0.5  # share of the kills that wait for the next save
TERMINATED = 1 / 3  # share of the kills by SIGTERM
AGAIN = 0.3  # share of the killed runs whose resumed run is killed too
FLAGS = shlex.split(
    "--offline --epochs 3 --batch-size 8 --accumulate 2 --max-length 48 --lr 1e-3 --metric loss --freeze embeddings"
    " --unfreeze gradual --device cpu --seed 1"
)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--model", help="default: one of BERT-Tiny's size with random weights")
    p.add_argument("--sentences", type=int, default=96, help="of the built-in corpus, to train on")
    p.add_argument("--save-every", type=int, default=1)
    p.add_argument("--seed", type=int, default=0, help="of the random times")
    p.add_argument("--name", default="kills", help="of the record")
    p.add_argument("--folder", type=Path, help="working folder (default: a temporary one)")
    return p


def command(arguments: argparse.Namespace, data: Path, out: Path) -> list[str]:
    """The flags of the run."""
    paths = ("--train", data / "train.jsonl", "--valid", data / "valid.jsonl", "--output", out)
    return [str(word) for word in ("--model", arguments.model, "--save-every", arguments.save_every, *paths, *FLAGS)]


def write_model(folder: Path) -> None:
    """Write a model of two layers of width 128, like BERT-Tiny, with the default model's vocabulary."""
    torch.manual_seed(0)
    small = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}
    model, report = load_with_report(
        "all-MiniLM-L6-v2", from_scratch=True, change=lambda config: dataclasses.replace(config, **small)
    )
    save(model, load_tokenizer(report.source.folder), folder)


def write_tables(arguments: argparse.Namespace, folder: Path) -> None:
    """Write the first sentences of the built-in corpus, the same number for each label."""
    train, valid, _ = built_in_corpus("hard-reviews")
    for name, table, n in (("train", train, arguments.sentences), ("valid", valid, 32)):
        labels = sorted({str(e.label) for e in table.examples})
        rows = [e for label in labels for e in [e for e in table.examples if e.label == label][: n // len(labels)]]
        lines = [json.dumps({"text": e.text, "label": e.label}) for e in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def digests(out: Path) -> dict[str, str]:
    """Everything that must be the same."""
    state = hashlib.sha256()
    for name, tensor in sorted(load_file(out / "last" / "state.safetensors").items()):
        state.update(name.encode() + tensor.tobytes())
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    reports = [_without_times(json.loads(line)) for line in [*lines, (out / "report.json").read_text(encoding="utf-8")]]
    return {
        "best": hashlib.sha256((out / "best" / "model.safetensors").read_bytes()).hexdigest(),
        "state": state.hexdigest(),
        "reports": hashlib.sha256(json.dumps(reports).encode()).hexdigest(),
    }


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: _without_times(v) for k, v in value.items() if k not in ("seconds", "output", "overwrite", "command")
        }
    return [_without_times(v) for v in value] if isinstance(value, list) else value


def start(flags: list[str], log: Path) -> int:
    """Start a run in a fork of this process (starting Python would take longer than the run); return its process id."""
    process = os.fork()
    if process:
        return process
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    status = 1
    try:
        console.run(lambda _: finetune.main(flags))
    except SystemExit as error:
        status = int(error.code or 0)
    finally:
        os._exit(status)


def kill(flags: list[str], log: Path, after: float, saving: Path | None, number: int = signal.SIGKILL) -> bool:
    """Start a run and send it a signal after some seconds, or with `saving`, its folder, during the next save.

    Returns False if the run ended before. Raises RuntimeError if it ends with an unexpected status.
    """
    process, end = start(flags, log), time.perf_counter() + after
    while time.perf_counter() < end or (saving is not None and not is_saving(saving)):
        done, _ = os.waitpid(process, os.WNOHANG)
        if done:
            return False
        time.sleep(0.0002)
    os.kill(process, number)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -number, 128 + number):
        raise RuntimeError(f"status {code} after signal {number}: {log.read_text(encoding='utf-8')}")
    return code != 0


def is_saving(out: Path) -> bool:
    """Whether a file or folder is being written."""
    return bool(leftovers(out) or leftovers(out / "last"))


def finish(flags: list[str], log: Path) -> None:
    """Run to the end. Raises RuntimeError if the exit status is not 0."""
    _, status = os.waitpid(start(flags, log), 0)
    if status:
        raise RuntimeError(f"status {os.waitstatus_to_exitcode(status)}: {log.read_text(encoding='utf-8')}")


def found_in(out: Path) -> str:
    """The state in which a killed process left its folder."""
    if not out.exists():
        return "no folder yet"
    if is_saving(out):
        return "during a save"
    if not (out / "last" / "state.safetensors").exists():
        return "nothing saved yet"
    return "done" if (out / "report.json").exists() else "between two saves"


def one_run(flags: list[str], out: Path, draw: random.Random, duration: float) -> dict[str, Any]:
    """Kill a run, sometimes kill the resumed run too, and resume it to its end."""
    shutil.rmtree(out, ignore_errors=True)
    after = draw.uniform(0.0, duration)
    log, saving = out.with_name("log.txt"), out if draw.random() < DURING_SAVE else None
    result: dict[str, Any] = {"after": round(after, 3), "saving": saving is not None}
    number = signal.SIGTERM if draw.random() < TERMINATED else signal.SIGKILL
    result |= {"signal": number.name, "killed": kill(flags, log, after, saving, number), "left": found_in(out)}
    resumed = [*flags, "--resume"] if out.exists() else flags
    if draw.random() < AGAIN:
        after = draw.uniform(0.0, duration)
        result |= {"again_after": round(after, 3), "again": kill(resumed, log, after, None)}
        result |= {"again_left": found_in(out)}
        resumed = [*flags, "--resume"] if out.exists() else flags
    finish(resumed, log)
    return result | digests(out)


def undisturbed(flags: list[str], out: Path) -> tuple[dict[str, str], float]:
    """The digests of a run that is not killed, and its duration: the median of three."""
    durations = []
    for _ in range(3):
        shutil.rmtree(out, ignore_errors=True)
        began = time.perf_counter()
        finish(flags, out.with_name("log.txt"))
        durations.append(time.perf_counter() - began)
    return digests(out), statistics.median(durations)


def prepare(arguments: argparse.Namespace, folder: Path, out: Path) -> list[str]:
    """Write the tables and the model in `folder`; return the flags of a run in `out`."""
    torch.set_num_threads(1)  # a fork keeps only the thread that forks
    folder.mkdir(parents=True, exist_ok=True)
    write_tables(arguments, folder)
    if arguments.model is None:
        arguments.model = str(folder / "model")
        write_model(folder / "model")
    return command(arguments, folder, out)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    torch.set_num_threads(1)
    surroundings = record.surroundings()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        out = folder / "out"
        flags = prepare(arguments, folder, out)
        expected, duration = undisturbed(flags, out)
        print(f"a whole run takes {duration:.1f} s; best/ {expected['best'][:12]}, state {expected['state'][:12]}")
        draw, runs = random.Random(arguments.seed), list[dict[str, Any]]()
        while sum(run["killed"] for run in runs) < arguments.kills:
            run = one_run(flags, out, draw, duration)
            runs.append(run | {"same": {name: run.pop(name) == expected[name] for name in expected}})
            verdict = "same result" if all(runs[-1]["same"].values()) else f"DIFFERENT: {runs[-1]}"
            print(f"{len(runs)}: {run['signal']} after {run['after']:.2f} s, {run['left']}: {verdict}", flush=True)
    killed = [run for run in runs if run["killed"]]
    different = [run for run in runs if not all(run["same"].values())]
    summary = {
        "kills": len(killed) + sum(run.get("again", False) for run in runs),
        "runs": len(killed),
        "signals": dict(Counter(run["signal"] for run in killed)),
        "left": dict(Counter(run["left"] for run in killed)),
        "different": len(different),
        "seconds_of_a_whole_run": round(duration, 2),
    }
    path = record.write(arguments.name, {**surroundings, "summary": summary, "expected": expected, "runs": runs})
    print(f"{summary['kills']} kills in {len(killed)} runs; {len(different)} ended differently")
    print(f"{summary['left']}; written: {path.name}")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
