"""Read the official files of a source in either layout: the parsed config, and the tensors by minitf's names."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from minitf.checkpoints import names, pytorch, tensorflow
from minitf.checkpoints.kinds import Config, kind_of_config, kind_of_file
from minitf.checkpoints.renaming import TENSORFLOW, Table, is_wrapped
from minitf.checkpoints.sources import Source, TensorFlowFiles
from minitf.checkpoints.tensors import divide
from minitf.datasets.file_kinds import parse_json_object
from minitf.datasets.strings import is_unicode
from minitf.errors import CheckpointError
from minitf.text.sequence_tokenizer import SequenceTokenizer, any_from_folder
from minitf.text.tokenizer import LARGEST_VOCABULARY, Tokenizer

# Maps an official name to (known, minitf's name); the latter is None for a tensor that is left out on purpose.
Rename = Callable[[str], tuple[bool, str | None]]

# Heads whose tensors have the same official names: only the config says which one a checkpoint has.
_SAME_NAMES = {"classification", "multiple-choice", "tagging"}


@dataclasses.dataclass(frozen=True)
class RenamedTensors:
    """The tensors of a file that a model with the requested head has, by minitf's names, and the names of the rest."""

    state: dict[str, Tensor]
    left_out: list[str]  # official names that are left out on purpose
    unexpected: list[str]  # official names that no model of this family has


class CheckpointLayout(Protocol):
    """One way to publish a checkpoint: which files there are, and how their tensors are named."""

    config_path: str  # of the config file, as messages name it

    def config(self) -> dict[str, Any]:
        """Read the config file."""

    def generation(self) -> dict[str, Any] | None:
        """Read generation_config.json; None if there is none."""

    def table(self, config: Config) -> Table:
        """Return the table from official names to minitf's."""

    def names(self) -> Iterable[str]:
        """Return the official names of the tensors."""

    def read(self, rename: Rename) -> tuple[dict[str, Tensor], list[str]]:
        """Return the tensors by official name, and the names of those not read because `rename` drops them."""

    def tokenizer(self) -> Tokenizer | SequenceTokenizer:
        """Read the tokenizer whose files are beside the weights."""


class TransformersFiles:
    """`config.json` (or bert_config.json) and model.safetensors or pytorch_model.bin, in a folder."""

    def __init__(self, folder: Path):
        self.folder, self.config_path = folder, str(pytorch.config_path(folder))

    def config(self) -> dict[str, Any]:
        return pytorch.read_config(self.folder)

    def generation(self) -> dict[str, Any] | None:
        return pytorch.read_generation(self.folder)

    def table(self, config: Config) -> Table:
        return kind_of_config(config).tables[config.model_type]

    def names(self) -> Iterable[str]:
        return pytorch.read_names(self.folder)

    def read(self, rename: Rename) -> tuple[dict[str, Tensor], list[str]]:
        return pytorch.read_tensors(self.folder), []

    def tokenizer(self) -> Tokenizer | SequenceTokenizer:
        return any_from_folder(self.folder)


class GoogleFiles:
    """`bert_config.json`, `STEM.index` and its shards, `vocab.txt`, in a folder or a zip. Only for BERT."""

    def __init__(self, folder: Path, files: TensorFlowFiles, verify: bool):
        self.folder, self.verify, self.storage, self.stem = folder, verify, files.storage, files.stem
        self._config, self.config_path = files.config, files.storage.describe(files.config)

    def config(self) -> dict[str, Any]:
        return parse_json_object(self.storage.read_small(self._config, pytorch.LARGEST_JSON), self.config_path)

    def generation(self) -> dict[str, Any] | None:
        return None

    def table(self, config: Config) -> Table:
        if config.model_type != "bert":
            raise CheckpointError(
                f"{self.config_path}: has model_type {config.model_type}; TensorFlow checkpoints are read for bert only"
            )
        return TENSORFLOW

    def names(self) -> Iterable[str]:
        return tensorflow.read_index(self.folder / self.stem, self.verify, self.storage)

    def read(self, rename: Rename) -> tuple[dict[str, Tensor], list[str]]:
        """Read only what the model needs: the optimizer's averages beside the weights are twice their size."""
        available = list(self.names())
        wanted = [name for name in available if rename(name)[1] is not None]
        tensors = tensorflow.read_tensors(self.folder / self.stem, wanted, self.verify, self.storage)
        return tensors, [name for name in available if name not in tensors]

    def tokenizer(self) -> Tokenizer:
        if self.folder.is_dir() or "vocab.txt" not in self.storage.names():
            return Tokenizer.from_folder(self.folder)
        content = self.storage.read_small("vocab.txt", LARGEST_VOCABULARY)
        return Tokenizer.from_vocabulary(content, self.storage.describe("vocab.txt"))


