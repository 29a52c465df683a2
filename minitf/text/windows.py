"""Texts that are longer than a model reads, in windows that overlap. Only the standard library."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

from minitf.errors import InputError

How = Literal["truncate", "head-tail", "windows"]
HOW: tuple[How, ...] = get_args(How)
FRAME = 2  # tokens of the frame: [CLS] and [SEP]


@dataclasses.dataclass(frozen=True)
class LongText:
    """How texts longer than the model reads are handled: see `long_texts`. `stride` tokens are shared by windows."""

    how: How = "truncate"
    stride: int | None = None  # None: a third of the window

    def shared(self, room: int) -> int:
        """The stride for windows of `room` word pieces. Raises InputError if no room for new pieces remains."""
        stride = min(default_stride(room + FRAME), room - 1) if self.stride is None else self.stride
        if not 0 <= stride < room:
            raise InputError(
                f"`stride` {stride}: a window has room for {room} word pieces, so two windows can share at most"
                f" {room - 1}; lower it, or raise `max_length`"
            )
        return stride


TRUNCATE = LongText()


def windows(n: int, room: int, shared: int) -> list[range]:
    """0 … n − 1 in stretches of at most `room`, each beginning with the last `shared` of the one before.

    The last ends with n − 1; of nothing there is one empty window.
    """
    if not 0 <= shared < room:
        raise InputError(f"windows of {room} tokens cannot share {shared}: lower `stride`, or raise `max_length`")
    starts = [0]
    while starts[-1] + room < n:
        starts.append(starts[-1] + room - shared)
    return [range(start, min(n, start + room)) for start in starts]


def default_stride(max_length: int) -> int:
    """A third: of BERT's 384 tokens for question answering the usual 128."""
    return max_length // 3


def best_window(position: int, among: Sequence[range]) -> int:
    """The window in which the position has most to both sides, as far as the nearer end; of two alike the first."""
    return max(
        (n for n, window in enumerate(among) if position in window),
        key=lambda n: min(position - among[n].start, among[n].stop - 1 - position),
    )


def choose_length(given: int | None, usual: int, longest: int) -> int:
    """`given`, or `usual` if the model reads that much. Raises InputError for more than `longest` tokens."""
    if given is not None and given > longest:
        raise InputError(f"`max_length` {given}: this model has only {longest} positions")
    return min(usual, longest) if given is None else given
