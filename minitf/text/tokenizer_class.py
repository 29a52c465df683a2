"""Check that minitf supports the tokenizer that a folder names: some tokenizers split words with another program."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.datasets.file_kinds import read_json_object
from minitf.errors import CheckpointError
from minitf.visible import visible

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
    f"{name}Tokenizer" for name in ("Roberta", "Longformer", "Bart", "LED", "MPNet", "GPT2", "PreTrained")
) | {"TokenizersBackend"}
# The class for a model type, if no file names another.
_CLASSES = {
    "t5": "T5Tokenizer",
    "gpt2": "GPT2Tokenizer",
    "bart": "RobertaTokenizer",
    "marian": "MarianTokenizer",
}
# Classes that split words before the library does; they are refused whatever files the folder has.
_OTHER_PROGRAM = frozenset(
    f"{name}Tokenizer" for name in ("BertJapanese", "Phobert", "Bertweet", "Flaubert", "XLM", "RoCBert", "Tapas")
)
_SENTENCEPIECE = ("sentencepiece.bpe.model", "spiece.model", "tokenizer.model")


def check(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise CheckpointError if the folder names a tokenizer that minitf does not support."""
    base = base_class(folder, settings)
    for setting, supported in (("word_tokenizer_type", "basic"), ("subword_tokenizer_type", "wordpiece")):
        if settings.get(setting) not in (None, supported):
            raise CheckpointError(_unsupported(folder, f"{setting} {settings[setting]!r:.40}"))
    if base in _OTHER_PROGRAM:
        raise CheckpointError(_unsupported(folder, base))
    if base is None or os.path.lexists(folder / "tokenizer.json"):
        return
    if base != "T5Tokenizer" and base not in (_LIKE_BERT if os.path.lexists(folder / "vocab.txt") else _LIKE_ROBERTA):
        raise CheckpointError(
            f"{_unsupported(folder, base)}, or, if transformers has a fast one, save it as tokenizer.json:"
            " AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )


def base_class(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """Return the class of the tokenizer, without an ending "Fast": of the settings, or else of config.json."""
    name = settings.get("tokenizer_class")
    if name is None and os.path.isfile(folder / "config.json"):
        config = read_json_object(folder / "config.json", LARGEST_CONFIG)
        name = config.get("tokenizer_class") or _CLASSES.get(str(config.get("model_type")))
    return name.removesuffix("Fast") if isinstance(name, str) else None


def explain_missing(folder: Path, settings: Mapping[str, Any]) -> str:
    """Explain why a folder without tokenizer.json or the files of an older tokenizer cannot read text."""
    if base_class(folder, settings) == "T5Tokenizer":
        return "no tokenizer.json and no spiece.model; one of them is needed to encode text"
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
    name = visible(name[:80])
    return f"{folder}: its tokenizer is {name}, which minitf does not have; use a model with another tokenizer"
