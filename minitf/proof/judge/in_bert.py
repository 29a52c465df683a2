"""A learner's function inside a real BERT: the same model twice, once with it and once with the equation.

Compared are every hidden state of a padded batch and, after a few steps of training of its two last layers, the
weights; in float64, so that a difference is a mistake and not rounding.
"""

import dataclasses
import functools
import inspect
from typing import Any

import torch
from torch import Tensor

from minitf.bert import Bert
from minitf.bert.config import BertConfig
from minitf.checkpoints.load import load_tokenizer, load_with_report
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.proof.exercises.exercise import Exercise, Function, Remark
from minitf.proof.judge.surroundings import same_settings
from minitf.proof.judge.values import as_arrays
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
TOLERANCE = 1e-8  # of a tensor's largest value: rounding that went through six layers and an optimizer's division


@dataclasses.dataclass(frozen=True)
class Trial:
    """What one model computed."""

    where: str
    states: tuple[Tensor, ...]  # L + 1 × [B, S, D] on real tokens
    losses: tuple[float, ...]  # of each step; empty without training
    weights: tuple[Tensor, ...]  # those that were trained, after the last step


def compare(exercise: Exercise, function: Function, numpy: bool) -> dict[str, str] | Remark:
    """What was seen to be equal, by the verdict's titles; a Remark if something is not."""
    name, use = exercise.name, exercise.in_bert
    assert use is not None
    trained = not numpy or use == "rule"  # NumPy has no gradients, but a rule needs none
    mine = fitted(in_numpy(function) if numpy else function, exercise.target)
    one = trial(EQUATIONS.overlay(**{name: mine}), name, use, trained)
    other = _equation(name if use in ("activation", "penalty", "rule") else "", use, trained)
    for layer, (a, b) in enumerate(zip(one.states, other.states, strict=True)):
        if not equal(a, b):
            return Remark(f"hidden state {layer} of {one.where} differs by {float((a - b).abs().max()):.1e}")
    said = {"in a BERT": f"{one.where}: {len(one.states)} hidden states equal"}
    if not trained:
        return said | {"training": "not judged: NumPy has no gradients"}
    if name == "dropout":  # every right one draws its own numbers
        finite = all(torch.tensor(one.losses).isfinite())
        return (
            said | {"training": f"{STEPS} steps, every loss finite"} if finite else Remark("a loss is no finite number")
        )
    for step, (x, y) in enumerate(zip(one.losses, other.losses, strict=True), start=1):
        if not abs(x - y) <= TOLERANCE * max(1.0, abs(y)):
            return Remark(f"the loss of training step {step} is {x:.6g}, not {y:.6g}")
    if not all(map(equal, one.weights, other.weights)):
        return Remark(f"after {STEPS} training steps the weights are not those of the equation")
    return said | {"training": f"{STEPS} steps of its last two layers: losses and weights equal"}


def equal(mine: Tensor, target: Tensor) -> bool:
    return bool((mine - target).abs().max() <= TOLERANCE * target.abs().max().clamp(min=1e-3))


@functools.cache
def _equation(name: str, use: str, trained: bool) -> Trial:
    return trial(EQUATIONS, name, use, trained)


def trial(math: Mathematics, name: str, use: str, trained: bool) -> Trial:
    """Forward, and a few steps of training, with `math`. `use` says by which way the function called `name` is met."""
    torch.manual_seed(0)
    model, batch, where = opened(math, name if use == "activation" else None)
    with torch.no_grad():
        states = model(batch.token_ids, batch.segment_ids, batch.mask).hidden_states
    real = batch.mask.bool()
    states = tuple(X[real] for X in states)
    if not trained:
        return Trial(where, states, (), ())
    model.requires_grad_(False)
    for part in (*list(model.encoder.layers)[-2:], model.pooler, model.head):
        assert part is not None
        part.requires_grad_(True)
    penalty = {name.removesuffix("_penalty"): 1e-4} if use == "penalty" else {}
    rule = next(flag for flag, equation in RULES.items() if equation == name) if use == "rule" else "adamw"
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
    return Trial(where, states, tuple(losses), weights)


def loss_of(logits: Tensor, use: str, math: Mathematics) -> Tensor:
    """A loss on targets made up; the one that `use` names, or cross-entropy."""
    targets = torch.arange(logits.numel(), dtype=logits.dtype).reshape(logits.shape) % 2
    if use in ("binary_cross_entropy", "mean_squared_error"):
        loss: Tensor = getattr(math, use)(logits, targets)
    else:
        loss = math.cross_entropy(logits, torch.arange(len(logits)) % CLASSES)
    return loss


def opened(math: Mathematics, activation: str | None) -> tuple[Bert, Batch, str]:
    """The default model in float64 with `math`, a padded batch for it, and what it is called. Without the official
    weights, a small BERT of random ones."""
    dropout = 0.0 if math.dropout is EQUATIONS.dropout else 0.1

    def change(config: BertConfig) -> BertConfig:
        return dataclasses.replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)

    try:
        model, report = load_with_report(
            MODEL,
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
        "a small BERT of random weights (the official ones are not here)",
    )


def fitted(function: Function, target: Function) -> Function:
    """`function`, called as `target` is, with those of the optional arguments that it takes."""
    wanted = inspect.signature(target)
    needed = [p.name for p in wanted.parameters.values() if p.default is p.empty]
    try:
        own = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in
        own = wanted.parameters
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        return same_settings()(function)
    by_position = [p for p in own.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]

    def call(*args: Any, **options: Any) -> Any:
        given = wanted.bind(*args, **options).arguments
        positional = [given.pop(name) for name in needed]
        # What is optional in the equation and not in the learner's (a mask, a bias) goes by its place.
        rest = {name: value for name, value in given.items() if name in own}
        missing = [p for p in by_position[len(positional) :] if p.default is p.empty and p.name not in rest]
        spare = [value for name, value in given.items() if name not in own]
        for p, value in zip(missing, spare, strict=False):
            rest[p.name] = value
        with same_settings():
            answer = function(*positional, **rest)
        return (
            (answer, None)
            if isinstance(answer, Tensor) and target is EQUATIONS.scaled_dot_product_attention
            else answer
        )

    call.__signature__ = wanted  # type: ignore[attr-defined]
    return call


def in_numpy(function: Function) -> Function:
    """A function of arrays as one of tensors; what it writes in place, it writes into the tensor's own memory."""

    def of_tensors(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(of_tensors(each) for each in value)
        return value if value is None or isinstance(value, Tensor) else torch.as_tensor(value)

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        # A rule's state is its own: it stays the same dict from step to step.
        arrays = [each if isinstance(each, dict) else as_arrays(each) for each in args]
        return of_tensors(function(*arrays, **as_arrays(options)))

    return call
