"""The whole model: embeddings, encoder, pooler, and a head if one is wanted."""

import dataclasses
from typing import Any

from torch import Tensor, nn

from minitf.bert.config import BertConfig
from minitf.bert.head import Pooler
from minitf.bert.heads import HEADS, LABELLED, check_head
from minitf.errors import InputError
from minitf.layers import BertEmbeddings, Encoder, initialize
from minitf.mathematics import EQUATIONS, Mathematics


@dataclasses.dataclass(frozen=True)
class BertOutput:
    """What a forward pass gives."""

    hidden_states: tuple[Tensor, ...]  # L + 1 × [B, S, D], embeddings first
    attentions: tuple[Tensor, ...]  # L × [B, H, S, S] if asked for, else empty
    pooled: Tensor | None  # [B, D]; None in a model without a pooler
    logits: Any  # what the head gives (see `heads`), [B, C] for classification; None without a head


class Bert(nn.Module):
    """BERT with the head named `head`, or none.

    `token_ids`, `segment_ids`, `mask` are `[B, S]`; mask 1 where a token is real, 0 where it is padding. Without
    `segment_ids` all are 0, without `mask` all are real. `pooler` counts without a head; a head has one if it reads
    it. Raises InputError for a head that does not exist or has no labels. Source: Devlin et al. 2019, §3; the other
    members of the family: `bert.family`.
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
            attended_dropout=None if family.drops_attended else 0.0,
        )
        if head in LABELLED and config.num_labels < 1:
            raise InputError(f"a {head} head needs labels: give num_labels or label names")
        on_top = HEADS[config.model_type][head](config, math) if head else None
        wanted = pooler and family.has_pooler if on_top is None else on_top.reads_pooled
        self.pooler = Pooler(config.hidden_size, math) if wanted else None
        self.head = on_top
        initialize(self, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        segment_ids: Tensor | None = None,
        mask: Tensor | None = None,
        need_attention: bool = False,
    ) -> BertOutput:
        segment_ids = token_ids.new_zeros(token_ids.shape) if segment_ids is None else segment_ids
        may_look = None if mask is None else mask[:, None, None, :].bool()  # [B, 1, 1, S]: no query sees padding
        X = self.embeddings(token_ids, segment_ids)
        states, attentions = self.encoder(X, may_look, need_attention)
        return BertOutput(states, attentions, *self.read_out(states[-1]))

    def read_out(self, X: Tensor) -> tuple[Tensor | None, Any]:
        """What stands on the encoder says of its last states `[B, S, D]`: `(pooled, logits)`."""
        pooled = self.pooler(X) if self.pooler else None
        return pooled, self.head(X, pooled, self.embeddings.word.weight) if self.head else None
