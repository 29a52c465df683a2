"""The checks of `gpu_report` for training: the same weights as on the CPU, and the speed and memory.

Only the clock, which must wait for a GPU, and the memory, which only CUDA counts, depend on the type of the device.
"""

import dataclasses
import gc
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import torch
import transformers
from torch import Tensor

from benchmarks.gpu_checks import CLASSES, Found, Setup, float32_products, subset
from benchmarks.side_by_side import TURN, WARM_UP, Reference, alternate
from minitf.bert import Bert, BertConfig
from minitf.checkpoints.load import load_with_report
from minitf.mathematics import Mathematics
from minitf.proof.divergence import compare
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, by_length, shuffled
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.loop import Epoch, Plan, Step, TrainingData
from minitf.training.optimizer import Optimizer, Recipe

TRAJECTORY = 1e-8

Events = Generator[Step | Epoch]
Weights = dict[str, Tensor]


def trajectory(setup: Setup) -> Found:
    """Compare the weights after some steps of training: kernels on the device, equations on the CPU."""
    start, ours, losses = _trained(setup, setup.kernels, setup.device)
    _, expected, expected_losses = _trained(setup, setup.equations, torch.device("cpu"))
    rows = [compare("weight", name, ours[name], expected[name], TRAJECTORY) for name in expected]
    worst = max(rows, key=lambda row: row.absolute)
    moved = max(compare("weight", name, expected[name], start[name], TRAJECTORY).absolute for name in expected)
    return {
        "passed": worst.absolute <= TRAJECTORY < moved,  # weights that did not change are equal too
        "measured": f"{worst.absolute:.1e} after {len(losses)} steps ({worst.label})",
        "tolerance": TRAJECTORY,
        "numbers": {
            "sides": [f"kernels on {setup.device.type}", "equations on cpu"],
            "largest_difference": worst.absolute,
            "tensor": worst.label,
            "moved": moved,
            "losses": [losses, expected_losses],
        },
    }


def _trained(setup: Setup, math: Mathematics, device: torch.device) -> tuple[Weights, Weights, list[float]]:
    """The weights before and after, on the CPU, and the losses; float64, AdamW, warm-up, clipping, no dropout."""
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
    events = _train(model, math, examples, optimizer, setup.size.batch)
    losses = [event.loss for event in events if isinstance(event, Step)]
    return before, {name: p.detach().cpu() for name, p in model.named_parameters()}, losses


def without_dropout(config: BertConfig) -> BertConfig:
    rates = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
    return dataclasses.replace(config, **dict.fromkeys(rates, 0.0))


def _train(model: Bert, math: Mathematics, examples: Examples, optimizer: Optimizer, size: int) -> Events:
    """One epoch of minitf's loop; its evaluation is as short as possible."""
    data = TrainingData(examples, subset(examples, [0, 1]))
    return loop.train(model, Classification(CLASSES, math=math), data, optimizer, Plan(1, size, seed=0))


def speed(setup: Setup) -> Found:
    """Measure fine-tuning in float32 beside the reference loop, and the memory of each. It always passes."""
    precisions = {"float32": "ieee"} | ({"float32 with TF32": "tf32"} if setup.device.type == "cuda" else {})
    numbers, texts = {}, []
    for name, precision in precisions.items():
        with float32_products(precision):
            numbers[name] = n = _speed(setup) | {"peak_bytes": _memory(setup)}
        rates, peaks = n["sentences_per_second"], n["peak_bytes"]
        texts.append(f"{name}: {rates['minitf']:.0f} sentences/s, {n['median_speed_ratio']:.2f} × transformers")
        if peaks["minitf"] is not None:
            texts[-1] += f", {peaks['minitf'] / 2**20:.0f} MiB beside {peaks['transformers'] / 2**20:.0f}"
    return {"passed": True, "measured": "; ".join(texts), "tolerance": None, "numbers": numbers}


def _speed(setup: Setup) -> dict[str, Any]:
    """The seconds of each turn of minitf and the reference, which train alternately."""
    size = setup.size
    examples = setup.examples(size.turns * TURN * size.speed_batch)
    reference = _theirs(setup, examples)
    _, turns = alternate(_ours(setup, examples), reference, lambda: _now(setup.device))
    timed = turns[WARM_UP:-1]
    sentences = TURN * size.speed_batch * len(timed)
    return {
        "batch_size": size.speed_batch,
        "sentences_per_second": {
            "minitf": sentences / sum(ours for ours, _ in timed),
            "transformers": sentences / sum(theirs for _, theirs in timed),
        },
        "median_speed_ratio": statistics.median(theirs / ours for ours, theirs in timed),
        "turns": [[round(ours, 5), round(theirs, 5)] for ours, theirs in turns],
    }


def _memory(setup: Setup) -> dict[str, int | None]:
    """The peak memory in bytes of each, training alone on the longest sentences; None except on CUDA."""
    corpus, size = setup.examples(800), setup.size.speed_batch
    examples = subset(corpus, [i for batch in by_length(corpus.lengths(), size)[:TURN] for i in batch])
    return {
        "minitf": _peak(setup.device, lambda: list(_ours(setup, examples))),
        "transformers": _peak(setup.device, lambda: _theirs(setup, examples).train(TURN)),
    }


def _ours(setup: Setup, examples: Examples) -> Events:
    """Fine-tune as the command does, for one epoch."""
    math, size = setup.kernels, setup.size.speed_batch
    model, _ = load_with_report(setup.folder, head="classification", labels=CLASSES, math=math, device=setup.device)
    vocabulary = CompactVocabulary(model.embeddings.word, [examples])
    optimizer = Optimizer(model, Recipe(), len(examples.tokens) // size, math)
    return _train(model, math, vocabulary.renumber(examples), optimizer, size)


def _theirs(setup: Setup, examples: Examples) -> Reference:
    """The reference loop, on the same batches as `_ours`."""
    model = transformers.BertForSequenceClassification.from_pretrained(setup.folder, num_labels=len(CLASSES))
    batches = shuffled(examples.lengths(), setup.size.speed_batch, seed=0, epoch=1)
    task = Classification(CLASSES, math=setup.kernels)
    return Reference(torch.nn.Module.to(model, setup.device), Recipe(), task, examples, batches)


def _now(device: torch.device) -> float:
    """The time when `device` has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _peak(device: torch.device, run: Callable[[], object]) -> int | None:
    if device.type != "cuda":
        run()
        return None
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return torch.cuda.max_memory_allocated() - before
