"""Run a learner's function inside a real BERT, and compare with the same model that uses the equation.

The comparison covers every hidden state of a padded batch, and the losses and weights of a few training steps of the
last two layers. It runs in float64, so that a difference is a mistake and not rounding.
"""

import dataclasses
import functools

import torch
from torch import Tensor

from minitf.bert import Bert
from minitf.bert.config import BertConfig
from minitf.checkpoints.load import load_model, load_tokenizer
from minitf.errors import InputError
from minitf.exercises.exercise import Exercise, Function, Remark
from minitf.exercises.judge.adapters import accepting_tensors, with_signature_of
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.text.batches import Batch
from minitf.training.optimizer import RULES, Optimizer, Recipe

MODEL = "all-MiniLM-L6-v2"
SENTENCES = (
    "The soup was cold.",
    "I have been back four times since, and would go again tomorrow.",
    "No.",
)
CLASSES = 3
STEPS = 3
TOLERANCE = 1e-8  # relative to a tensor's largest value: rounding grows through six layers and the optimizer


@dataclasses.dataclass(frozen=True)
class BertRun:
    """The results of one model."""

    model_name: str
    states: tuple[Tensor, ...]  # L + 1 × [B, S, D] on real tokens
    losses: tuple[float, ...]  # of each step; empty without training
    weights: tuple[Tensor, ...]  # the trained ones, after the last step


def compare(exercise: Exercise, function: Function, numpy: bool) -> dict[str, str] | Remark:
    """Return the checks passed, by their titles in the verdict; a Remark if something differs."""
    name, use = exercise.name, exercise.in_bert
    assert use is not None
    trained = not numpy or use == "rule"  # NumPy has no gradients, but an update rule needs none
    adapted = with_signature_of(exercise.target, accepting_tensors(function) if numpy else function)
    mine = run_in_bert(EQUATIONS.overlay(**{name: adapted}), name, use, trained)
    target = _target_run(name if use in ("activation", "penalty", "rule") else "", use, trained)
    for layer, (a, b) in enumerate(zip(mine.states, target.states, strict=True)):
        if not equal(a, b):
            return Remark(f"hidden state {layer} of {mine.model_name} differs by {float((a - b).abs().max()):.1e}")
    checks = {"in a BERT": f"{mine.model_name}: {len(mine.states)} hidden states equal"}
    if not trained:
        return checks | {"training": "not checked: NumPy has no gradients"}
    if name == "dropout":  # correct functions may draw different random numbers
        if not all(torch.tensor(mine.losses).isfinite()):
            return Remark("a loss is NaN or infinite")
        return checks | {"training": f"{STEPS} steps, every loss finite"}
    for step, (x, y) in enumerate(zip(mine.losses, target.losses, strict=True), start=1):
        if not abs(x - y) <= TOLERANCE * max(1.0, abs(y)):
            return Remark(f"the loss of training step {step} is {x:.6g}, not {y:.6g}")
    if not all(map(equal, mine.weights, target.weights)):
        return Remark(f"after {STEPS} training steps the weights differ from those trained with the equation")
    return checks | {"training": f"{STEPS} steps of its last two layers: losses and weights equal"}


def equal(mine: Tensor, target: Tensor) -> bool:
    """Whether two tensors are equal up to rounding."""
    return bool((mine - target).abs().max() <= TOLERANCE * target.abs().max().clamp(min=1e-3))


@functools.cache
def _target_run(name: str, use: str, trained: bool) -> BertRun:
    return run_in_bert(EQUATIONS, name, use, trained)


def run_in_bert(math: Mathematics, name: str, use: str, trained: bool) -> BertRun:
    """Run a model with `math` forward and, if `trained`, for a few training steps.

    `use` selects a model, a loss or an update rule that calls the function `name`.
    """
    torch.manual_seed(0)
    model, batch, model_name = open_model(math, name if use == "activation" else None)
    with torch.no_grad():
        states = model(batch.token_ids, batch.segment_ids, batch.mask).hidden_states
    real = batch.mask.bool()
    states = tuple(X[real] for X in states)
    if not trained:
        return BertRun(model_name, states, (), ())
    model.requires_grad_(False)
    for part in (*list(model.encoder.layers)[-2:], model.pooler, model.head):
        assert part is not None
        part.requires_grad_(True)
    penalty = {name.removesuffix("_penalty"): 1e-4} if use == "penalty" else {}
    rule = next(rule for rule, equation in RULES.items() if equation == name) if use == "rule" else "adamw"
    decay = {"weight_decay": 0.0} if rule != "adamw" else {}
    optimizer = Optimizer(model, Recipe(rule=rule, lr=1e-3, warmup=0.0, **penalty, **decay), STEPS, math)  # type: ignore[arg-type]
    model.train()
    losses = []
    for _ in range(STEPS):
        logits = model(batch.token_ids, batch.segment_ids, batch.mask).logits
        loss = loss_of(logits, use, math) + optimizer.penalty()
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    weights = tuple(p.detach() for p in model.parameters() if p.requires_grad)
    return BertRun(model_name, states, tuple(losses), weights)


def loss_of(logits: Tensor, use: str, math: Mathematics) -> Tensor:
    """Compute the loss that `use` names, or the cross-entropy, on made-up targets."""
    targets = torch.arange(logits.numel(), dtype=logits.dtype).reshape(logits.shape) % 2
    if use in ("binary_cross_entropy", "mean_squared_error"):
        loss: Tensor = getattr(math, use)(logits, targets)
    else:
        loss = math.cross_entropy(logits, torch.arange(len(logits)) % CLASSES)
    return loss


def open_model(math: Mathematics, activation: str | None) -> tuple[Bert, Batch, str]:
    """Return the default model in float64 with `math`, a padded batch for it, and its name.

    Without the official weights, it is a small BERT with random weights.
    """
    dropout = 0.0 if math.dropout is EQUATIONS.dropout else 0.1

    def change(config: BertConfig) -> BertConfig:
        return dataclasses.replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)

    try:
        model, report = load_model(
            MODEL,
            Bert,
            "classification",
            num_labels=CLASSES,
            math=math,
            dtype=torch.float64,
            offline=True,
            change=change,
            hidden_act=activation,
        )
        return model, load_tokenizer(report.source.folder)(list(SENTENCES)), MODEL
    except InputError:
        pass
    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        labels=("a", "b", "c"), hidden_act=activation or "gelu",
    )  # fmt: skip
    model = Bert(change(config), "classification", math).double().eval()
    ids = torch.randint(5, 100, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(7) < torch.tensor([[7], [4], [2]])).long()
    return (
        model,
        Batch(ids, torch.zeros_like(ids), mask),
        "a small BERT with random weights (the official weights are not on this machine)",
    )
