"""What the official files of a source hold, whichever layout: the parsed config, the tensors by our names."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from minitf.bert import BertConfig
from minitf.checkpoints import names, pytorch, tensorflow
from minitf.checkpoints.renaming import PYTORCH, TENSORFLOW, Table
from minitf.checkpoints.sources import Source, TensorFlowFiles
from minitf.errors import CheckpointError
from minitf.text.tokenizer import LARGEST_VOCABULARY, Tokenizer

# An official name -> whether it is known, and ours; None for one that is left out on purpose.
Rename = Callable[[str], tuple[bool, str | None]]

# The name of a head -> how `transformers` ends the name of the class that has it.
CLASS_ENDINGS = {
    None: "Model",
    "masked-lm": "ForMaskedLM",
    "next-sentence": "ForNextSentencePrediction",
    "pretraining": "ForPreTraining",
    "classification": "ForSequenceClassification",
    "multiple-choice": "ForMultipleChoice",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
}
# Heads whose tensors `transformers` and Google's scripts call alike: only the config can tell one from another.
_NAMED_ALIKE = {"classification", "multiple-choice", "tagging"}


@dataclasses.dataclass(frozen=True)
class Renamed:
    """The tensors of a file that a model with the head asked for has, by our names, and what became of the others."""

    state: dict[str, Tensor]
    left_out: list[str]  # official names, on purpose
    unexpected: list[str]  # official names that are nothing of this family's


class Layout(Protocol):
    """How the files lie and what their tensors are called: all that differs between the two publishers."""

    where: str  # the file of the config

    def config(self) -> dict[str, Any]:
        """Its content."""

    def table(self, config: BertConfig) -> Table:
        """Their names and ours."""

    def names(self) -> Iterable[str]:
        """Of the tensors."""

    def read(self, rename: Rename) -> tuple[dict[str, Tensor], list[str]]:
        """The tensors by name, and the names of those that were not read, for no model by `rename` has them."""

    def tokenizer(self) -> Tokenizer:
        """The one whose files lie beside the weights."""


class TransformersFiles:
    """`config.json` and model.safetensors or pytorch_model.bin, in a folder."""

    def __init__(self, folder: Path):
        self.folder, self.where = folder, str(folder / "config.json")

    def config(self) -> dict[str, Any]:
        return pytorch.read_config(self.folder)

    def table(self, config: BertConfig) -> Table:
        return PYTORCH[config.model_type]

    def names(self) -> Iterable[str]:
        return pytorch.read_names(self.folder)

    def read(self, rename: Rename) -> tuple[dict[str, Tensor], list[str]]:
        return pytorch.read_tensors(self.folder), []

    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_folder(self.folder)


class GoogleFiles:
    """`bert_config.json`, `STEM.index` and its shards, `vocab.txt`, in a folder or a zip. Only BERT's."""

    def __init__(self, folder: Path, files: TensorFlowFiles, verify: bool):
        self.folder, self.verify, self.place, self.stem = folder, verify, files.place, files.stem
        self._config, self.where = files.config, files.place.where(files.config)

    def config(self) -> dict[str, Any]:
        return pytorch.parse(self.place.text(self._config, pytorch.LARGEST_JSON), self.where)

    def table(self, config: BertConfig) -> Table:
        if config.model_type != "bert":
            kind = config.model_type
            raise CheckpointError(f"{self.where}: of TensorFlow's checkpoints only BERT's are read, none of {kind}")
        return TENSORFLOW

    def names(self) -> Iterable[str]:
        return tensorflow.read_index(self.folder / self.stem, self.verify, self.place)

    def read(self, rename: Rename) -> tuple[dict[str, Tensor], list[str]]:
        """No further than asked: beside the weights lie the optimizer's averages, twice their size."""
        names_there = list(self.names())
        wanted = [name for name in names_there if rename(name)[1] is not None]
        read = tensorflow.read_tensors(self.folder / self.stem, wanted, self.verify, self.place)
        return read, [name for name in names_there if name not in read]

    def tokenizer(self) -> Tokenizer:
        if self.folder.is_dir() or "vocab.txt" not in self.place.names():
            return Tokenizer.from_folder(self.folder)
        content = self.place.text("vocab.txt", LARGEST_VOCABULARY)
        return Tokenizer.from_vocabulary(content, self.place.where("vocab.txt"))


class OfficialFiles:
    """A source's files. What cannot be read raises CheckpointError naming the file."""

    def __init__(self, source: Source, verify: bool = True):
        self.source = source
        self.layout: Layout = (
            GoogleFiles(source.folder, source.tensorflow, verify)
            if source.tensorflow
            else TransformersFiles(source.folder)
        )
        content = self.layout.config()
        try:
            self.config, self.ignored_keys = BertConfig.from_dict(content)
        except CheckpointError as error:
            raise CheckpointError(f"{self.where}: {error}") from None
        self.table = self.layout.table(self.config)
        self.architecture = _head_of(content, self.config)

    @property
    def where(self) -> str:
        """The file of the config."""
        return self.layout.where

    def held_head(self) -> str | None:
        """The head that the files hold: the fullest that the tensors make; of heads named alike the config's.

        Where the config names none, a file without a pooler holds a tagger, for the others read one.
        """
        official_names = list(self.layout.names())
        held = self.table.head_in(official_names)
        if held not in _NAMED_ALIKE or self.architecture in _NAMED_ALIKE:
            return self.architecture if held in _NAMED_ALIKE else held
        rename = self.table.renamer(held)
        return held if any((rename(name)[1] or "").startswith("pooler.") for name in official_names) else "tagging"

    def tensors(self, head: str | None) -> Renamed:
        """Those of a model with this head."""
        rename = self.table.renamer(head)
        read, unread = self.layout.read(rename)
        renamed = self._sorted(read, rename, head)
        for name in unread:
            (renamed.left_out if rename(name)[0] else renamed.unexpected).append(name)
        return renamed

    def tokenizer(self) -> Tokenizer:
        """The one whose files lie beside the weights."""
        return self.layout.tokenizer()

    def _sorted(self, official: dict[str, Tensor], rename: Rename, head: str | None) -> Renamed:
        renamed = Renamed({}, [], [])
        others = {head, self.architecture} <= _NAMED_ALIKE and head != self.architecture
        for name, tensor in official.items():
            known, target = rename(name)
            our_name = target and target.removesuffix(names.T)
            if not known:
                renamed.unexpected.append(name)
            elif our_name is None or (others and our_name.startswith("head.")):
                renamed.left_out.append(name)
            elif our_name in renamed.state:
                same = torch.equal(renamed.state[our_name], tensor)
                what = f"{name} (a decoder of its own: only one tied to the word table is supported)"
                (renamed.left_out if same else renamed.unexpected).append(name if same else what)
            else:
                transposed = target != our_name and tensor.dim() == 2
                renamed.state[our_name] = tensor.T if transposed else tensor
        return renamed


def architecture(config: BertConfig, head: str | None) -> str:
    """The class of `transformers` that has this head."""
    return config.family.class_prefix + CLASS_ENDINGS[head]


def _head_of(content: dict[str, object], config: BertConfig) -> str | None:
    """The head of the class that a config names; None if it names none that is known."""
    named = content.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    return next((head for head in CLASS_ENDINGS if head and architecture(config, head) == name), None)
