"""From a model to the folder that `transformers` opens: config.json, model.safetensors and the tokenizer's files."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from minitf.bert import Bert
from minitf.checkpoints.official import architecture
from minitf.checkpoints.renaming import PYTORCH
from minitf.errors import InputError
from minitf.files import refused, writing
from minitf.text.tokenizer import Tokenizer


def save(model: Bert, tokenizer: Tokenizer | None, folder: Path, extra: dict[str, Any] | None = None) -> None:
    """Write `model` and `tokenizer` as `folder`, whole or not at all; `extra` becomes `minitf.json`.

    An existing `folder` is replaced only once the new one is complete. Raises InputError where the disk is full or
    may not be written to.
    """
    with replacing(folder) as partial:
        head, table = model.head_name, PYTORCH[model.config.model_type]
        config = model.config.to_dict() | {"architectures": [architecture(model.config, head)]}
        _write_json(partial / "config.json", config)
        tensors = {table.theirs(name, head): tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
        shutil.copymode(partial / "config.json", partial / "model.safetensors")  # the library makes it private
        if tokenizer is not None:
            tokenizer.save(partial, max_length=model.config.longest)
        if extra is not None:
            _write_json(partial / "minitf.json", extra)


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder beside `folder` that takes its place when the block ends well, and is removed when it does not."""
    partial = folder.parent / f".{folder.name}-{secrets.token_hex(4)}"
    old = partial.with_name(partial.name + "-old")
    try:
        with writing(folder):
            partial.mkdir(parents=True)
            yield partial
            if folder.exists() or folder.is_symlink():
                os.rename(folder, old)
            os.rename(partial, folder)
    except BaseException as error:
        if not (folder.exists() or folder.is_symlink()) and (old.exists() or old.is_symlink()):
            old.rename(folder)  # it was moved aside, and nothing came to take its place
        _remove(partial)
        if isinstance(error, SafetensorError):  # the library's way to say that the system refused
            raise InputError(refused(folder, error)) from None
        raise
    _remove(old)


def _remove(path: Path) -> None:
    """Whatever is there, if anything is; what cannot be removed stays, for the error that matters is another."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
