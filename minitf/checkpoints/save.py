"""Write a model as a folder that `transformers` opens: config.json, model.safetensors and the tokenizer's files."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from minitf.checkpoints.kinds import Model, kind_of_config
from minitf.checkpoints.metadata import SAVED, write_metadata
from minitf.checkpoints.stated import SENTENCE_FILES
from minitf.checkpoints.tensors import to_official
from minitf.errors import InputError
from minitf.files import replacing_folder, to_json
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.text.tokenizer import Tokenizer

NO_LIMIT = 512  # the stated length of a text for a model without one (T5, which was trained with this length)
# All names that a saved model can have in its folder.
WRITTEN = {*SAVED, *(name.partition("/")[0] for name in SENTENCE_FILES)}


def save(
    model: Model,
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
    model: Model,
    tokenizer: Tokenizer | SequenceTokenizer | None,
    metadata: dict[str, Any] | None = None,
    max_length: int | None = None,
    note: Mapping[str, str] | None = None,
) -> None:
    """Write the files of `save` into an existing folder, for example a temporary one."""
    head, kind = model.head_name, kind_of_config(model.config)
    if model.config.model_type not in kind.tables:
        choices = ", ".join(kind.tables)
        raise InputError(f"{model.config.title} has no official layout; save a model of: {choices}")
    config = model.config.to_dict() | {"architectures": [kind.class_name(model.config, head)]}
    (folder / "config.json").write_text(to_json(config), encoding="utf-8", newline="\n")
    if generation := model.config.generation_dict():
        (folder / "generation_config.json").write_text(to_json(generation), encoding="utf-8", newline="\n")
    tensors = to_official(kind.tables[model.config.model_type], model.state_dict(), head)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt", **(note or {})})
    shutil.copymode(folder / "config.json", folder / "model.safetensors")  # safetensors makes it private
    if tokenizer is not None:
        lengths = filter(None, (max_length, model.config.longest))
        tokenizer.save(folder, max_length=min(lengths, default=NO_LIMIT))
    if metadata is not None:
        write_metadata(folder, metadata)
