"""Check that minitf supports the tokenizer that a folder names: some tokenizers split words with another program."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.datasets.file_kinds import read_json_object
from minitf.errors import CheckpointError

LARGEST_CONFIG = 2 << 20  # bytes

# Classes of `transformers` that read vocab.txt as BERT's does, without an ending "Fast".
_LIKE_BERT = frozenset(
    f"{name}Tokenizer"
    for name in (
        *("Bert", "DistilBert", "Electra", "MobileBert", "SqueezeBert", "ConvBert", "RetriBert", "LayoutLM", "Lxmert"),
        *("MPNet", "DPRQuestionEncoder", "DPRContextEncoder", "DPRReader", "PreTrained"),
    )
) | {"TokenizersBackend"}
# Classes that read vocab.json and merges.txt as RoBERTa's does.
_LIKE_ROBERTA = frozenset(
    f"{name}Tokenizer" for name in ("Roberta", "Longformer", "Bart", "LED", "MPNet", "PreTrained")
) | {"TokenizersBackend"}
# Classes that split words before the library does; they are refused whatever files the folder has.
_OTHER_PROGRAM = frozenset(
    f"{name}Tokenizer" for name in ("BertJapanese", "Phobert", "Bertweet", "Flaubert", "XLM", "RoCBert", "Tapas")
)
_SENTENCEPIECE = ("sentencepiece.bpe.model", "spiece.model", "tokenizer.model")


def check(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise CheckpointError if the folder names a tokenizer that minitf does not support."""
    name = settings.get("tokenizer_class")
    if name is None and os.path.isfile(folder / "config.json"):
        config = folder / "config.json"
        name = read_json_object(config, LARGEST_CONFIG).get("tokenizer_class")
    base = name.removesuffix("Fast") if isinstance(name, str) else None
    for setting, supported in (("word_tokenizer_type", "basic"), ("subword_tokenizer_type", "wordpiece")):
        if settings.get(setting) not in (None, supported):
            raise CheckpointError(_unsupported(folder, f"{setting} {settings[setting]!r:.40}"))
    if base in _OTHER_PROGRAM:
        raise CheckpointError(_unsupported(folder, base))
    if base is None or os.path.lexists(folder / "tokenizer.json"):
        return
    if base not in (_LIKE_BERT if os.path.lexists(folder / "vocab.txt") else _LIKE_ROBERTA):
        raise CheckpointError(
            f"{_unsupported(folder, base)}, or, if transformers has a fast one, save it as tokenizer.json:"
            " AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )


def explain_missing(folder: Path) -> str:
    """Explain why a folder without tokenizer.json, vocab.txt or vocab.json with merges.txt cannot read text."""
    for name in _SENTENCEPIECE:
        if os.path.lexists(folder / name):
            return (
                f"has {name}, a file of SentencePiece, and no tokenizer.json; make one with transformers:"
                " AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            )
    for name, other in (("vocab.json", "merges.txt"), ("merges.txt", "vocab.json")):
        if os.path.lexists(folder / name):
            return f"has {name}, but no {other}; fetch it as well"
    return "no tokenizer.json and no vocab.txt; one of them is needed to encode text"


def _unsupported(folder: Path, name: str) -> str:
    return f"{folder}: its tokenizer is {name:.80}, which minitf does not have; use a model with another tokenizer"
