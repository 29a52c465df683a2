"""A BERT of `transformers` written in Google's layout, by names spelt out here: it shares no table with the package."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import torch

from tests.support import tensor_bundles

_PLAIN = [
    (r"^bert\.", "bert/"),
    (r"\.encoder\.layer\.(\d+)\.", r".encoder.layer_\1."),
    (r"encoder\.layer\.(\d+)\.", r"encoder.layer_\1."),
    (r"LayerNorm\.weight$", "LayerNorm.gamma"),
    (r"LayerNorm\.bias$", "LayerNorm.beta"),
    (r"_embeddings\.weight$", "_embeddings"),
    (r"cls\.seq_relationship\.weight", "cls.seq_relationship.output_weights"),
    (r"cls\.seq_relationship\.bias", "cls.seq_relationship.output_bias"),
    (r"cls\.predictions\.bias", "cls.predictions.output_bias"),
    (r"^classifier\.weight", "output_weights"),
    (r"^classifier\.bias", "output_bias"),
    (r"^qa_outputs\.weight", "cls.squad.output_weights"),
    (r"^qa_outputs\.bias", "cls.squad.output_bias"),
    (r"\.", "/"),
]


def google_name(name: str) -> str:
    """What Google's scripts call the tensor that `transformers` calls `name`."""
    for pattern, replacement in _PLAIN:
        name = re.sub(pattern, replacement, name)
    return re.sub(r"(dense|query|key|value)/weight$", r"\1/kernel", name)


def google_tensors(model: torch.nn.Module) -> dict[str, np.ndarray]:
    """The model's tensors as TensorFlow has them: a kernel is [D_in, D_out]."""
    tensors = {}
    for name, p in model.named_parameters():
        theirs = google_name(name)
        value = p.detach().float().numpy()
        tensors[theirs] = value.T if theirs.endswith("kernel") else value
    return tensors


def with_slots(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What pre-training and fine-tuning leave beside the weights."""
    slots = {f"{name}/adam_{s}": np.full_like(t, 7) for name, t in tensors.items() for s in "mv"}
    return tensors | slots | {"global_step": np.array(12, np.int64)}


def raw(tensors: dict[str, np.ndarray], shards: int = 1) -> dict[str, tensor_bundles.Raw]:
    return {
        name: tensor_bundles.Raw(str(t.dtype), t.shape, np.ascontiguousarray(t).tobytes(), i % shards)
        for i, (name, t) in enumerate(sorted(tensors.items()))
    }


def write(folder: Path, model: torch.nn.Module, *, stem="bert_model.ckpt", prefix="", shards=1, slots=True, **layout):
    """A folder as Google published them. `prefix` goes before each name."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = google_tensors(model)
    tensors = with_slots(tensors) if slots else tensors
    named = {prefix + name: t for name, t in tensors.items()}
    tensor_bundles.write(folder / stem, raw(named, shards), shards, **layout)
    write_config(folder, model)
    return folder


def write_config(folder: Path, model: torch.nn.Module) -> None:
    """`bert_config.json`, with the keys that Google's have."""
    kept = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act".split()  # noqa: SIM905
    kept += ["max_position_embeddings", "type_vocab_size", "initializer_range", "hidden_dropout_prob"]
    config = {key: getattr(model.config, key) for key in [*kept, "attention_probs_dropout_prob"]}
    (folder / "bert_config.json").write_text(json.dumps(config))


def zipped(folder: Path, path: Path, inside: str = "uncased_L-3_H-32_A-4/", compression=zipfile.ZIP_DEFLATED) -> Path:
    """The folder's files in a zip, as Google published it: under the folder's name."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        if inside:
            archive.writestr(inside, "")
        for file in sorted(folder.iterdir()):
            archive.write(file, inside + file.name)
    return path
