"""What a model's vocabulary makes of the texts, all of them read before training: lengths, unknown words, capitals."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from minitf.datasets.findings import Finding
from minitf.text.long_texts import UNCUT
from minitf.text.tokenizer import Tokenizer

PERCENTILES = (50, 90, 99, 100)
CUT = 0.05  # share of the training texts that are cut, above which it is a doubt
UNKNOWN = 0.01  # the same of word pieces that stand for no word
IN_CAPITALS = 0.2  # the same of texts written in capitals
MANY = 20  # texts: of fewer, that none has a capital may be chance
CHUNK = 1000  # texts whose pieces are held at once

Texts = tuple[Sequence[str], Sequence[str] | None]  # and the second texts of pairs


@dataclasses.dataclass(frozen=True)
class TokenCounts:
    """One table, as the tokenizer reads it."""

    texts: int
    lengths: Mapping[int, int]  # by percentile: so many tokens, the frame among them, have so many texts at most
    longer: int  # texts that have more than `max_length`
    pieces: int
    unknown: int  # of the pieces
    strange: tuple[tuple[str, int], ...]  # characters of no word of the vocabulary, and how often they are there
    capitals: int  # texts with some
    in_capitals: int  # texts with hardly anything else
    letters: int  # texts with letters that could be capitals

    def to_dict(self) -> dict[str, object]:
        tokens = {str(q): n for q, n in self.lengths.items()}
        return {"texts": self.texts, "tokens": tokens, "longer": self.longer, "unknown": self.unknown_share}

    @property
    def unknown_share(self) -> float:
        return self.unknown / self.pieces if self.pieces else 0.0


def count_tokens(tokenizer: Tokenizer, texts: Texts, max_length: int) -> TokenCounts:
    """Every text (or pair) whole."""
    first, second = texts
    frame = len(tokenizer.encode([""], None if second is None else [""], UNCUT)[0])
    lengths: list[int] = []
    unknown, strange = 0, Counter[str]()
    for i in range(0, len(first), CHUNK):
        part = first[i : i + CHUNK]
        pairs = None if second is None else second[i : i + CHUNK]
        for n, tokens in enumerate(tokenizer.encode(part, pairs, UNCUT)):
            lengths.append(len(tokens))
            if here := tokens.ids.count(tokenizer.unknown_id):
                unknown += here
                strange.update(part[n] + (pairs[n] if pairs else ""))
    cases = [_cases(text) for text in (first if second is None else map(" ".join, zip(first, second, strict=True)))]
    return TokenCounts(
        texts=len(lengths),
        lengths=percentiles(lengths),
        longer=sum(length > max_length for length in lengths),
        pieces=sum(lengths) - frame * len(lengths),
        unknown=unknown,
        strange=tuple(_unknown_alone(tokenizer, strange)),
        capitals=sum(upper > 0 for upper, _ in cases),
        in_capitals=sum(upper + lower > 3 and upper > 0.8 * (upper + lower) for upper, lower in cases),
        letters=sum(upper + lower > 0 for upper, lower in cases),
    )


def percentiles(lengths: Sequence[int]) -> dict[int, int]:
    """For each q the smallest length that q % of the texts do not exceed."""
    order = sorted(lengths)
    return {q: order[max(1, math.ceil(q * len(order) / 100)) - 1] for q in PERCENTILES} if order else {}


def token_warnings(
    name: str, counts: TokenCounts, tokenizer: Tokenizer, max_length: int, *, cut: bool, options: str
) -> Iterator[Finding]:
    """What is odd in the training texts of the table called `name`; `cut`: longer ones are, and `options` besides."""
    n = counts.texts
    if cut and counts.longer > CUT * n:
        yield _warning(
            f"{name}: {counts.longer} of {n} texts are longer than `max_length` {max_length} and are cut: {options}"
        )
    if counts.unknown_share > UNKNOWN:
        most = ", ".join(f"{c!r} ({times})" for c, times in counts.strange[:5])
        which = f"; most frequent of the unknown characters: {most}" if most else ""
        yield _warning(
            f"{name}: {counts.unknown_share:.1%} of the word pieces are {tokenizer.special.unknown}, one and the same"
            f" word to the model{which}: take a model of this language, or write them otherwise"
        )
    if tokenizer.lower_case:
        return
    if counts.in_capitals > IN_CAPITALS * n:
        yield _warning(
            f"{name}: {counts.in_capitals} of {n} texts are in capitals, which this cased vocabulary cuts into small"
            " pieces: write them as usual, or take an uncased model"
        )
    if counts.letters >= MANY and not counts.capitals:
        yield _warning(
            f"{name}: no text has a capital, and the vocabulary is cased: give the texts as they were written, or take"
            " an uncased model"
        )


def _warning(message: str) -> Finding:
    return Finding("warning", message)


def _cases(text: str) -> tuple[int, int]:
    """How many letters are capitals, and how many are not though they could be."""
    return sum(map(str.isupper, text)), sum(map(str.islower, text))


def _unknown_alone(tokenizer: Tokenizer, characters: Counter[str], most: int = 3000) -> list[tuple[str, int]]:
    """Those that are unknown each by itself: a word of known ones can be unknown too."""
    candidates = [(c, n) for c, n in characters.most_common(most) if not c.isspace()]
    alone = tokenizer.encode([c for c, _ in candidates], None, UNCUT) if candidates else []
    return [pair for pair, t in zip(candidates, alone, strict=True) if tokenizer.unknown_id in t.ids]
