"""The program that torchrun starts for `test_workers.py`, once per process: `distributed_driver.py OUT WHAT …`.

trainings  every plan of `PLANS`; writes its weights to OUT/PLAN-RANK.safetensors and OUT/results.json
finetune   `minitf.finetune` with the flags that follow
fail       the same, but the second process fails in its fourth step
slow       the same, but every step takes 0.3 seconds
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from safetensors.torch import save_file
from torch import nn

from minitf import finetune
from minitf.bert.frozen import FrozenLayers
from minitf.cli import console
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS
from minitf.tasks.class_weights import balanced_weights
from minitf.tasks.classification.task import Classification
from minitf.training import loop, state
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.precision import FULL
from minitf.training.strategy import Strategy, freeze
from minitf.training.workers import ALONE, Distributed, Workers
from tests.support import small_training
from tests.support.small_training import loaded, texts, weights

L, LONG = 2, 9
USUAL = {"n": 25, "size": 6, "parts": 1, "recipe": Recipe(lr=1e-3), "weighted": False, "strategy": Strategy()}
PLANS = {
    "plain": {},  # the last batch has one text, and none for the second process
    "short": {"n": 23},
    "accumulate": {"size": 4, "parts": 3},
    "parts of one": {"size": 1, "parts": 5},
    "penalties": {"recipe": Recipe(lr=1e-3, l1=1e-3, l2=2e-3, clip=0.5)},
    "weighted": {"weighted": True, "parts": 2, "size": 5},
    "gradual": {"strategy": Strategy(gradual=True, layer_decay=0.5)},
}


class Touching(Classification):
    """With a weight that only long texts use, so that a process may have no gradient of it."""

    def logits(self, model, batch):
        logits = super().logits(model, batch)
        long = batch.mask.sum(dim=1) > LONG
        if not model.training:
            self.seen.append(len(logits))
        return logits + long[:, None] * model.touched if bool(long.any()) else logits


def train(folder: str, workers: Workers, plan: dict) -> tuple[dict[str, torch.Tensor], list[float], int]:
    """Return the weights, the losses, and the number of texts that this process evaluated."""
    plan = USUAL | plan
    model, examples = loaded(Path(folder)), texts(plan["n"])
    model.touched, model.idle = (nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2))
    classes = balanced_weights(examples.targets.tolist(), 2) if plan["weighted"] else None
    task = Touching(("a", "b"), classes, label_smoothing=0.1 * plan["weighted"])
    object.__setattr__(task, "seen", [])
    strategy = plan["strategy"]
    freeze(model, L, strategy.frozen)
    steps = 3 * -(-plan["n"] // (plan["size"] * plan["parts"]))
    optimizer = Optimizer(model, plan["recipe"], steps, EQUATIONS, strategy.scale(L))
    layers, losses = FrozenLayers(model), []

    def stage(epoch: int):
        freeze(model, L, strategy.lowest(L, epoch, 3))
        return layers.below(strategy.lowest(L, epoch, 3))

    small_training.train(
        model, task, examples, texts(70, seed=2), optimizer, epochs=3, batch_size=plan["size"], stage=stage,
        accumulate=plan["parts"], on_step=lambda step: losses.append(step.loss), workers=workers,
    )  # fmt: skip
    if workers is not ALONE:
        state.save_state(Path.cwd() / "last", optimizer, loop.Progress(), {}, FULL, workers)
    return weights(model), losses, sum(task.seen)


def trainings(out: Path, folder: str) -> int:
    workers = Distributed(torch.device("cpu"), timedelta(seconds=50))
    results = {}
    for name, plan in PLANS.items():
        found, losses, seen = train(folder, workers, plan)
        results[name] = {"losses": losses, "seen": workers.gathered([seen])}
        save_file(found, out / f"{name}-{workers.rank}.safetensors")
    if workers.first:
        (out / "results.json").write_text(json.dumps(results))
    workers.close()
    return 0


def main(out: str, what: str, *flags: str) -> int:
    torch.set_num_threads(1)
    if what == "trainings":
        return trainings(Path(out), *flags)
    update, calls = loop.update, []

    def changed_update(model, task, examples, indices, optimizer, size, runtime):
        calls.append(1)
        if what == "slow":
            time.sleep(0.3)
        if what == "fail" and runtime.workers.rank == 1 and len(calls) == 4:
            raise InputError("the second process fails")
        return update(model, task, examples, indices, optimizer, size, runtime)

    loop.update = changed_update
    return finetune.main(flags)


if __name__ == "__main__":
    console.run(lambda _: main(*sys.argv[1:]))
