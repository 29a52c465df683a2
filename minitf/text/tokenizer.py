"""The tokenizer: normalize a text, split it into word pieces, add the special tokens, and return ids.

The library `tokenizers` does the work; this module sets it up from the official files and makes batches of its output.
BERT's tokenizer is WordPiece, RoBERTa's is byte-level BPE, XLM-RoBERTa's is SentencePiece Unigram; they differ in their
files and in the names of the special tokens. The ids are those of the reference's fast tokenizer, with one exception:
if no file says whether a vocabulary is cased, it is cased here if it has uppercase letters, while the reference always
lowercases. `wordpiece` has the algorithm of BERT's tokenizer in plain Python.
"""

import dataclasses
import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models

from minitf.errors import CheckpointError, InputError
from minitf.text import tokenizer_files
from minitf.text.batches import Batch, Tokens, pad
from minitf.text.tokenizer_files import LARGEST_VOCABULARY as LARGEST_VOCABULARY
from minitf.text.tokenizer_limits import LimitedTokenizer, checked_ids, checked_texts


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
    """The names of the special tokens of a model family."""

    pad: str
    unknown: str
    first: str  # at the start of every input
    separator: str
    mask: str


BERT = SpecialTokens(*tokenizer_files.BERT_SPECIAL)
ROBERTA = SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The word pieces of a text without special tokens: ids, and the word or the characters of each piece."""

    ids: list[int]
    words: list[int]
    spans: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """Turn texts into token ids. Create one with `from_folder` or `from_vocabulary`."""

    def __init__(self, fast: FastTokenizer, lower_case: bool, name: str | None = None):
        self._fast, self.lower_case = LimitedTokenizer(fast), lower_case
        self.special = ROBERTA if fast.token_to_id("[CLS]") is None and fast.token_to_id("<s>") is not None else BERT
        needed = (self.special.pad, self.special.unknown, self.special.first, self.special.separator)
        ids: dict[str, int] = {token: i for token in needed if (i := fast.token_to_id(token)) is not None}
        if missing := [token for token in needed if token not in ids]:
            raise CheckpointError(f"the vocabulary has no {', '.join(missing)}, so it is not of BERT or RoBERTa")
        self.pad_id, self.unknown_id = ids[self.special.pad], ids[self.special.unknown]
        self.separator_id = ids[self.special.separator]
        # The mask token and [UNK] are not included, because they stand for words.
        self.special_ids = frozenset((self.pad_id, self.separator_id, ids[self.special.first]))
        self.segments = 1 if self.special is ROBERTA else 2  # number of segments; a model may have fewer
        self._lock = threading.Lock()  # the library's truncation is a setting of the object, not of the call
        self._name = name or ("BertTokenizer" if self.special is BERT else "PreTrainedTokenizerFast")

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """Read `tokenizer.json`, or else `vocab.txt`, with `tokenizer_config.json`. Raises CheckpointError."""
        fast, settings = tokenizer_files.read_folder(folder)
        name = settings.get("tokenizer_class")
        try:
            lower_case = bool(getattr(fast.normalizer, "lowercase", settings.get("do_lower_case", False)))
            return cls(fast, lower_case, name if isinstance(name, str) else None)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from None

    @classmethod
    def from_vocabulary(cls, content: bytes, where: str) -> "Tokenizer":
        """Read the contents of a `vocab.txt` of BERT; `where` names the file in errors. Raises CheckpointError."""
        fast = tokenizer_files.read_vocabulary(content, where)
        try:
            return cls(fast, bool(fast.normalizer.lowercase))
        except CheckpointError as error:
            raise CheckpointError(f"{where}: {error}") from None

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens, including added tokens."""
        return int(self._fast.get_vocab_size())

    @property
    def highest_id(self) -> int:
        """The largest token id."""
        highest: int = max(self._fast.get_vocab().values())
        return highest

    @property
    def sha256(self) -> str:
        """The digest of the vocabulary, written as a `vocab.txt`."""
        return hashlib.sha256(self._vocabulary().encode("utf-8", errors="replace")).hexdigest()

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> list[Tokens]:
        """Encode each text (or pair) with its special tokens, truncated to `max_length` tokens; of a pair, the longer
        text is truncated first.

        Raises InputError if `max_length` is too small, or if there are not as many pairs as texts.
        """
        special = self._fast.num_special_tokens_to_add(pairs is not None)
        if max_length <= special:
            raise InputError(f"`max_length` {max_length} is too small: the special tokens alone are {special} tokens")
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(pairs)} second texts")
        checked_texts(texts)
        checked_texts(pairs or ())
        inputs = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        with self._lock:
            self._fast.enable_truncation(max_length, strategy="longest_first")
            encoded = self._fast.encode_batch(inputs)
        last = self.segments - 1
        return [
            Tokens(e.ids, [min(s, last) for s in e.type_ids], len(e.ids) == max_length and bool(e.overflowing))
            for e in encoded
        ]

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Cut each text, without truncation, into word pieces with their characters: (first, last + 1)."""
        with self._lock:
            self._fast.no_truncation()
            encoded = self._fast.encode_batch(checked_texts(texts), add_special_tokens=False)
        return [Pieces(e.ids, [], e.offsets) for e in encoded]

    def pieces_of_words(self, texts: Sequence[Sequence[str]]) -> list[Pieces]:
        """Cut texts that are given as words, without truncation, into pieces with the index of their word.

        A word can have no piece. The ids are those of the reference with `is_split_into_words`; byte-level BPE sees a
        space before each word, also before the first, as the reference requires here (`add_prefix_space`).
        """
        for words in texts:
            checked_texts(words)
        spaced = getattr(self._fast.pre_tokenizer, "add_prefix_space", None)
        with self._lock:
            self._fast.no_truncation()
            if spaced is False:
                self._fast.pre_tokenizer.add_prefix_space = True
            try:
                encoded = self._fast.encode_batch(texts, is_pretokenized=True, add_special_tokens=False)
            finally:
                if spaced is False:
                    self._fast.pre_tokenizer.add_prefix_space = False
        return [Pieces(e.ids, cast("list[int]", e.word_ids), []) for e in encoded]

    def surrounding_tokens(self, pair: bool = False) -> tuple[Tokens, ...]:
        """Return the special tokens before a text, after it and, for a pair, after the second text."""
        with self._lock:
            self._fast.no_truncation()
            e = self._fast.encode(*("a", "a") if pair else ("a",))
        last, parts = self.segments - 1, [Tokens([], [])]
        for token, kind, sequence in zip(e.ids, e.type_ids, e.sequence_ids, strict=True):
            if sequence is not None:
                if len(parts) == sequence + 1:
                    parts.append(Tokens([], []))
            else:
                parts[-1].ids.append(token)
                parts[-1].segments.append(min(kind, last))
        return tuple(parts)

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> Batch:
        """Encode texts (or pairs) as one padded batch; see `encode`."""
        if isinstance(texts, str):
            raise InputError("give a list of texts, not one text")
        return pad(self.encode(texts, pairs, max_length), self.pad_id)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens with these ids."""
        return [self._fast.id_to_token(int(i)) or self.special.unknown for i in ids]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Return the text of `ids`, as the reference decodes it. It can differ from the original, which was normalized.

        Raises InputError for an id that is not in the vocabulary.
        """
        numbers = checked_ids(ids)
        highest = self.highest_id
        for i in numbers:
            if not 0 <= i <= highest or self._fast.id_to_token(i) is None:
                raise InputError(f"the vocabulary has no token with the id {i}; ids are from 0 to {highest}")
        text: str = self._fast.decode(numbers, skip_special_tokens=skip_special_tokens)
        return text

    def words(self, ids: Sequence[int]) -> list[str]:
        """Return each token as readable text, without the character that marks a space in BPE and Unigram."""
        texts = [self._fast.decode([int(i)], skip_special_tokens=False).strip() for i in ids]
        # A token whose bytes are not a whole character cannot be decoded, so it is returned unchanged.
        return [t if t and "\ufffd" not in t else token for t, token in zip(texts, self.tokens(ids), strict=True)]

    def word_numbers(self, text: str, pair: str | None = None, max_length: int = 128) -> list[int]:
        """Return the index of the word of each token of `encode`: 0, 1, 2, …; each special token counts as a word.

        Words are separated by white space; in BERT's tokenizer, each punctuation character is a word too.
        """
        encoded = self._encode_one(text, pair, max_length)
        numbers, before = [-1], None
        for word in zip(encoded.sequence_ids, encoded.word_ids, strict=True):
            numbers.append(numbers[-1] + (word != before or word[0] is None))
            before = word
        return numbers[1:]

    def character_spans(
        self, text: str, pair: str | None = None, max_length: int = 128
    ) -> list[tuple[int, int] | None]:
        """Return the characters (first, last + 1) of each token of `encode` in its text; None for an added token."""
        encoded = self._encode_one(text, pair, max_length)
        return [
            None if sequence is None else span
            for sequence, span in zip(encoded.sequence_ids, encoded.offsets, strict=True)
        ]

    def _encode_one(self, text: str, pair: str | None, max_length: int) -> Any:
        self.encode([text], None if pair is None else [pair], max_length)  # for its checks
        with self._lock:
            self._fast.enable_truncation(max_length, strategy="longest_first")
            return self._fast.encode(text, pair)

    @property
    def mask_id(self) -> int | None:
        """The id of the mask token; None in a vocabulary without one."""
        number: int | None = self._fast.token_to_id(self.special.mask)
        return number

    def to_json(self) -> str:
        """Return the content of `tokenizer.json`: the vocabulary, the normalizer and all other parts."""
        with self._lock:
            self._fast.no_truncation()
            content: str = self._fast.to_str(pretty=True)
        return content

    def save(self, folder: Path, max_length: int) -> None:
        """Write tokenizer.json, vocab.txt (only for BERT) and tokenizer_config.json, as `transformers` reads them."""
        _write(folder / "tokenizer.json", self.to_json())
        settings: dict[str, object] = {"tokenizer_class": self._name}
        if isinstance(self._fast.model, models.WordPiece):
            _write(folder / "vocab.txt", self._vocabulary())
            settings["do_lower_case"] = self.lower_case
        for name, attribute in tokenizer_files.NORMALIZER.items():
            if name != "do_lower_case" and hasattr(self._fast.normalizer, attribute):
                settings[name] = getattr(self._fast.normalizer, attribute)
        settings |= {"model_max_length": max_length}
        names = {"pad": "pad", "unk": "unknown", "cls": "first", "sep": "separator", "mask": "mask"}
        settings |= {f"{theirs}_token": getattr(self.special, ours) for theirs, ours in names.items()}
        _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")

    def _vocabulary(self) -> str:
        """Return the contents of a `vocab.txt`."""
        vocabulary = {i: token for token, i in self._fast.get_vocab(with_added_tokens=False).items()}
        # If a token occurs twice in the official file, one of its ids has no token. That id still needs a line here.
        lines = [vocabulary.get(i, f"[unused line {i}]") for i in range(max(vocabulary) + 1)]
        return "".join(f"{token}\n" for token in lines)


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")
