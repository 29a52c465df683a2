"""The teacher-forced losses of tokens."""

from torch import Tensor

from minitf.text.batches import IGNORED


def teacher_forced(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return −log P of each target token, and whether it has the largest logit: `[B, T, N]` -> `[B, T]` twice.

    Where the target is IGNORED, the values have no meaning.
    """
    known = targets.masked_fill(targets == IGNORED, 0)
    log_p = logits.log_softmax(dim=-1).gather(-1, known.unsqueeze(-1)).squeeze(-1)
    return -log_p, logits.argmax(dim=-1) == known
