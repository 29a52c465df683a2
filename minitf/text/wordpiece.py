"""BERT's tokenizer by hand, in plain Python, for reading: a text in, the ids of its word pieces out.

A text is cleaned, Chinese characters are set apart, accents stripped, capitals lowered, and it is split into words at
blanks and punctuation (Google's BasicTokenizer); each word is cut into the longest pieces that the vocabulary has
(WordpieceTokenizer); `[CLS]` and `[SEP]` frame the whole. What this is not: fast, a way to learn a vocabulary, or what
minitf reads with. That is `text.tokenizer`, through the library `tokenizers`, and the ids are the same.

Sources: WordPiece: Wu et al. 2016, §4.1 (there `_` marks where a word begins; in BERT `##` marks where it goes on); the
rest: the code of Devlin et al. 2019, `tokenization.py`. Where the library disagrees with Google's code, the library is
followed and the place marked. One difference from the library is left: its categories are those of Unicode 8, its
accents of 9, its capitals of 17, ours all of the Unicode that Python was built with; some hundreds of rare characters,
newer than Unicode 8 or moved to another category since, come out otherwise, and the tests list them all.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from minitf.errors import InputError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_WORD = 100  # characters; 200 in Google's code
# The last range but one begins at 2B820 in Unicode and in Google's code: a slip of the library, kept for equal ids.
CHINESE = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
    "\U0002a700-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f]"
)


def clean(text: str) -> str:
    """`text` without control, format and private-use characters (Cc, Cf, Co), and with a space for each blank.

    Google's code keeps those of private use. U+FFFD is what a decoder writes where it found no character.
    """
    # Tab and line ends are blanks here, though to Unicode they are control characters.
    kept = (c for c in text if c in "\t\n\r" or unicodedata.category(c) not in ("Cc", "Cf", "Co"))
    return "".join(" " if c.isspace() else c for c in kept if c != "\ufffd")


def set_apart_chinese(text: str) -> str:
    """A space on both sides of each Chinese character: it becomes a word, as Chinese writes no blanks."""
    return CHINESE.sub(r" \g<0> ", text)


def without_accents(text: str) -> str:
    """`é` → `e` and `´` (Unicode's form NFD) → `e`: the marks that take no place of their own (Mn) are dropped."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def lower(text: str) -> str:
    """Each letter for itself, as the library does it: `str.lower`, so Google's code, ends ΣΊΣΥΦΟΣ in ς, not σ."""
    return text.replace("Σ", "σ").lower()


def is_punctuation(c: str) -> bool:
    """Unicode's P…, and the rest of ASCII that is no letter, digit or blank: to Unicode these nine are symbols."""
    return unicodedata.category(c)[0] == "P" or c in "$+<=>^`|~"


def split_at_punctuation(text: str) -> list[str]:
    """Split at blanks, and on both sides of punctuation: `I don't.` → `I`, `don`, `'`, `t`, `.`"""
    return "".join(f" {c} " if is_punctuation(c) else c for c in text).split()


def pieces_of(word: str, vocabulary: Mapping[str, int]) -> list[str]:
    """The longest piece that `word` begins with, then the longest that goes on, and so forth: `play`, `##ing`.

    The whole word is `[UNK]` if somewhere no piece fits. Source: WordpieceTokenizer, "greedy longest-match-first".
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


def cut_longest_first(first: list[str], second: list[str], room: int) -> tuple[list[str], list[str]]:
    """Both cut at their ends to `room` pieces together: the longer until they are equal, then both.

    If `room` is odd, the longer keeps one more (the second of equals); in Google's `_truncate_seq_pair` the first does.
    """
    shorter = min(len(first), len(second), room // 2)
    if len(first) > len(second):
        return first[: room - shorter], second[:shorter]
    return first[:shorter], second[: room - shorter]


def read_vocabulary(path: Path) -> dict[str, int]:
    """An official `vocab.txt`: a piece a line, and the line's number is its id."""
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # splitlines would also split at U+2028
    return {piece.rstrip(): i for i, piece in enumerate(lines)}


@dataclasses.dataclass(frozen=True)
class WordPieceTokenizer:
    """The functions above, one after the other. The three switches have their names in `tokenizer_config.json`."""

    vocabulary: Mapping[str, int]
    do_lower_case: bool = True
    strip_accents: bool | None = None  # None: as do_lower_case
    tokenize_chinese_chars: bool = True

    def words(self, text: str) -> list[str]:
        """Google's BasicTokenizer; that it lowers before it strips accents makes no difference."""
        text = clean(text)
        if self.tokenize_chinese_chars:
            text = set_apart_chinese(text)
        if self.do_lower_case if self.strip_accents is None else self.strip_accents:
            text = without_accents(text)
        if self.do_lower_case:
            text = lower(text)
        return split_at_punctuation(text)

    def pieces(self, text: str) -> list[str]:
        """The pieces of all words; `[MASK]` and its like in a text stay whole, which Google's code would cut."""
        special = [token for token in SPECIAL if token in self.vocabulary]
        words: list[str] = []
        for part in re.split(f"({'|'.join(map(re.escape, special))})", text):
            words += [part] if part in special else self.words(part)
        return [piece for word in words for piece in pieces_of(word, self.vocabulary)]

    def encode(self, text: str, pair: str | None = None, max_length: int = 128) -> tuple[list[int], list[int]]:
        """The ids of `[CLS] text [SEP]` or `[CLS] text [SEP] pair [SEP]`, `max_length` at most, and their segments.

        Raises InputError if `max_length` has no room for the frame, or a text is not Unicode.
        """
        frame = 2 if pair is None else 3
        if max_length <= frame:
            raise InputError(f"max_length {max_length} has no room for a text: the frame alone takes {frame} tokens")
        if re.search("[\ud800-\udfff]", text + (pair or "")):
            raise InputError(f"no Unicode text: {text!r:.60}; give it in UTF-8")
        first, second = cut_longest_first(self.pieces(text), self.pieces(pair or ""), max_length - frame)
        framed = [["[CLS]", *first, "[SEP]"]] + ([] if pair is None else [[*second, "[SEP]"]])
        ids = [self.vocabulary[token] for segment in framed for token in segment]
        return ids, [i for i, segment in enumerate(framed) for _ in segment]
