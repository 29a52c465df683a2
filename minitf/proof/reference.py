"""The same checkpoint opened twice: by minitf's own loader, and by `transformers`, the reference."""

import dataclasses
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.checkpoints import names
from minitf.checkpoints.load import LoadReport, NoHeadError, load_with_report
from minitf.errors import InputError
from minitf.mathematics import Mathematics, mathematics
from minitf.proof.recorder import Recorder, record_modules
from minitf.text.batches import Batch


@dataclasses.dataclass(frozen=True)
class Pair:
    """Our model and the reference with equal weights, and the recorder that our model's mathematics writes to."""

    ours: Bert
    recorder: Recorder
    theirs: Any  # a transformers.BertForSequenceClassification
    report: LoadReport
    math: Mathematics  # the one beneath the recorder

    def to(self, device: torch.device | str) -> "Pair":
        self.ours.to(device)
        self.theirs.to(device)
        return self


def reference_version() -> str:
    """The version of `transformers`. Raises InputError if it is not installed: only the proof needs it."""
    try:
        import transformers
    except ImportError:
        raise InputError("compares with transformers, which is not installed: pip install transformers") from None
    return str(transformers.__version__)


def open_pair(
    source: str | Path,
    math_choice: str | Mathematics = "equations",
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    num_labels: int | None = None,
    offline: bool = False,
    attention: str = "eager",
) -> Pair:
    """Both models with a classifier: the checkpoint's own, else one of two classes, or one of `num_labels`.

    What the checkpoint does not hold is drawn here once and given to both.
    """
    import transformers

    recorder, base = Recorder(), mathematics(math_choice)

    def load(num_labels: int | None) -> tuple[Bert, LoadReport]:
        math = recorder.mathematics(base)
        return load_with_report(source, "classification", num_labels, None, math, dtype, device, offline)

    try:
        ours, report = load(num_labels)
    except NoHeadError:
        ours, report = load(2)
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own, about itself
        theirs = transformers.BertForSequenceClassification.from_pretrained(
            report.source.folder,
            num_labels=ours.config.num_labels,
            dtype=dtype,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,  # a head of another size is new on our side, and copied below
        )
    transformers.utils.logging.set_verbosity(level)
    theirs = torch.nn.Module.to(theirs, device).eval()
    copy_new(ours, theirs, report.new)
    return Pair(ours, recorder, theirs, report, base)


def copy_new(ours: Bert, theirs: nn.Module, new: tuple[str, ...]) -> None:
    """Give the reference our values of the parameters named `new`: those that no file held."""
    targets, values = reference_parameters(theirs), dict(ours.named_parameters())
    with torch.no_grad():
        for name in new:
            targets[name].copy_(values[name])


def reference_parameters(theirs: nn.Module) -> dict[str, nn.Parameter]:
    """The reference's parameters by our names."""
    named = {}
    for name, parameter in theirs.named_parameters():
        our_name = names.ours(name)[1]
        if our_name is not None:
            named[our_name] = parameter
    return named


