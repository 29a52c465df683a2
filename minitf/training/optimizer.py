"""From gradients to new weights: penalties, clipping, learning-rate schedule, update rule."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from minitf.equations import schedule, update
from minitf.errors import DivergedError, InputError
from minitf.mathematics import EQUATIONS, Mathematics

# Setting `optimizer` -> name of the equation.
RULES = {
    "gd": "gradient_descent",
    "momentum": "momentum",
    "rmsprop": "rmsprop",
    "adam": "adam",
    "adamw": "adamw",
}
SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": schedule.constant,
    "linear": schedule.linear,
    "polynomial": schedule.polynomial,
    "step": schedule.step,
    "exponential": schedule.exponential,
    "cosine": schedule.cosine,
    "inverse-sqrt": schedule.inverse_sqrt,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of the optimizer. The defaults are the usual ones for BERT (Mosbach et al. 2021)."""

    rule: str = "adamw"
    lr: float = 5e-5
    schedule: str = "linear"
    min_lr: float = 0.0  # the rate at the end of the schedule
    warmup: float = 0.1  # share of the steps
    weight_decay: float = 0.01  # adamw only
    l1: float = 0.0
    l2: float = 0.0
    clip: float | None = 1.0  # maximum gradient norm; None disables clipping
    bias_correction: bool = True


class Optimizer:
    """Applies one rule of `equations.update` to every trainable parameter of `model`, `total` times.

    Weight decay and penalties act on matrices only. Biases and LayerNorm's γ and β are excluded, as in Google's code:
    they are few, and a γ near 0 would switch the layer off. A parameter's learning rate is the schedule's rate times
    its `scale`. A parameter without a gradient does not change.

    `shrinkage` is Π (1 − ηλ) so far, for each parameter: the effect of weight decay on a weight without gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        total: int,
        math: Mathematics = EQUATIONS,
        scale: Callable[[str], float] = lambda name: 1.0,
    ):
        if recipe.weight_decay and recipe.rule != "adamw":
            raise InputError(f"`weight_decay` is for adamw only; with {recipe.rule} use the penalty `l2`")
        self.recipe, self.total, self.math = recipe, total, math
        self.warmup = round(recipe.warmup * total)
        self.rule = getattr(math, RULES[recipe.rule])
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.decayed = {name for name in self.parameters if is_decayed(name)}
        self.state: dict[str, update.State] = {name: {} for name in self.parameters}
        self.steps = 0
        self.scale = {name: scale(name) for name in self.parameters}
        self.shrinkage = dict.fromkeys(self.parameters, 1.0)

    def rate(self) -> float:
        """Return the learning rate of the next step, without the `scale` of a parameter."""
        recipe = self.recipe
        return SCHEDULES[recipe.schedule](self.steps, recipe.lr, self.total, self.warmup, least=recipe.min_lr)

    def penalty(self) -> Tensor | float:
        """Compute λ₁‖θ‖₁ + λ₂‖θ‖₂², which is added to the loss; 0.0 without penalties."""
        # In the order of the model, because floating-point sums depend on their order.
        matrices = [p for name, p in self.parameters.items() if name in self.decayed and p.requires_grad]
        l1 = self.math.l1_penalty(matrices, self.recipe.l1) if self.recipe.l1 else 0.0
        l2 = self.math.l2_penalty(matrices, self.recipe.l2) if self.recipe.l2 else 0.0
        return l1 + l2

    @torch.no_grad()  # a user's own rule may not disable gradients
    def step(self) -> Tensor:
        """Clip the gradients, update every parameter, delete the gradients; return ‖g‖₂ before clipping.

        Raises DivergedError, and changes nothing, if a gradient is not finite.
        """
        moved = {name: p for name, p in self.parameters.items() if p.grad is not None}
        gradients = [p.grad for p in moved.values() if p.grad is not None]
        most = self.recipe.clip if self.recipe.clip is not None else float("inf")
        norm = update.clip_by_norm(gradients, most)
        if not bool(norm.isfinite()):
            bad = [name for name, g in zip(moved, gradients, strict=True) if not bool(g.isfinite().all())]
            what = f"the gradient of {bad[-1]}" if bad else "the gradient norm"  # the last one is nearest to the loss
            raise DivergedError(
                f"{what} became NaN or infinite at step {self.steps + 1}: lower `lr`, or raise `warmup`"
            )
        rate = self.rate()
        for (name, theta), g in zip(moved.items(), gradients, strict=True):
            lr, settings = rate * self.scale[name], self.settings(name)
            self.rule(theta, g, self.state[name], lr, **settings)
            self.shrinkage[name] *= 1.0 - lr * settings.get("weight_decay", 0.0)
            theta.grad = None
        self.steps += 1
        return norm

    def skip(self) -> float:
        """Count the step and delete the gradients without an update; return NaN as the gradient norm."""
        for p in self.parameters.values():
            p.grad = None
        self.steps += 1
        return float("nan")

    def settings(self, name: str) -> dict[str, Any]:
        """Return the arguments of the rule for the parameter `name`, besides the learning rate."""
        adaptive: dict[str, Any] = {"bias_correction": self.recipe.bias_correction}
        if self.recipe.rule == "adamw":
            return adaptive | {"weight_decay": self.recipe.weight_decay if name in self.decayed else 0.0}
        return adaptive if self.recipe.rule == "adam" else {}


def is_decayed(name: str) -> bool:
    """Whether weight decay and penalties act on the parameter of this name."""
    return name.rpartition(".")[2] not in ("bias", "gamma", "beta")
