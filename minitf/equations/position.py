"""The sinusoidal positional encoding. (BERT learns its position embeddings instead: `layers.embeddings`.)"""

import torch
from torch import Tensor


def sinusoidal_positions(S: int, D: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/D)),  PE(pos, 2i+1) = cos(pos / 10000^(2i/D));  `[S, D]`.

    Raises ValueError for an odd D: sines and cosines come in pairs.
    Source: Vaswani et al. 2017, §3.5.
    """
    if D % 2:
        raise ValueError(f"sinusoidal positions are pairs of a sine and a cosine: D must be even, not {D}")
    pos = torch.arange(S, dtype=torch.float64).unsqueeze(1)  # [S, 1]
    two_i = torch.arange(0, D, 2, dtype=torch.float64)  # [D/2]
    angle = pos / 10000.0 ** (two_i / D)  # [S, D/2]
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(S, D).to(dtype)
