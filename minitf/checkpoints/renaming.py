"""From an official name to ours and back, by the tables in `names`."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping

from minitf.checkpoints import names

_LAYER = re.compile(r"(?<=layer[._])[0-9]+(?=[./])")  # a layer's number in an official name


@dataclasses.dataclass(frozen=True)
class Table:
    """How one kind of official file names the tensors of one member of the family."""

    encoder: names.Rows
    heads: Mapping[str, names.Rows]
    prefix: str  # of the encoder's tensors in a file that has a head
    prefixes: tuple[str, ...]  # that a name may begin with, and mean the same

    def rows(self, head: str | None) -> names.Rows:
        """The rows of a model with this head."""
        return self.encoder + (self.heads[head] if head else ())

    def renamer(self, head: str | None = None) -> Callable[[str], tuple[bool, str | None]]:
        """A function of an official name: `(known, our name)`; `(True, None)`: no part of a model with this head."""
        others = {row: None for rows in self.heads.values() for row, _ in rows}
        targets = others | dict(self.rows(head))
        ends = tuple(row[1:] for row in targets if row.startswith("*"))

        def rename(theirs: str) -> tuple[bool, str | None]:
            name = self._plain(theirs)
            number = _LAYER.search(name)
            plain = _LAYER.sub("{}", name, count=1)
            if plain in targets:
                target = targets[plain]
                return True, target and target.replace("{}", number[0] if number else "")
            return name.endswith(ends), None

        return rename

    def theirs(self, our_name: str, head: str | None = None) -> str:
        """The official name of our tensor in a file with this head. Raises KeyError for a name not in the table."""
        number = re.search(r"(?<=layers\.)[0-9]+", our_name)
        plain = re.sub(r"(?<=layers\.)[0-9]+", "{}", our_name, count=1)
        rows = {target.removesuffix(names.T): row for row, target in reversed(self.rows(head)) if target}
        official = rows[plain].replace("{}", number[0] if number else "")
        return self.prefix + official if head and not plain.startswith("head.") else official

    def _plain(self, theirs: str) -> str:
        """An official name without what may stand before it, and with LayerNorm's later names."""
        for prefix in self.prefixes:
            theirs = theirs.removeprefix(prefix)
        for old, new in OLD_NAMES:
            theirs = theirs.removesuffix(old) + new if theirs.endswith(old) else theirs
        return theirs

    def head_in(self, official_names: Iterable[str]) -> str | None:
        """The fullest head that these tensors hold whole, None if there is none; of heads named alike, the first."""
        held = {self._plain(name) for name in official_names}
        for head in sorted(self.heads, key=lambda head: -len(self.heads[head])):
            targets: dict[str, bool] = {}
            for row, target in self.heads[head]:
                if target and target.startswith("head."):
                    targets[target] = targets.get(target, False) or row in held
            if all(targets.values()):
                return head
        return None


# Parameters of LayerNorm in the first PyTorch files, converted from TensorFlow.
OLD_NAMES = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))

# By `model_type`.
PYTORCH: Mapping[str, Table] = {
    "bert": Table(names.BERT, names.BERT_HEADS, "bert.", ("bert.",)),
    "roberta": Table(names.BERT, names.ROBERTA_HEADS, "roberta.", ("roberta.",)),
    "xlm-roberta": Table(names.BERT, names.ROBERTA_HEADS, "roberta.", ("roberta.",)),
    "distilbert": Table(names.DISTILBERT, names.DISTILBERT_HEADS, "distilbert.", ("distilbert.",)),
}
# `module/` stands before the names that TensorFlow Hub saved.
TENSORFLOW = Table(names.TENSORFLOW, names.TENSORFLOW_HEADS, "bert/", ("module/", "bert/"))
