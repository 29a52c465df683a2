"""What each head looks at, in five numbers, over one text or over many."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from minitf.attention_maps.collect import AttentionMaps

NUMBERS = ("entropy", "special", "previous", "following", "same")


@dataclasses.dataclass(frozen=True)
class HeadSummary:
    """What each head looks at, the mean over the queries of a text; each `[L, H]`. Source: Clark et al. 2019, §3."""

    entropy: np.ndarray  # in nats: 0 for one key, log S for all alike
    special: np.ndarray  # share that goes to the tokens that stand for no word
    previous: np.ndarray  # to the token before, of the queries that have one
    following: np.ndarray  # to the token after
    same: np.ndarray  # to the token itself
    longest: int  # tokens of the longest text
    texts: int = 1


def summarise(maps: AttentionMaps) -> HeadSummary:
    """What each head looks at in this text."""
    A, S = maps.A.astype(np.float64), len(maps.tokens)
    logs = np.log(A, out=np.zeros_like(A), where=A > 0)
    i = np.arange(S)
    empty = np.zeros(A.shape[:2])
    return HeadSummary(
        entropy=-(A * logs).sum(axis=-1).mean(axis=-1),
        special=A[..., np.array(maps.special)].sum(axis=-1).mean(axis=-1),
        previous=A[:, :, i[1:], i[:-1]].mean(axis=-1) if S > 1 else empty,
        following=A[:, :, i[:-1], i[1:]].mean(axis=-1) if S > 1 else empty,
        same=A[:, :, i, i].mean(axis=-1),
        longest=S,
    )


def summarise_all(texts: Iterable[AttentionMaps]) -> HeadSummary:
    """The mean of `summarise` over texts, each counting the same; read one after another, and none is kept."""
    total: dict[str, np.ndarray] = {}
    longest = n = 0
    for maps in texts:
        found = summarise(maps)
        longest, n = max(longest, found.longest), n + 1
        for name in NUMBERS:
            total[name] = total.get(name, 0.0) + getattr(found, name)
    return HeadSummary(**{name: value / n for name, value in total.items()}, longest=longest, texts=n)
