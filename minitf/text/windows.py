"""Overlapping windows of long texts, and how long texts are handled. Standard library only."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from minitf.errors import InputError

Method = Literal["truncate", "head-tail", "windows"]
SPECIAL_TOKENS = 2  # [CLS] before a text and [SEP] after it


@dataclasses.dataclass(frozen=True)
class LongText:
    """How texts longer than `max_length` are handled; see `long_texts`. Windows overlap by `stride` tokens."""

    method: Method = "truncate"
    stride: int | None = None  # None: a third of `max_length`

    def overlap(self, size: int) -> int:
        """Return the overlap of windows of `size` word pieces. Raises InputError if `stride` is too large."""
        stride = min(default_stride(size + SPECIAL_TOKENS), size - 1) if self.stride is None else self.stride
        if not 0 <= stride < size:
            raise InputError(
                f"`stride` {stride}: a window has {size} word pieces, so two windows can share at most {size - 1};"
                " lower it, or raise `max_length`"
            )
        return stride


TRUNCATE = LongText()


def window_ranges(n: int, size: int, overlap: int) -> list[range]:
    """Divide the indices 0 … n − 1 into windows of at most `size`, each of which shares `overlap` with the next.

    The last window ends with n − 1. If n is 0, there is one empty window.
    """
    if not 0 <= overlap < size:
        raise InputError(f"windows of {size} tokens cannot share {overlap}: lower `stride`, or raise `max_length`")
    starts = [0]
    while starts[-1] + size < n:
        starts.append(starts[-1] + size - overlap)
    return [range(start, min(n, start + size)) for start in starts]


def default_stride(max_length: int) -> int:
    """Return a third of `max_length`: 128 for 384 tokens, the common values in question answering."""
    return max_length // 3


def best_window(position: int, windows: Sequence[range]) -> int:
    """Return the window that has most context on both sides of `position`; of several, the first.

    The context of a position is the distance to the nearer end of the window.
    """
    return max(
        (n for n, window in enumerate(windows) if position in window),
        key=lambda n: min(position - windows[n].start, windows[n].stop - 1 - position),
    )


def choose_max_length(requested: int | None, default: int, positions: int) -> int:
    """Return `requested`, or else `default`, at most `positions`. Raises InputError if more is requested."""
    if requested is not None and requested > positions:
        raise InputError(f"`max_length` {requested}: the model has only {positions} positions")
    return min(default, positions) if requested is None else requested
