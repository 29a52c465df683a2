"""Report what was loaded: from which source, which tensors are new or not used, and whether the tokenizer matches."""

import collections
import copy
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from minitf.bert import BertConfig
from minitf.checkpoints import catalogue
from minitf.checkpoints.names import OPTIMIZER_SLOTS
from minitf.checkpoints.official import OfficialFiles
from minitf.checkpoints.sources import Source
from minitf.errors import CheckpointError
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.text.tokenizer import Tokenizer
from minitf.visible import visible, visible_text

ROUNDED = 128  # T5's files have rows up to the next multiple of it
_ACTIVATIONS = {
    "gelu": "GELU (erf)",
    "gelu_tanh": "GELU (tanh)",
    "relu": "ReLU",
    "swish": "swish",
    "gated_gelu": "gated GELU (tanh)",
}


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """The result of loading. `loaded` and `new` are minitf's names of tensors, `left_out` the official ones."""

    files: OfficialFiles
    config: Any  # of the model
    head: str | None
    loaded: tuple[str, ...]
    new: tuple[str, ...]  # randomly initialized, because the files do not have them
    left_out: tuple[str, ...]  # in the files, but not part of the requested model
    parameters: int
    size: int  # of the parameters in memory, in bytes

    @property
    def source(self) -> Source:
        return self.files.source

    @property
    def stated_config(self) -> Any:
        """The config of the files, of which a run that is resumed needs the same."""
        return self.files.config

    @property
    def ignored_keys(self) -> tuple[str, ...]:
        """The keys of the config file that do not affect this model."""
        keys: tuple[str, ...] = self.files.ignored_keys
        return keys

    @functools.cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, None if it cannot be read. Read on first use, because it takes longer than the weights."""
        try:
            return self.files.tokenizer()
        except CheckpointError:
            return None

    @property
    def has_new_head(self) -> bool:
        """Whether the head is randomly initialized, at least in part."""
        return any(name.startswith("head.") for name in self.new)

    @property
    def warning(self) -> str | None:
        """A warning if the vocabulary does not match the word embedding."""
        return None if self.tokenizer is None else mismatch(self.tokenizer, self.config)

    def check_head(self) -> None:
        """Raise CheckpointError if the head is trained and the pooler that it reads is new: its output is random."""
        if any(name.startswith("pooler.") for name in self.new) and any(
            name.startswith("head.") for name in self.loaded
        ):
            raise CheckpointError(
                f"{self.source.folder}: has a trained {self.head} head, but not the pooler that it reads, so its"
                " predictions would be random; fetch the whole checkpoint"
            )

    def checked_tokenizer(self, say: Callable[[str], None] = lambda line: None) -> Any:
        """Return the Tokenizer or SequenceTokenizer of this model; `say` gets the warning, if there is one.

        Raises CheckpointError if there is no tokenizer, or if it does not match.
        """
        tokenizer = self.tokenizer or self.files.tokenizer()  # reading it again raises the reason
        checked = tokenizer_for(self.config, tokenizer, self.source.folder)
        if self.warning:
            say(f"minitf: warning: {self.warning}")
        return checked

    def short(self) -> str:
        """Format the source, the model and what needs attention: new parameters that are not in the head."""
        model = f"{self.config.model_type}, {self.config.shape}, {self.parameters:,} parameters"
        if self.has_new_head:
            model += " (head randomly initialized)"
        lines = [f"{self.source.name}: {model}; from {self.source.origin}"]
        if others := [name for name in self.new if not name.startswith("head.")]:
            lines.append(f"  randomly initialized, to be trained: {_summarize(tuple(others))}")
        if self.warning:
            lines.append(f"  warning: {self.warning}")
        return visible_text("\n".join(lines))

    def __str__(self) -> str:
        count = f"{len(self.loaded)} tensors loaded, {self.parameters:,} parameters, {_format_size(self.size)}"
        lines = [
            f"{self.source.name}: {count}; from {self.source.origin}",
            f"  {self._model_line()}",
            f"  {self._vocabulary_line()}",
        ]
        if self.new:
            lines.append(f"  randomly initialized, to be trained: {', '.join(self.new)}")
        if self.left_out:
            lines.append(f"  not loaded on purpose: {_summarize(self.left_out)}")
        if self.ignored_keys:
            lines.append(f"  config.json keys that do not matter here: {', '.join(map(visible, self.ignored_keys))}")
        if self.warning:
            lines.append(f"  warning: {self.warning}")
        return visible_text("\n".join(lines))

    def _model_line(self) -> str:
        c = self.config
        line = f"{c.model_type}: {c.shape}; head: {self.head or 'none'}; activation: {_ACTIVATIONS[c.activation]}"
        if self.source.tensorflow and c.activation == "gelu":
            # Both read "gelu" in the same file; their hidden states differ by about 1e-3.
            line += (
                "\n  this is the activation of transformers; Google's own code uses GELU (tanh): `hidden_act` gelu_tanh"
            )
        return line

    def _vocabulary_line(self) -> str:
        if self.tokenizer is None:
            return "vocabulary: no tokenizer files beside the weights, so this model cannot read text"
        known = catalogue.vocabulary(self.tokenizer.sha256)
        case = "uncased" if self.tokenizer.lower_case else "cased"
        origin = f"the same as {known}" if known else "not one that minitf knows"
        return f"vocabulary: {self.tokenizer.vocabulary_size:,} tokens, {case}, {origin}"


def mismatch(tokenizer: Tokenizer | SequenceTokenizer, config: BertConfig) -> str | None:
    """Explain why a vocabulary seems to belong to another model; None if it matches."""
    tokens, rows = tokenizer.highest_id + 1, config.vocab_size
    rounded_up = isinstance(tokenizer, SequenceTokenizer) and -(-tokens // ROUNDED) * ROUNDED == rows
    if tokens == rows or rounded_up:
        return None
    lacking = "some tokens have no embedding" if tokens > rows else "some embeddings have no token"
    return (
        f"the vocabulary has {tokens:,} tokens, the word embedding {rows:,} rows: {lacking};"
        " is it the vocabulary of this model?"
    )


AnyTokenizer = TypeVar("AnyTokenizer", Tokenizer, SequenceTokenizer, Tokenizer | SequenceTokenizer)


def tokenizer_for(config: Any, tokenizer: AnyTokenizer, folder: Path) -> AnyTokenizer:
    """Return a copy of `tokenizer` with the segment ids of this model. Raises CheckpointError if they do not match."""
    if isinstance(tokenizer, SequenceTokenizer):
        tokenizer.check_rows(config.vocab_size, folder)
        return tokenizer
    if tokenizer.highest_id >= config.vocab_size:
        raise CheckpointError(f"{folder}: {mismatch(tokenizer, config)}")
    if config.family.positions_after_padding and tokenizer.pad_id != config.pad_token_id:
        raise CheckpointError(
            f"{folder}: the tokenizer pads with id {tokenizer.pad_id}, but config.json has pad_token_id"
            f" {config.pad_token_id}, from which this model counts positions: they do not belong together"
        )
    tokenizer = copy.copy(tokenizer)
    tokenizer.segments = max(1, min(tokenizer.segments, config.type_vocab_size))
    return tokenizer


def _format_size(size: int) -> str:
    """Format 1,234,567 as "1 MB", as in the catalogue."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"


def _summarize(names: tuple[str, ...], limit: int = 6) -> str:
    """List the first names; count the optimizer's tensors instead of naming them."""
    slots = collections.Counter(slot for name in names if (slot := name.rpartition("/")[2]) in OPTIMIZER_SLOTS)
    others = [name for name in names if name.rpartition("/")[2] not in OPTIMIZER_SLOTS]
    more = [f"{len(others) - limit} more"] if len(others) > limit else []
    return ", ".join([*map(visible, others[:limit]), *more, *(f"{n} × …/{slot}" for slot, n in slots.items())])
