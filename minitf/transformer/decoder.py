"""A decoder alone, which continues a text: GPT-2."""

import dataclasses

import torch
from torch import Tensor, nn

from minitf.layers import Embedding, Encoder, StackCache, initialize, padding_mask
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.transformer.config import DecoderConfig
from minitf.transformer.embeddings import InputEmbeddings
from minitf.transformer.encoder_decoder import HEAD
from minitf.transformer.head import TiedHead
from minitf.transformer.parts import layer_parts, position_part


@dataclasses.dataclass(frozen=True)
class DecoderModelOutput:
    """The result of a forward pass."""

    logits: Tensor  # [B, S, N]; row s predicts the token after token_ids[:, s]
    hidden_states: tuple[Tensor, ...]  # L + 1 × [B, S, D], embeddings first
    attentions: tuple[Tensor, ...]  # L × [B, H, S, S_k] with `need_attention`, else empty


class DecoderModel(nn.Module):
    """GPT-2: an encoder with pre-norm and the causal mask, which is a decoder without a source to attend to.

    `token_ids` `[B, S]` -> logits `[B, S, N]`. `mask` is 1 for a real token, 0 for padding, on either side: positions
    count the real tokens. With a `cache` (see `new_cache`) the ids continue those of the earlier calls with it, and
    `mask` has a column for each of all of them. Raises ValueError for other shapes, ids that are not in the table, and
    more tokens than positions.
    Source: Radford et al. 2018, §3.1; Radford et al. 2019, §2.3.
    """

    head_name = HEAD

    def __init__(self, config: DecoderConfig, math: Mathematics = EQUATIONS):
        super().__init__()
        self.config, self.math = config, math
        D = config.n_embd
        self.word = Embedding(config.vocab_size, D, math)
        self.embeddings = InputEmbeddings(
            position_part(config.family, config.n_positions, D, math),
            config.longest,
            1.0,
            nn.Identity(),
            config.embd_pdrop,
            math,
        )
        self.decoder = Encoder(
            config.n_layer,
            D,
            config.n_head,
            config.ffn_width,
            config.activation,
            config.resid_pdrop,
            config.attn_pdrop,
            config.layer_norm_epsilon,
            math,
            parts=layer_parts(config.family),
            final_norm=config.family.final_norm,
        )
        self.head = TiedHead(1.0, math)
        initialize(self, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        cache: StackCache | None = None,
    ) -> DecoderModelOutput:
        start, S = 0 if cache is None else cache.length, token_ids.shape[1]
        may_look = self.math.causal_mask(S, start + S, token_ids.device)
        numbers = torch.arange(start, start + S, device=token_ids.device)
        if mask is not None:
            if mask.shape != (token_ids.shape[0], start + S):
                raise ValueError(f"mask must be {[token_ids.shape[0], start + S]}, not {list(mask.shape)}")
            may_look = may_look & padding_mask(mask)
            numbers = ((mask.cumsum(dim=1) - 1) * mask)[:, start:].long()
        X = self.embeddings(self.word(token_ids), numbers)
        states, attentions = self.decoder(X, may_look, need_attention, cache=cache)
        return DecoderModelOutput(self.head(states[-1], self.word.weight), states, attentions)

    def new_cache(self) -> StackCache:
        """Return an empty cache for `forward`."""
        return StackCache(self.config.n_layer)
