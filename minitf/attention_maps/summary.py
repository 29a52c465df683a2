"""Five numbers for each head that describe what it attends to, over one text or many."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from minitf.attention_maps.maps import AttentionMaps

NUMBERS = ("entropy", "special", "previous", "following", "same")


@dataclasses.dataclass(frozen=True)
class HeadSummary:
    """Means over the queries of a text, each `[L, H]`. Source: Clark et al. 2019, §3."""

    entropy: np.ndarray  # in nats: 0 if one key has all the weight, log S if all keys have the same
    special: np.ndarray  # the weight on the special tokens
    previous: np.ndarray  # on the token before the query
    following: np.ndarray  # on the token after it
    same: np.ndarray  # on the query itself
    longest: int  # the number of tokens of the longest text
    texts: int = 1


def summarise(maps: AttentionMaps) -> HeadSummary:
    """Summarise what each head attends to in this text."""
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
    """Average `summarise` over texts, with equal weights. Only one text is held in memory at a time."""
    total: dict[str, np.ndarray] = {}
    longest = n = 0
    for maps in texts:
        one = summarise(maps)
        longest, n = max(longest, one.longest), n + 1
        for name in NUMBERS:
            total[name] = total.get(name, 0.0) + getattr(one, name)
    return HeadSummary(**{name: value / n for name, value in total.items()}, longest=longest, texts=n)
