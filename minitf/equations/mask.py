"""The causal mask. (The padding mask depends on the texts: `layers.mask`.)"""

import torch
from torch import Tensor

from minitf.equations import domain


def causal_mask(S_q: int, S_k: int | None = None, device: torch.device | None = None) -> Tensor:
    """M[i, j] = (j ≤ i + S_k − S_q): no query sees a later position;  boolean `[S_q, S_k]`.

    True where attention is allowed. The queries are the last `S_q` of `S_k` positions; without `S_k` they are all of
    them, and M is a lower triangle. `causal_mask(S) & padding_mask(mask)` is both masks together, `[B, 1, S, S]`.
    Raises ValueError if S_q exceeds S_k.
    Source: Vaswani et al. 2017, §3.2.3.
    """
    S_k = S_q if S_k is None else S_k
    domain.check_queries(S_q, S_k)
    i, j = torch.arange(S_q, device=device), torch.arange(S_k, device=device)
    return j <= i.unsqueeze(1) + (S_k - S_q)
