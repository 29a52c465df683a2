"""Rename tensors between official names and minitf's, with the tables in `names`."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping

from minitf.checkpoints import names, transformer_names

# DistributedDataParallel and torch.compile wrap a model; a state_dict() of the wrapper has their prefixes.
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
_LAYER = re.compile(r"(?<=layer[._])[0-9]+(?=[./])")  # the number of a layer in an official name
_OUR_LAYER = re.compile(r"(?<=layers\.)[0-9]+")
PARTS = ("[0]", "[1]", "[2]")  # the endings of the names of three parts of one tensor


@dataclasses.dataclass(frozen=True)
class Table:
    """The names that one kind of official file has for the tensors of one model type."""

    encoder: names.Rows
    heads: Mapping[str, names.Rows]
    prefix: str  # of the encoder's tensors in a file that has a head
    optional_prefixes: tuple[str, ...]  # a name means the same with or without one
    layer: re.Pattern[str] = _LAYER

    def rows(self, head: str | None) -> names.Rows:
        """Return the rows of a model with this head."""
        return self.encoder + (self.heads[head] if head else ())

    def renamer(self, head: str | None = None) -> Callable[[str], tuple[bool, str | None]]:
        """Make a function from an official name to `(known, minitf's name)`.

        It returns `(True, None)` for a known tensor that a model with this head does not have.
        """
        other_heads = {official: None for rows in self.heads.values() for official, _ in rows}
        targets = other_heads | dict(self.rows(head))
        endings = tuple(official[1:] for official in targets if official.startswith("*"))

        def rename(official: str) -> tuple[bool, str | None]:
            name = self._normalize(official)
            number = self.layer.search(name)
            pattern = name if name in targets else self.layer.sub("{}", name, count=1)
            if pattern in targets:
                target = targets[pattern]
                return True, target and target.replace("{}", number[0] if number else "")
            return name.endswith(endings), None

        return rename

    def official_name(self, our_name: str, head: str | None = None) -> str:
        """Return the official name of minitf's tensor in a file with this head. Raises KeyError for unknown names."""
        return self.official_row(our_name, head)[0]

    def official_row(self, our_name: str, head: str | None = None) -> tuple[str, bool]:
        """Return the official name of minitf's tensor, and whether the file stores the matrix transposed."""
        number = _OUR_LAYER.search(our_name)
        pattern = _OUR_LAYER.sub("{}", our_name, count=1)
        rows = {target.removesuffix(names.T): (row, target) for row, target in reversed(self.rows(head)) if target}
        row, target = rows[pattern]
        official = row.replace("{}", number[0] if number else "")
        prefix = self.prefix if head and not pattern.startswith("head.") else ""
        return prefix + official, target.endswith(names.T)

    def is_fused(self, official: str) -> bool:
        """Whether the tensor of this official name holds three of minitf's side by side."""
        first = self.layer.sub("{}", self._normalize(official), count=1) + PARTS[0]
        return any(row == first for row, _ in self.encoder)

    def _normalize(self, official: str) -> str:
        """Remove the prefixes of wrappers, the optional prefixes, and replace the old names of LayerNorm."""
        official = _WRAPPERS.sub("", official)
        for prefix in self.optional_prefixes:
            official = official.removeprefix(prefix)
        for old, new in OLD_NAMES:
            official = official.removesuffix(old) + new if official.endswith(old) else official
        return official

    def find_head(self, official_names: Iterable[str]) -> str | None:
        """Return the largest head whose tensors are all there, None if there is none; of equal ones the first."""
        available = {self._normalize(name) for name in official_names}
        for head in sorted(self.heads, key=lambda head: -len(self.heads[head])):
            found: dict[str, bool] = {}
            for official, target in self.heads[head]:
                if target and target.startswith("head."):
                    found[target] = found.get(target, False) or official in available
            if all(found.values()):
                return head
        return None


def is_wrapped(official: str) -> bool:
    """Whether an official name has the prefix of a wrapper, which `transformers` does not remove."""
    return _WRAPPERS.match(official) is not None


# Parameters of LayerNorm in the first PyTorch files, which were converted from TensorFlow.
OLD_NAMES = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))

# By `model_type`.
PYTORCH: Mapping[str, Table] = {
    "bert": Table(names.BERT, names.BERT_HEADS, "bert.", ("bert.",)),
    "roberta": Table(names.BERT, names.ROBERTA_HEADS, "roberta.", ("roberta.",)),
    "xlm-roberta": Table(names.BERT, names.ROBERTA_HEADS, "roberta.", ("roberta.",)),
    "distilbert": Table(names.DISTILBERT, names.DISTILBERT_HEADS, "distilbert.", ("distilbert.",)),
}
_STACKS = re.compile(r"(?<=layers\.)[0-9]+(?=\.)")  # of Marian and BART
_BLOCKS = re.compile(r"(?<=block\.)[0-9]+(?=\.)")  # of T5
_GPT2 = re.compile(r"(?<=\bh\.)[0-9]+(?=\.)")
_VIT = re.compile(r"(?:(?<=layer\.)|(?<=layers\.))[0-9]+(?=\.)")
_t = transformer_names
# The models of `transformer`, by their names in its FAMILIES.
TRANSFORMER: Mapping[str, Table] = {
    "marian": Table(_t.MARIAN, _t.BART_HEADS, "model.", ("model.",), _STACKS),
    "bart": Table(_t.BART, _t.BART_HEADS, "model.", ("model.",), _STACKS),
    "t5": Table(_t.T5, _t.T5_HEADS, "", ("transformer.",), _BLOCKS),
    "t5-v1.1": Table(_t.T5_GATED, _t.T5_HEADS, "", ("transformer.",), _BLOCKS),
    "vit": Table(_t.VIT, _t.VIT_HEADS, "vit.", ("vit.",), _VIT),
    "gpt2": Table(_t.GPT2, _t.GPT2_HEADS, "transformer.", ("transformer.",), _GPT2),
}
# Names that TensorFlow Hub saved begin with `module/`.
TENSORFLOW = Table(names.TENSORFLOW, names.TENSORFLOW_HEADS, "bert/", ("module/", "bert/"))
