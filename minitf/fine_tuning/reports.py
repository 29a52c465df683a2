"""Finished reports: read report.json of runs and evaluations, write a report again, compare several on one page."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minitf.datasets.file_kinds import as_text, read_small
from minitf.datasets.near_paths import suggest_path
from minitf.errors import CheckpointError, InputError
from minitf.files import check_output, write_text
from minitf.fine_tuning.manifest import Manifest
from minitf.fine_tuning.pages import comparison, report
from minitf.fine_tuning.pages.comparison import Entry

FILE, PAGE = "report.json", "report.html"
LARGEST = 256 * 1024 * 1024  # bytes of a report.json
MOST = 50  # reports on one page
# What a page raises for content that minitf does not write.
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Found:
    """The reports of one path: of a run, of an evaluation, or of each seed of a run. `files` are their report.json."""

    name: str
    contents: Mapping[Path, Mapping[str, Any]]
    diverged: Sequence[str] = ()  # seeds without a report

    @property
    def files(self) -> list[Path]:
        return list(self.contents)

    def entry(self) -> Entry:
        """Return what the comparison shows."""
        names = [path.parent.name for path in self.files] if len(self.files) > 1 else [""]
        return Entry(self.name, tuple(self.contents.values()), tuple(names), tuple(self.diverged))


def report_again(sources: Sequence[str], output: str | None) -> Path:
    """Write the page of one run again, or a page that compares several; return its path. Raises InputError."""
    if len(sources) > MOST:
        raise InputError(f"{len(sources)} reports: at most {MOST} fit on one page; give fewer")
    found = [find(source) for source in sources]
    single = len(found) == 1 and len(found[0].files) == 1
    path = Path(output) if output is not None else _usual_output(found[0]) if single else Path("compare.html")
    if path.suffix.lower() != ".html":
        raise InputError(f"`output` {path}: the ending must be .html")
    check_output(path, [file for each in found for file in each.files], is_own=output is None and single)
    if single:
        ((file, content),) = found[0].contents.items()
        write_text(path, report.page(content, _steps(file.parent, content)))
    else:
        write_text(path, comparison.page([each.entry() for each in found]))
    return path


def find(source: str) -> Found:
    """Read the reports of a run's folder, its best/, or a report.json. Raises InputError."""
    path = Path(source)
    file = path
    if path.is_dir():
        file = path / FILE
        if not file.is_file() and path.name == "best" and (path.parent / FILE).is_file():
            file = path.parent / FILE
        if not file.is_file():
            raise InputError(
                f"{path}: has no {FILE}; give the folder of a finished run, or a {FILE} that evaluate has written"
            )
    content = _read(file)
    if "values" not in content:
        return Found(source, {file: _checked(content, file)})
    problem = f"{file}: is not a report of a run or an evaluation; give the folder of a finished run"
    values = content["values"]
    if not isinstance(values, dict) or not values or not all(re.fullmatch(r"seed-\d+", name) for name in values):
        raise InputError(problem)
    files = [file.parent / name / FILE for name in values]
    diverged = content.get("diverged")
    return Found(source, {each: _checked(_read(each), each) for each in files}, list(diverged or ()))


def _has_report(path: Path) -> bool:
    return (path / FILE).is_file() or path.name == FILE


def _read(file: Path) -> dict[str, Any]:
    """Read a JSON object. Raises InputError."""
    if not file.exists():
        raise InputError(f"{file}: no such file or folder{suggest_path(file, _has_report)}")
    try:
        content = json.loads(as_text(read_small(file, LARGEST), str(file)))
    except CheckpointError as error:
        raise InputError(str(error)) from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{file}: is not a {FILE} that minitf has written")
    return content


def _checked(content: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the content of a report if all pages can be made of it. Raises InputError."""
    if "epochs" not in content:
        content.setdefault("title", file.name)
    try:
        report.page(content)
        comparison.page([Entry("", (content,), ("",), ())])
    except _MALFORMED:
        problem = "is not a report of a run or an evaluation"
        raise InputError(f"{file}: {problem}, or of another version of minitf; train or evaluate again") from None
    return content


def _usual_output(found: Found) -> Path:
    """Return the page of a run beside its report.json. Raises InputError if no run has written it."""
    folder = found.files[0].parent
    if PAGE not in Manifest(folder).names:
        raise InputError(f"{found.name}: is not the folder of a run; set `output`, such as report.html")
    return folder / PAGE


def _steps(folder: Path, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "epochs" not in content:
        return []
    from minitf.fine_tuning.journal import read_steps

    return read_steps(folder / "metrics.jsonl")
