"""Attribution of each target token to the tokens of the source, by four methods that may disagree.

    cross-attention      the mean of the attention weights of its query over all layers and heads
    gradient × input     the gradient of log P(token) for each word embedding, times the embedding
    integrated gradients the gradient integrated from a source of padding to this one
    erasure              the change of log P(token) when the source token is masked out

The target before the token is the same in all of them (teacher forcing). Sources: as in `attribution`; gradient ×
input: Shrikumar et al. 2017. For translation: Ding et al. 2017, "Visualizing and understanding neural machine
translation".
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from minitf.attention_maps import sequences
from minitf.attention_maps.attribution import Scored
from minitf.attention_maps.model import OpenGenerator
from minitf.errors import InputError
from minitf.tasks.inference import check_finite, evaluating
from minitf.tasks.progress import with_progress
from minitf.transformer import EncoderDecoder

CHUNK = 8  # sources in a forward pass: each has the logits of a whole vocabulary for every target token


@dataclasses.dataclass(frozen=True)
class SourceAttribution(Scored):
    """The scores of the S source tokens for one target token, by each method; negative: against the token."""

    tokens: tuple[str, ...]
    special: tuple[bool, ...]
    label: str  # the target token
    probability: float
    cross_attention: np.ndarray  # [S]
    gradient_input: np.ndarray  # [S]
    integrated_gradients: np.ndarray  # [S]
    erasure: np.ndarray  # [S]
    residual: float  # completeness residual: Σ integrated gradients − (log P − log P of the baseline)

    def scores(self) -> dict[str, np.ndarray]:
        """Return the scores by method, in the order above."""
        return {
            "cross-attention": self.cross_attention,
            "gradient × input": self.gradient_input,
            "integrated gradients": self.integrated_gradients,
            "erasure": self.erasure,
        }


@dataclasses.dataclass(frozen=True)
class Scorer:
    """log P of each target token for a source, whose word embeddings or mask may be changed."""

    model: EncoderDecoder
    source: Tensor  # [1, S]
    labels: Tensor  # [1, T]

    def __call__(self, mask: Tensor, E: Tensor | None = None) -> Tensor:
        """log P(label t | labels before t, source), `[R, T]`, for `mask [R, S]` and word embeddings `E [R, S, D]`."""
        R = len(mask)
        with _embedded(self.model, E):
            states, _ = self.model.encode(self.source.expand(R, -1), mask)
        inputs = sequences.decoder_inputs(self.model, self.labels).expand(R, -1)
        logits = self.model.decode(inputs, states[-1], mask).logits
        log_p: Tensor = logits.log_softmax(-1).gather(-1, self.labels.expand(R, -1)[..., None])[..., 0]
        return log_p

    def gradients(self, E: Tensor) -> Tensor:
        """∂ log P(label t) / ∂E for every target token, `[R, S, D] -> [T, R, S, D]`."""
        E = E.detach().requires_grad_()
        with torch.enable_grad():
            log_p = self(self.source.new_ones(E.shape[:2]), E).sum(dim=0)
            found = [torch.autograd.grad(each, E, retain_graph=True)[0] for each in log_p]
        return torch.stack(found)


def attribute(opened: OpenGenerator, text: sequences.Text, steps: int = 64) -> list[SourceAttribution]:
    """Compute all four scores for every target token. Raises InputError for a model without cross-attention."""
    model = opened.model
    if not isinstance(model, EncoderDecoder):
        raise InputError(f"attribution to a source needs cross-attention, and {opened.name} is a decoder alone")
    source, labels = sequences.tensor(opened, text.source_ids), sequences.tensor(opened, text.target_ids)
    special = sequences.special_of(opened, text.source_ids)
    words = torch.tensor(special, device=source.device).logical_not()
    scorer = Scorer(model, source, labels)
    table = model.word.weight.detach()
    E = table[source]  # [1, S, D]
    E_0 = torch.where(words[:, None], table[opened.tokenizer.pad_id], E)
    with evaluating(model):
        with torch.no_grad():
            inputs = sequences.decoder_inputs(model, labels)
            A = sequences.stacked(model(source, inputs, need_attention=True).cross_attentions)
            mask = torch.ones_like(source)
            log_p, baseline = check_finite(scorer(mask)[0]), scorer(mask, E_0)[0]  # [T]
        at_input = (scorer.gradients(E)[:, 0] * E).sum(dim=-1)  # [T, S]
        integrated = integrated_gradients(scorer, E, E_0, steps)
        erased = erasure(scorer, words)
    residuals = integrated.double().sum(dim=-1) - (log_p - baseline).double()  # [T]
    by_gradient, by_integral, by_erasure = (x.double().cpu().numpy() for x in (at_input, integrated, erased))
    by_attention, tokens = A.mean(axis=(0, 1)), sequences.labels_of(opened, text.source_ids)
    return [
        SourceAttribution(
            tokens=tokens,
            special=special,
            label=label,
            probability=float(log_p[t].exp()),
            cross_attention=by_attention[t],
            gradient_input=by_gradient[t],
            integrated_gradients=by_integral[t],
            erasure=by_erasure[t],
            residual=float(residuals[t]),
        )
        for t, label in enumerate(sequences.labels_of(opened, text.target_ids))
    ]


def integrated_gradients(scorer: Scorer, E: Tensor, E_0: Tensor, steps: int) -> Tensor:
    """(E − E₀) · ∫₀¹ ∂ log P(label t)/∂E (E₀ + α (E − E₀)) dα for each source token, `[T, S]`.

    E `[1, S, D]` are the word embeddings of the source, E₀ those of the baseline, in which every word is padding. The
    integral is computed by Gauss-Legendre quadrature with `steps` points. Source: Sundararajan et al. 2017, eq. 1.
    """
    points, shares = np.polynomial.legendre.leggauss(steps)
    alphas, weights = (torch.tensor(x, dtype=E.dtype, device=E.device) for x in ((points + 1) / 2, shares / 2))
    total = torch.zeros(scorer.labels.shape[1], *E.shape[1:], dtype=E.dtype, device=E.device)
    parts = list(zip(alphas.split(CHUNK), weights.split(CHUNK), strict=True))
    for alpha, weight in with_progress(parts, "batch", "integrated gradients"):
        at = E_0 + alpha[:, None, None] * (E - E_0)
        total += torch.einsum("r,trsd->tsd", weight, scorer.gradients(at))
    return ((E - E_0) * total).sum(dim=-1)


def erasure(scorer: Scorer, words: Tensor) -> Tensor:
    """log P(label t) − log P(label t) with source token s masked out, `[T, S]`; 0 for special tokens."""
    indices = words.nonzero()[:, 0]
    masks = scorer.source.new_ones(len(indices) + 1, len(words))
    masks[torch.arange(len(indices)) + 1, indices] = 0
    with torch.no_grad():
        log_p = torch.cat([scorer(part) for part in with_progress(masks.split(CHUNK), "batch", "erasure")])
    scores = log_p.new_zeros(log_p.shape[1], len(words))
    scores[:, indices] = (log_p[0] - log_p[1:]).T
    return scores


@contextmanager
def _embedded(model: EncoderDecoder, E: Tensor | None) -> Iterator[None]:
    """Replace the word embeddings by E, if given."""
    if E is None:
        yield
        return
    hook = model.word.register_forward_hook(lambda module, inputs, output: E)
    try:
        yield
    finally:
        hook.remove()


def mean_correlation(attributions: Sequence[SourceAttribution]) -> float:
    """Return the mean over the target tokens of the rank correlation of cross-attention with erasure; NaN for none."""
    values = [attribution.correlations()[("cross-attention", "erasure")] for attribution in attributions]
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
