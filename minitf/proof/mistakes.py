"""Known mistakes in a Transformer, each as small as in practice, and the first tensor in which each is visible.

The tests plant each mistake and require that the comparison with the reference rejects it. This shows that the
comparison can fail. A mistake replaces equations (`overlay`), changes a built model (`change_model`), or changes an
optimizer (`change_optimizer`).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from minitf.bert import Bert
from minitf.equations import activation
from minitf.proof import faulty_equations, faulty_models
from minitf.training.optimizer import Optimizer


@dataclasses.dataclass(frozen=True)
class PlantedMistake:
    """A mistake to plant in a correct model, and where the comparison must first report it."""

    name: str
    explanation: str  # completes the sentence "this is what you get when …"
    first_difference: str  # the end of the label of the first tensor that differs; QKᵀ/√d_k is the input of softmax
    overlay: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    change_model: Callable[[Bert], None] = lambda model: None
    change_optimizer: Callable[[Optimizer], None] = lambda optimizer: None
    train: bool = False  # invisible unless dropout is on


MISTAKES: tuple[PlantedMistake, ...] = (
    PlantedMistake(
        "no scaling",
        "the scores are not divided by √d_k",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": faulty_equations.faulty_attention(scale=lambda d_k: 1.0)},
    ),
    PlantedMistake(
        "scaled by d_k",
        "the scores are divided by d_k, not by its root",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": faulty_equations.faulty_attention(scale=float)},
    ),
    PlantedMistake(
        "softmax over queries",
        "softmax is computed over the queries: each column sums to 1, not each row",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": faulty_equations.faulty_attention(
                normalise=faulty_equations.softmax_over_queries
            )
        },
    ),
    PlantedMistake(
        "softmax over heads",
        "softmax is computed over the heads",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": faulty_equations.faulty_attention(
                normalise=faulty_equations.softmax_over_heads
            )
        },
    ),
    PlantedMistake(
        "mask after softmax",
        "the mask is applied after softmax, so the rows no longer sum to 1",
        ".A",
        {
            "scaled_dot_product_attention": faulty_equations.faulty_attention(
                mask_scores=lambda scores, mask: scores, mask_weights=lambda A, mask: A.masked_fill(~mask, 0.0)
            )
        },
    ),
    PlantedMistake(
        "mask on queries",
        "the mask hides padded queries, but padded keys are still attended to",
        ".A",
        {"scaled_dot_product_attention": faulty_equations.faulty_attention(mask_scores=faulty_equations.mask_queries)},
    ),
    PlantedMistake(
        "mask upside down",
        "the mask hides the real tokens and shows the padding",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": faulty_equations.faulty_attention(
                mask_scores=lambda scores, mask: scores.masked_fill(mask, -math.inf)
            )
        },
    ),
    PlantedMistake(
        "no mask",
        "the mask is not used: padding is attended to",
        ".A",
        {"scaled_dot_product_attention": faulty_equations.faulty_attention(mask_scores=lambda s, m: s)},
    ),
    PlantedMistake(
        "heads split without transpose",
        "the sentence is split into heads, not the width: a transpose is missing",
        "QKᵀ/√d_k",
        {"split_heads": faulty_equations.split_without_transpose},
    ),
    PlantedMistake(
        "heads merged without transpose",
        "the outputs are ordered by head, not by token: a transpose is missing",
        ".AV",
        {"merge_heads": faulty_equations.merge_without_transpose},
    ),
    PlantedMistake(
        "tanh GELU",
        "the tanh form of GELU is used instead of the erf form",
        ".activation",
        {"gelu": activation.gelu_tanh},
    ),
    PlantedMistake("ReLU for GELU", "ReLU is used instead of GELU", ".activation", {"gelu": activation.relu}),
    PlantedMistake("√2 rounded", "√2 is rounded to 1.41421", ".activation", {"gelu": faulty_equations.gelu_rounded}),
    PlantedMistake(
        "LayerNorm ε 1e-5",
        "ε is 1e-5, the default of PyTorch, not BERT's 1e-12",
        "embeddings.norm",
        {"layer_norm": faulty_equations.faulty_layer_norm(eps=1e-5)},
    ),
    PlantedMistake(
        "LayerNorm unbiased",
        "the variance is divided by D − 1, not by D",
        "embeddings.norm",
        {"layer_norm": faulty_equations.faulty_layer_norm(unbiased=True)},
    ),
    PlantedMistake(
        "LayerNorm over tokens",
        "mean and variance are computed over the tokens, not over the width",
        "embeddings.norm",
        {"layer_norm": faulty_equations.layer_norm_over_tokens},
    ),
    PlantedMistake(
        "pre-norm",
        "the norm comes before the sublayer",
        ".W_Q",
        change_model=faulty_models.each_layer(faulty_models.pre_norm),
    ),
    PlantedMistake(
        "no residual",
        "the residual connections are missing: the sublayer's input is not added",
        ".attention_norm",
        change_model=faulty_models.each_layer(faulty_models.no_residual),
    ),
    PlantedMistake(
        "W_Q and W_K swapped",
        "queries and keys are exchanged",
        ".W_Q",
        change_model=faulty_models.each_layer(faulty_models.swap_queries_and_keys),
    ),
    PlantedMistake(
        "segments ignored",
        "every token gets the embedding of the first segment",
        "embeddings.segment",
        change_model=faulty_models.segments_ignored,
    ),
    PlantedMistake(
        "positions off by one",
        "positions are counted from 1, not from 0",
        "embeddings.position",
        change_model=faulty_models.positions_off_by_one,
    ),
    PlantedMistake(
        "last token pooled",
        "the pooler uses the last position, not [CLS]",
        "pooler",
        change_model=faulty_models.last_token_pooled,
    ),
    PlantedMistake(
        "mean pooled",
        "the pooler uses the mean, padding included, not [CLS]",
        "pooler",
        change_model=faulty_models.mean_token_pooled,
    ),
    PlantedMistake("no tanh", "the pooler has no tanh", "pooler", change_model=faulty_models.no_tanh),
    PlantedMistake(
        "loss summed", "the losses are summed, not averaged", "loss", {"cross_entropy": faulty_equations.sum_of_losses}
    ),
    PlantedMistake(
        "loss over classes",
        "the loss is averaged over all logits, not over the texts",
        "loss",
        {"cross_entropy": faulty_equations.mean_over_logits},
    ),
    PlantedMistake(
        "no bias correction",
        "m and v are not divided by 1 − βᵗ",
        "word.weight",
        {"adamw": faulty_equations.adamw_without_bias_correction},
    ),
    PlantedMistake(
        "coupled decay",
        "the decay is added to the gradient: this is Adam with an L2 penalty",
        "word.weight",
        {"adamw": faulty_equations.coupled_decay},
    ),
    PlantedMistake(
        "ε inside the root",
        "ε is inside the square root: √(v̂ + ε), not √v̂ + ε",
        "word.weight",
        {"adamw": faulty_equations.eps_inside_the_root},
    ),
    PlantedMistake(
        "everything decays",
        "LayerNorm and biases decay too, but must not",
        "norm.gamma",
        change_optimizer=faulty_models.everything_decays,
    ),
    PlantedMistake(
        "key biases decay",
        "the biases of the keys decay too, but must not",
        "W_K.bias",
        change_optimizer=faulty_models.key_biases_decay,
    ),
    PlantedMistake(
        "dropout 1/p",
        "the remaining numbers are divided by p, not by 1 − p",
        "embeddings",
        {"dropout": faulty_equations.dropout_wrong_scale},
        train=True,
    ),
    PlantedMistake(
        "dropout unscaled",
        "the remaining numbers are not divided by 1 − p",
        "embeddings",
        {"dropout": faulty_equations.dropout_unscaled},
        train=True,
    ),
    PlantedMistake(
        "dropout keeps p",
        "numbers are kept with the probability p, not 1 − p",
        "embeddings",
        {"dropout": faulty_equations.dropout_keeps_p},
        train=True,
    ),
    PlantedMistake(
        "dropout after the norm",
        "dropout is applied to the output of the norm, not of the sublayer",
        ".attention_norm",
        change_model=faulty_models.each_layer(faulty_models.dropout_after_the_norm),
        train=True,
    ),
    PlantedMistake(
        "no attention dropout",
        "dropout is not applied to A",
        ".AV",
        change_model=faulty_models.each_layer(faulty_models.no_attention_dropout),
        train=True,
    ),
)
