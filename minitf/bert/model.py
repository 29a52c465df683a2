"""The whole model: embeddings, encoder, pooler, and a head if one is wanted."""

import dataclasses

from torch import Tensor, nn

from minitf.bert.config import BertConfig
from minitf.bert.heads import HEADS, Pooler
from minitf.errors import InputError
from minitf.layers import BertEmbeddings, Encoder, initialize
from minitf.mathematics import EQUATIONS, Mathematics


@dataclasses.dataclass(frozen=True)
class BertOutput:
    """What a forward pass gives."""

    hidden_states: tuple[Tensor, ...]  # L + 1 × [B, S, D], embeddings first
    attentions: tuple[Tensor, ...]  # L × [B, H, S, S] if asked for, else empty
    pooled: Tensor | None  # [B, D]; None in a model without a pooler
    logits: Tensor | None  # what the head gives, [B, C] for classification; None without a head


class Bert(nn.Module):
    """BERT with the head named `head`, or none.

    `token_ids`, `segment_ids`, `mask` are `[B, S]`; mask 1 where a token is real, 0 where it is padding. Without
    `segment_ids` all are 0, without `mask` all are real. Raises InputError for a head that does not exist or has no
    labels. Source: Devlin et al. 2019, §3.
    """

    def __init__(
        self, config: BertConfig, head: str | None = None, math: Mathematics = EQUATIONS, *, pooler: bool = True
    ):
        super().__init__()
        if head is not None and head not in HEADS:
            raise InputError(f"no head is called {head!r}; there are: {', '.join(HEADS)}")
        if head == "classification" and config.num_labels < 1:
            raise InputError("a classification head needs labels: give num_labels or label names")
        self.config, self.head_name = config, head
        self.embeddings = BertEmbeddings(
            N=config.vocab_size,
            D=config.hidden_size,
            S_max=config.max_position_embeddings,
            segments=config.type_vocab_size,
            dropout=config.hidden_dropout_prob,
            eps=config.layer_norm_eps,
            math=math,
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
        )
        self.pooler = Pooler(config.hidden_size, math) if pooler else None
        self.head = HEADS[head](config, math) if head else None
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
        pooled = self.pooler(states[-1]) if self.pooler else None
        logits = self.head(states[-1], pooled) if self.head else None
        return BertOutput(states, attentions, pooled, logits)
