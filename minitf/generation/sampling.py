"""Sampling: temperature, top-k, top-p."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from minitf.generation.decoding import Request
from minitf.generation.sequences import Sequences


def sample(
    request: Request, seeds: Sequence[int], temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Iterator[Sequences]:
    """Append a token drawn from softmax(log P / temperature), restricted to `top_k` and `top_p`; yield after each.

    Each row draws from its own seed, so an output does not depend on the other rows of the batch. The score of an
    output is its log-probability before temperature, top-k and top-p.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    rows = Sequences.start(request)
    while not rows.done:
        log_p = request.log_p(rows.ids)
        scores = (log_p - log_p.amax(-1, keepdim=True)).double() / temperature  # the largest is 0: no overflow
        restricted = keep_top_p(keep_top_k(scores, top_k), top_p)
        rows = rows.extended(draw(restricted.softmax(-1), generators), log_p)
        yield rows


def keep_top_k(scores: Tensor, k: int | None) -> Tensor:
    """Set all but the `k` largest scores of each row to −∞; None keeps all. Fan et al. 2018, section 5.4."""
    if k is None:
        return scores
    smallest = scores.topk(min(k, scores.shape[-1])).values[..., -1:]
    return scores.masked_fill(scores < smallest, -torch.inf)


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """Keep the nucleus: the fewest most probable tokens whose probabilities sum to at least `p`; the rest gets −∞.

    Holtzman et al. 2020, equation 2. `p` = 1 keeps all.
    """
    if p >= 1:
        return scores
    ascending, order = scores.sort(-1)
    outside = ascending.softmax(-1).cumsum(-1) <= 1 - p  # the least probable tokens, together at most 1 − p
    outside[..., -1] = False
    return scores.masked_fill(outside.scatter(-1, order, outside), -torch.inf)


def draw(P: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw a token from each row of P [R, N]: the first whose cumulative probability exceeds a uniform number."""
    uniform = torch.stack([torch.rand((), generator=g, dtype=torch.float64) for g in generators]).to(P.device)
    cumulative = P.double().cumsum(-1)
    threshold = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True).squeeze(-1)
