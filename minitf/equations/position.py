"""Sinusoidal positional encodings, and T5's relative positions.

(BERT, BART, GPT-2 and ViT learn one vector for each position instead: `layers.embeddings`.)
"""

import math

import numpy as np
import torch
from torch import Tensor

from minitf.equations import domain


def sinusoidal_positions(S: int, D: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/D)),  PE(pos, 2i+1) = cos(pos / 10000^(2i/D));  `[S, D]`.

    Raises ValueError for an odd D: sines and cosines come in pairs.
    Source: Vaswani et al. 2017, §3.5.
    """
    _check_even(D)
    pos = torch.arange(S, dtype=torch.float64).unsqueeze(1)  # [S, 1]
    two_i = torch.arange(0, D, 2, dtype=torch.float64)  # [D/2]
    angle = pos / 10000.0 ** (two_i / D)  # [S, D/2]
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(S, D).to(dtype)


def half_sinusoidal_positions(S: int, D: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """PE(pos, i) = sin(pos / 10000^(2i/D)),  PE(pos, D/2 + i) = cos(pos / 10000^(2i/D)),  0 ≤ i < D/2;  `[S, D]`.

    The columns of `sinusoidal_positions` in another order: all sines, then all cosines. The files do not contain them,
    so they are computed and rounded as in `transformers`: by NumPy in float64, then rounded to float32 for every
    `dtype`. Raises ValueError for an odd D.
    Source: Marian's code (Junczys-Dowmunt et al. 2018) and Tensor2Tensor's, which also put the cosines second.
    """
    _check_even(D)
    angle = np.arange(S)[:, None] / np.power(10000, np.arange(0, D, 2) / D)  # [S, D/2]
    PE = np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
    return torch.from_numpy(PE).to(dtype)


def relative_position_buckets(
    S_q: int,
    S_k: int,
    bidirectional: bool = True,
    buckets: int = 32,
    max_distance: int = 128,
    device: torch.device | None = None,
) -> Tensor:
    """b(r) = r if r < n/2, else min(n − 1, ⌊n/2 + n/2 · log(2r/n) / log(2m/n)⌋), r the distance of query and key.

    `[S_q, S_k]`, int64 from 0 to `buckets` − 1; m = `max_distance`. One bucket for each short distance, wider and wider
    ones for longer distances. If `bidirectional` (encoder), n is half of `buckets`, and the upper half is for keys
    after the query. Otherwise (decoder) n is `buckets`, and a key after the query has distance 0, because the causal
    mask hides it. The queries are the last `S_q` of `S_k` positions. The logarithm is computed in float32, as in
    `transformers`. Raises ValueError if S_q exceeds S_k, and for numbers of buckets that cannot be divided.
    Source: Raffel et al. 2020, §2.1; their code (`_relative_position_bucket` in Mesh TensorFlow).
    """
    domain.check_queries(S_q, S_k)
    n = buckets // 2 if bidirectional else buckets
    exact = n // 2
    if exact < 1 or max_distance <= exact:
        raise ValueError(f"{buckets} buckets cannot cover distances up to {max_distance}")
    query = torch.arange(S_k - S_q, S_k, device=device).unsqueeze(1)
    offset = torch.arange(S_k, device=device) - query  # [S_q, S_k], negative for keys before the query
    r = offset.abs() if bidirectional else (-offset).clamp(min=0)
    logarithm = torch.log(r.clamp(min=exact).float() / exact) / math.log(max_distance / exact)
    wide = (exact + (logarithm * (n - exact)).long()).clamp(max=n - 1)
    after = n * (offset > 0) if bidirectional else 0
    return torch.where(r < exact, r, wide) + after


def relative_position_bias(E: Tensor, buckets: Tensor) -> Tensor:
    """Bias[h, i, j] = E[b(i, j), h];  `E [buckets, H]`, `buckets [S_q, S_k]` -> `[1, H, S_q, S_k]`.

    It is added to the scores of every text. Source: Raffel et al. 2020, §2.1.
    """
    domain.check_look_up(E, buckets)
    return E[buckets].permute(2, 0, 1).unsqueeze(0)


def _check_even(D: int) -> None:
    if D % 2:
        raise ValueError(f"sinusoidal positions are pairs of a sine and a cosine: D must be even, not {D}")
