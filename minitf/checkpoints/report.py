"""What was loaded, said to a person: what is where, what is new, what was left out, and whether it fits together."""

import collections
import dataclasses
import functools
from pathlib import Path

from minitf.bert import BertConfig
from minitf.checkpoints import catalogue
from minitf.checkpoints.names import OPTIMIZER_SLOTS
from minitf.checkpoints.official import OfficialFiles
from minitf.checkpoints.sources import Source
from minitf.errors import CheckpointError
from minitf.text.tokenizer import Tokenizer

_ACTIVATIONS = {"gelu": "GELU (erf)", "gelu_tanh": "GELU (tanh)", "relu": "ReLU"}


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What went where: tensors of the model by our names, tensors and keys of the files by the official ones."""

    files: OfficialFiles
    config: BertConfig  # of the model
    head: str | None
    loaded: tuple[str, ...]
    new: tuple[str, ...]  # drawn at random: the files do not hold them
    left_out: tuple[str, ...]  # in the files, no part of the model asked for
    parameters: int
    size: int  # of the parameters in memory, in bytes

    @property
    def source(self) -> Source:
        return self.files.source

    @property
    def ignored_keys(self) -> tuple[str, ...]:
        """Of the config's file; they change nothing."""
        return self.files.ignored_keys

    @functools.cached_property
    def tokenizer(self) -> Tokenizer | None:
        """Read when asked for: a vocabulary takes longer than the weights. None if there is none that can be read."""
        try:
            return self.files.tokenizer()
        except CheckpointError:
            return None

    @property
    def warning(self) -> str | None:
        """Whether vocabulary and weights look as if they did not belong together."""
        return None if self.tokenizer is None else mismatch(self.tokenizer, self.config)

    def checked_tokenizer(self) -> Tokenizer:
        """The tokenizer. Raises CheckpointError if there is none, or if it cannot be this model's."""
        tokenizer = self.tokenizer or self.files.tokenizer()  # the second says why there is none
        check_together(tokenizer, self.config, self.source.folder)
        return tokenizer

    def __str__(self) -> str:
        count = f"{len(self.loaded)} tensors loaded, {self.parameters:,} parameters, {_bytes(self.size)}"
        lines = [f"{self.source.name}: {count}; from {self.source.origin}", f"  {self._model()}", f"  {self._words()}"]
        if self.new:
            lines.append(f"  new, drawn at random, to be trained: {', '.join(self.new)}")
        if self.left_out:
            lines.append(f"  left out on purpose: {_some(self.left_out)}")
        if self.ignored_keys:
            lines.append(f"  keys of config.json that change nothing: {', '.join(self.ignored_keys)}")
        if self.warning:
            lines.append(f"  warning: {self.warning}")
        # A name in a file may be half a letter, which nothing can print.
        return "\n".join(lines).encode("utf-8", "backslashreplace").decode("utf-8")

    def _model(self) -> str:
        c = self.config
        shape = f"{c.num_hidden_layers} layers, width {c.hidden_size}, {c.num_attention_heads} heads"
        line = f"{c.model_type}: {shape}; head: {self.head or 'none'}; activation: {_ACTIVATIONS[c.activation]}"
        if self.source.tensorflow and c.activation == "gelu":
            # Both read "gelu" in the same file, and differ by about 1e-3 in the hidden states.
            line += (
                "\n  as transformers computes this file; Google's own code has GELU (tanh) there: hidden_act gelu_tanh"
            )
        return line

    def _words(self) -> str:
        if self.tokenizer is None:
            return "vocabulary: none beside the weights, so it reads no text"
        known = catalogue.vocabulary(self.tokenizer.sha256)
        case = "lower-cased" if self.tokenizer.lower_case else "cased"
        whose = f"that of {known}, by its digest" if known else "none whose digest is known"
        return f"vocabulary: {self.tokenizer.vocabulary_size:,} words, {case}, {whose}"


def mismatch(tokenizer: Tokenizer, config: BertConfig) -> str | None:
    """Why a vocabulary looks as if it were another model's; None if it does not."""
    words, rows = tokenizer.highest_id + 1, config.vocab_size
    if words == rows:
        return None
    lacking = "some words have no row" if words > rows else "some rows have no word"
    return f"the vocabulary has {words:,} words, the weights {rows:,} rows: {lacking}; is it this model's vocabulary?"


def check_together(tokenizer: Tokenizer, config: BertConfig, folder: Path) -> None:
    """Raises CheckpointError if the model would not understand what the tokenizer says; fits the segments to it."""
    if tokenizer.highest_id >= config.vocab_size:
        raise CheckpointError(f"{folder}: {mismatch(tokenizer, config)}")
    if config.family.positions_after_padding and tokenizer.pad_id != config.pad_token_id:
        raise CheckpointError(
            f"{folder}: the vocabulary pads with {tokenizer.pad_id}, but this model counts its positions from"
            f" pad_token_id {config.pad_token_id}: they do not belong together"
        )
    tokenizer.segments = max(1, min(tokenizer.segments, config.type_vocab_size))


def _bytes(size: int) -> str:
    """1,234,567 as "1 MB", as in the catalogue."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"


def _some(names: tuple[str, ...], most: int = 6) -> str:
    """A list for a person: what an optimizer kept beside each weight is counted, of the rest the first are named."""
    slots = collections.Counter(slot for name in names if (slot := name.rpartition("/")[2]) in OPTIMIZER_SLOTS)
    others = [name for name in names if name.rpartition("/")[2] not in OPTIMIZER_SLOTS]
    more = [f"{len(others) - most} more"] if len(others) > most else []
    return ", ".join([*others[:most], *more, *(f"{n} × …/{slot}" for slot, n in slots.items())])
