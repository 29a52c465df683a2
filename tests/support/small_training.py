"""Small trainings that several tests share: random texts, a float64 model, its weights by name, the loop."""

from contextlib import closing, nullcontext
from pathlib import Path

import torch

import minitf
from minitf.bert import Bert
from minitf.text.batches import Examples, Tokens
from minitf.training import loop
from minitf.training.precision import FULL
from minitf.training.workers import ALONE

QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


def texts(n: int, seed: int = 1, pairs: bool = False, C: int = 2, first: int = 5, last: int = 64) -> Examples:
    """Return random texts of 3 to 14 tokens, `[CLS] … [SEP]`, and a class for each; the first class is the rarest."""
    g = torch.Generator().manual_seed(seed)
    tokens = []
    for _ in range(n):
        inner = torch.randint(first, last, (int(torch.randint(1, 13, (), generator=g)),), generator=g).tolist()
        ids = [2, *inner, 3]
        half = len(ids) // 2 if pairs else len(ids)
        tokens.append(Tokens(ids, [0] * half + [1] * (len(ids) - half)))
    targets = torch.randint(0, 2 * C, (n,), generator=g).clamp(max=2 * C - 2) % C
    targets[:C] = torch.arange(C)  # each class at least once
    return Examples(tokens, targets)


def loaded(folder: Path, C: int = 2, dtype: torch.dtype = torch.float64, **more) -> Bert:
    torch.manual_seed(0)
    return minitf.load(folder, head="classification", num_labels=C, dtype=dtype, **more)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def farthest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def train(
    model,
    task,
    examples,
    valid,
    optimizer,
    *,
    epochs,
    batch_size,
    seed=0,
    accumulate=1,
    metric="accuracy",
    patience=None,
    stage=None,
    progress=None,
    precision=None,
    workers=None,
    augmented=None,
    on_step=lambda step: None,
    on_epoch=lambda epoch: None,
) -> list[loop.Epoch]:
    """Run `training.loop.train` to its end; return its history."""
    progress = progress or loop.Progress()
    plan = loop.Plan(epochs, batch_size, seed, accumulate, metric, patience)
    runtime = loop.Runtime(precision or FULL, workers or ALONE)
    data = loop.TrainingData(examples, valid, augmented)
    events = loop.train(model, task, data, optimizer, plan, stage or (lambda epoch: nullcontext()), progress, runtime)
    with closing(events):
        for event in events:
            (on_step if isinstance(event, loop.Step) else on_epoch)(event)
    return progress.history
