"""The tokenizer: clean, split and cut a text into pieces of words, frame it, number the pieces.

The work is done by the library `tokenizers`; here it is set up from the official files, and its answers are made into
batches. BERT's is WordPiece, RoBERTa's byte-level BPE, XLM-RoBERTa's SentencePiece Unigram: what differs is in the
file, and in what the special tokens are called. Ids are those of the reference's fast tokenizer, but where a folder
says nowhere whether it is cased: then a vocabulary with capitals is, while the reference lower-cases. The algorithm
of BERT's, to be read, is in `wordpiece`.
"""

import dataclasses
import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models

from minitf.errors import CheckpointError, InputError
from minitf.text import tokenizer_files
from minitf.text.batches import Batch, Tokens, pad
from minitf.text.tokenizer_files import LARGEST_VOCABULARY as LARGEST_VOCABULARY
from minitf.text.tokenizer_limits import LimitedTokenizer


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
    """What a family calls the tokens that stand for no word."""

    pad: str
    unknown: str
    first: str  # of every text
    separator: str
    mask: str


BERT = SpecialTokens(*tokenizer_files.BERT_SPECIAL)
ROBERTA = SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")


@dataclasses.dataclass(frozen=True)
class Pieces:
    """A text's word pieces, unframed: their ids; of which word each is, or which characters of the text it covers."""

    ids: list[int]
    words: list[int]
    spans: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """Texts in, ids out. Make one with `from_folder` or `from_vocabulary`."""

    def __init__(self, fast: FastTokenizer, lower_case: bool, name: str | None = None):
        self._fast, self.lower_case = LimitedTokenizer(fast), lower_case
        self.special = ROBERTA if fast.token_to_id("[CLS]") is None and fast.token_to_id("<s>") is not None else BERT
        needed = (self.special.pad, self.special.unknown, self.special.first, self.special.separator)
        ids: dict[str, int] = {token: i for token in needed if (i := fast.token_to_id(token)) is not None}
        if missing := [token for token in needed if token not in ids]:
            raise CheckpointError(f"the vocabulary has no {', '.join(missing)}, so it is not BERT's")
        self.pad_id, self.unknown_id = ids[self.special.pad], ids[self.special.unknown]
        self.separator_id = ids[self.special.separator]
        # What frames and pads: no words, and not what hides or replaces one.
        self.special_ids = frozenset((self.pad_id, self.separator_id, ids[self.special.first]))
        self.segments = 1 if self.special is ROBERTA else 2  # that are told apart; a model may know fewer
        self._lock = threading.Lock()  # the library's truncation is a setting of the object, not of the call
        self._name = name or ("BertTokenizer" if self.special is BERT else "PreTrainedTokenizerFast")

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """From `tokenizer.json`, else `vocab.txt` with `tokenizer_config.json`. Raises CheckpointError."""
        fast, settings = tokenizer_files.read_folder(folder)
        name = settings.get("tokenizer_class")
        try:
            lower_case = bool(getattr(fast.normalizer, "lowercase", settings.get("do_lower_case", False)))
            return cls(fast, lower_case, name if isinstance(name, str) else None)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from None

    @classmethod
    def from_vocabulary(cls, content: bytes, where: str) -> "Tokenizer":
        """BERT's, from the content of a `vocab.txt` found at `where`. Raises CheckpointError."""
        fast = tokenizer_files.read_vocabulary(content, where)
        try:
            return cls(fast, bool(fast.normalizer.lowercase))
        except CheckpointError as error:
            raise CheckpointError(f"{where}: {error}") from None

    @property
    def vocabulary_size(self) -> int:
        """How many words there are, added ones included."""
        return int(self._fast.get_vocab_size())

    @property
    def highest_id(self) -> int:
        """The largest number that a word can get."""
        highest: int = max(self._fast.get_vocab().values())
        return highest

    @property
    def sha256(self) -> str:
        """The digest of the vocabulary as a `vocab.txt` holds it."""
        return hashlib.sha256(self._vocabulary().encode("utf-8", errors="replace")).hexdigest()

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> list[Tokens]:
        """Each text (or pair) framed and cut to `max_length` tokens, the longer of a pair cut first.

        Raises InputError if `max_length` has no room for the frame, or texts and pairs differ in number.
        """
        frame = self._fast.num_special_tokens_to_add(pairs is not None)
        if max_length <= frame:
            raise InputError(f"max_length {max_length} has no room for a text: the frame alone takes {frame} tokens")
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(pairs)} second texts")
        for n, text in enumerate([*texts, *(pairs or ())]):
            if not _is_unicode(text):
                raise InputError(f"text {n % len(texts) + 1} is no Unicode text: {text!r:.60}; give it in UTF-8")
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
        """Each text whole, and for each piece the characters of the text, from and to, that it stands for."""
        with self._lock:
            self._fast.no_truncation()
            encoded = self._fast.encode_batch(self._checked(texts), add_special_tokens=False)
        return [Pieces(e.ids, [], e.offsets) for e in encoded]

    def pieces_of_words(self, texts: Sequence[Sequence[str]]) -> list[Pieces]:
        """Each text, given as words, whole: for each piece the number of its word. A word may have none.

        Ids are the reference's with `is_split_into_words`; a byte-level BPE sees a space before each word, the first
        too, as the reference asks of it then (`add_prefix_space`).
        """
        for words in texts:
            self._checked(words)
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

    def frame(self, pair: bool = False) -> tuple[Tokens, ...]:
        """What stands before a text, behind it, and, of a pair, behind the second."""
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

    def _checked(self, texts: Sequence[str]) -> list[str]:
        """`texts`. Raises InputError for one that is no Unicode text."""
        for n, text in enumerate(texts, 1):
            if not _is_unicode(text):
                raise InputError(f"text {n} is no Unicode text: {text!r:.60}; give it in UTF-8")
        return list(texts)

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> Batch:
        """One padded batch of `texts`; see `encode`."""
        if isinstance(texts, str):
            raise InputError("give a list of texts, not one text")
        return pad(self.encode(texts, pairs, max_length), self.pad_id)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The word pieces behind `ids`."""
        return [self._fast.id_to_token(int(i)) or self.special.unknown for i in ids]

    def words(self, ids: Sequence[int]) -> list[str]:
        """Each id as a person reads it: without the sign for the space before a word that BPE and Unigram have."""
        texts = [self._fast.decode([int(i)], skip_special_tokens=False).strip() for i in ids]
        # A piece of bytes that are no whole letter has no reading: the token itself is shown, as for a bare sign.
        return [t if t and "\ufffd" not in t else token for t, token in zip(texts, self.tokens(ids), strict=True)]

    def word_numbers(self, text: str, pair: str | None = None, max_length: int = 128) -> list[int]:
        """Which word each token of `encode` is a piece of: 0, 1, 2, … in order; a special token is one of its own.

        A word is what the tokenizer's first step splits off: white space parts, and in BERT's each punctuation mark.
        """
        self.encode([text], None if pair is None else [pair], max_length)  # its checks
        with self._lock:
            self._fast.enable_truncation(max_length, strategy="longest_first")
            encoded = self._fast.encode(text, pair)
        numbers, before = [-1], None
        for where in zip(encoded.sequence_ids, encoded.word_ids, strict=True):
            numbers.append(numbers[-1] + (where != before or where[0] is None))
            before = where
        return numbers[1:]

    @property
    def mask_id(self) -> int | None:
        """The number of the token that hides a word; None in a vocabulary without one."""
        number: int | None = self._fast.token_to_id(self.special.mask)
        return number

    def save(self, folder: Path, max_length: int) -> None:
        """Write tokenizer.json, vocab.txt (BERT's) and tokenizer_config.json, as `transformers` reads them."""
        with self._lock:
            self._fast.no_truncation()
        _write(folder / "tokenizer.json", self._fast.to_str(pretty=True))
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
        """The content of a `vocab.txt`."""
        vocabulary = {i: token for token, i in self._fast.get_vocab(with_added_tokens=False).items()}
        # A number without a word (a line that stood twice in the official file) keeps its line.
        lines = [vocabulary.get(i, f"[unused line {i}]") for i in range(max(vocabulary) + 1)]
        return "".join(f"{token}\n" for token in lines)


def _is_unicode(text: object) -> bool:
    return isinstance(text, str) and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")
