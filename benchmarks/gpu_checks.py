"""The checks of `gpu_report` for one forward and backward pass: equivalence with `transformers`, bfloat16 error.

A check takes a Setup and returns its numbers and whether it passed. No check depends on the type of the device: on a
CPU the same code compares minitf with `transformers` there. The checks of training are in `gpu_training`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.side_by_side import WARM_UP, inputs
from minitf.bert import BertConfig
from minitf.checkpoints import pytorch, sources
from minitf.checkpoints.load import load_tokenizer
from minitf.datasets.dataset import built_in_corpus
from minitf.mathematics import EQUATIONS, KERNELS, Mathematics
from minitf.proof.divergence import STEPS, TOLERANCES, Row, Tolerance, compare, compare_models, first_divergence
from minitf.proof.reference import Pair, open_pair, stand_in
from minitf.proof.sentences import LABELS, encode_sentences
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, pad

CLASSES = ("negative", "positive")  # of the built-in corpus
SINGLE = 1e-5  # the error of a product in float32 is smaller than this, in TF32 larger
# Both sides round their factors to 2⁻¹¹. Emulated on a CPU, this makes errors of 1e-3 in the forward pass and 3e-3 in
# gradients.
TF32 = Tolerance(5e-2, 1e-1, 1.0)
RATIO = 1.10

Found = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured."""

    sentences: int  # for the error of bfloat16
    steps: int  # of the trajectory
    batch: int  # sentences per step of the trajectory
    turns: int  # of the speed comparison; the first WARM_UP and the last are not timed
    speed_batch: int


FULL = Size(sentences=64, steps=50, batch=16, turns=WARM_UP + 21, speed_batch=32)
QUICK = Size(sentences=8, steps=4, batch=4, turns=WARM_UP + 2, speed_batch=2)


@dataclasses.dataclass(frozen=True)
class Setup:
    """The model, the device, and both mathematics, which a test replaces by faulty ones."""

    folder: Path
    device: torch.device
    size: Size = FULL
    equations: Mathematics = EQUATIONS
    kernels: Mathematics = KERNELS

    @property
    def max_length(self) -> int:
        config, _ = BertConfig.from_dict(pytorch.read_config(self.folder))
        return min(128, config.longest)

    def examples(self, n: int) -> Examples:
        """n labelled sentences of the built-in corpus, repeated if it has fewer."""
        encoded = Classification(CLASSES).encode(
            built_in_corpus("hard-reviews")[0], load_tokenizer(self.folder), self.max_length
        )
        return subset(encoded, [i % len(encoded.tokens) for i in range(n)])

    def pair(self, math: Mathematics, dtype: torch.dtype, attention: str, device: torch.device | None = None) -> Pair:
        """minitf and the reference in eval mode, on this device unless another is given."""
        torch.manual_seed(0)  # for the new classifier, which both get
        return open_pair(self.folder, math, dtype, device or self.device, len(CLASSES), attention=attention)


def find(model: str) -> Path:
    """Return the folder of `model`. Raises CheckpointError."""
    return sources.find(model).folder


def subset(examples: Examples, indices: Sequence[int]) -> Examples:
    return Examples([examples.tokens[i] for i in indices], examples.targets[torch.tensor(indices)])


def float64(setup: Setup) -> Found:
    """Compare every tensor, loss, gradient, and weight after five steps; in eval mode, and with a fixed dropout."""
    return _equivalence(setup, torch.float64, TOLERANCES[torch.float64], steps=STEPS, train=True)


def float32(setup: Setup) -> Found:
    """Compare every tensor and gradient, with TF32 off."""
    with float32_products("ieee"):
        found = _equivalence(setup, torch.float32, TOLERANCES[torch.float32])
        found["numbers"]["error_of_a_product"] = error = product_error(setup.device)
    found["passed"] &= error < SINGLE  # otherwise TF32 is on
    return found


def tf32(setup: Setup) -> Found:
    """Compare the same with TF32 on for both. On a CPU the setting has no effect, and the result says so."""
    with float32_products("tf32"):
        found = _equivalence(setup, torch.float32, TF32)
        found["numbers"]["error_of_a_product"] = error = product_error(setup.device)
    found["numbers"]["in_effect"] = error > SINGLE
    found["measured"] += "" if error > SINGLE else " (this device has no TF32)"
    return found


