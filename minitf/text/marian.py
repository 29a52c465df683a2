"""Marian's tokenizer: a SentencePiece model for sources, one for targets, and one vocabulary for both.

The models (source.spm, target.spm) split a text into pieces; `vocab.json` has the ids, in Marian's own order
(Junczys-Dowmunt et al. 2018). The library `sentencepiece` is an extra of minitf.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minitf.datasets.file_kinds import other_kind, read_json_object, read_small
from minitf.errors import CheckpointError, InputError
from minitf.files import to_json
from minitf.text import tokenizer_class
from minitf.text.tokenizer_files import LARGEST_SETTINGS, token_content, with_special_tokens

LARGEST_MODEL = 16 << 20  # bytes; an official source.spm has 0.8 MB
LARGEST_VOCABULARY = 16 << 20  # an official vocab.json has 1.3 MB
MOST_WORDS = 1 << 20
SPECIAL = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
SPACE = "▁"
FILES = ("source.spm", "target.spm", "vocab.json")
_LANGUAGE = re.compile(r">>.*?<<", re.DOTALL)  # at the start of a source: the language of the target


def is_marian(folder: Path) -> bool:
    """Whether the folder has Marian's tokenizer, perhaps incomplete."""
    settings = _settings(folder)
    if os.path.lexists(folder / "source.spm") or os.path.lexists(folder / "target.spm"):
        return True
    no_other = not os.path.lexists(folder / "tokenizer.json")
    return no_other and tokenizer_class.base_class(folder, settings) == "MarianTokenizer"


class MarianCodec:
    """Split texts with one of two SentencePiece models, and look the pieces up in one vocabulary."""

    def __init__(
        self, files: Mapping[str, bytes], vocabulary: dict[str, int], settings: Mapping[str, Any], folder: Path
    ):
        self._files, self.vocabulary, self.settings = files, vocabulary, settings
        self.special = {name: str(token_content(settings.get(name, token))) for name, token in SPECIAL.items()}
        if missing := [token for token in self.special.values() if token not in vocabulary]:
            raise CheckpointError(
                f"{folder / 'vocab.json'}: has no {', '.join(missing)}, so it is not Marian's vocabulary"
            )
        self.frame: tuple[tuple[int, ...], tuple[int, ...]] = ((), (vocabulary[self.special["eos_token"]],))
        self._source, self._target = (_model(folder / name, files[name]) for name in ("source.spm", "target.spm"))
        self._names = {i: token for token, i in vocabulary.items()}
        more = _named(settings)
        self._skipped = {vocabulary[token] for token in (*self.special.values(), *more) if token in vocabulary}
        whole = sorted({*self.special.values(), *more, *_added(folder, settings)}, key=len, reverse=True)
        if unknown := [token for token in whole if token not in vocabulary]:
            raise CheckpointError(f"{folder}: the added token {unknown[0]!r:.40} is not in vocab.json; add it there")
        self._whole, self._unknown = frozenset(whole), vocabulary[self.special["unk_token"]]
        self._split = re.compile(f"({'|'.join(map(re.escape, whole))})")

    @classmethod
    def from_folder(cls, folder: Path) -> "MarianCodec":
        """Read source.spm, target.spm, vocab.json and tokenizer_config.json. Raises CheckpointError."""
        if missing := [name for name in FILES if not os.path.lexists(folder / name)]:
            raise CheckpointError(f"{folder}: Marian's tokenizer has no {', '.join(missing)}; fetch all its files")
        settings = _settings(folder)
        if settings.get("separate_vocabs") or settings.get("sp_model_kwargs"):
            raise CheckpointError(
                f"{folder / 'tokenizer_config.json'}: separate_vocabs and sp_model_kwargs are not supported; use a"
                " model with one vocabulary"
            )
        files = {name: read_small(folder / name, LARGEST_MODEL) for name in FILES}
        vocabulary = read_json_object(folder / "vocab.json", LARGEST_VOCABULARY)
        ids = list(vocabulary.values())
        if len(ids) > MOST_WORDS or not all(type(i) is int and 0 <= i < 2 * MOST_WORDS for i in ids):
            raise CheckpointError(f"{folder / 'vocab.json'}: must map at most {MOST_WORDS} tokens to small integers")
        if len(set(ids)) < len(ids):
            raise CheckpointError(f"{folder / 'vocab.json'}: two tokens have the same id")
        return cls(files, vocabulary, settings, folder)

    def encode(self, texts: Sequence[str], target: bool) -> list[list[int]]:
        """Return the ids of each text, a source or a target, without special tokens."""
        return [[self.vocabulary.get(piece, self._unknown) for piece in self._pieces(t, target)] for t in texts]

    def _pieces(self, text: str, target: bool) -> list[str]:
        model, pieces = self._target if target else self._source, []
        for part in self._split.split(text):
            if part in self._whole:
                pieces.append(part)
            elif part:
                if language := _LANGUAGE.match(part):
                    pieces.append(language[0])
                pieces += _call(model.encode, part[language.end() if language else 0 :], out_type=str)
        return pieces

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str:
        """Return the text of `ids`. Like the reference, join the pieces with the model of the sources."""
        text, pieces = "", []
        for i in ids:
            token = self._names[i]
            if i not in self._skipped:
                pieces.append(token)
            elif not skip_special_tokens:
                text += _call(self._source.decode_pieces, pieces) + token + " "
                pieces = []
        return str(text + _call(self._source.decode_pieces, pieces)).replace(SPACE, " ").strip()

    def word(self, i: int) -> str:
        """Return a token without the character that marks a space, unless it is that character."""
        return self._names[i].replace(SPACE, " ").strip() or self._names[i]

    def save(self, folder: Path, max_length: int) -> None:
        """Write the files that were read, and tokenizer_config.json."""
        for name, content in self._files.items():
            (folder / name).write_bytes(content)
        settings = {"tokenizer_class": "MarianTokenizer"} | dict(self.settings) | {"model_max_length": max_length}
        (folder / "tokenizer_config.json").write_text(to_json(settings), encoding="utf-8", newline="\n")


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return with_special_tokens(folder, read_json_object(path, LARGEST_SETTINGS) if os.path.lexists(path) else {})


