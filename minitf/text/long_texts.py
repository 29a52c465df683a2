"""What becomes of a text that is longer than a model reads: cut, head and tail kept, or read in overlapping windows.

A framed text of n word pieces has room for r = max_length − 2 of them.

    truncate    the first r
    head-tail   the first ⌈r/4⌉ and the last r − ⌈r/4⌉; for BERT's 510 these are 128 and 382, the best of what Sun et
                al. 2019 (§5.3.1) tried
    windows     r at a time, each window beginning with the last `stride` pieces of the one before, the last as long as
                what is left: window k holds the pieces from k (r − stride) on. A text that fits is one window.
"""

import dataclasses
from collections.abc import Sequence

import torch

from minitf.errors import InputError
from minitf.text.batches import Batch, Examples, Tokens
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import FRAME, LongText
from minitf.text.windows import windows as ranges

UNCUT = 1 << 31  # tokens that no text has


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, long_text: LongText
) -> tuple[list[Tokens], list[range] | None]:
    """Rows of at most `max_length` tokens, and which of them are each text's; None where each text is one row.

    Raises InputError if `max_length` leaves no room, and for pairs, which have no one end to be cut at.
    """
    if long_text.how == "truncate":
        return tokenizer.encode(texts, pairs, max_length), None
    if pairs is not None:
        raise InputError(
            f"`long_text` {long_text.how} is for single texts; a pair is cut at its longer text: leave it out"
        )
    tokenizer.encode([], None, max_length)  # says so if there is no room
    room = max_length - FRAME
    whole = tokenizer.encode(texts, None, UNCUT)
    if long_text.how == "head-tail":
        return [head_and_tail(text, room) for text in whole], None
    stride = long_text.shared(room)
    rows: list[Tokens] = []
    owned: list[range] = []
    for text in whole:
        mine = windows(text, room, stride)
        owned.append(range(len(rows), len(rows) + len(mine)))
        rows += mine
    return rows, owned


def batch(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, long_text: LongText
) -> tuple[Batch, int]:
    """One padded batch of `texts`, and how many of them were cut; see `encode`."""
    tokens, rows = encode(tokenizer, texts, pairs, max_length, long_text)
    padded = Examples(tokens, torch.zeros(len(texts)), tokenizer.pad_id, rows).batch(range(len(texts)))[0]
    return padded, sum(row.cut for row in tokens)


def head_and_tail(text: Tokens, room: int) -> Tokens:
    """The first quarter of `room` word pieces and, of the rest, the last; framed as before."""
    pieces = text.ids[1:-1]
    if len(pieces) <= room:
        return text
    head = -(-room // 4)
    return dataclasses.replace(_framed(text, [*pieces[:head], *pieces[len(pieces) - (room - head) :]]), cut=True)


def windows(text: Tokens, room: int, stride: int) -> list[Tokens]:
    """All of the text, `room` word pieces at a time, each window framed by itself; `0 <= stride < room`."""
    pieces = text.ids[1:-1]
    return [_framed(text, pieces[part.start : part.stop]) for part in ranges(len(pieces), room, stride)]


def _framed(text: Tokens, pieces: list[int]) -> Tokens:
    ids = [text.ids[0], *pieces, text.ids[-1]]
    return Tokens(ids, [text.segments[0]] * len(ids))
