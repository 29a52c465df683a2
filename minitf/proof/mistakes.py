"""Known mistakes in a Transformer, each one as small as it is made in life, and where it shows first.

The tests plant each and require that the suite's own comparisons reject it: that is how minitf knows that its proof
can fail. Three kinds: `overlay` replaces equations, `plant` spoils a model that is built, `spoil` an optimizer.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from minitf.bert import Bert
from minitf.equations import activation
from minitf.proof import spoiled_equations, spoiled_models
from minitf.training.optimizer import Optimizer


@dataclasses.dataclass(frozen=True)
class Mistake:
    name: str
    tells: str  # after "this is what you get when …"
    # The end of the label of the first tensor that differs; QKᵀ/√d_k is what softmax was given.
    shows: str
    overlay: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    plant: Callable[[Bert], None] = lambda model: None
    spoil: Callable[[Optimizer], None] = lambda optimizer: None
    train: bool = False  # invisible unless dropout is on


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "no scaling",
        "the scores are not divided by √d_k",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": spoiled_equations.spoiled_attention(scale=lambda d_k: 1.0)},
    ),
    Mistake(
        "scaled by d_k",
        "the scores are divided by d_k, not by its root",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": spoiled_equations.spoiled_attention(scale=float)},
    ),
    Mistake(
        "softmax over queries",
        "softmax runs over the queries: each column sums to 1, not each row",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": spoiled_equations.spoiled_attention(
                normalise=spoiled_equations.softmax_over_queries
            )
        },
    ),
    Mistake(
        "softmax over heads",
        "softmax runs over the heads",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": spoiled_equations.spoiled_attention(
                normalise=spoiled_equations.softmax_over_heads
            )
        },
    ),
    Mistake(
        "mask after softmax",
        "the mask is applied after softmax, so the rows no longer sum to 1",
        ".A",
        {
            "scaled_dot_product_attention": spoiled_equations.spoiled_attention(
                mask_scores=lambda scores, mask: scores, mask_weights=lambda A, mask: A.masked_fill(~mask, 0.0)
            )
        },
    ),
    Mistake(
        "mask on queries",
        "the mask hides padded queries; padded keys are still looked at",
        ".A",
        {
            "scaled_dot_product_attention": spoiled_equations.spoiled_attention(
                mask_scores=spoiled_equations.mask_queries
            )
        },
    ),
    Mistake(
        "mask upside down",
        "the mask hides the real tokens and shows the padding",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": spoiled_equations.spoiled_attention(
                mask_scores=lambda scores, mask: scores.masked_fill(mask, -math.inf)
            )
        },
    ),
    Mistake(
        "no mask",
        "padding is looked at",
        ".A",
        {"scaled_dot_product_attention": spoiled_equations.spoiled_attention(mask_scores=lambda s, m: s)},
    ),
    Mistake(
        "heads split without transpose",
        "the heads cut the sentence, not the width: a transpose is missing",
        "QKᵀ/√d_k",
        {"split_heads": spoiled_equations.split_without_transpose},
    ),
    Mistake(
        "heads merged without transpose",
        "the heads' answers are laid out head by head: a transpose is missing",
        ".AV",
        {"merge_heads": spoiled_equations.merge_without_transpose},
    ),
    Mistake(
        "tanh GELU",
        "the tanh form of GELU stands in the place of the erf form",
        ".activation",
        {"gelu": activation.gelu_tanh},
    ),
    Mistake("ReLU for GELU", "ReLU stands in the place of GELU", ".activation", {"gelu": activation.relu}),
    Mistake("√2 rounded", "√2 is written 1.41421", ".activation", {"gelu": spoiled_equations.gelu_rounded}),
    Mistake(
        "LayerNorm ε 1e-5",
        "ε is 1e-5, the default of PyTorch, not BERT's 1e-12",
        "embeddings.norm",
        {"layer_norm": spoiled_equations.spoiled_layer_norm(eps=1e-5)},
    ),
    Mistake(
        "LayerNorm unbiased",
        "the variance is divided by D − 1, not by D",
        "embeddings.norm",
        {"layer_norm": spoiled_equations.spoiled_layer_norm(unbiased=True)},
    ),
    Mistake(
        "LayerNorm over tokens",
        "mean and variance run over the tokens, not over the width",
        "embeddings.norm",
        {"layer_norm": spoiled_equations.layer_norm_over_tokens},
    ),
    Mistake(
        "pre-norm",
        "the norm comes before the sublayer",
        ".W_Q",
        plant=spoiled_models.each_layer(spoiled_models.pre_norm),
    ),
    Mistake(
        "no residual",
        "the sublayer's input is not added back",
        ".attention_norm",
        plant=spoiled_models.each_layer(spoiled_models.no_residual),
    ),
    Mistake(
        "W_Q and W_K swapped",
        "queries and keys are exchanged",
        ".W_Q",
        plant=spoiled_models.each_layer(spoiled_models.swap_queries_and_keys),
    ),
    Mistake(
        "segments ignored",
        "every token counts as of the first sentence",
        "embeddings.segment",
        plant=spoiled_models.segments_ignored,
    ),
    Mistake(
        "positions off by one",
        "the first token stands at 1",
        "embeddings.position",
        plant=spoiled_models.positions_off_by_one,
    ),
    Mistake(
        "last token pooled",
        "the pooler reads the last position, not [CLS]",
        "pooler",
        plant=spoiled_models.last_token_pooled,
    ),
    Mistake(
        "mean pooled",
        "the pooler reads the mean, padding included, not [CLS]",
        "pooler",
        plant=spoiled_models.mean_token_pooled,
    ),
    Mistake("no tanh", "the pooler has no tanh", "pooler", plant=spoiled_models.no_tanh),
    Mistake(
        "loss summed", "the losses are summed, not averaged", "loss", {"cross_entropy": spoiled_equations.sum_of_losses}
    ),
    Mistake(
        "loss over classes",
        "the loss is averaged over the logits, not the texts",
        "loss",
        {"cross_entropy": spoiled_equations.mean_over_logits},
    ),
    Mistake(
        "no bias correction",
        "m and v are not divided by 1 − βᵗ",
        "word.weight",
        {"adamw": spoiled_equations.uncorrected},
    ),
    Mistake(
        "coupled decay",
        "the decay goes through the gradient: Adam with L2",
        "word.weight",
        {"adamw": spoiled_equations.coupled_decay},
    ),
    Mistake(
        "ε inside the root",
        "ε stands inside the root: √(v̂ + ε), not √v̂ + ε",
        "word.weight",
        {"adamw": spoiled_equations.eps_inside_the_root},
    ),
    Mistake(
        "everything decays", "LayerNorm and biases decay too", "norm.gamma", spoil=spoiled_models.everything_decays
    ),
    Mistake(
        "dropout 1/p",
        "what is kept is divided by p, not by 1 − p",
        "embeddings",
        {"dropout": spoiled_equations.dropout_wrong_scale},
        train=True,
    ),
    Mistake(
        "dropout unscaled",
        "what is kept is not divided by 1 − p",
        "embeddings",
        {"dropout": spoiled_equations.dropout_unscaled},
        train=True,
    ),
    Mistake(
        "dropout keeps p",
        "p is taken for the share kept",
        "embeddings",
        {"dropout": spoiled_equations.dropout_keeps_p},
        train=True,
    ),
    Mistake(
        "dropout after the norm",
        "dropout acts on the norm's output, not on the sublayer's",
        ".attention_norm",
        plant=spoiled_models.each_layer(spoiled_models.dropout_after_the_norm),
        train=True,
    ),
    Mistake(
        "no attention dropout",
        "A is not dropped",
        ".AV",
        plant=spoiled_models.each_layer(spoiled_models.no_attention_dropout),
        train=True,
    ),
)
