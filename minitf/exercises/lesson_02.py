"""Exercise of lesson 2: the padding mask."""

import torch
from torch import Tensor

from minitf.exercises.exercise import Case, Exercise, WrongAnswer


def padding_mask(lengths: Tensor, S: int) -> Tensor:
    """Return a boolean mask, True for real tokens: `lengths [B]` of texts padded to S tokens -> `[B, 1, 1, S]`.

    It broadcasts to the scores `[B, H, S_q, S_k]`: no query of any head attends to padding.
    """
    return _real(lengths, S)[:, None, None, :]


def _real(lengths: Tensor, S: int) -> Tensor:
    """The mask as `[B, S]`."""
    return torch.arange(S, device=lengths.device) < lengths[:, None]


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "padding_mask",
        padding_mask,
        (
            Case("one text of 2 tokens, padded to 3", (torch.tensor([2]), 3)),
            Case("three texts, the longest of 4 tokens", (torch.tensor([4, 1, 3]), 4)),
            Case("texts that are all shorter than S", (torch.tensor([2, 3]), 5)),
            Case("as many texts as tokens", (torch.tensor([3, 1, 2]), 3)),
            Case("a text without a token", (torch.tensor([0, 2]), 2), kind="corner"),
        ),
        (
            WrongAnswer("upside down", "True marks padding, not real tokens", lambda n, S: ~padding_mask(n, S)),
            WrongAnswer(
                "one too many",
                "the first padding token counts as real: ≤ is used instead of <",
                lambda n, S: padding_mask(n + 1, S),
            ),
            WrongAnswer(
                "padding in front",
                "True is at the end of each row: the real tokens are at its start",
                lambda n, S: padding_mask(n, S).flip(-1),
            ),
            WrongAnswer(
                "on queries",
                "the mask hides padded queries, but padded keys are still attended to",
                lambda n, S: _real(n, S)[:, None, :, None],
            ),
            WrongAnswer(
                "numbers",
                "0 and 1 are returned instead of False and True",
                lambda n, S: padding_mask(n, S).long(),
            ),
            WrongAnswer(
                "two axes",
                "the mask is [B, S]: broadcast to [B, H, S, S], its texts are treated as queries",
                _real,
            ),
        ),
        gradients=False,
    ),
)
