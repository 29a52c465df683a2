"""Compute frozen layers once per text and cache the result: an optimization that changes no result.

Frozen layers run in eval mode, without dropout, so that the hidden states of a text are the same each time and can be
cached. (Most frameworks keep dropout on in frozen layers.) The states are cached per text, up to a limit in bytes;
texts beyond the limit, or not passed in beforehand, are computed again each time.

The other texts of a batch, and its padding, change the last bits of a text's states. A resumed run must find the same
bits, so the cache must not depend on the order of the batches: the texts are sorted by length and split into groups
beforehand, and the first request for a text computes its whole group.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from minitf.bert.model import Bert
from minitf.layers import BertEmbeddings, Embedding, EncoderLayer, IdentityLayer, padding_mask

MAX_BYTES = 1 << 30  # size of the cache
GROUP_SIZE = 32  # texts that are computed together

Text = tuple[tuple[int, ...], tuple[int, ...]]  # token ids and segment ids, without padding


class FrozenStem(nn.Module):
    """Replaces the embeddings of a Bert by its frozen embeddings and lowest layers; `[B, S]` ids -> `[B, S, D]`.

    Caches the states of `texts`, as many as fit into `max_bytes`.
    """

    def __init__(
        self,
        embeddings: BertEmbeddings,
        layers: list[EncoderLayer],
        pad_id: int,
        texts: Iterable[Text] = (),
        max_bytes: int = MAX_BYTES,
    ):
        super().__init__()
        # In a tuple, so that they are not registered: frozen weights are not parameters of the model in training.
        self._parts = (embeddings, layers)
        self.pad_id = pad_id
        table = self.word.weight
        self._groups = list(_groups(texts, table.shape[1] * table.element_size(), max_bytes))
        self._group_of = {text: number for number, group in enumerate(self._groups) for text in group}
        self._cache: dict[Text, Tensor] = {}
        self.disable_dropout()

    def disable_dropout(self) -> None:
        """Set the frozen modules to eval mode. (`train` does not reach them, as they are not registered.)"""
        embeddings, layers = self._parts
        for part in (embeddings, *layers):
            part.eval()

    @property
    def word(self) -> Embedding:
        """The word embedding, which `Bert.read_out` passes to the head."""
        return self._parts[0].word

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """The frozen modules, by their names in the whole model."""
        yield "embeddings", self._parts[0]
        for n, layer in enumerate(self._parts[1]):
            yield f"encoder.layers.{n}", layer

    @property
    def bytes(self) -> int:
        """Current size of the cache."""
        return sum(x.numel() * x.element_size() for x in self._cache.values())

    @torch.no_grad()
    def forward(self, token_ids: Tensor, segment_ids: Tensor) -> Tensor:
        real = without_padding(token_ids, self.pad_id)  # [B, S]
        rows = zip(token_ids.tolist(), segment_ids.tolist(), real.sum(dim=1).tolist(), strict=True)
        texts: list[Text] = [(tuple(ids[:n]), tuple(segments[:n])) for ids, segments, n in rows]
        for text in texts:
            if text in self._group_of and text not in self._cache:
                self._fill_cache(self._groups[self._group_of[text]], token_ids.device)
        X = self.word.weight.new_zeros(*token_ids.shape, self.word.weight.shape[1])  # [B, S, D]
        uncached = [row for row, text in enumerate(texts) if text not in self._cache]
        if uncached:
            X[uncached] = self._states(token_ids[uncached], segment_ids[uncached], real[uncached]).to(X.dtype)
        for row, text in enumerate(texts):
            if text in self._cache:
                X[row, : len(text[0])] = self._cache[text]
        return X

    def _states(self, token_ids: Tensor, segment_ids: Tensor, real: Tensor) -> Tensor:
        embeddings, layers = self._parts
        X: Tensor = embeddings(token_ids, segment_ids)
        for layer in layers:
            X, _ = layer(X, padding_mask(real))
        return X

    def _fill_cache(self, group: Sequence[Text], device: torch.device) -> None:
        """Compute and cache the states of a group of texts, in full precision also inside autocast."""
        S = max(len(ids) for ids, _ in group)
        token_ids = torch.tensor([[*ids, *[self.pad_id] * (S - len(ids))] for ids, _ in group], device=device)
        segment_ids = torch.tensor([[*segments, *[0] * (S - len(segments))] for _, segments in group], device=device)
        with torch.autocast(device.type, enabled=False):
            states = self._states(token_ids, segment_ids, without_padding(token_ids, self.pad_id))
        # Clones, because a view would keep the whole batch in memory.
        self._cache |= {text: x[: len(text[0])].clone() for text, x in zip(group, states, strict=True)}


def _groups(texts: Iterable[Text], bytes_per_token: int, max_bytes: int) -> Iterator[list[Text]]:
    """Split the distinct texts, sorted by length, into groups; yield as many groups as fit into `max_bytes`."""
    by_length = sorted(dict.fromkeys(texts), key=lambda text: len(text[0]))
    for start in range(0, len(by_length), GROUP_SIZE):
        group = by_length[start : start + GROUP_SIZE]
        max_bytes -= bytes_per_token * sum(len(ids) for ids, _ in group)
        if max_bytes < 0:
            return
        yield group


def without_padding(token_ids: Tensor, pad_id: int) -> Tensor:
    """True up to and including the last token of each row that is not padding; `[B, S]`."""
    return (token_ids != pad_id).flip(1).cumsum(dim=1).flip(1) > 0


class FrozenLayers:
    """Runs the lowest layers of a model frozen, and keeps the cache of their output for `texts` between calls."""

    def __init__(self, model: Bert, texts: Iterable[Text] = (), max_bytes: int = MAX_BYTES):
        self.model, self.texts, self.max_bytes = model, texts, max_bytes
        self._stem: FrozenStem | None = None
        self._depths = 0

    @contextmanager
    def below(self, depths: int) -> Iterator[None]:
        """Freeze the lowest `depths` inside the block. 0: nothing; 1: the embeddings; N + 1: also the lowest N layers.

        After the block the model has its own modules again. A state dict taken inside lacks the frozen modules.
        """
        model, depths = self.model, min(depths, len(self.model.encoder.layers) + 1)
        if not depths:
            yield
            return
        embeddings, layers = model.embeddings, model.encoder.layers
        lower = cast("list[EncoderLayer]", list(layers)[: depths - 1])
        if self._stem is None or self._depths != depths:
            self._stem = None  # frees the old cache before a new one is filled
            # Looking up a row costs less than caching its vector, so the embeddings alone are not cached.
            texts = self.texts if lower else ()
            self._stem = FrozenStem(embeddings, lower, model.config.pad_token_id, texts, self.max_bytes)
            self._depths = depths
        self._stem.disable_dropout()
        model.embeddings = cast("BertEmbeddings", self._stem)
        model.encoder.layers = nn.ModuleList([*(IdentityLayer() for _ in lower), *layers[len(lower) :]])
        try:
            yield
        finally:
            model.embeddings, model.encoder.layers = embeddings, layers
            model.train(model.training)
