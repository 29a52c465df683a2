"""Open one checkpoint twice, with minitf's loader and with `transformers`, the reference, and record their tensors."""

import dataclasses
import math
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.bert.family import FAMILIES
from minitf.checkpoints.fitting import NoHeadError
from minitf.checkpoints.load import load_model
from minitf.checkpoints.renaming import PYTORCH
from minitf.checkpoints.report import LoadReport
from minitf.checkpoints.save import save
from minitf.errors import InputError
from minitf.mathematics import Mathematics, mathematics
from minitf.proof.recorder import Recorder, record_modules
from minitf.text.batches import Batch


@dataclasses.dataclass(frozen=True)
class Pair:
    """Our model and the reference with equal weights, and the recorder that our model's mathematics writes to."""

    ours: Bert
    recorder: Recorder
    theirs: Any  # a transformers.…ForSequenceClassification
    report: LoadReport
    math: Mathematics  # the one that the recorder wraps

    def to(self, device: torch.device | str) -> "Pair":
        self.ours.to(device)
        self.theirs.to(device)
        return self


def reference_version() -> str:
    """Return the version of `transformers`. Raises InputError if it is not installed: only this package needs it."""
    try:
        import transformers
    except ImportError:
        raise InputError("transformers, the reference, is not installed: pip install transformers") from None
    return str(transformers.__version__)


def open_pair(
    source: str | Path,
    math_choice: str | Mathematics = "equations",
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    num_labels: int | None = None,
    offline: bool = False,
    attention: str = "eager",
    hidden_act: str | None = None,
    verify: bool = True,
    revision: str | None = None,
) -> Pair:
    """Open both models with a classifier: the checkpoint's own, else a new one of `num_labels` (default 2) classes.

    Weights that the checkpoint lacks are drawn once and copied to both models. `hidden_act` replaces the checkpoint's
    activation function in both. `verify` checks the checksums of a TensorFlow checkpoint.
    """
    import transformers

    recorder, base = Recorder(), mathematics(math_choice)

    def load(num_labels: int | None) -> tuple[Bert, LoadReport]:
        return load_model(
            source,
            Bert,
            "classification",
            num_labels=num_labels,
            math=recorder.mathematics(base),
            dtype=dtype,
            device=device,
            offline=offline,
            hidden_act=hidden_act,
            verify=verify,
            revision=revision,
        )

    try:
        ours, report = load(num_labels)
    except NoHeadError:
        ours, report = load(2)
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings(), _reference_folder(ours, report) as folder:
        warnings.simplefilter("ignore")  # the reference's warnings about its own code
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=ours.config.num_labels,
            dtype=dtype,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,  # a head of another size is new on our side, and copied below
            **_activation_setting(ours, hidden_act),
        )
    transformers.utils.logging.set_verbosity(level)
    theirs = torch.nn.Module.to(theirs, device).eval()
    copy_new(ours, theirs, report.new)
    return Pair(ours, recorder, theirs, report, base)


@contextmanager
def _reference_folder(ours: Bert, report: LoadReport) -> Iterator[Path]:
    """Yield a folder that the reference can open: the source's folder, or our model saved.

    The reference cannot read some checkpoints, such as those of TensorFlow. For them only the computation is compared;
    other tests check the reading.
    """
    if report.files.open_in_transformers():
        yield report.source.folder
        return
    with tempfile.TemporaryDirectory() as folder:
        save(ours, None, Path(folder) / "converted")
        yield Path(folder) / "converted"


def _activation_setting(ours: Bert, hidden_act: str | None) -> dict[str, str]:
    """Return the activation function as a setting of the reference's config; nothing where the checkpoint decides."""
    if hidden_act is None:
        return {}
    key = ours.config.family.keys.get("hidden_act", "hidden_act")
    return {key: ours.config.to_dict()[key]}


def copy_new(ours: Bert, theirs: Any, new: tuple[str, ...]) -> None:
    """Copy our values of the parameters named `new`, which the checkpoint lacks, to the reference."""
    targets, values = reference_parameters(theirs, ours.head_name), dict(ours.named_parameters())
    with torch.no_grad():
        for name in new:
            targets[name].copy_(values[name])


def reference_parameters(theirs: Any, head: str | None = "classification") -> dict[str, nn.Parameter]:
    """Return the reference's parameters under the names that they have in our model with this head."""
    rename = PYTORCH[theirs.config.model_type].renamer(head)
    named = {}
    for name, parameter in theirs.named_parameters():
        our_name = rename(name)[1]
        if our_name is not None:
            named[our_name] = parameter
    return named


