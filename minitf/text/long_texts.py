"""What becomes of a text that is longer than a model reads: cut, head and tail kept, or read in overlapping windows.

A framed text of n word pieces has room for r = max_length − 2 of them.

    truncate    the first r
    head-tail   the first ⌈r/4⌉ and the last r − ⌈r/4⌉; for BERT's 510 these are 128 and 382, the best of what Sun et
                al. 2019 (§5.3.1) tried
    windows     r at a time, each window beginning with the last `stride` pieces of the one before, the last as long as
                what is left: window k holds the pieces from k (r − stride) on. A text that fits is one window.
"""

from collections.abc import Sequence

import torch

from minitf.errors import InputError
from minitf.text.batches import Batch, Examples, Tokens
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import FRAME, LongText, windows

UNCUT = 1 << 31  # a `max_length` that cuts no text


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
    tokenizer.encode([], None, max_length)  # raises InputError if there is no room
    room = max_length - FRAME
    before, behind = tokenizer.frame()
    whole = [pieces.ids for pieces in tokenizer.pieces(texts)]
    if long_text.how == "head-tail":
        return [framed(before, head_and_tail(pieces, room), behind) for pieces in whole], None
    stride = long_text.shared(room)
    rows: list[Tokens] = []
    owned: list[range] = []
    for pieces in whole:
        parts = windows(len(pieces), room, stride)
        owned.append(range(len(rows), len(rows) + len(parts)))
        rows += [framed(before, pieces[part.start : part.stop], behind) for part in parts]
    return rows, owned


def batch(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, long_text: LongText
) -> Batch:
    """One padded batch of `texts`; see `encode`."""
    tokens, rows = encode(tokenizer, texts, pairs, max_length, long_text)
    return Examples(tokens, torch.zeros(len(texts)), tokenizer.pad_id, rows).batch(range(len(texts)))[0]


def head_and_tail(pieces: list[int], room: int) -> list[int]:
    """Return the first quarter of `room` word pieces and, for the rest, the last ones; all pieces if they fit."""
    if len(pieces) <= room:
        return pieces
    head = -(-room // 4)
    return [*pieces[:head], *pieces[len(pieces) - (room - head) :]]


def framed(before: Tokens, pieces: Sequence[int], behind: Tokens, segment: int = 0) -> Tokens:
    """Put word pieces between the special tokens of `Tokenizer.frame`: one window of a text.

    For a pair, `before` is the framed first text, and `segment` that of the second.
    """
    segments = [*before.segments, *([segment] * len(pieces)), *behind.segments]
    return Tokens([*before.ids, *pieces, *behind.ids], segments)
