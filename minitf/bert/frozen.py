"""An exact saving: layers that are frozen give the same answer to the same text each time, so each is computed once.

While they are frozen they run as they answer: without dropout, so that their states can be kept. (In the usual
frameworks dropout goes on in layers that cannot learn from it.) The states are kept text by text, up to a bound;
what does not fit, or was not known beforehand, is computed again each time.

A batch's other texts, and its padding, change the last bits of a text's states. So that a run which is resumed finds
the same bits, what is kept never depends on who asked first: the texts are sorted into groups beforehand, by length,
and the first that is asked for has its whole group computed.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from minitf.bert.model import Bert
from minitf.layers import BertEmbeddings, Embedding, EncoderLayer, Passed

MOST_BYTES = 1 << 30  # of states that are kept
GROUP = 32  # texts that are computed together

Text = tuple[tuple[int, ...], tuple[int, ...]]  # ids and segments, without padding


class Frozen(nn.Module):
    """In the place of a Bert's embeddings: they and the layers above them, frozen; `[B, S]` ids -> `[B, S, D]`.

    The states of `texts`, as many as fit into `most_bytes`, are kept.
    """

    def __init__(
        self,
        embeddings: BertEmbeddings,
        layers: list[EncoderLayer],
        pad_id: int,
        texts: Iterable[Text] = (),
        most_bytes: int = MOST_BYTES,
    ):
        super().__init__()
        # Not registered as modules of this one: what is frozen is no parameter of the model in training.
        self._parts = (embeddings, layers)
        self.pad_id = pad_id
        table = self.word.weight
        self._groups = list(_groups(texts, table.shape[1] * table.element_size(), most_bytes))
        self._group_of = {text: number for number, group in enumerate(self._groups) for text in group}
        self._kept: dict[Text, Tensor] = {}
        self.rest()

    def rest(self) -> None:
        """Answer without dropout."""
        embeddings, layers = self._parts
        for part in (embeddings, *layers):
            part.eval()

    @property
    def word(self) -> Embedding:
        """The word table, which `Bert.read_out` hands to the head."""
        return self._parts[0].word

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """What is inside, by the names that it has in the whole model."""
        yield "embeddings", self._parts[0]
        for n, layer in enumerate(self._parts[1]):
            yield f"encoder.layers.{n}", layer

    @property
    def bytes(self) -> int:
        """How much is kept by now."""
        return sum(x.numel() * x.element_size() for x in self._kept.values())

    @torch.no_grad()
    def forward(self, token_ids: Tensor, segment_ids: Tensor) -> Tensor:
        real = without_padding(token_ids, self.pad_id)  # [B, S]
        rows = zip(token_ids.tolist(), segment_ids.tolist(), real.sum(dim=1).tolist(), strict=True)
        texts: list[Text] = [(tuple(ids[:n]), tuple(segments[:n])) for ids, segments, n in rows]
        for text in texts:
            if text in self._group_of and text not in self._kept:
                self._keep(self._groups[self._group_of[text]], token_ids.device)
        X = self.word.weight.new_zeros(*token_ids.shape, self.word.weight.shape[1])  # [B, S, D]
        strange = [row for row, text in enumerate(texts) if text not in self._kept]
        if strange:
            X[strange] = self._states(token_ids[strange], segment_ids[strange], real[strange]).to(X.dtype)
        for row, text in enumerate(texts):
            if text in self._kept:
                X[row, : len(text[0])] = self._kept[text]
        return X

    def _states(self, token_ids: Tensor, segment_ids: Tensor, real: Tensor) -> Tensor:
        embeddings, layers = self._parts
        X: Tensor = embeddings(token_ids, segment_ids)
        for layer in layers:
            X, _ = layer(X, real[:, None, None, :])
        return X

    def _keep(self, group: Sequence[Text], device: torch.device) -> None:
        """Compute the texts of a group and remember them; in all bits whatever is asked of them later."""
        S = max(len(ids) for ids, _ in group)
        token_ids = torch.tensor([[*ids, *[self.pad_id] * (S - len(ids))] for ids, _ in group], device=device)
        segment_ids = torch.tensor([[*segments, *[0] * (S - len(segments))] for _, segments in group], device=device)
        with torch.autocast(device.type, enabled=False):
            states = self._states(token_ids, segment_ids, without_padding(token_ids, self.pad_id))
        # Copies, for a view would keep its whole batch.
        self._kept |= {text: x[: len(text[0])].clone() for text, x in zip(group, states, strict=True)}


def _groups(texts: Iterable[Text], bytes_a_token: int, most_bytes: int) -> Iterator[list[Text]]:
    """Texts of like lengths together, each once; as many groups as fit, the short texts first."""
    order = sorted(dict.fromkeys(texts), key=lambda text: len(text[0]))
    for start in range(0, len(order), GROUP):
        group = order[start : start + GROUP]
        most_bytes -= bytes_a_token * sum(len(ids) for ids, _ in group)
        if most_bytes < 0:
            return
        yield group


def without_padding(token_ids: Tensor, pad_id: int) -> Tensor:
    """True up to each row's last token that is no padding; `[B, S]`."""
    return (token_ids != pad_id).flip(1).cumsum(dim=1).flip(1) > 0


class FrozenLayers:
    """Lets a model's lowest layers run frozen, and remembers what they gave to `texts` from one time to the next."""

    def __init__(self, model: Bert, texts: Iterable[Text] = (), most_bytes: int = MOST_BYTES):
        self.model, self.texts, self.most_bytes = model, texts, most_bytes
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
            self._stem = None  # lets go of what the deeper one kept
            # Looking up a row costs less than keeping its vector, so the embeddings alone are not remembered.
            texts = self.texts if lower else ()
            self._stem = Frozen(embeddings, lower, model.config.pad_token_id, texts, self.most_bytes)
            self._depths = depths
        self._stem.rest()
        model.embeddings = cast("BertEmbeddings", self._stem)
        model.encoder.layers = nn.ModuleList([*(Passed() for _ in lower), *layers[len(lower) :]])
        try:
            yield
        finally:
            model.embeddings, model.encoder.layers = embeddings, layers
            model.train(model.training)
