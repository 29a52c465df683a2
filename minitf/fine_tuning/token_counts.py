"""Statistics of the tokenized texts before training: lengths, unknown words, uppercase letters."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from minitf.datasets.findings import Finding
from minitf.text.batches import Tokens
from minitf.text.long_texts import UNCUT
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.text.tokenizer import Tokenizer

PERCENTILES = (50, 90, 99, 100)
# Shares of the training texts or word pieces above which there is a warning.
CUT = 0.05  # texts that are cut
UNKNOWN = 0.01  # word pieces that are unknown
IN_CAPITALS = 0.2  # texts in uppercase
MANY = 20  # texts; with fewer, it can be chance that no letter is uppercase
CHUNK = 1000  # texts that are tokenized together

AnyTokenizer = Tokenizer | SequenceTokenizer
Texts = tuple[Sequence[str], Sequence[str] | None]  # and the second texts of pairs


@dataclasses.dataclass(frozen=True)
class TokenCounts:
    """The counts of one table."""

    texts: int
    lengths: Mapping[int, int]  # percentile -> tokens of a text, with the special tokens
    longer: int  # texts with more than `max_length` tokens
    pieces: int  # tokens of all texts, without the special tokens
    unknown: int  # of the pieces
    strange: tuple[tuple[str, int], ...]  # (character that is not in the vocabulary, how often it occurs)
    capitals: int  # texts with an uppercase letter
    in_capitals: int  # texts almost entirely in uppercase
    letters: int  # texts with a letter that has an uppercase form

    def to_dict(self) -> dict[str, object]:
        tokens = {str(q): n for q, n in self.lengths.items()}
        return {"texts": self.texts, "tokens": tokens, "longer": self.longer, "unknown": self.unknown_share}

    @property
    def unknown_share(self) -> float:
        return self.unknown / self.pieces if self.pieces else 0.0


def count_tokens(tokenizer: AnyTokenizer, texts: Texts, max_length: int) -> TokenCounts:
    """Count the tokens of the texts (or pairs), uncut."""
    first, second = texts
    special_tokens = len(_encode(tokenizer, [""], None if second is None else [""])[0])
    lengths: list[int] = []
    unknown, strange = 0, Counter[str]()
    for text, tokens in encode_uncut(tokenizer, texts):
        lengths.append(len(tokens))
        if here := tokens.ids.count(tokenizer.unknown_id):  # type: ignore[arg-type]  # None is no id
            unknown += here
            strange.update(text)
    cases = [_cases(text) for text in (first if second is None else map(" ".join, zip(first, second, strict=True)))]
    return TokenCounts(
        texts=len(lengths),
        lengths=percentiles(lengths),
        longer=sum(length > max_length for length in lengths),
        pieces=sum(lengths) - special_tokens * len(lengths),
        unknown=unknown,
        strange=tuple(_unknown_alone(tokenizer, strange)),
        capitals=sum(upper > 0 for upper, _ in cases),
        in_capitals=sum(upper + lower > 3 and upper > 0.8 * (upper + lower) for upper, lower in cases),
        letters=sum(upper + lower > 0 for upper, lower in cases),
    )


def encode_uncut(tokenizer: AnyTokenizer, texts: Texts) -> Iterator[tuple[str, Tokens]]:
    """Yield each text (or pair, joined) and its tokens, uncut."""
    first, second = texts
    for i in range(0, len(first), CHUNK):
        part = first[i : i + CHUNK]
        pairs = None if second is None else second[i : i + CHUNK]
        for n, tokens in enumerate(_encode(tokenizer, part, pairs)):
            yield part[n] + (pairs[n] if pairs else ""), tokens


def _encode(tokenizer: AnyTokenizer, texts: Sequence[str], pairs: Sequence[str] | None) -> list[Tokens]:
    """Encode texts (or pairs), uncut."""
    if isinstance(tokenizer, SequenceTokenizer):
        return [Tokens(ids, [0] * len(ids)) for ids in tokenizer.encode(texts)]
    return tokenizer.encode(texts, pairs, UNCUT)


def percentiles(lengths: Sequence[int], wanted: Sequence[int] = PERCENTILES) -> dict[int, int]:
    """Return for each percentile q the smallest length that q % of the texts do not exceed."""
    order = sorted(lengths)
    return {q: order[max(1, math.ceil(q * len(order) / 100)) - 1] for q in wanted} if order else {}


def token_warnings(
    name: str, counts: TokenCounts, tokenizer: AnyTokenizer, max_length: int, *, cut: bool, options: str
) -> Iterator[Finding]:
    """Yield warnings about the training texts of the table called `name`.

    `cut` says whether texts longer than `max_length` are cut; `options` says how to avoid it.
    """
    n = counts.texts
    if cut and counts.longer > CUT * n:
        yield _warning(
            f"{name}: {counts.longer} of {n} texts are longer than `max_length` {max_length} and are cut: {options}"
        )
    if counts.unknown_share > UNKNOWN:
        most = ", ".join(f"{c!r} ({times})" for c, times in counts.strange[:5])
        which = f"; most frequent unknown characters: {most}" if most else ""
        yield _warning(
            f"{name}: {counts.unknown_share:.1%} of the word pieces are unknown ({unknown_token(tokenizer)}), and the"
            f" model cannot tell them apart{which}: use a model of this language, or replace these characters"
        )
    if isinstance(tokenizer, SequenceTokenizer) or tokenizer.lower_case:
        return
    if counts.in_capitals > IN_CAPITALS * n:
        yield _warning(
            f"{name}: {counts.in_capitals} of {n} texts are in uppercase, which a cased vocabulary splits into many"
            " pieces: write them in normal case, or use an uncased model"
        )
    if counts.letters >= MANY and not counts.capitals:
        yield _warning(
            f"{name}: no text has an uppercase letter, and the vocabulary is cased: use the original texts, or an"
            " uncased model"
        )


def unknown_token(tokenizer: AnyTokenizer) -> str:
    """Return the token that stands for unknown ones."""
    if isinstance(tokenizer, SequenceTokenizer):
        return "".join(tokenizer.tokens([] if tokenizer.unknown_id is None else [tokenizer.unknown_id]))
    return tokenizer.special.unknown


def _warning(message: str) -> Finding:
    return Finding("warning", message)


def _cases(text: str) -> tuple[int, int]:
    """Return the number of uppercase and of lowercase letters."""
    return sum(map(str.isupper, text)), sum(map(str.islower, text))


def _unknown_alone(tokenizer: AnyTokenizer, characters: Counter[str], most: int = 3000) -> list[tuple[str, int]]:
    """Return the characters that are unknown on their own: a word of known characters can be unknown too."""
    candidates = [(c, n) for c, n in characters.most_common(most) if not c.isspace()]
    alone = _encode(tokenizer, [c for c, _ in candidates], None) if candidates else []
    return [pair for pair, t in zip(candidates, alone, strict=True) if tokenizer.unknown_id in t.ids]
