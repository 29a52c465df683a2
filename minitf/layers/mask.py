"""The padding mask: which keys are real tokens."""

from torch import Tensor

from minitf.equations import domain


def padding_mask(mask: Tensor) -> Tensor:
    """Return the mask that attention takes: `[B, S]`, 1 for a real token, 0 for padding -> `[B, 1, 1, S]` boolean.

    It broadcasts to `[B, H, S_q, S_k]` and is True where a query may look: at every real token, never at padding.
    Raises ValueError for a floating-point mask, and for numbers other than 0 and 1: in the additive
    mask of other libraries, 0 means a real token.
    """
    domain.check_padding_mask(mask)
    return mask[:, None, None, :].bool()
