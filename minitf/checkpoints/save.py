"""From a model to the folder that `transformers` opens: config.json, model.safetensors and the tokenizer's files."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from minitf.bert import Bert
from minitf.checkpoints import names
from minitf.errors import InputError
from minitf.text.tokenizer import Tokenizer

_ARCHITECTURES = {None: "BertModel", "classification": "BertForSequenceClassification"}


def save(model: Bert, tokenizer: Tokenizer, folder: Path, extra: dict[str, Any] | None = None) -> None:
    """Write `model` and `tokenizer` as `folder`, whole or not at all; `extra` becomes `minitf.json`.

    An existing `folder` is replaced only once the new one is complete. Raises InputError where the disk is full or
    may not be written to.
    """
    with replacing(folder) as partial:
        config = model.config.to_dict() | {"architectures": [_ARCHITECTURES[model.head_name]]}
        _write_json(partial / "config.json", config)
        official = {names.theirs(name): name for name in model.state_dict()}
        full = names.prefixed(official) if model.head_name else {name: name for name in official}
        tensors = {full[name]: model.state_dict()[our_name].contiguous() for name, our_name in official.items()}
        save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
        shutil.copymode(partial / "config.json", partial / "model.safetensors")  # the library makes it private
        tokenizer.save(partial, max_length=model.config.max_position_embeddings)
        if extra is not None:
            _write_json(partial / "minitf.json", extra)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder beside `folder` that takes its place when the block ends well, and is removed when it does not."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.parent / f".{folder.name}-{secrets.token_hex(4)}"
        partial.mkdir()
    except OSError as error:
        raise InputError(_why(error, folder)) from None
    try:
        yield partial
        old = partial.with_name(partial.name + "-old")
        if folder.exists():
            os.rename(folder, old)
        os.rename(partial, folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError | SafetensorError):
            raise InputError(_why(error, folder)) from None
        raise


def _why(error: Exception, folder: Path) -> str:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    if full:
        return f"{folder}: no space left on the disk; free some or give another --output (nothing half-written is left)"
    return f"{folder}: cannot be written ({error}); give another --output"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