class OfficialFiles:
    """The files of a source. Raises CheckpointError that names the file that cannot be read."""

    def __init__(self, source: Source, verify: bool = True):
        self.source = source
        self.layout: CheckpointLayout = (
            GoogleFiles(source.folder, source.tensorflow, verify)
            if source.tensorflow
            else TransformersFiles(source.folder)
        )
        content, generation = self.layout.config(), self.layout.generation()
        try:
            self.kind = kind_of_file(content)
            config, self.ignored_keys = self.kind.config.from_dict(content)
            self.config = self.kind.with_generation(config, generation)
        except CheckpointError as error:
            raise CheckpointError(f"{self.layout.config_path}: {error}") from None
        self._states_type = content.get("model_type") is not None
        self.table = self.layout.table(self.config)
        self.architecture = self.kind.head_in_config(content, self.config)

    def stored_head(self) -> str | None:
        """Return the head that the files have: the largest whose tensors are complete.

        If heads have the same tensor names, the config decides; if it does not, a file without a pooler has a
        tagging head, because the others use the pooler.
        """
        official_names = list(self.layout.names())
        head = self.table.find_head(official_names)
        same_names = _SAME_NAMES & self.table.heads.keys()
        if head not in same_names or len(same_names) < 2:
            return head
        if self.architecture in same_names:
            return self.architecture
        rename = self.table.renamer(head)
        return head if any((rename(name)[1] or "").startswith("pooler.") for name in official_names) else "tagging"

    def open_in_transformers(self) -> bool:
        """Whether `transformers` opens these files as minitf does, or must get them converted."""
        named_by_transformers = self.source.tensorflow is None and Path(self.layout.config_path).name == "config.json"
        utf8 = is_unicode(str(self.layout.config_path))  # it opens safetensors files only at such a path
        return named_by_transformers and utf8 and self._states_type and not any(map(is_wrapped, self.layout.names()))

    def tensors(self, head: str | None) -> RenamedTensors:
        """Read the tensors of a model with this head."""
        rename = self.table.renamer(head)
        read, unread = self.layout.read(rename)
        renamed = self._rename(read, rename, head)
        for name in unread:
            (renamed.left_out if rename(name)[0] else renamed.unexpected).append(name)
        return renamed

    def tokenizer(self) -> Tokenizer | SequenceTokenizer:
        """Read the tokenizer whose files are beside the weights."""
        return self.layout.tokenizer()

    def _rename(self, official: dict[str, Tensor], rename: Rename, head: str | None) -> RenamedTensors:
        renamed = RenamedTensors({}, [], [])
        other_head = {head, self.architecture} <= _SAME_NAMES and head != self.architecture
        for name, tensor in divide(self.table, official):
            known, target = rename(name)
            our_name = target and target.removesuffix(names.T)
            if not known:
                renamed.unexpected.append(name)
            elif our_name is None or (other_head and our_name.startswith("head.")):
                renamed.left_out.append(name)
            elif our_name in renamed.state:
                same = torch.equal(renamed.state[our_name], tensor)
                untied = f"{name} (its own decoder matrix: only one tied to the word embedding is supported)"
                (renamed.left_out if same else renamed.unexpected).append(name if same else untied)
            else:
                transposed = target != our_name and tensor.dim() == 2
                renamed.state[our_name] = tensor.T if transposed else tensor
        return renamed
