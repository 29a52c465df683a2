"""Attribution: which tokens a prediction depends on, by four methods that may disagree.

    rollout              attention multiplied through the layers (Abnar & Zuidema 2020)
    gradient × attention the gradient of the logit for each attention weight, times the weight
    integrated gradients the gradient integrated from a baseline text to this one (Sundararajan et al. 2017)
    erasure              the change of the logit when the token is masked out

Rollout uses the attention weights alone, so it is the same for every class; only erasure changes the input. Where they
disagree, attention does not explain the prediction (Jain & Wallace 2019; for the opposite view, Wiegreffe & Pinter
2019).
"""

import dataclasses
import itertools
import math

import numpy as np
import torch
from torch import Tensor

from minitf.attention_maps.model import OpenModel, encode, readable_tokens, reading_of
from minitf.bert import Bert
from minitf.datasets.strings import first_few
from minitf.errors import InputError
from minitf.tasks.inference import check_finite, evaluating
from minitf.tasks.progress import with_progress
from minitf.tasks.regression.metrics import pearson, ranks
from minitf.text.batches import Batch


class Scored:
    """Scores of tokens for one prediction by several methods. The first method has no sign and no gradient."""

    special: tuple[bool, ...]

    def scores(self) -> dict[str, np.ndarray]:
        """Return the scores `[S]` by method."""
        raise NotImplementedError

    def correlations(self) -> dict[tuple[str, str], float]:
        """Compute Spearman's rank correlation of each pair of methods over the words; NaN for fewer than three.

        The first method has no sign, so it is compared with the absolute values of the others: a word that is strong
        evidence against the prediction matters too.
        """
        words = ~np.array(self.special)
        scores = {name: values[words] for name, values in self.scores().items()}
        first, *others = scores
        with_first = {(first, b): spearman(scores[first], np.abs(scores[b])) for b in others}
        return with_first | {(a, b): spearman(scores[a], scores[b]) for a, b in itertools.combinations(others, 2)}


@dataclasses.dataclass(frozen=True)
class Attribution(Scored):
    """The scores of the S tokens of one text for the class `label`, by each method; negative: against the class."""

    tokens: tuple[str, ...]
    special: tuple[bool, ...]
    label: str
    probability: float  # of the label; if the model predicts a number, that number
    rollout: np.ndarray  # [S], how much of each token reaches [CLS]
    gradient_attention: np.ndarray  # [S]
    integrated_gradients: np.ndarray  # [S]
    erasure: np.ndarray  # [S], how much the logit falls if the token is masked out
    residual: float  # completeness residual: Σ integrated gradients − (logit − logit of the baseline)

    def scores(self) -> dict[str, np.ndarray]:
        """Return the scores by method, in the order above."""
        return {
            "rollout": self.rollout,
            "gradient × attention": self.gradient_attention,
            "integrated gradients": self.integrated_gradients,
            "erasure": self.erasure,
        }


def attribute(
    opened: OpenModel,
    text: str,
    pair: str | None = None,
    label: str | None = None,
    steps: int = 64,
    max_length: int | None = None,
) -> Attribution:
    """Compute all four scores of one text for the class `label`, by default the predicted one.

    Raises InputError for a model without a classifier, or an unknown label.
    """
    model, tokenizer = opened.model, opened.tokenizer
    reading = reading_of(model)
    if reading is None:
        several = model.head_name == "classification"
        has = "predicts several numbers" if several else "has none; fine-tune it first"
        raise InputError(f"attribution needs a model with a classifier, and this one {has}")
    batch = encode(opened, text, pair, max_length)
    with evaluating(model):
        with torch.no_grad():
            logits = model(batch.token_ids, batch.segment_ids, batch.mask).logits[0]
        check_finite(logits)
        if label is not None and label not in reading.labels:
            raise InputError(f"`label` {label}: the model has no such class; it has {first_few(reading.labels)}")
        chosen = int(logits.argmax()) if label is None else reading.labels.index(label)
        ids = batch.token_ids[0].tolist()
        integrated, residual = integrated_gradients(
            model, batch, chosen, tokenizer.pad_id, tokenizer.special_ids, steps
        )
        return Attribution(
            tokens=tuple(readable_tokens(tokenizer, ids, text, pair, max_length or model.config.longest)),
            special=tuple(i in tokenizer.special_ids for i in ids),
            label=reading.labels[chosen],
            probability=reading.values(logits)[chosen],
            rollout=rollout(attention_weights(model, batch))[-1][0],
            gradient_attention=gradient_attention(model, batch, chosen),
            integrated_gradients=integrated,
            erasure=erasure(model, batch, chosen, tokenizer.special_ids),
            residual=residual,
        )


