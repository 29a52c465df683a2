"""The whole Transformer: an encoder that reads the source, and a decoder that reads it while it writes the target."""

import dataclasses

import torch
from torch import Tensor, nn

from minitf.equations import domain
from minitf.layers import Decoder, Dropout, Encoder, StackCache, initialize, padding_mask
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.transformer.config import EncoderDecoderConfig
from minitf.transformer.embeddings import InputEmbeddings
from minitf.transformer.head import BiasedHead, OwnHead, TiedHead
from minitf.transformer.parts import NORMS, bias_part, layer_parts, position_part, word_part

HEAD = "language-model"  # the only head: the logits of the next token


@dataclasses.dataclass(frozen=True)
class DecoderOutput:
    """The result of the decoder. The attention weights are empty without `need_attention`."""

    logits: Tensor  # [B, T, N]
    states: tuple[Tensor, ...]  # L + 1 × [B, T, D], embeddings first
    self_attentions: tuple[Tensor, ...]  # L × [B, H, T, T]
    cross_attentions: tuple[Tensor, ...]  # L × [B, H, T, S]


@dataclasses.dataclass(frozen=True)
class EncoderDecoderOutput:
    """The result of a forward pass. The attention weights are empty without `need_attention`."""

    logits: Tensor  # [B, T, N]; row t predicts the token after target_ids[:, t]
    encoder_states: tuple[Tensor, ...]  # L + 1 × [B, S, D], embeddings first
    decoder_states: tuple[Tensor, ...]  # L + 1 × [B, T, D]
    encoder_attentions: tuple[Tensor, ...]  # L × [B, H, S, S]
    decoder_attentions: tuple[Tensor, ...]  # L × [B, H, T, T]
    cross_attentions: tuple[Tensor, ...]  # L × [B, H, T, S]