def _named(settings: Mapping[str, Any]) -> list[str]:
    """Return the additional special tokens of the settings."""
    more = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
    return [str(token_content(token)) for token in more] if isinstance(more, list) else []


def _added(folder: Path, settings: Mapping[str, Any]) -> list[str]:
    """Return the added tokens of the settings and of `added_tokens.json`."""
    listed, path = settings.get("added_tokens_decoder"), folder / "added_tokens.json"
    tokens = [str(token_content(token)) for token in listed.values()] if isinstance(listed, dict) else []
    return [*tokens, *(read_json_object(path, LARGEST_SETTINGS) if os.path.lexists(path) else ())]


def _model(path: Path, content: bytes) -> Any:
    """Load a SentencePiece model. Raises CheckpointError."""
    try:
        import sentencepiece
    except ImportError:
        raise CheckpointError(
            f"{path.parent}: Marian's tokenizer needs the library sentencepiece: pip install 'minitf[translation]'"
        ) from None
    if kind := other_kind(content):
        raise CheckpointError(f"{path}: {kind}")
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.LoadFromSerializedProto(content)
        model.encode("a", out_type=str)
    except Exception as error:
        reason = " ".join(str(error).split())[:100]
        raise CheckpointError(f"{path}: is not a model of SentencePiece ({reason}); fetch it again") from None
    return model


def _call(function: Any, *inputs: Any, **settings: Any) -> Any:
    try:
        return function(*inputs, **settings)
    except RuntimeError as error:
        raise InputError(f"SentencePiece fails on {inputs[0]!r:.60} ({error})") from None
