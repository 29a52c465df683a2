"""BERT's tokenizer in plain Python, for reading: from a text to the ids of its word pieces.

A text is cleaned, Chinese characters are separated, accents removed, letters lowercased, and the text is split into
words at white space and punctuation (Google's BasicTokenizer). Each word is cut into the longest pieces that are in the
vocabulary (WordpieceTokenizer), and `[CLS]` and `[SEP]` are added. It is not fast, and it cannot learn a vocabulary.
minitf itself uses `text.tokenizer`, which calls the library `tokenizers` and returns the same ids.

Sources: WordPiece: Wu et al. 2016, §4.1 (there `_` marks the start of a word; in BERT `##` marks a piece that continues
a word); the other steps: the code of Devlin et al. 2019, `tokenization.py`. Where the library differs from Google's
code, this module follows the library, and a comment says so. One difference from the library remains: it uses the
character categories of Unicode 8, the accents of Unicode 9 and the letter cases of Unicode 17, while this module uses
the Unicode version of Python. So a few hundred rare characters, which are newer than Unicode 8 or have changed their
category, are treated differently; the tests list them all.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from minitf.errors import InputError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_WORD = 100  # characters; 200 in Google's code
# The second-to-last range starts at 2B820 in Unicode and in Google's code; the library's error is kept for equal ids.
CHINESE = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
    "\U0002a700-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f]"
)


def clean(text: str) -> str:
    """Remove control, format and private-use characters (Cc, Cf, Co); replace each white-space character by a space.

    Google's code keeps private-use characters. U+FFFD, which a decoder writes for invalid bytes, is removed too.
    """
    # Tabs and line ends are white space here; in Unicode they are control characters.
    kept = (c for c in text if c in "\t\n\r" or unicodedata.category(c) not in ("Cc", "Cf", "Co"))
    return "".join(" " if c.isspace() else c for c in kept if c != "\ufffd")


def separate_chinese(text: str) -> str:
    """Put a space on both sides of each Chinese character, so that it is a word: Chinese has no spaces."""
    return CHINESE.sub(r" \g<0> ", text)


def remove_accents(text: str) -> str:
    """`é` → `e` and `´` (normal form NFD) → `e`: remove combining marks (Unicode category Mn)."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def lower(text: str) -> str:
    """Lowercase each letter on its own, as the library does; `str.lower`, used by Google, ends ΣΊΣΥΦΟΣ in ς, not σ."""
    return text.replace("Σ", "σ").lower()


def is_punctuation(c: str) -> bool:
    """Whether `c` is punctuation: Unicode's categories P…, and nine ASCII characters that Unicode calls symbols."""
    return unicodedata.category(c)[0] == "P" or c in "$+<=>^`|~"


def split_at_punctuation(text: str) -> list[str]:
    """Split at white space, and before and after punctuation: `I don't.` → `I`, `don`, `'`, `t`, `.`"""
    return "".join(f" {c} " if is_punctuation(c) else c for c in text).split()


def pieces_of(word: str, vocabulary: Mapping[str, int]) -> list[str]:
    """Cut a word into pieces from left to right, always the longest in the vocabulary: `playing` → `play`, `##ing`.

    If no piece matches at some position, the whole word is `[UNK]`. Source: WordpieceTokenizer, "greedy
    longest-match-first".
    """
    if len(word) > LONGEST_WORD:
        return ["[UNK]"]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def truncate_longest_first(first: list[str], second: list[str], size: int) -> tuple[list[str], list[str]]:
    """Truncate a pair to `size` pieces in total: the longer text until both are equal, then both.

    If `size` is odd, the longer text keeps one piece more (of two equal texts the second; in Google's
    `_truncate_seq_pair` the first).
    """
    shorter = min(len(first), len(second), size // 2)
    if len(first) > len(second):
        return first[: size - shorter], second[:shorter]
    return first[:shorter], second[: size - shorter]


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read an official `vocab.txt`: one piece per line; the number of the line, from 0, is the id."""
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # splitlines would also split at U+2028
    return {piece.rstrip(): i for i, piece in enumerate(lines)}


@dataclasses.dataclass(frozen=True)
class WordPieceTokenizer:
    """The functions above, in order. The three settings have their names in `tokenizer_config.json`."""

    vocabulary: Mapping[str, int]
    do_lower_case: bool = True
    strip_accents: bool | None = None  # None: as do_lower_case
    tokenize_chinese_chars: bool = True

    def words(self, text: str) -> list[str]:
        """Split a text into words. Google lowercases before it removes accents, with the same result."""
        text = clean(text)
        if self.tokenize_chinese_chars:
            text = separate_chinese(text)
        if self.do_lower_case if self.strip_accents is None else self.strip_accents:
            text = remove_accents(text)
        if self.do_lower_case:
            text = lower(text)
        return split_at_punctuation(text)

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of all words. Special tokens such as `[MASK]` stay whole; Google's code splits them."""
        special = [token for token in SPECIAL if token in self.vocabulary]
        words: list[str] = []
        for part in re.split(f"({'|'.join(map(re.escape, special))})", text):
            words += [part] if part in special else self.words(part)
        return [piece for word in words for piece in pieces_of(word, self.vocabulary)]

    def encode(self, text: str, pair: str | None = None, max_length: int = 128) -> tuple[list[int], list[int]]:
        """Return the ids and segments of `[CLS] text [SEP]` or `[CLS] text [SEP] pair [SEP]`, at most `max_length`.

        Raises InputError if `max_length` is too small, or if a text is not valid Unicode.
        """
        special = 2 if pair is None else 3
        if max_length <= special:
            raise InputError(f"`max_length` {max_length} is too small: the special tokens alone are {special} tokens")
        if re.search("[\ud800-\udfff]", text + (pair or "")):
            raise InputError(f"not valid Unicode: {text!r:.60}; give it in UTF-8")
        first, second = truncate_longest_first(self.pieces(text), self.pieces(pair or ""), max_length - special)
        segments = [["[CLS]", *first, "[SEP]"]] + ([] if pair is None else [[*second, "[SEP]"]])
        ids = [self.vocabulary[token] for segment in segments for token in segment]
        return ids, [i for i, segment in enumerate(segments) for _ in segment]