def shift_right(labels: Tensor, start_id: int, pad_id: int) -> Tensor:
    """Return the input of the decoder that is to predict `labels` `[B, T]`: start, label 0, label 1, …, `[B, T]`.

    A label of −100, which has no loss, becomes `pad_id`. Source: Vaswani et al. 2017, §3.1 ("shifted right").
    """
    start = labels.new_full((labels.shape[0], 1), start_id)
    shifted = torch.cat([start, labels[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == -100, pad_id)


class EncoderDecoder(nn.Module):
    """The paper's model, Marian, BART, T5: one composition of the same layers; the parts differ (`transformer.family`).

    `source_ids` `[B, S]`, `target_ids` `[B, T]`: the target shifted right (see `shift_right`). `mask` `[B, S]` and
    `target_mask` `[B, T]` are 1 for a real token, 0 for padding; without them all tokens are real. Raises ValueError
    for other shapes, ids that are not in the table, and more tokens than positions.
    Source: Vaswani et al. 2017, figure 1.
    """

    head_name = HEAD

    def __init__(self, config: EncoderDecoderConfig, math: Mathematics = EQUATIONS):
        super().__init__()
        self.config, self.math = config, math
        self.word = word_part(config.family, config.vocab_size, config.d_model, config.pad_token_id, math)
        self.source_embeddings = self._embeddings(config, math)
        self.target_embeddings = self._embeddings(config, math)
        self.encoder_bias, self.decoder_bias = (
            bias_part(
                config.family,
                heads,
                bidirectional,
                config.relative_attention_num_buckets,
                config.relative_attention_max_distance,
                math,
            )
            for heads, bidirectional in (
                (config.encoder_attention_heads, True),
                (config.decoder_attention_heads, False),
            )
        )
        parts = layer_parts(config.family, config.d_kv, config.activation_dropout)
        numbers = (config.activation, config.dropout, config.attention_dropout, config.layer_norm_eps, math)
        self.encoder = Encoder(
            config.encoder_layers,
            config.d_model,
            config.encoder_attention_heads,
            config.encoder_ffn_dim,
            *numbers,
            parts=parts,
            final_norm=config.family.final_norm,
        )
        self.decoder = Decoder(
            config.decoder_layers,
            config.d_model,
            config.decoder_attention_heads,
            config.decoder_ffn_dim,
            *numbers,
            parts=parts,
            final_norm=config.family.final_norm,
        )
        self.final_dropout = Dropout(config.dropout if config.family.final_dropout else 0.0, math)
        self.head = self._head(config, math)
        initialize(self, config.init_std)

    def forward(
        self,
        source_ids: Tensor,
        target_ids: Tensor,
        mask: Tensor | None = None,
        target_mask: Tensor | None = None,
        need_attention: bool = False,
    ) -> EncoderDecoderOutput:
        states, attentions = self.encode(source_ids, mask, need_attention)
        out = self.decode(target_ids, states[-1], mask, target_mask, need_attention)
        return EncoderDecoderOutput(
            out.logits, states, out.states, attentions, out.self_attentions, out.cross_attentions
        )

    def encode(
        self, source_ids: Tensor, mask: Tensor | None = None, need_attention: bool = False
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the states `[B, S, D]` of all layers, embeddings first, and all A. The last state is the memory."""
        may_look = _padding(source_ids, "mask", mask)
        S = source_ids.shape[1]
        X = self.source_embeddings(self.word(source_ids), torch.arange(S, device=source_ids.device))
        states, attentions = self.encoder(X, may_look, need_attention, bias=self.encoder_bias(S, S))
        return (*states[:-1], self.final_dropout(states[-1])), attentions

    def decode(
        self,
        target_ids: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        target_mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        cache: StackCache | None = None,
    ) -> DecoderOutput:
        """Predict the token after each of `target_ids` `[B, T]` from them and the `memory` `[B, S, D]`.

        With a `cache` (see `new_cache`) the ids continue those of the earlier calls with it, and `target_mask` has a
        column for each of all of them.
        """
        start, T = 0 if cache is None else cache.length, target_ids.shape[1]
        may_look = self.math.causal_mask(T, start + T, target_ids.device)
        if target_mask is not None:
            may_look = may_look & padding_mask(target_mask)
        to_source = None if memory_mask is None else padding_mask(memory_mask)
        numbers = torch.arange(start, start + T, device=target_ids.device)
        X = self.target_embeddings(self.word(target_ids), numbers)
        states, self_attentions, cross_attentions = self.decoder(
            X, memory, may_look, to_source, need_attention, bias=self.decoder_bias(T, start + T), cache=cache
        )
        states = (*states[:-1], self.final_dropout(states[-1]))
        return DecoderOutput(self.head(states[-1], self.word.weight), states, self_attentions, cross_attentions)

    def new_cache(self) -> StackCache:
        """Return an empty cache for `decode`."""
        return StackCache(self.config.decoder_layers)

    @staticmethod
    def _embeddings(config: EncoderDecoderConfig, math: Mathematics) -> InputEmbeddings:
        family = config.family
        norm = NORMS[family.norm](config.d_model, config.layer_norm_eps, math) if family.embedding_norm else None
        return InputEmbeddings(
            position_part(family, config.max_position_embeddings, config.d_model, math),
            config.longest,
            config.embedding_scale,
            norm or nn.Identity(),
            config.dropout,
            math,
        )

    @staticmethod
    def _head(config: EncoderDecoderConfig, math: Mathematics) -> nn.Module:
        if config.family.logit_bias:
            return BiasedHead(config.vocab_size, math)
        scale = config.d_model**-0.5 if config.scale_decoder_outputs else 1.0
        if config.tie_word_embeddings:
            return TiedHead(scale, math)
        return OwnHead(config.vocab_size, config.d_model, scale, math)


def _padding(token_ids: Tensor, name: str, mask: Tensor | None) -> Tensor | None:
    """Return the padding mask `[B, 1, 1, S]`, None if all tokens are real. Raises ValueError for another shape."""
    if mask is None:
        return None
    domain.check_tokens(token_ids, name, mask)
    return padding_mask(mask)
