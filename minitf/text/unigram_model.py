"""T5's tokenizer from `spiece.model`, a file of SentencePiece (Kudo & Richardson 2018): a Unigram model.

The file is a protocol buffer: `ModelProto` of sentencepiece_model.proto. It is read here directly, so that T5 does not
need the library `sentencepiece`; the library `tokenizers` does the work, as in the reference.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as FastTokenizer

from minitf.datasets.file_kinds import other_kind, read_small
from minitf.errors import CheckpointError
from minitf.text.tokenizer_limits import (
    SECONDS,
    LibraryError,
    check_components,
    check_ids,
    check_pieces,
    library_call,
    within,
)

LARGEST = 16 << 20  # bytes; T5's file has 0.8 MB, that of mT5 4.3 MB
MOST_PIECES = 1 << 20
EXTRA_IDS = 100  # T5's sentinels <extra_id_0> … <extra_id_99>, which the file does not have
UNIGRAM = 1  # the model type
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # types of a piece


def read(path: Path, settings: Mapping[str, Any], trial: str) -> FastTokenizer:
    """Read the file as the reference's T5Tokenizer does, and try the tokenizer on a text. Raises CheckpointError."""
    content = read_small(path, LARGEST)
    if kind := other_kind(content):
        raise CheckpointError(f"{path}: {kind}")
    extra = settings.get("extra_ids", EXTRA_IDS)
    if type(extra) is not int or not 0 <= extra <= 1000:
        raise CheckpointError(f"{path.with_name('tokenizer_config.json')}: extra_ids must be from 0 to 1000")
    try:
        pieces, table = _parse(content)
        check_pieces(piece for piece, _, _ in pieces)
        fast = library_call(lambda: _assemble(pieces, table, extra))
        within(SECONDS, lambda: check_ids(fast, trial))
        return fast
    except (AttributeError, LookupError, TypeError, ValueError, struct.error, LibraryError) as error:
        raise CheckpointError(
            f"{path}: is not a Unigram model of SentencePiece for T5 ({error}); fetch it again"
        ) from None


def _assemble(pieces: list[tuple[str, float, int]], table: bytes, extra: int) -> FastTokenizer:
    if len(pieces) < 4 or pieces[2][2] != UNKNOWN:
        raise ValueError("its third piece must be <unk>")
    vocabulary = [(piece, score) for piece, score, _ in pieces]
    vocabulary += [(f"<extra_id_{i}>", 0.0) for i in reversed(range(extra))]
    fast = FastTokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    if table:
        fast.normalizer = normalizers.Precompiled(table)
    fast.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    fast.decoder = decoders.Metaspace()
    check_components(fast)
    added = [(piece, kind == CONTROL) for piece, _, kind in pieces if kind in (CONTROL, USER_DEFINED)]
    added += [(piece, True) for piece, _, kind in pieces if kind == UNKNOWN]
    added += [(f"<extra_id_{i}>", True) for i in range(extra)]
    fast.add_tokens([AddedToken(piece, special=special, normalized=False) for piece, special in added])
    if (end := fast.token_to_id("</s>")) is None:
        raise ValueError("it has no </s>")
    fast.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", end)]
    )
    return fast


def _parse(content: bytes) -> tuple[list[tuple[str, float, int]], bytes]:
    """Return the pieces with their scores and types, and the normalizer's table. Raises ValueError or IndexError."""
    pieces: list[tuple[str, float, int]] = []
    model_type, table = UNIGRAM, b""
    for number, value in _fields(content):
        if number == 1:
            piece = dict(_fields(value))
            (score,) = struct.unpack("<f", piece.get(2, bytes(4)))
            pieces.append((piece[1].decode(), score, piece.get(3, NORMAL)))
        elif number == 2:
            model_type = dict(_fields(value)).get(3, UNIGRAM)
        elif number == 3:
            table = dict(_fields(value)).get(2, b"")
    if model_type != UNIGRAM or len(pieces) > MOST_PIECES:
        raise ValueError("its model is not Unigram" if model_type != UNIGRAM else f"more than {MOST_PIECES} pieces")
    return pieces, table


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field of a message: an integer or bytes."""
    if not isinstance(message, bytes):
        raise ValueError("a message is missing")
    i = 0
    while i < len(message):
        key, i = _integer(message, i)
        if key & 7 == 0:
            value, i = _integer(message, i)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, i = _integer(message, i)
        elif (size := {1: 8, 5: 4}.get(key & 7, -1)) < 0:
            raise ValueError("unknown kind of field")
        if i + size > len(message):
            raise ValueError("truncated")
        yield key >> 3, message[i : i + size]
        i += size


def _integer(message: bytes, i: int) -> tuple[int, int]:
    """Return the variable-length integer at `i`, and the index after it."""
    value = shift = 0
    while True:
        value |= (message[i] & 127) << shift
        shift, i = shift + 7, i + 1
        if message[i - 1] < 128:
            return value, i
        if shift > 63:
            raise ValueError("an integer of more than 64 bits")
