"""An encoder of images: ViT. Its tokens are patches; all else is the encoder of the other models."""

import dataclasses

import torch
from torch import Tensor, nn

from minitf.errors import InputError
from minitf.layers import Dropout, Encoder, Linear, initialize
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.transformer.config import VitConfig
from minitf.transformer.parts import layer_parts

HEADS = (None, "classification")


@dataclasses.dataclass(frozen=True)
class VitOutput:
    """The result of a forward pass. S = 1 + number of patches; the first token is [CLS]."""

    hidden_states: tuple[Tensor, ...]  # L + 1 × [B, S, D], embeddings first
    attentions: tuple[Tensor, ...]  # L × [B, H, S, S] with `need_attention`, else empty
    pooled: Tensor | None  # [B, D]; None in a model without a pooler
    logits: Tensor | None  # [B, C]; None without a head


def divide_into_patches(pixels: Tensor, patch: tuple[int, int]) -> Tensor:
    """Cut images `[B, C, height, width]` into patches, row by row, each flattened: `[B, P, C · h · w]`.

    Pixels that do not fill a patch at the right and the lower edge are left out.
    Source: Dosovitskiy et al. 2021, §3.1.
    """
    (B, C, height, width), (h, w) = pixels.shape, patch
    rows, columns = height // h, width // w
    grid = pixels[:, :, : rows * h, : columns * w].reshape(B, C, rows, h, columns, w)
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(B, rows * columns, C * h * w)


class PatchProjection(Linear):
    """X W + b for each patch; `[B, P, C · h · w] -> [B, P, D]`. The files store W as a convolution, `[D, C, h, w]`."""

    def __init__(self, C: int, patch: tuple[int, int], D: int, math: Mathematics):
        super().__init__(C * patch[0] * patch[1], D, math)
        self.weight = nn.Parameter(self.weight.detach().view(D, C, *patch))

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.math.linear(X, self.weight.flatten(1), self.bias)
        return Y


class PatchEmbeddings(nn.Module):
    """X = Dropout([x_class; patches W + b] + E_position); pixels `[B, C, height, width]` -> `[B, S, D]`.

    Raises ValueError for images of another size. Source: Dosovitskiy et al. 2021, eq. 1.
    """

    def __init__(self, config: VitConfig, math: Mathematics):
        super().__init__()
        D = config.hidden_size
        self.size, self.patch = (config.num_channels, *config.image), config.patch
        self.class_token = nn.Parameter(torch.empty(1, 1, D))
        self.position = nn.Parameter(torch.empty(1, 1 + config.patches, D))
        self.projection = PatchProjection(config.num_channels, config.patch, D, math)
        self.dropout = Dropout(config.hidden_dropout_prob, math)
        for vector in (self.class_token, self.position):
            if not vector.is_meta:
                std = config.initializer_range
                nn.init.trunc_normal_(vector, std=std, a=-2.0 * std, b=2.0 * std)

    def forward(self, pixels: Tensor) -> Tensor:
        if pixels.dim() != 4 or pixels.shape[1:] != self.size:
            raise ValueError(f"pixels must be [B, {', '.join(map(str, self.size))}], not {list(pixels.shape)}")
        patches = self.projection(divide_into_patches(pixels, self.patch))
        X = torch.cat([self.class_token.expand(len(pixels), -1, -1), patches], dim=1) + self.position
        Y: Tensor = self.dropout(X)
        return Y


class ClassToken(nn.Module):
    """W x₀ + b of the first token, `[B, S, D] -> [B, C]`."""

    def __init__(self, D: int, C: int, math: Mathematics):
        super().__init__()
        self.W = Linear(D, C, math)

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.W(X[:, 0])
        return Y


class Vit(nn.Module):
    """ViT with the head "classification", or without a head and then with a pooler unless `pooler` is False.

    `pixels` `[B, C, height, width]`. Raises ValueError for images of another size, InputError for a head that does not
    exist or has no labels. The classifier reads the last state of [CLS]; the pooler is tanh(W x₀ + b).
    Source: Dosovitskiy et al. 2021, §3.1.
    """

    def __init__(
        self, config: VitConfig, head: str | None = None, math: Mathematics = EQUATIONS, *, pooler: bool = True
    ):
        super().__init__()
        if head not in HEADS:
            raise InputError(f"a ViT has no {head} head, only classification")
        if head is not None and config.num_labels < 1:
            raise InputError(f"a {head} head needs labels: give num_labels or label names")
        self.config, self.head_name = config, head
        D = config.hidden_size
        self.embeddings = PatchEmbeddings(config, math)
        self.encoder = Encoder(
            config.num_hidden_layers,
            D,
            config.num_attention_heads,
            config.intermediate_size,
            config.activation,
            config.hidden_dropout_prob,
            config.attention_probs_dropout_prob,
            config.layer_norm_eps,
            math,
            parts=layer_parts(config.family),
            final_norm=config.family.final_norm,
        )
        self.pooler = ClassToken(D, D, math) if pooler and head is None else None
        self.head = ClassToken(D, config.num_labels, math) if head is not None else None
        initialize(self, config.initializer_range)

    def forward(self, pixels: Tensor, need_attention: bool = False) -> VitOutput:
        states, attentions = self.encoder(self.embeddings(pixels), None, need_attention)
        pooled = torch.tanh(self.pooler(states[-1])) if self.pooler else None
        return VitOutput(states, attentions, pooled, self.head(states[-1]) if self.head else None)
