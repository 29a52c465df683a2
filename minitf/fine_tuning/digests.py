"""SHA-256 digests of the inputs of a run and of the model that it saves."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.checkpoints.metadata import SAVED
from minitf.errors import InputError
from minitf.fine_tuning.data import Splits

if TYPE_CHECKING:
    from minitf.checkpoints.report import LoadReport
    from minitf.fine_tuning.new_model import NewModel
    from minitf.fine_tuning.token_counts import AnyTokenizer

CODE_FREE = ("equations", "kernels")  # values of `math` that are not a file with code


def digest_inputs(splits: Splits, loaded: "LoadReport | NewModel", weights: str, math: str) -> dict[str, str]:
    """Return the SHA-256 of each input of a run by name: tables, model, and `math` if it is a file."""
    config = json.dumps(dataclasses.asdict(loaded.stated_config), sort_keys=True, default=str)
    inputs = {name: table.digest for name, table in splits.items()} | {"weights": weights, "config": sha256(config)}
    inputs["tokenizer"] = _tokenizer(loaded.checked_tokenizer())
    return inputs | ({} if math in CODE_FREE else {"math": digest_file(Path(math))})


def _tokenizer(tokenizer: "AnyTokenizer") -> str:
    from minitf.text.sequence_tokenizer import SequenceTokenizer

    return tokenizer.sha256 if isinstance(tokenizer, SequenceTokenizer) else sha256(tokenizer.to_json())


def is_unchanged(folder: Path, digests: Mapping[str, str]) -> bool:
    """Whether the files in `folder` have these digests."""
    return all(digest_file(folder / name) == digest for name, digest in digests.items())


def digest_model(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that `checkpoints.save` wrote into `folder`."""
    return {name: digest for name in SAVED if (digest := digest_file(folder / name))}


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file; an empty text if there is no such file. Raises InputError."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def sha256(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
