"""Write a model as a folder that `transformers` opens: config.json, model.safetensors and the tokenizer's files."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from minitf.bert import Bert
from minitf.checkpoints.metadata import SAVED, write_metadata
from minitf.checkpoints.official import architecture
from minitf.checkpoints.renaming import PYTORCH
from minitf.checkpoints.stated import SENTENCE_FILES
from minitf.files import replacing_folder, to_json
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.text.tokenizer import Tokenizer

# All names that a saved model can have in its folder.
WRITTEN = {*SAVED, *(name.partition("/")[0] for name in SENTENCE_FILES)}


def save(
    model: Bert,
    tokenizer: Tokenizer | SequenceTokenizer | None,
    folder: Path,
    metadata: dict[str, Any] | None = None,
    max_length: int | None = None,
    files: Mapping[str, bytes] | None = None,
    note: Mapping[str, str] | None = None,
) -> None:
    """Write `model` and `tokenizer` as `folder`; `metadata` becomes `minitf.json`.

    `max_length` is written as the tokenizer's maximum length (default: the positions of the model); `files` maps the
    names of additional files to their content; `note` is added to the header of the weights.

    The folder is written completely or not at all: an existing one is replaced only when the new one is complete.
    Files of other names in it stay. Raises InputError if the disk is full or the folder cannot be written.
    """
    with replacing_folder(folder, ours=WRITTEN) as partial:
        write_files(partial, model, tokenizer, metadata, max_length, note)
        for name, content in (files or {}).items():
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_bytes(content)


def write_files(
    folder: Path,
    model: Bert,
    tokenizer: Tokenizer | SequenceTokenizer | None,
    metadata: dict[str, Any] | None = None,
    max_length: int | None = None,
    note: Mapping[str, str] | None = None,
) -> None:
    """Write the files of `save` into an existing folder, for example a temporary one."""
    head, table = model.head_name, PYTORCH[model.config.model_type]
    config = model.config.to_dict() | {"architectures": [architecture(model.config, head)]}
    (folder / "config.json").write_text(to_json(config), encoding="utf-8", newline="\n")
    tensors = {table.official_name(name, head): tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt", **(note or {})})
    shutil.copymode(folder / "config.json", folder / "model.safetensors")  # safetensors makes it private
    if tokenizer is not None:
        tokenizer.save(folder, max_length=min(max_length or model.config.longest, model.config.longest))
    if metadata is not None:
        write_metadata(folder, metadata)