def run_ours(pair: Pair, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Return our logits, and our tensors by label (`encoder.layers.0.W_Q`) in the order of computation."""
    with pair.recorder.watching(pair.ours):
        out = pair.ours(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
    assert out.logits is not None
    t, labelled = pair.recorder.tensors, {}
    for part in ("word", *(["segment"] if pair.ours.config.type_vocab_size else []), "position", "norm"):
        labelled[f"embeddings.{part}"] = t[f"embeddings.{part}"]
    labelled["embeddings"] = t["embeddings"]
    for i in range(pair.ours.config.num_hidden_layers):
        layer = f"encoder.layers.{i}"
        for W in ("W_Q", "W_K", "W_V"):
            labelled[f"{layer}.{W}"] = t[f"{layer}.attention.{W}"]
        if f"{layer}.attention/softmax.in" in t:  # a user's attention may use its own softmax
            labelled[f"{layer}.QKᵀ/√d_k"] = t[f"{layer}.attention/softmax.in"]
        labelled[f"{layer}.A"] = out.attentions[i].detach()
        labelled[f"{layer}.AV"] = t[f"{layer}.attention/merge_heads"]
        labelled[f"{layer}.W_O"] = t[f"{layer}.attention.W_O"]
        labelled[f"{layer}.attention_norm"] = t[f"{layer}.attention_norm"]
        labelled[f"{layer}.W_1"] = t[f"{layer}.ffn.W_1"]
        labelled[f"{layer}.activation"] = t[f"{layer}.ffn/{pair.ours.config.activation}"]
        labelled[f"{layer}.W_2"] = t[f"{layer}.ffn.W_2"]
        labelled[f"{layer}.ffn_norm"] = t[f"{layer}.ffn_norm"]
    if pair.ours.pooler is not None:
        labelled["pooler"] = t["pooler"]
    labelled["logits"] = t["head"]
    return out.logits, labelled


def run_ours_without_attention(pair: Pair, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Return our logits and hidden states without requesting A, as in training: this runs a fused attention."""
    out = pair.ours(batch.token_ids, batch.segment_ids, batch.mask)
    assert out.logits is not None
    states = {f"encoder.layers.{i}.ffn_norm": X.detach() for i, X in enumerate(out.hidden_states[1:])}
    return out.logits, states | {"logits": out.logits.detach()}


@dataclasses.dataclass(frozen=True)
class _ModulePaths:
    """Modules of a layer of the reference that have no weights, so that the rename tables do not contain them."""

    context: str  # A V, of all heads
    activation: str


_MODULE_PATHS = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), _ModulePaths("attention.self", "intermediate")),
    "distilbert": _ModulePaths("attention.out_lin.in", "ffn.activation"),
}


def run_reference(theirs: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the reference's logits, and its tensors under the same labels. The rename tables locate them."""
    model_type = theirs.config.model_type
    segments = {} if model_type == "distilbert" else {"token_type_ids": batch.segment_ids}
    ids = {"input_ids": batch.token_ids, "attention_mask": batch.mask}
    out, t = record_modules(theirs, lambda: theirs(**ids, **segments, output_attentions=True))
    table, paths = PYTORCH[model_type], _MODULE_PATHS[model_type]

    def path(module: str) -> str:
        name = f"{module}.{'gamma' if module.endswith('norm') else 'weight'}"
        return table.official_name(name, "classification").removesuffix(".weight")

    labelled = {}
    for part in ("word", "segment", "position", "norm"):
        if f"embeddings.{part}.weight" in (target for _, target in table.encoder) or part == "norm":
            labelled[f"embeddings.{part}"] = t[path(f"embeddings.{part}")]
    if not FAMILIES[model_type].positions_after_padding:
        labelled["embeddings.position"] = labelled["embeddings.position"].squeeze(0)  # one row of positions for all
    labelled["embeddings"] = t[path("embeddings.word").rpartition(".")[0]]
    for i in range(theirs.config.num_hidden_layers):
        layer = f"encoder.layers.{i}"
        below = path(f"{layer}.attention.W_Q").partition(f".{i}.")[0] + f".{i}"
        Q, K = t[path(f"{layer}.attention.W_Q")], t[path(f"{layer}.attention.W_K")]
        labelled[f"{layer}.W_Q"], labelled[f"{layer}.W_K"] = Q, K
        labelled[f"{layer}.W_V"] = t[path(f"{layer}.attention.W_V")]
        labelled[f"{layer}.QKᵀ/√d_k"] = _scores(Q, K, theirs.config.num_attention_heads)
        labelled[f"{layer}.A"] = out.attentions[i].detach()
        labelled[f"{layer}.AV"] = t[f"{below}.{paths.context}"]
        labelled[f"{layer}.W_O"] = t[path(f"{layer}.attention.W_O")]
        labelled[f"{layer}.attention_norm"] = t[path(f"{layer}.attention_norm")]
        labelled[f"{layer}.W_1"] = t[path(f"{layer}.ffn.W_1")]
        labelled[f"{layer}.activation"] = t[f"{below}.{paths.activation}"]
        labelled[f"{layer}.W_2"] = t[path(f"{layer}.ffn.W_2")]
        labelled[f"{layer}.ffn_norm"] = t[path(f"{layer}.ffn_norm")]
    if (pooler := path("pooler.W").rpartition(".")[0] if FAMILIES[model_type].has_pooler else "") in t:
        labelled["pooler"] = t[pooler]
    labelled["logits"] = t["classifier"]
    return out.logits, labelled


def _scores(Q: Tensor, K: Tensor, H: int) -> Tensor:
    """Compute the reference's attention scores from its Q and K: no hook reaches the place where it computes them."""
    B, S, D = Q.shape
    Q, K = (X.view(B, S, H, D // H).transpose(1, 2) for X in (Q, K))
    return Q @ K.transpose(-2, -1) / math.sqrt(D // H)


@contextmanager
def dropout_stand_in() -> Iterator[None]:
    """Inside the block, replace dropout in the reference by `stand_in`, for devices whose random draws differ."""
    with mock.patch("torch.nn.functional.dropout", _stand_in_for_torch):
        yield


def stand_in(x: Tensor, p: float) -> Tensor:
    """Deterministic dropout: the rate and scale of dropout, with a fixed pattern from the golden ratio."""
    if p == 0.0:
        return x
    keep = (torch.arange(x.numel(), device=x.device, dtype=torch.float64) * 0.6180339887498949) % 1.0 >= p
    return x * keep.view(x.shape).to(x.dtype) / (1.0 - p)


def _stand_in_for_torch(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return stand_in(input, p) if training else input
