"""What `gpu_report` measures of training: the same weights as on the CPU, and the speed and memory of it.

Only the clock, which must wait for a GPU, and the memory, which CUDA alone counts, ask where they are.
"""

import dataclasses
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

from benchmarks.gpu_checks import CLASSES, Found, Setup, float32_products, taken
from benchmarks.sst2 import TURN, WARM_UP, Reference
from minitf.bert import Bert, BertConfig
from minitf.checkpoints.load import load_with_report
from minitf.mathematics import Mathematics
from minitf.proof.divergence import compare
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, by_length, shuffled
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.optimizer import Optimizer, Recipe

TRAJECTORY = 1e-8

Log = Callable[[dict[str, Any]], None]
Weights = dict[str, Tensor]


def trajectory(setup: Setup) -> Found:
    """The weights after some steps of the training loop: kernels on the device, equations on the CPU."""
    start, near, losses = _trained(setup, setup.kernels, setup.device)
    _, far, their_losses = _trained(setup, setup.equations, torch.device("cpu"))
    rows = [compare("weight", name, near[name], far[name], TRAJECTORY) for name in far]
    worst = max(rows, key=lambda row: row.absolute)
    moved = max(compare("weight", name, far[name], start[name], TRAJECTORY).absolute for name in far)
    return {
        "passed": worst.absolute <= TRAJECTORY < moved,  # weights that stand still are equal too
        "measured": f"{worst.absolute:.1e} after {len(losses)} steps ({worst.label})",
        "tolerance": TRAJECTORY,
        "numbers": {
            "sides": [f"kernels on {setup.device.type}", "equations on cpu"],
            "largest_difference": worst.absolute,
            "tensor": worst.label,
            "moved": moved,
            "losses": [losses, their_losses],
        },
    }


def _trained(setup: Setup, math: Mathematics, device: torch.device) -> tuple[Weights, Weights, list[float]]:
    """Weights before and after, on the CPU, and the losses; float64, AdamW with warm-up and clipping, no dropout."""
    torch.manual_seed(0)
    model, _ = load_with_report(
        setup.folder,
        head="classification",
        labels=CLASSES,
        math=math,
        dtype=torch.float64,
        device=device,
        change=without_dropout,
    )
    before = {name: p.detach().cpu().clone() for name, p in model.named_parameters()}
    examples = setup.examples(setup.size.steps * setup.size.batch)
    optimizer = Optimizer(model, Recipe(), setup.size.steps, math)
    losses: list[float] = []
    _train(model, math, examples, optimizer, setup.size.batch, lambda logged: losses.append(logged["loss"]))
    return before, {name: p.detach().cpu() for name, p in model.named_parameters()}, losses


def without_dropout(config: BertConfig) -> BertConfig:
    rates = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
    return dataclasses.replace(config, **dict.fromkeys(rates, 0.0))


def _train(model: Bert, math: Mathematics, examples: Examples, optimizer: Optimizer, size: int, log: Log) -> None:
    """One epoch of the production loop; of its evaluation no more than it cannot do without."""
    few = taken(examples, [0, 1])
    task = Classification(CLASSES, math=math)
    loop.train(model, task, examples, few, optimizer, epochs=1, batch_size=size, seed=0, log=log)


def speed(setup: Setup) -> Found:
    """Fine-tuning in float32 beside the reference loop, and the memory of each; reported, not judged."""
    precisions = {"float32": "ieee"} | ({"float32 with TF32": "tf32"} if setup.device.type == "cuda" else {})
    numbers, texts = {}, []
    for name, precision in precisions.items():
        with float32_products(precision):
            numbers[name] = n = _race(setup) | {"peak_bytes": _memory(setup)}
        rates, peaks = n["sentences_per_second"], n["peak_bytes"]
        texts.append(f"{name}: {rates['minitf']:.0f} sentences/s, {n['median_speed_ratio']:.2f} × transformers")
        if peaks["minitf"] is not None:
            texts[-1] += f", {peaks['minitf'] / 2**20:.0f} MiB beside {peaks['transformers'] / 2**20:.0f}"
    return {"passed": True, "measured": "; ".join(texts), "tolerance": None, "numbers": numbers}


def _race(setup: Setup) -> dict[str, Any]:
    """minitf trains, and in its log call, every TURN steps, the reference takes as many; the seconds of each turn."""
    size, device = setup.size, setup.device
    examples = setup.examples(size.turns * TURN * size.race_batch)
    reference = _theirs(setup, examples)
    turns: list[tuple[float, float]] = []
    start = _now(device)  # the first turn holds the loading, too; it is not timed

    def their_turn(logged: dict[str, Any]) -> None:
        nonlocal start
        if logged["step"] % TURN == 0:
            middle = _now(device)
            reference.steps(TURN)
            turns.append((middle - start, _now(device) - middle))
            start = _now(device)

    _ours(setup, examples, their_turn)
    timed = turns[WARM_UP:-1]
    sentences = TURN * size.race_batch * len(timed)
    return {
        "batch_size": size.race_batch,
        "sentences_per_second": {
            "minitf": sentences / sum(ours for ours, _ in timed),
            "transformers": sentences / sum(theirs for _, theirs in timed),
        },
        "median_speed_ratio": statistics.median(theirs / ours for ours, theirs in timed),
        "turns": [[round(ours, 5), round(theirs, 5)] for ours, theirs in turns],
    }


def _memory(setup: Setup) -> dict[str, int | None]:
    """The most bytes that each held, alone, training on the longest sentences; None where CUDA does not count."""
    corpus, size = setup.examples(800), setup.size.race_batch
    examples = taken(corpus, [i for batch in by_length(corpus.lengths(), size)[:TURN] for i in batch])
    return {
        "minitf": _peak(setup.device, lambda: _ours(setup, examples)),
        "transformers": _peak(setup.device, lambda: _theirs(setup, examples).steps(TURN)),
    }


def _ours(setup: Setup, examples: Examples, log: Log = lambda logged: None) -> None:
    """Fine-tune as the command does, for one epoch."""
    math, size = setup.kernels, setup.size.race_batch
    model, _ = load_with_report(setup.folder, head="classification", labels=CLASSES, math=math, device=setup.device)
    vocabulary = CompactVocabulary(model.embeddings.word, [examples])
    optimizer = Optimizer(model, Recipe(), len(examples.tokens) // size, math)
    _train(model, math, vocabulary.renumber(examples), optimizer, size, log)


def _theirs(setup: Setup, examples: Examples) -> Reference:
    """The reference loop, over the batches that `_ours` meets."""
    model = transformers.BertForSequenceClassification.from_pretrained(setup.folder, num_labels=len(CLASSES))
    batches = shuffled(examples.lengths(), setup.size.race_batch, seed=0, epoch=1)
    return Reference(torch.nn.Module.to(model, setup.device), Recipe(), examples, batches)


def _now(device: torch.device) -> float:
    """The time at which all work given to `device` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _peak(device: torch.device, run: Callable[[], None]) -> int | None:
    if device.type != "cuda":
        run()
        return None
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return torch.cuda.max_memory_allocated() - before
