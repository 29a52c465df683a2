"""What the official files of a source hold, whichever layout: the parsed config, the tensors by our names."""

import dataclasses
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from minitf.bert import BertConfig
from minitf.checkpoints import names, pytorch, tensorflow
from minitf.checkpoints.renaming import PYTORCH, TENSORFLOW, Table
from minitf.checkpoints.sources import Source
from minitf.errors import CheckpointError
from minitf.text.tokenizer import LARGEST_VOCABULARY, Tokenizer

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


class OfficialFiles:
    """A source's files. What cannot be read raises CheckpointError naming the file."""

    def __init__(self, source: Source, verify: bool = True):
        self.source, self.verify, self._files = source, verify, source.tensorflow
        content = (
            pytorch.parse(self._files.place.text(self._files.config, pytorch.LARGEST_JSON), self.where)
            if self._files
            else pytorch.read_config(source.folder)
        )
        try:
            self.config, self.ignored_keys = BertConfig.from_dict(content)
        except CheckpointError as error:
            raise CheckpointError(f"{self.where}: {error}") from None
        if self._files and self.config.model_type != "bert":
            kind = self.config.model_type
            raise CheckpointError(f"{self.where}: of TensorFlow's checkpoints only BERT's are read, none of {kind}")
        self.architecture = _head_of(content, self.config)

    @property
    def where(self) -> str:
        """The file of the config."""
        return self._files.place.where(self._files.config) if self._files else str(self.source.folder / "config.json")

    @property
    def table(self) -> Table:
        return TENSORFLOW if self._files else PYTORCH[self.config.model_type]

    def held_head(self) -> str | None:
        """The head that the files hold: the fullest that the tensors make; of heads named alike the config's.

        Where the config names none, a file without a pooler holds a tagger, for the others read one.
        """
        official_names = list(self._names())
        held = self.table.head_in(official_names)
        if held not in _NAMED_ALIKE or self.architecture in _NAMED_ALIKE:
            return self.architecture if held in _NAMED_ALIKE else held
        rename = self.table.renamer(held)
        return held if any((rename(name)[1] or "").startswith("pooler.") for name in official_names) else "tagging"

    def tensors(self, head: str | None) -> Renamed:
        """Those of a model with this head. A file in TensorFlow's layout is read no further than that."""
        rename = self.table.renamer(head)
        if self._files is None:
            return self._sorted(pytorch.read_tensors(self.source.folder), rename, head)
        place, prefix = self._files.place, self.source.folder / self._files.stem
        known = {name: rename(name) for name in self._names()}
        wanted = [name for name, (is_known, ours) in known.items() if is_known and ours is not None]
        renamed = self._sorted(tensorflow.read_tensors(prefix, wanted, self.verify, place), rename, head)
        renamed.unexpected.extend(name for name, (is_known, _) in known.items() if not is_known)
        renamed.left_out.extend(name for name, (is_known, ours) in known.items() if is_known and ours is None)
        return renamed

    def tokenizer(self) -> Tokenizer:
        """The one whose files lie beside the weights."""
        if self._files is None or self.source.folder.is_dir() or "vocab.txt" not in self._files.place.names():
            return Tokenizer.from_folder(self.source.folder)
        place = self._files.place
        return Tokenizer.from_vocabulary(place.text("vocab.txt", LARGEST_VOCABULARY), place.where("vocab.txt"))

    def _names(self) -> Iterable[str]:
        if self._files is None:
            return pytorch.read_names(self.source.folder)
        prefix = self.source.folder / self._files.stem
        return tensorflow.read_index(prefix, self.verify, self._files.place)

    def _sorted(
        self, official: dict[str, Tensor], rename: Callable[[str], tuple[bool, str | None]], head: str | None
    ) -> Renamed:
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
