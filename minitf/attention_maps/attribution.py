"""Which tokens a prediction rests on: four answers that need not agree, and the plain experiment among them.

    rollout              attention carried through the layers (Abnar & Zuidema 2020)
    gradient × attention how the prediction would change if a weight did, times the weight
    integrated gradients along the way from an empty text to this one (Sundararajan et al. 2017)
    erasure              hide the token and see

The first looks at the maps alone, and so is the same whatever is predicted; only the last changes the input. Where they
disagree, attention is no explanation of the prediction (Jain & Wallace 2019; against it Wiegreffe & Pinter 2019).
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from minitf.attention_maps.collect import Opened, encode
from minitf.bert import Bert
from minitf.errors import InputError
from minitf.text.batches import Batch

# From the embeddings' output on: X [B, S, D], mask [B, S] -> logits [B, C].
Score = Callable[[Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Attribution:
    """What each method gives the S tokens of one text, for the class `label`; greater is more, below 0 is against."""

    tokens: tuple[str, ...]
    special: tuple[bool, ...]
    label: str
    probability: float
    rollout: np.ndarray  # [S], what [CLS] sees of each token
    gradient_attention: np.ndarray  # [S]
    integrated_gradients: np.ndarray  # [S]
    erasure: np.ndarray  # [S], by how much the logit falls if the token is hidden
    residual: float  # of completeness: Σ integrated gradients − (logit − logit of the baseline)

    def scores(self) -> dict[str, np.ndarray]:
        """By method, in the order above."""
        return {
            "rollout": self.rollout,
            "gradient × attention": self.gradient_attention,
            "integrated gradients": self.integrated_gradients,
            "erasure": self.erasure,
        }

    def correlations(self) -> dict[tuple[str, str], float]:
        """Spearman's rank correlation of each two methods over the tokens that are words; NaN for fewer than three.

        Rollout says how much and takes no side, so beside it the others count by their size: a word that speaks
        strongly against the prediction matters to it as well.
        """
        words = ~np.array(self.special)
        scores = {name: values[words] for name, values in self.scores().items()}
        first, *others = scores
        found = {(first, b): spearman(scores[first], np.abs(scores[b])) for b in others}
        return found | {(a, b): spearman(scores[a], scores[b]) for a, b in itertools.combinations(others, 2)}


def attribute(
    opened: Opened,
    text: str,
    pair: str | None = None,
    label: str | None = None,
    steps: int = 64,
    max_length: int | None = None,
) -> Attribution:
    """All four for one text, for the class `label`, by default the one that is predicted.

    Raises InputError for a model without a classifier, or a label that it has not.
    """
    model, tokenizer = opened.model, opened.tokenizer
    if model.head_name != "classification":
        raise InputError("explains a prediction, so it needs a model with a classifier: fine-tune one first")
    batch = encode(opened, text, pair, max_length)
    model.eval()
    with torch.no_grad():
        logits = model(batch.token_ids, batch.segment_ids, batch.mask).logits[0]
    if label is not None and label not in model.config.labels:
        raise InputError(f"the label {label!r} is none of {', '.join(model.config.labels)}")
    chosen = int(logits.argmax()) if label is None else model.config.labels.index(label)
    ids = batch.token_ids[0].tolist()
    integrated, residual = integrated_gradients(model, batch, chosen, tokenizer.pad_id, tokenizer.special_ids, steps)
    return Attribution(
        tokens=tuple(tokenizer.tokens(ids)),
        special=tuple(i in tokenizer.special_ids for i in ids),
        label=model.config.labels[chosen],
        probability=float(logits.double().softmax(-1)[chosen]),
        rollout=rollout(maps(model, batch))[-1][0],
        gradient_attention=gradient_attention(model, batch, chosen),
        integrated_gradients=integrated,
        erasure=erasure(model, batch, chosen, tokenizer.special_ids),
        residual=residual,
    )


def maps(model: Bert, batch: Batch) -> np.ndarray:
    """A of the first text of the batch, `[L, H, S, S]`."""
    with torch.no_grad():
        out = model(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
    return torch.stack(out.attentions)[:, 0].double().cpu().numpy()


def rollout(A: np.ndarray) -> np.ndarray:
    """R_l = (½ Ā_l + ½ I) R_{l−1}, R_0 = I, Ā the mean over heads; `[L, H, S, S] -> [L, S, S]`, rows sum to 1.

    ½ I stands for the residual connection, which hands each token on as it is. R_l[q, k] is how much of token k has
    come to q by layer l, if a layer only mixed. Source: Abnar & Zuidema 2020, §3.
    """
    L, _, S, _ = A.shape
    mixed = 0.5 * A.mean(axis=1) + 0.5 * np.eye(S)  # [L, S, S]
    found = [mixed[0]]
    for layer in range(1, L):
        found.append(mixed[layer] @ found[-1])
    return np.stack(found)


def gradient_attention(model: Bert, batch: Batch, label: int) -> np.ndarray:
    """Σ over layers and heads of max(0, A ⊙ ∂logit/∂A), the row of [CLS]; `[S]`.

    Source: gradient times input (Shrikumar et al. 2017) with the map for the input, summed as in Chefer et al. 2021.
    """
    with torch.enable_grad():
        out = model(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
        gradients = torch.autograd.grad(out.logits[0, label], out.attentions)
    product = torch.stack([(A * g)[0] for A, g in zip(out.attentions, gradients, strict=True)])  # [L, H, S, S]
    summed: np.ndarray = product.clamp(min=0)[:, :, 0].sum(dim=(0, 1)).detach().double().cpu().numpy()
    return summed


def integrated_gradients(
    model: Bert, batch: Batch, label: int, pad_id: int, special_ids: frozenset[int], steps: int = 64
) -> tuple[np.ndarray, float]:
    """(E − E₀) · ∫₀¹ ∂logit/∂E (E₀ + α (E − E₀)) dα for each token, `[S]`; and the residual of their sum.

    E are the rows of the word table for the tokens, E₀ those of a text whose words are all padding. The integral is
    taken at the `steps` points of Gauss and Legendre. The sum is the difference of the two logits, but for a residual.
    Source: Sundararajan et al. 2017, eq. 1; completeness: their proposition 1.
    """
    ids = batch.token_ids
    words = torch.tensor([[i not in special_ids for i in ids[0].tolist()]], device=ids.device)
    table = model.embeddings.word.weight.detach()
    E, E_0 = table[ids], table[torch.where(words, pad_id, ids)]  # [1, S, D]
    points, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(E)
    for alpha, weight in zip((points + 1) / 2, weights / 2, strict=True):
        at = (E_0 + float(alpha) * (E - E_0)).requires_grad_()
        (gradient,) = torch.autograd.grad(_logit(model, batch, at, label), at)
        total += float(weight) * gradient
    scores = ((E - E_0) * total).sum(dim=-1)[0]
    with torch.no_grad():
        difference = _logit(model, batch, E, label) - _logit(model, batch, E_0, label)
    return scores.double().cpu().numpy(), float(scores.double().sum() - difference.double())


def erasure(model: Bert, batch: Batch, label: int, special_ids: frozenset[int], size: int = 32) -> np.ndarray:
    """logit(text) − logit(text with token s hidden from every query) for each token s that is a word; 0 for others."""
    S = batch.token_ids.shape[1]
    words = [s for s in range(S) if int(batch.token_ids[0, s]) not in special_ids]
    hidden = batch.mask.repeat(len(words) + 1, 1)
    for row, s in enumerate(words, 1):
        hidden[row, s] = 0
    logits = []
    with torch.no_grad():
        for part in hidden.split(size):
            n = len(part)
            out = model(batch.token_ids.expand(n, -1), batch.segment_ids.expand(n, -1), part)
            logits.append(out.logits[:, label].double().cpu())
    whole, *others = torch.cat(logits).tolist()
    scores = np.zeros(S)
    scores[words] = [whole - other for other in others]
    return scores


def verdict(found: Attribution) -> str:
    """In one sentence, what the correlations mean for reading attention as an explanation."""
    value = found.correlations()[("rollout", "erasure")]
    if math.isnan(value):
        return "too few words to compare the methods"
    how = "agrees with" if value > 0.7 else "agrees in part with" if value > 0.3 else "does not agree with"
    return f"attention rollout {how} what hiding each word does (rank correlation {value:.2f}): " + (
        "here it may be read as a hint, not a proof, of what matters"
        if value > 0.7
        else "where a model looks is not what its prediction rests on"
    )


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of the ranks, equal values sharing their mean rank; NaN if there are fewer than three."""
    if len(x) < 3:
        return float("nan")
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size else float("nan")


def _ranks(x: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranks: np.ndarray = ((ends - counts + ends - 1) / 2)[inverse]
    return ranks


def _logit(model: Bert, batch: Batch, E: Tensor, label: int) -> Tensor:
    """The logit of the class `label`, had the tokens of the text the word embeddings `E [1, S, D]`."""
    hook = model.embeddings.word.register_forward_hook(lambda module, inputs, output: E)
    try:
        logit: Tensor = model(batch.token_ids, batch.segment_ids, batch.mask).logits[0, label]
    finally:
        hook.remove()
    return logit
