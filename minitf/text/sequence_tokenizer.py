"""The tokenizers of models that generate text: from texts to token ids, and back.

A `SequenceTokenizer` adds the special tokens, cuts long texts and checks the input. Its codec does the rest:
`library_codec` (T5, GPT-2, BART and learned vocabularies) or `marian`. The ids and texts are those of the reference's
tokenizers.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from minitf.datasets.file_kinds import read_json_object
from minitf.errors import CheckpointError, InputError
from minitf.text import marian
from minitf.text.batches import Batch, Tokens, pad
from minitf.text.library_codec import LibraryCodec
from minitf.text.tokenizer import Tokenizer
from minitf.text.tokenizer_class import LARGEST_CONFIG
from minitf.text.tokenizer_limits import checked_ids, checked_texts

MODEL_TYPES = ("marian", "bart", "t5", "gpt2")  # whose folders `from_folder` reads


class Codec(Protocol):
    """Between texts and ids without special tokens."""

    vocabulary: dict[str, int]
    special: dict[str, str]  # names of `transformers`, such as "eos_token" -> the token
    frame: tuple[tuple[int, ...], tuple[int, ...]]  # the special tokens before and after a text

    def encode(self, texts: Sequence[str], target: bool) -> list[list[int]]:
        """Return the ids of each text, a source or a target."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str:
        """Return the text of the ids of a target."""

    def word(self, i: int) -> str:
        """Return one token as readable text."""

    def save(self, folder: Path, max_length: int) -> None:
        """Write the tokenizer's files as `transformers` reads them."""


class SequenceTokenizer:
    """Turn sources and targets into token ids, and ids into text. Create one with `from_folder`.

    `end_id`, `unknown_id` and `start_id` (the first input of the decoder) are None if the tokenizer has no such token.
    GPT-2 has no token for padding: its end token is used. `vocab_size` is the highest id + 1.
    """

    def __init__(self, codec: Codec, start_id: int | None = None):
        self._codec, self.start_id = codec, start_id
        self.unknown_id, self.end_id, pad_id = (
            codec.vocabulary.get(codec.special.get(name, "")) for name in ("unk_token", "eos_token", "pad_token")
        )
        if pad_id is None and self.end_id is None:
            raise CheckpointError("the vocabulary has neither a token for padding nor an end token")
        self.pad_id: int = pad_id if pad_id is not None else self.end_id  # type: ignore[assignment]
        self.vocab_size = max(codec.vocabulary.values()) + 1
        self._frame = self._target_frame = codec.frame
        if self.end_id is not None and self.end_id not in codec.frame[1]:
            self._target_frame = (codec.frame[0], (*codec.frame[1], self.end_id))
        self._names = {i: token for token, i in codec.vocabulary.items()}

    lower_case = False  # no official one changes a text to lowercase

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens, including added tokens."""
        return len(self._names)

    @property
    def highest_id(self) -> int:
        """The largest token id."""
        return self.vocab_size - 1

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids of padding, of the end token and of the tokens that are added to a text."""
        ends = () if self.end_id is None else (self.end_id,)
        return frozenset((self.pad_id, *ends, *self._frame[0], *self._frame[1]))

    @property
    def ends_source(self) -> bool:
        """Whether a source ends with the end token: not in GPT-2, which continues the text."""
        return self.end_id is not None and self.end_id in self._frame[1]

    @property
    def sha256(self) -> str:
        """The digest of the vocabulary: the tokens with their ids."""
        content = json.dumps(sorted((i, token) for token, i in self._codec.vocabulary.items()))
        return hashlib.sha256(content.encode()).hexdigest()

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """Encode sources with their special tokens, cut to `max_length` tokens. Raises InputError."""
        return self._encode(texts, max_length, target=False)

    def encode_targets(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """Encode targets, which end with the end token if there is one, cut to `max_length`. Raises InputError."""
        return self._encode(texts, max_length, target=True)

    def __call__(self, texts: Sequence[str], *, max_length: int | None = None) -> Batch:
        """Encode sources as one padded batch; see `encode`."""
        return pad([Tokens(ids, [0] * len(ids)) for ids in self.encode(texts, max_length)], self.pad_id)

    def _encode(self, texts: Sequence[str], max_length: int | None, target: bool) -> list[list[int]]:
        before, after = self._target_frame if target else self._frame
        special = len(before) + len(after)
        if max_length is not None and max_length <= special:
            raise InputError(f"`max_length` {max_length} is too small: the special tokens alone are {special} tokens")
        if isinstance(texts, str):
            raise InputError("give a list of texts, not one text")
        longest = None if max_length is None else max_length - special
        return [[*before, *ids[:longest], *after] for ids in self._codec.encode(checked_texts(texts), target)]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Return the text of the ids of a target, as the reference decodes it. An id without a token is left out.

        Raises InputError for what is not a sequence of ids.
        """
        numbers = checked_ids(ids)
        if negative := [i for i in numbers if i < 0]:
            raise InputError(f"the vocabulary has no token with the id {negative[0]}")
        return self._codec.decode([i for i in numbers if i in self._names], skip_special_tokens)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the names of tokens, as the vocabulary has them."""
        return [self._names.get(i, f"[{i}]") for i in checked_ids(ids)]

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return tokens as readable text, without the character that marks a space."""
        return [self._codec.word(i) if i in self._names else f"[{i}]" for i in checked_ids(ids)]

    def check_rows(self, rows: int, folder: Path) -> None:
        """Raise CheckpointError if a word embedding with `rows` rows lacks some tokens."""
        if self.vocab_size > rows:
            raise CheckpointError(
                f"{folder}: the vocabulary has {self.vocab_size:,} tokens, the word embedding only {rows:,} rows: they"
                " do not belong together"
            )

    def save(self, folder: Path, max_length: int) -> None:
        """Write the files into a folder that exists, as `transformers` reads them."""
        self._codec.save(folder, max_length)


def from_folder(folder: Path) -> SequenceTokenizer:
    """Read the tokenizer of a Marian, BART, T5 or GPT-2 model, or a learned vocabulary. Raises CheckpointError."""
    codec: Codec = (
        marian.MarianCodec.from_folder(folder) if marian.is_marian(folder) else LibraryCodec.from_folder(folder)
    )
    start = _config(folder).get("decoder_start_token_id")
    try:
        return SequenceTokenizer(codec, start if type(start) is int else None)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None


def any_from_folder(folder: Path) -> Tokenizer | SequenceTokenizer:
    """Read the tokenizer that the model in `folder` needs. Raises CheckpointError."""
    return from_folder(folder) if reads(folder) else Tokenizer.from_folder(folder)


def reads(folder: Path) -> bool:
    """Whether the model in `folder` has a tokenizer that `from_folder` reads, and not one of BERT's family."""
    return _config(folder).get("model_type") in MODEL_TYPES


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / "config.json"
    return read_json_object(path, LARGEST_CONFIG) if os.path.lexists(path) else {}
