"""An exact saving: layers that are frozen give the same answer to the same text each time, so each is computed once.

While they are frozen they run as they answer: without dropout, so that their states can be kept. (In the usual
frameworks dropout goes on in layers that cannot learn from it.) The states are kept text by text, up to a bound;
what does not fit is computed again each time, to the same effect.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from minitf.bert.model import Bert
from minitf.layers import BertEmbeddings, EncoderLayer, Passed

MOST_BYTES = 1 << 30  # of states that are kept


class Frozen(nn.Module):
    """In the place of a Bert's embeddings: they and the layers above them, frozen; `[B, S]` ids -> `[B, S, D]`."""

    def __init__(self, embeddings: BertEmbeddings, layers: list[EncoderLayer], pad_id: int, most_bytes: int):
        super().__init__()
        # Not registered as modules of this one: what is frozen is no parameter of the model in training.
        self._parts = (embeddings, layers)
        self.pad_id, self.most_bytes, self.bytes = pad_id, most_bytes, 0
        self._kept: dict[tuple[int, ...], Tensor] = {}
        self.rest()

    def rest(self) -> None:
        """Answer without dropout."""
        embeddings, layers = self._parts
        for part in (embeddings, *layers):
            part.eval()

    @property
    def word(self) -> nn.Module:
        """The word table, which `Bert.read_out` hands to the head."""
        return self._parts[0].word

    @torch.no_grad()
    def forward(self, token_ids: Tensor, segment_ids: Tensor) -> Tensor:
        embeddings, layers = self._parts
        real = without_padding(token_ids, self.pad_id)  # [B, S]
        lengths = real.sum(dim=1).tolist()
        rows = zip(token_ids.tolist(), segment_ids.tolist(), lengths, strict=True)
        keys = [(*ids[:n], *segments[:n]) for ids, segments, n in rows]
        new = [row for row, key in enumerate(keys) if key not in self._kept]
        states = [self._kept.get(key) for key in keys]
        if new:
            X = embeddings(token_ids[new], segment_ids[new])
            for layer in layers:
                X, _ = layer(X, real[new][:, None, None, :])
            for row, x in zip(new, X, strict=True):
                states[row] = self._keep(keys[row], x[: lengths[row]])
        found = [x for x in states if x is not None]
        whole = found[0].new_zeros(*token_ids.shape, found[0].shape[-1])  # [B, S, D]
        for row, x in enumerate(found):
            whole[row, : len(x)] = x
        return whole

    def _keep(self, key: tuple[int, ...], x: Tensor) -> Tensor:
        """`x`, remembered if there is room."""
        size = x.numel() * x.element_size()
        if self.bytes + size <= self.most_bytes:
            self.bytes += size
            self._kept[key] = x.clone()  # a view would keep its whole batch
        return x


def without_padding(token_ids: Tensor, pad_id: int) -> Tensor:
    """True up to each row's last token that is no padding; `[B, S]`."""
    return (token_ids != pad_id).flip(1).cumsum(dim=1).flip(1) > 0


class FrozenLayers:
    """Lets a model's lowest layers run frozen, and remembers what they gave from one time to the next."""

    def __init__(self, model: Bert, most_bytes: int = MOST_BYTES):
        self.model, self.most_bytes = model, most_bytes
        self._stem: Frozen | None = None
        self._depths = 0

    @contextmanager
    def below(self, depths: int) -> Iterator[None]:
        """Inside the block the lowest `depths` (1: the embeddings, N + 1: the lowest N layers too) run frozen.

        The model is whole again afterwards. A state dict taken inside lacks what is frozen.
        """
        model, depths = self.model, min(depths, len(self.model.encoder.layers) + 1)
        if not depths:
            yield
            return
        embeddings, layers = model.embeddings, model.encoder.layers
        lower = cast("list[EncoderLayer]", list(layers)[: depths - 1])
        if self._stem is None or self._depths != depths:
            # Looking up a row costs less than keeping its vector, so the embeddings alone are not remembered.
            most = self.most_bytes if lower else 0
            self._stem, self._depths = Frozen(embeddings, lower, model.config.pad_token_id, most), depths
        self._stem.rest()
        model.embeddings = cast("BertEmbeddings", self._stem)
        model.encoder.layers = nn.ModuleList([*(Passed() for _ in lower), *layers[len(lower) :]])
        try:
            yield
        finally:
            model.embeddings, model.encoder.layers = embeddings, layers
            model.train(model.training)
