"""The padding mask: which keys are real tokens."""

from torch import Tensor


def padding_mask(mask: Tensor) -> Tensor:
    """Return the mask that attention takes: `[B, S]`, 1 for a real token, 0 for padding -> `[B, 1, 1, S]` boolean.

    It broadcasts to `[B, H, S_q, S_k]` and is True where attention is allowed: at every real token, never at padding.
    """
    return mask[:, None, None, :].bool()
