"""Texts that are longer than a model reads: truncated, reduced to head and tail, or read in overlapping windows.

A text is encoded as at most r = max_length − 2 word pieces between [CLS] and [SEP].

    truncate    keeps the first r word pieces
    head-tail   keeps the first ⌈r/4⌉ and the last r − ⌈r/4⌉; for BERT's r = 510 these are 128 and 382, the best choice
                in Sun et al. 2019 (§5.3.1)
    windows     reads all of them, r at a time; each window starts with the last `stride` pieces of the one before, so
                window k starts at piece k (r − stride). A text that fits is one window.
"""

import dataclasses
from collections.abc import Sequence

import torch

from minitf.errors import InputError
from minitf.text.batches import Batch, Examples, Tokens
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import SPECIAL_TOKENS, LongText, window_ranges

UNCUT = 1 << 31  # a `max_length` that cuts no text


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, long_text: LongText
) -> tuple[list[Tokens], list[range] | None]:
    """Return rows of at most `max_length` tokens, and the rows of each text (None: each text is one row).

    Raises InputError if `max_length` is too small, and for pairs with a method other than truncate.
    """
    if long_text.method == "truncate":
        return tokenizer.encode(texts, pairs, max_length), None
    if pairs is not None:
        raise InputError(
            f"`long_text` {long_text.method} is for single texts; pairs can only be truncated: leave it out"
        )
    tokenizer.encode([], None, max_length)  # raises InputError if it is too small
    size = max_length - SPECIAL_TOKENS
    before, after = tokenizer.surrounding_tokens()
    whole = [pieces.ids for pieces in tokenizer.pieces(texts)]
    if long_text.method == "head-tail":
        rows = [with_special_tokens(before, head_and_tail(pieces, size), after) for pieces in whole]
        return [dataclasses.replace(row, cut=len(pieces) > size) for row, pieces in zip(rows, whole, strict=True)], None
    stride = long_text.overlap(size)
    rows = []
    rows_of_texts: list[range] = []
    for pieces in whole:
        windows = window_ranges(len(pieces), size, stride)
        rows_of_texts.append(range(len(rows), len(rows) + len(windows)))
        rows += [with_special_tokens(before, pieces[window.start : window.stop], after) for window in windows]
    return rows, rows_of_texts


def batch(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int, long_text: LongText
) -> tuple[Batch, int]:
    """Encode texts as one padded batch; return it and the number of texts that were cut. See `encode`."""
    tokens, rows = encode(tokenizer, texts, pairs, max_length, long_text)
    padded = Examples(tokens, torch.zeros(len(texts)), tokenizer.pad_id, rows).batch(range(len(texts)))[0]
    return padded, sum(row.cut for row in tokens)


def head_and_tail(pieces: list[int], size: int) -> list[int]:
    """Keep `size` word pieces: a quarter of them from the start of the text, the rest from its end."""
    if len(pieces) <= size:
        return pieces
    head = -(-size // 4)
    return [*pieces[:head], *pieces[len(pieces) - (size - head) :]]


def with_special_tokens(before: Tokens, pieces: Sequence[int], after: Tokens, segment: int = 0) -> Tokens:
    """Put the word pieces of one window between the special tokens of `Tokenizer.surrounding_tokens`.

    For a pair, `before` is the first text with its special tokens, and `segment` is the segment of the second.
    """
    segments = [*before.segments, *([segment] * len(pieces)), *after.segments]
    return Tokens([*before.ids, *pieces, *after.ids], segments)
