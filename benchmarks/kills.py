"""Random `kill -9` during a run, each run resumed to its end: all must come to the same bits.

    python -m benchmarks.kills --kills 50

The moments are drawn uniformly over the duration of a whole run, which saves at every step; half of the kills wait for
the next save, and come in its midst. Some of the resumed runs are killed again, before they are left to end. Compared
are the SHA-256 of best/model.safetensors, that of every tensor of the final state (weights, optimizer, random numbers),
and the journal and the report but for their times. One thread; a process is a fork of one that has Python's modules
loaded.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import random
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

SAVING = 0.5  # share of the kills that wait for the next save
AGAIN = 0.3  # share of the killed runs of which the resumed one is killed too


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--model", help="default: one of BERT-Tiny's size, drawn at random")
    p.add_argument("--sentences", type=int, default=96, help="of the built-in corpus, to train on")
    p.add_argument("--save-every", type=int, default=1)
    p.add_argument("--seed", type=int, default=0, help="draws the moments")
    p.add_argument("--name", default="kills", help="of the record")
    p.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    return p


HOW = [
    "--offline",
    "--epochs",
    "3",
    "--batch-size",
    "8",
    "--accumulate",
    "2",
    "--max-length",
    "48",
    "--lr",
    "1e-3",
    "--metric",
    "loss",
    "--freeze",
    "embeddings",
    "--unfreeze",
    "gradual",
    "--device",
    "cpu",
    "--seed",
    "1",
]


def command(arguments: argparse.Namespace, data: Path, out: Path) -> list[str]:
    where = ("--train", data / "train.jsonl", "--valid", data / "valid.jsonl", "--output", out)
    return [str(word) for word in ("--model", arguments.model, "--save-every", arguments.save_every, *where, *HOW)]


def write_model(folder: Path) -> None:
    """Two layers of width 128, as BERT-Tiny has them, with the words of the default model."""
    torch.manual_seed(0)
    small = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}
    model, found = load_with_report(
        "all-MiniLM-L6-v2", from_scratch=True, change=lambda config: dataclasses.replace(config, **small)
    )
    save(model, load_tokenizer(found.source.folder), folder)


def write_tables(arguments: argparse.Namespace, folder: Path) -> None:
    """The first sentences of the built-in corpus, as many of each label as of the other."""
    train, valid, _ = built_in_corpus()
    for name, table, n in (("train", train, arguments.sentences), ("valid", valid, 32)):
        labels = sorted({str(e.label) for e in table.examples})
        rows = [e for label in labels for e in [e for e in table.examples if e.label == label][: n // len(labels)]]
        lines = [json.dumps({"text": e.text, "label": e.label}) for e in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def digests(out: Path) -> dict[str, str]:
    """What must be the same."""
    state = hashlib.sha256()
    for name, tensor in sorted(load_file(out / "last" / "state.safetensors").items()):
        state.update(name.encode() + tensor.tobytes())
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    told = [_timeless(json.loads(line)) for line in [*lines, (out / "report.json").read_text(encoding="utf-8")]]
    return {
        "best": hashlib.sha256((out / "best" / "model.safetensors").read_bytes()).hexdigest(),
        "state": state.hexdigest(),
        "told": hashlib.sha256(json.dumps(told).encode()).hexdigest(),
    }


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("seconds", "output", "command")}
    return [_timeless(v) for v in value] if isinstance(value, list) else value


def begun(words: list[str], log: Path) -> int:
    """A run in a process of its own: a fork of this one, for starting Python takes longer than the run. Its number."""
    process = os.fork()
    if process:
        return process
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    status = 1
    try:
        console.run(lambda _: finetune.main(words))
    except SystemExit as left:
        status = int(left.code or 0)
    finally:
        os._exit(status)


def killed(words: list[str], log: Path, after: float, saving: Path | None) -> bool:
    """Begin a run and kill it; with `saving`, its folder, in its next save from then on. False if it ended before."""
    process, end = begun(words, log), time.perf_counter() + after
    while time.perf_counter() < end or (saving is not None and not half_written(saving)):
        done, _ = os.waitpid(process, os.WNOHANG)
        if done:
            return False
        time.sleep(0.0002)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def half_written(out: Path) -> bool:
    return any(out.glob(".*-*")) or any(out.glob("last/.*"))


def ended(words: list[str], log: Path) -> None:
    """A run that is left alone. Raises RuntimeError if it does not end well."""
    _, status = os.waitpid(begun(words, log), 0)
    if status:
        raise RuntimeError(f"status {os.waitstatus_to_exitcode(status)}: {log.read_text(encoding='utf-8')}")


def found_in(out: Path) -> str:
    """What the killed process left, in a word."""
    if not out.exists():
        return "no folder yet"
    if half_written(out):
        return "in the midst of a save"
    if not (out / "last" / "state.safetensors").exists():
        return "nothing saved yet"
    return "done" if (out / "report.json").exists() else "between two saves"


def one_kill(words: list[str], out: Path, draw: random.Random, duration: float) -> dict[str, Any]:
    """Kill a run, perhaps kill the resumed one too, and let it come to its end."""
    shutil.rmtree(out, ignore_errors=True)
    after = draw.uniform(0.0, duration)
    log, saving = out.with_name("log.txt"), out if draw.random() < SAVING else None
    told: dict[str, Any] = {"after": round(after, 3), "saving": saving is not None}
    told |= {"killed": killed(words, log, after, saving), "left": found_in(out)}
    again = [*words, "--resume"] if out.exists() else words
    if draw.random() < AGAIN:
        after = draw.uniform(0.0, duration)
        told |= {"again_after": round(after, 3), "again": killed(again, log, after, None), "again_left": found_in(out)}
        again = [*words, "--resume"] if out.exists() else words
    ended(again, log)
    return told | digests(out)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    torch.set_num_threads(1)  # a fork has no threads but its own
    surroundings = record.surroundings()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        write_tables(arguments, folder)
        if arguments.model is None:
            arguments.model = str(folder / "model")
            write_model(folder / "model")
        words = command(arguments, folder, folder / "out")
        durations = []
        for _ in range(3):
            shutil.rmtree(folder / "out", ignore_errors=True)
            start = time.perf_counter()
            ended(words, folder / "log.txt")
            durations.append(time.perf_counter() - start)
        expected, duration = digests(folder / "out"), statistics.median(durations)
        best, state = expected["best"][:12], expected["state"][:12]
        print(f"a whole run takes {duration:.1f} s; best/ {best}, state {state}", flush=True)
        draw, kills = random.Random(arguments.seed), []
        while sum(kill["killed"] for kill in kills) < arguments.kills:
            kill = one_kill(words, folder / "out", draw, duration)
            kills.append(kill | {"same": {name: kill.pop(name) == expected[name] for name in expected}})
            said = "the same bits" if all(kills[-1]["same"].values()) else f"OTHERWISE: {kills[-1]}"
            print(f"{len(kills)}: killed after {kill['after']:.2f} s, {kill['left']}: {said}", flush=True)
    real = [kill for kill in kills if kill["killed"]]
    different = [kill for kill in kills if not all(kill["same"].values())]
    summary = {
        "kills": len(real) + sum(kill.get("again", False) for kill in kills),
        "runs": len(real),
        "left": dict(Counter(kill["left"] for kill in real)),
        "different": len(different),
        "seconds_of_a_whole_run": round(duration, 2),
    }
    path = record.write(arguments.name, {**surroundings, "summary": summary, "expected": expected, "runs": kills})
    print(f"{summary['kills']} kills in {len(real)} runs, {len(different)} of which ended otherwise")
    print(f"{summary['left']}; written: {path.name}")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
