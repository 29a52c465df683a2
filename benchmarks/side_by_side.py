"""Train minitf and `transformers` alternately, a few steps each, in one process.

Both run under the same load on the machine, so the ratio of their times compares the code. Both start from the
same weights and see the same batches; each draws dropout from its own random state, and the two states start equal.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from minitf.tasks.base import Task
from minitf.tasks.whole_text.encoding import mean_of_windows
from minitf.text.batches import Batch, Examples, by_length
from minitf.training.loop import Epoch, Step
from minitf.training.optimizer import Recipe

TURN = 8  # steps of one side before the other continues
WARM_UP = 2  # turns that are not timed

Turn = tuple[float, float]  # seconds of minitf and of the reference


class Reference:
    """The same recipe with `transformers` and PyTorch's fused AdamW: the loop that their users write."""

    def __init__(self, model: Any, recipe: Recipe, task: Task, examples: Examples, batches: Sequence[Sequence[int]]):
        self.model, self.task, self.examples, self.batches = model, task, examples, batches
        self.device = next(model.parameters()).device
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
        self.schedule = transformers.get_linear_schedule_with_warmup(
            self.optimizer, round(recipe.warmup * len(batches)), len(batches)
        )
        self.clip = recipe.clip
        self.done = 0  # steps

    def train(self, steps: int) -> None:
        """Take the next steps, as many as are left."""
        self.model.train()
        for indices in self.batches[self.done : self.done + steps]:
            batch, targets = self.examples.batch(indices)
            loss = self.loss(batch.to(self.device), targets.to(self.device))
            loss.item()  # logged at every step, as minitf does
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.done += 1

    def loss(self, batch: Batch, targets: Tensor) -> Tensor:
        """The loss of `transformers`; for the mean over windows, which it does not have, PyTorch's."""
        if self.task.name == "qa":
            return self.model(**inputs(batch), start_positions=targets[:, 0], end_positions=targets[:, 1]).loss
        if batch.text_of_row is not None:
            return nn.functional.cross_entropy(mean_of_windows(self.model(**inputs(batch)).logits, batch), targets)
        labels = targets.float() if self.task.name == "regression" else targets
        return self.model(**inputs(batch), labels=labels).loss

    @torch.no_grad()
    def predict_logits(self, examples: Examples, batch_size: int) -> list[Tensor]:
        """The unpadded logits of every example, in their order."""
        self.model.eval()
        rows: dict[int, Tensor] = {}
        for indices in by_length(examples.lengths(), batch_size):
            batch = examples.batch(indices)[0].to(self.device)
            out = self.model(**inputs(batch))
            logits = torch.stack([out.start_logits, out.end_logits], -1) if self.task.name == "qa" else out.logits
            rows.update(zip(indices, self.task.unpad(mean_of_windows(logits, batch), batch), strict=True))
        return [rows[i] for i in range(len(examples))]


def inputs(batch: Batch) -> dict[str, Tensor]:
    """A batch with the argument names of `transformers`."""
    return {"input_ids": batch.token_ids, "token_type_ids": batch.segment_ids, "attention_mask": batch.mask}


def alternate(
    events: Iterable[Step | Epoch], reference: Reference, now: Callable[[], float] = time.perf_counter
) -> tuple[list[Epoch], list[Turn]]:
    """Train with minitf's loop, `events`; after every few steps the reference takes as many."""
    history, turns = [], list[Turn]()
    random_state = torch.get_rng_state()  # of the reference
    start = now()
    for event in events:
        if isinstance(event, Epoch):
            history.append(event)
            start = now()  # the evaluation is not timed
        elif event.number % TURN == 0 or event.number == len(reference.batches):
            seconds = now() - start
            own_state = torch.get_rng_state()
            torch.set_rng_state(random_state)
            start = now()
            reference.train(TURN)
            turns.append((seconds, now() - start))
            random_state = torch.get_rng_state()
            torch.set_rng_state(own_state)
            start = now()
    return history, turns
