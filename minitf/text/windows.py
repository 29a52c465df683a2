"""Texts that are longer than a model reads, in windows that overlap. Only the standard library."""

from collections.abc import Sequence

from minitf.errors import InputError


def windows(n: int, room: int, shared: int) -> list[range]:
    """0 … n − 1 in stretches of at most `room`, each beginning with the last `shared` of the one before.

    The last ends with n − 1; of nothing there is one empty window.
    """
    if not 0 <= shared < room:
        raise InputError(
            f"windows of {room} tokens cannot share {shared}: give a smaller --stride, or more --max-length"
        )
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