def attention_weights(model: Bert, batch: Batch) -> np.ndarray:
    """Return A of the first text of the batch, `[L, H, S, S]`."""
    with torch.no_grad():
        out = model(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
    return torch.stack(out.attentions)[:, 0].double().cpu().numpy()


def rollout(A: np.ndarray) -> np.ndarray:
    """R_l = (½ Ā_l + ½ I) R_{l−1}, R_0 = I, Ā the mean over heads; `[L, H, S, S] -> [L, S, S]`, rows sum to 1.

    ½ I models the residual connection, which copies each token. R_l[q, k] is how much of token k reaches q by layer l,
    if layers do nothing but mix tokens. Source: Abnar & Zuidema 2020, §3.
    """
    L, _, S, _ = A.shape
    mixed = 0.5 * A.mean(axis=1) + 0.5 * np.eye(S)  # [L, S, S]
    R = [mixed[0]]
    for layer in range(1, L):
        R.append(mixed[layer] @ R[-1])
    return np.stack(R)


def gradient_attention(model: Bert, batch: Batch, label: int) -> np.ndarray:
    """Σ over layers and heads of max(0, A ⊙ ∂logit/∂A), the row of [CLS]; `[S]`.

    Source: gradient × input (Shrikumar et al. 2017) with A as the input, summed as in Chefer et al. 2021.
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

    E are the word embeddings of the text, E₀ those of the baseline, in which every word is padding. The integral is
    computed by Gauss-Legendre quadrature with `steps` points. The sum equals the difference of the two logits, up to
    the residual. Source: Sundararajan et al. 2017, eq. 1; completeness: their proposition 1.
    """
    ids = batch.token_ids
    words = torch.tensor([[i not in special_ids for i in ids[0].tolist()]], device=ids.device)
    table = model.embeddings.word.weight.detach()
    E, E_0 = table[ids], table[torch.where(words, pad_id, ids)]  # [1, S, D]
    points, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(E)
    pairs = list(zip((points + 1) / 2, weights / 2, strict=True))
    for alpha, weight in with_progress(pairs, "point", "integrated gradients"):
        at = (E_0 + float(alpha) * (E - E_0)).requires_grad_()
        (gradient,) = torch.autograd.grad(_logit(model, batch, at, label), at)
        total += float(weight) * gradient
    scores = ((E - E_0) * total).sum(dim=-1)[0]
    with torch.no_grad():
        difference = _logit(model, batch, E, label) - _logit(model, batch, E_0, label)
    return scores.double().cpu().numpy(), float(scores.double().sum() - difference.double())


def erasure(model: Bert, batch: Batch, label: int, special_ids: frozenset[int], size: int = 32) -> np.ndarray:
    """logit(text) − logit(text with token s masked out) for each token s that is a word, `[S]`; 0 for special tokens.

    `size` is the number of texts in a forward pass.
    """
    S = batch.token_ids.shape[1]
    words = [s for s in range(S) if int(batch.token_ids[0, s]) not in special_ids]
    masks = batch.mask.repeat(len(words) + 1, 1)
    for row, s in enumerate(words, 1):
        masks[row, s] = 0
    logits = []
    with torch.no_grad():
        for part in with_progress(masks.split(size), "batch", "erasure"):
            n = len(part)
            out = model(batch.token_ids.expand(n, -1), batch.segment_ids.expand(n, -1), part)
            logits.append(out.logits[:, label].double().cpu())
    whole, *others = torch.cat(logits).tolist()
    scores = np.zeros(S)
    scores[words] = [whole - other for other in others]
    return scores


def conclusion(attribution: Scored) -> str:
    """Say in one sentence whether attention may be read as an explanation of this prediction."""
    name = next(iter(attribution.scores()))
    return verdict(f"attention {name}" if name == "rollout" else name, attribution.correlations()[(name, "erasure")])


def verdict(name: str, value: float) -> str:
    """Say what the rank correlation of `name` with erasure means."""
    if math.isnan(value):
        return "too few words to compare the methods"
    how = "agrees" if value > 0.7 else "partly agrees" if value > 0.3 else "does not agree"
    return f"{name} {how} with erasure (rank correlation {value:.2f}): " + (
        "here attention is a hint, not a proof, of what the prediction depends on"
        if value > 0.7
        else "do not read attention as an explanation of this prediction"
    )


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation; NaN for fewer than three values, or if x or y is constant."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return pearson(ranks(x.tolist()), ranks(y.tolist()))


def _logit(model: Bert, batch: Batch, E: Tensor, label: int) -> Tensor:
    """Compute the logit of the class `label` with `E [1, S, D]` instead of the word embeddings."""
    hook = model.embeddings.word.register_forward_hook(lambda module, inputs, output: E)
    try:
        logit: Tensor = model(batch.token_ids, batch.segment_ids, batch.mask).logits[0, label]
    finally:
        hook.remove()
    return logit