@torch.no_grad()
def bfloat16(setup: Setup) -> Found:
    """Compare the error of the last hidden state (root mean square over real tokens) with that of `transformers`."""
    texts = setup.examples(setup.size.sentences).tokens
    batch = pad(texts)
    real, on_device = batch.mask.bool(), batch.to(setup.device)
    reference = setup.pair(setup.equations, torch.float64, "eager", torch.device("cpu")).theirs
    truth = reference.bert(**inputs(batch)).last_hidden_state[real]
    pair = setup.pair(setup.kernels, torch.bfloat16, "sdpa")
    states = {
        "minitf": pair.ours(on_device.token_ids, on_device.segment_ids, on_device.mask).hidden_states[-1],
        "transformers": pair.theirs.bert(**inputs(on_device)).last_hidden_state,
    }
    error = {name: float((X.cpu().double()[real] - truth).square().mean().sqrt()) for name, X in states.items()}
    ratio = error["minitf"] / error["transformers"]
    return {
        "passed": ratio <= RATIO,
        "measured": f"{error['minitf']:.2e}, {ratio:.3f} × that of transformers",
        "tolerance": RATIO,
        "numbers": {"rms_error": error, "ratio": ratio, "sentences": len(texts), "tokens": int(real.sum())},
    }


def _equivalence(setup: Setup, dtype: torch.dtype, tolerance: Tolerance, steps: int = 0, train: bool = False) -> Found:
    """Compare both mathematics with the reference; the largest differences are relative, as in `proof.divergence`."""
    cases = {}
    for name, math in (("equations", setup.equations), ("kernels", setup.kernels)):
        cases[f"{name}, eval"] = _compared(setup, math, dtype, tolerance, steps)
        if train:
            fixed = math.overlay(dropout=stand_in)
            cases[f"{name}, train"] = _compared(setup, fixed, dtype, tolerance, steps, fixed_dropout=True)
    cases["kernels, fused attention"] = _fused(setup, dtype, tolerance)
    largest = _largest([row for rows in cases.values() for row in rows])
    firsts = {case: first for case, rows in cases.items() if (first := first_divergence(rows)) is not None}
    measured = ", ".join(f"{stage} {value:.1e}" for stage, value in largest.items())
    if firsts:
        case, first = next(iter(firsts.items()))
        measured = f"{case}: {first.label} ({first.stage}) is off by {first.relative:.1e} of its largest value"
    return {
        "passed": not firsts,
        "measured": measured,
        "tolerance": {stage: getattr(tolerance, stage) for stage in largest},
        "numbers": {
            "largest": largest,
            "cases": {case: {"tensors": len(rows), **_largest(rows)} for case, rows in cases.items()},
            "first_divergence": {case: dataclasses.asdict(first) for case, first in firsts.items()},
        },
    }


def _compared(
    setup: Setup, math: Mathematics, dtype: torch.dtype, tolerance: Tolerance, steps: int, fixed_dropout: bool = False
) -> list[Row]:
    pair = setup.pair(math, dtype, "eager")
    batch = encode_sentences(load_tokenizer(setup.folder), setup.max_length).to(setup.device)
    targets = torch.tensor(LABELS, device=setup.device)
    return compare_models(pair, batch, targets, steps=steps, tolerance=tolerance, fixed_dropout=fixed_dropout)


@torch.no_grad()
def _fused(setup: Setup, dtype: torch.dtype, tolerance: Tolerance) -> list[Row]:
    """Compare fused attention. (`compare_models` requests attention weights, which a fused kernel does not compute.)"""
    pair = setup.pair(setup.kernels, dtype, "sdpa")
    batch = encode_sentences(load_tokenizer(setup.folder), setup.max_length).to(setup.device)
    ours = pair.ours(batch.token_ids, batch.segment_ids, batch.mask)
    theirs = pair.theirs(**inputs(batch), output_hidden_states=True)
    real = batch.mask.bool()
    states = enumerate(zip(ours.hidden_states, theirs.hidden_states, strict=True))
    rows = [compare("forward", f"hidden state {i}", X[real], Y[real], tolerance.forward) for i, (X, Y) in states]
    return [*rows, compare("forward", "logits", ours.logits, theirs.logits, tolerance.forward)]


def _largest(rows: Sequence[Row]) -> dict[str, float]:
    """The largest relative difference of each stage."""
    stages = dict.fromkeys(row.stage for row in rows)
    return {stage: max(row.relative for row in rows if row.stage == stage) for stage in stages}


@contextmanager
def float32_products(precision: str) -> Iterator[None]:
    """Multiply float32 matrices on a GPU as "ieee", or as "tf32" with 10 of their 23 mantissa bits.

    This is PyTorch's setting since 2.9; the older `allow_tf32` warns and must not be used together with it.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = precision
    try:
        yield
    finally:
        matmul.fp32_precision = before


def product_error(device: torch.device) -> float:
    """The largest error of a float32 product of two random matrices, divided by its largest value."""
    X, Y = torch.randn(2, 256, 256, generator=torch.Generator().manual_seed(0)).to(device)
    exact = X.double() @ Y.double()
    return float(((X @ Y).double() - exact).abs().max() / exact.abs().max())