def run_ours(pair: Pair, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Our logits, and our tensors under the labels of `walk`, in the order of computation."""
    with pair.recorder.watching(pair.ours):
        out = pair.ours(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
    assert out.logits is not None
    t, labelled = pair.recorder.tensors, {}
    for part in ("word", "segment", "position", "norm"):
        labelled[f"embeddings.{part}"] = t[f"embeddings.{part}"]
    labelled["embeddings"] = t["embeddings"]
    for i in range(pair.ours.config.num_hidden_layers):
        layer = f"encoder.layers.{i}"
        for W in ("W_Q", "W_K", "W_V"):
            labelled[f"{layer}.{W}"] = t[f"{layer}.attention.{W}"]
        if f"{layer}.attention/softmax.in" in t:  # an attention of one's own may have a softmax of its own
            labelled[f"{layer}.QKᵀ/√d_k"] = t[f"{layer}.attention/softmax.in"]
        labelled[f"{layer}.A"] = out.attentions[i].detach()
        labelled[f"{layer}.AV"] = t[f"{layer}.attention/merge_heads"]
        labelled[f"{layer}.W_O"] = t[f"{layer}.attention.W_O"]
        labelled[f"{layer}.attention_norm"] = t[f"{layer}.attention_norm"]
        labelled[f"{layer}.W_1"] = t[f"{layer}.ffn.W_1"]
        labelled[f"{layer}.activation"] = t[f"{layer}.ffn/{pair.ours.config.activation}"]
        labelled[f"{layer}.W_2"] = t[f"{layer}.ffn.W_2"]
        labelled[f"{layer}.ffn_norm"] = t[f"{layer}.ffn_norm"]
    labelled["pooler"] = t["pooler"]
    labelled["logits"] = t["head"]
    return out.logits, labelled


def run_fast(pair: Pair, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Our logits as training computes them, A not asked for: so that a fused attention is walked too."""
    out = pair.ours(batch.token_ids, batch.segment_ids, batch.mask)
    assert out.logits is not None
    states = {f"encoder.layers.{i}.ffn_norm": X.detach() for i, X in enumerate(out.hidden_states[1:])}
    return out.logits, states | {"logits": out.logits.detach()}


def run_reference(theirs: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The reference's logits, and its tensors under the same labels."""
    out, t = record_modules(
        theirs,
        lambda: theirs(
            input_ids=batch.token_ids,
            token_type_ids=batch.segment_ids,
            attention_mask=batch.mask,
            output_attentions=True,
        ),
    )
    e, labelled = "bert.embeddings", {}
    labelled["embeddings.word"] = t[f"{e}.word_embeddings"]
    labelled["embeddings.segment"] = t[f"{e}.token_type_embeddings"]
    labelled["embeddings.position"] = t[f"{e}.position_embeddings"].squeeze(0)
    labelled["embeddings.norm"] = t[f"{e}.LayerNorm"]
    labelled["embeddings"] = t[e]
    for i in range(theirs.config.num_hidden_layers):
        layer, path = f"encoder.layers.{i}", f"bert.encoder.layer.{i}"
        Q, K = t[f"{path}.attention.self.query"], t[f"{path}.attention.self.key"]
        labelled[f"{layer}.W_Q"], labelled[f"{layer}.W_K"] = Q, K
        labelled[f"{layer}.W_V"] = t[f"{path}.attention.self.value"]
        labelled[f"{layer}.QKᵀ/√d_k"] = _scores(Q, K, theirs.config.num_attention_heads)
        labelled[f"{layer}.A"] = out.attentions[i].detach()
        labelled[f"{layer}.AV"] = t[f"{path}.attention.self"]
        labelled[f"{layer}.W_O"] = t[f"{path}.attention.output.dense"]
        labelled[f"{layer}.attention_norm"] = t[f"{path}.attention.output.LayerNorm"]
        labelled[f"{layer}.W_1"] = t[f"{path}.intermediate.dense"]
        labelled[f"{layer}.activation"] = t[f"{path}.intermediate"]
        labelled[f"{layer}.W_2"] = t[f"{path}.output.dense"]
        labelled[f"{layer}.ffn_norm"] = t[f"{path}.output.LayerNorm"]
    labelled["pooler"] = t["bert.pooler"]
    labelled["logits"] = t["classifier"]
    return out.logits, labelled


def _scores(Q: Tensor, K: Tensor, H: int) -> Tensor:
    """The reference computes its scores where no hook reaches; from its own Q and K they are these."""
    B, S, D = Q.shape
    Q, K = (X.view(B, S, H, D // H).transpose(1, 2) for X in (Q, K))
    return Q @ K.transpose(-2, -1) / math.sqrt(D // H)


@contextmanager
def dropout_stand_in() -> Iterator[None]:
    """Inside the block the reference drops what `stand_in` drops: comparable where random draws are not."""
    with mock.patch("torch.nn.functional.dropout", _stand_in_for_torch):
        yield


def stand_in(x: Tensor, p: float) -> Tensor:
    """Dropout without chance: the rate and scale of dropout, a fixed pattern from the golden ratio."""
    if p == 0.0:
        return x
    keep = (torch.arange(x.numel(), device=x.device, dtype=torch.float64) * 0.6180339887498949) % 1.0 >= p
    return x * keep.view(x.shape).to(x.dtype) / (1.0 - p)


def _stand_in_for_torch(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return stand_in(input, p) if training else input
