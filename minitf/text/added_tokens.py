"""Tokens that were added to a vocabulary: `added_tokens.json`, or `added_tokens_decoder` of tokenizer_config.json."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as FastTokenizer

from minitf.datasets.file_kinds import read_json_object
from minitf.errors import CheckpointError

LARGEST = 2 << 20  # bytes
MOST_TOKENS = 1 << 16
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def add(fast: FastTokenizer, folder: Path, settings: Mapping[str, Any]) -> None:
    """Add the tokens that the files beside the vocabulary list, with the ids that the files give.

    Raises CheckpointError if a token cannot get its id, which is its row in the word embedding.
    """
    path, tokens = folder / "added_tokens.json", _from_settings(folder / "tokenizer_config.json", settings)
    if os.path.lexists(path):
        special = _special_tokens(settings)
        for content, i in read_json_object(path, LARGEST).items():
            if type(i) is not int or i < 0 or not content:
                raise CheckpointError(f"{path}: must map tokens to ids, not {content!r:.40} to {i!r:.40}")
            if content not in (str(token.content) for token in tokens.values()):
                known = content in special
                tokens.setdefault(i, AddedToken(content, special=known, normalized=not known))
    if len(tokens) > MOST_TOKENS:
        raise CheckpointError(f"{folder}: more than {MOST_TOKENS} added tokens")
    for i, token in sorted(tokens.items()):
        before = fast.token_to_id(token.content)
        if before is None:
            (fast.add_special_tokens if token.special else fast.add_tokens)([token])
        if (found := fast.token_to_id(token.content)) != i:
            raise CheckpointError(
                f"{folder}: the added token {token.content!r:.40} has the id {i}, but in the vocabulary it is {found};"
                " they do not belong together"
            )


def _from_settings(path: Path, settings: Mapping[str, Any]) -> dict[int, AddedToken]:
    listed = settings.get("added_tokens_decoder") or {}
    try:
        return {
            int(i): AddedToken(token["content"], **{flag: bool(token[flag]) for flag in _FLAGS if flag in token})
            for i, token in listed.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path}: added_tokens_decoder must map ids to tokens with their content") from None


def _special_tokens(settings: Mapping[str, Any]) -> set[str]:
    """Return the special tokens that the settings name."""
    more = settings.get("additional_special_tokens")
    named = [value for name, value in settings.items() if name.endswith("_token")]
    tokens = [*named, *(more if isinstance(more, list) else [])]
    return {t if isinstance(t, str) else str(t.get("content")) for t in tokens if isinstance(t, str | dict)}
