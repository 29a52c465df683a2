"""The whole model: embeddings, encoder, pooler and an optional head."""

import dataclasses
from typing import Any

from torch import Tensor, nn

from minitf.bert.config import BertConfig
from minitf.bert.head import Pooler
from minitf.bert.heads import HEADS, LABELLED, check_head
from minitf.equations import domain
from minitf.errors import InputError
from minitf.layers import BertEmbeddings, Encoder, initialize, padding_mask
from minitf.mathematics import EQUATIONS, Mathematics


@dataclasses.dataclass(frozen=True)
class BertOutput:
    """The result of a forward pass."""

    hidden_states: tuple[Tensor, ...]  # L + 1 × [B, S, D], embeddings first
    attentions: tuple[Tensor, ...]  # L × [B, H, S, S] with `need_attention`, else empty
    pooled: Tensor | None  # [B, D]; None in a model without a pooler
    logits: Any  # of the head (see `heads`), [B, C] for classification; None without a head


class Bert(nn.Module):
    """BERT with the head named `head`, or without a head.

    `token_ids`, `segment_ids`, `mask` are `[B, S]`; mask is 1 for a real token, 0 for padding. Without `segment_ids`
    all segments are 0, without `mask` all tokens are real. Raises ValueError for other shapes, for ids that are not in
    the tables, and for a floating-point mask: in an additive mask 0 means a real token.
    `pooler` applies to a model without a head; a model with a head has a pooler if the head reads it. Raises InputError
    for a head that does not exist or has no labels.
    Source: Devlin et al. 2019, §3; the other models of the family: `bert.family`.
    """

    def __init__(
        self, config: BertConfig, head: str | None = None, math: Mathematics = EQUATIONS, *, pooler: bool = True
    ):
        super().__init__()
        check_head(head, config.model_type)
        self.config, self.head_name = config, head
        family = config.family
        number_positions, first_position = family.number_positions(config.pad_token_id)
        self.embeddings = BertEmbeddings(
            N=config.vocab_size,
            D=config.hidden_size,
            S_max=config.max_position_embeddings,
            segments=config.type_vocab_size,
            dropout=config.hidden_dropout_prob,
            eps=config.layer_norm_eps,
            math=math,
            number_positions=number_positions,
            first_position=first_position,
        )
        self.encoder = Encoder(
            L=config.num_hidden_layers,
            D=config.hidden_size,
            H=config.num_attention_heads,
            F=config.intermediate_size,
            activation=config.activation,
            dropout=config.hidden_dropout_prob,
            attention_dropout=config.attention_probs_dropout_prob,
            eps=config.layer_norm_eps,
            math=math,
            dropout_after_attention=None if family.dropout_after_attention else 0.0,
        )
        if head in LABELLED and config.num_labels < 1:
            raise InputError(f"a {head} head needs labels: give num_labels or label names")
        on_top = HEADS[config.model_type][head](config, math) if head else None
        has_pooler = pooler and family.has_pooler if on_top is None else on_top.reads_pooled
        self.pooler = Pooler(config.hidden_size, math) if has_pooler else None
        self.head = on_top  # after the pooler: the order of the modules is the order of initialization
        initialize(self, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        segment_ids: Tensor | None = None,
        mask: Tensor | None = None,
        need_attention: bool = False,
    ) -> BertOutput:
        segment_ids = token_ids.new_zeros(token_ids.shape) if segment_ids is None else segment_ids
        if mask is not None:
            domain.check_tokens(token_ids, "mask", mask)
        may_look = None if mask is None else padding_mask(mask)  # [B, 1, 1, S]: no query sees padding
        X = self.embeddings(token_ids, segment_ids)
        states, attentions = self.encoder(X, may_look, need_attention)
        return BertOutput(states, attentions, *self.read_out(states[-1]))

    def read_out(self, X: Tensor) -> tuple[Tensor | None, Any]:
        """Apply the pooler and the head to the last states `[B, S, D]`: `(pooled, logits)`, each None if absent."""
        pooled = self.pooler(X) if self.pooler else None
        return pooled, self.head(X, pooled, self.embeddings.word.weight) if self.head else None
