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
            Case("one text of 2 tokens, filled up to 3", (torch.tensor([2]), 3)),
            Case("three texts, the longest of 4 tokens", (torch.tensor([4, 1, 3]), 4)),
            Case("texts that are all shorter than S", (torch.tensor([2, 3]), 5)),
            Case("as many texts as tokens", (torch.tensor([3, 1, 2]), 3)),
            Case("a text without a token", (torch.tensor([0, 2]), 2), kind="corner"),
        ),
        (
            WrongAnswer(
                "upside down", "True stands for padding, not for real tokens", lambda n, S: ~padding_mask(n, S)
            ),
            WrongAnswer(
                "one too many",
                "the first token of the padding counts as real: ≤ in the place of <",
                lambda n, S: padding_mask(n + 1, S),
            ),
            WrongAnswer(
                "padding in front",
                "the real tokens are taken to stand at the end of the row",
                lambda n, S: padding_mask(n, S).flip(-1),
            ),
            WrongAnswer(
                "on queries",
                "the mask hides padded queries; padded keys are still looked at",
                lambda n, S: _real(n, S)[:, None, :, None],
            ),
            WrongAnswer(
                "numbers",
                "0 and 1 stand in the place of False and True",
                lambda n, S: padding_mask(n, S).long(),
            ),
            WrongAnswer(
                "two axes",
                "the mask is [B, S]: beside [B, H, S, S] its texts are taken for queries",
                _real,
            ),
        ),
        gradients=False,
    ),
)
