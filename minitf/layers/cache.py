"""Keys and values of earlier steps, so that generation computes each of them once.

A decoder that produces one token at a time would otherwise compute the keys and values of all earlier tokens again in
every step. A cache belongs to one attention; a `StackCache` has the caches of all layers of an encoder or a decoder.
"""

from collections.abc import Callable

import torch
from torch import Tensor

KeysAndValues = tuple[Tensor, Tensor]


class NoCache:
    """Keeps nothing: keys and values are computed in every call."""

    def keys_and_values(self, project: Callable[[], KeysAndValues]) -> KeysAndValues:
        """Return K and V to attend to, both `[B, H, S_k, d_k]`. `project` computes those of the current call."""
        return project()


NO_CACHE = NoCache()


class KeyValueCache(NoCache):
    """For one self-attention: the keys and values of the current tokens are appended to those of all earlier ones."""

    def __init__(self) -> None:
        self.K: Tensor | None = None  # [B, H, S_k, d_k]
        self.V: Tensor | None = None

    @property
    def length(self) -> int:
        """The number of positions that the cache holds."""
        return 0 if self.K is None else self.K.shape[2]

    def keys_and_values(self, project: Callable[[], KeysAndValues]) -> KeysAndValues:
        """Return the earlier and the current K and V, and keep them."""
        K, V = project()
        if self.K is not None and self.V is not None:
            K, V = torch.cat([self.K, K], dim=2), torch.cat([self.V, V], dim=2)
        self.K, self.V = K, V
        return K, V

    def reorder(self, rows: Tensor) -> None:
        """Make `rows[i]` the new row i of the batch; `rows` `[B]`, int64. Beam search continues the best beams so."""
        if self.K is not None and self.V is not None:
            self.K, self.V = self.K.index_select(0, rows), self.V.index_select(0, rows)


class MemoryCache(KeyValueCache):
    """For one cross-attention: the keys and values of the memory are computed in the first call only."""

    def keys_and_values(self, project: Callable[[], KeysAndValues]) -> KeysAndValues:
        """Return the K and V of the first call."""
        if self.K is None or self.V is None:
            self.K, self.V = project()
        return self.K, self.V


class StackCache:
    """The caches of a stack of `L` layers: for each layer one of its self-attention and one of its cross-attention.

    A stack without cross-attention (GPT-2) leaves the second one empty.
    """

    def __init__(self, L: int) -> None:
        self.layers = [(KeyValueCache(), MemoryCache()) for _ in range(L)]

    @property
    def length(self) -> int:
        """The number of target positions that the cache holds: the position of the next token, without padding."""
        return self.layers[0][0].length if self.layers else 0

    def reorder(self, rows: Tensor) -> None:
        """`KeyValueCache.reorder` for every cache."""
        for self_attention, cross_attention in self.layers:
            self_attention.reorder(rows)
            cross_attention.reorder(rows)
