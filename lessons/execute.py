"""Run lessons anew, from a fresh kernel, and write their outputs back.

    python lessons/execute.py                 # all of them
    python lessons/execute.py 02 07           # these

A lesson is committed in this state: cells numbered from 1, no times, no widget state, nothing that names a machine.
An error in a cell ends with status 1 and leaves the file as it was. Needs `pip install -e ".[lessons]"`.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbclient
import nbformat

LESSONS = Path(__file__).parent
SECONDS = 60  # that a lesson may take on two cores


def lessons(wanted: Sequence[str] = ()) -> list[Path]:
    """The notebooks in their order; those whose names begin with one of `wanted`, if any are."""
    found = sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if not wanted or path.name.startswith(tuple(wanted))]


def executed(path: Path, timeout: int = 600) -> Any:
    """The notebook at `path` as a fresh kernel leaves it, in the form that is committed."""
    notebook = nbformat.read(path, as_version=4)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    client = nbclient.NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(LESSONS)}},
        record_timing=False,
        extra_arguments=["--log-level=40"],  # errors; a warning of its sockets helps nobody here
    )
    client.execute()
    return tidy(notebook)


def tidy(notebook: Any) -> Any:
    """Only what a reader sees, so that a run changes nothing but what it printed."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        outputs: list[Any] = []
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = {}
            if (
                outputs
                and output.output_type == "stream" == outputs[-1].output_type
                and output.name == outputs[-1].name
            ):
                outputs[-1].text += output.text  # how a stream is cut into pieces is a matter of time
            else:
                outputs.append(output)
        if cell.cell_type == "code":
            cell.outputs = outputs
    return notebook


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python lessons/execute.py", description=__doc__)
    parser.add_argument("lessons", nargs="*", metavar="NN", help="which ones, by their numbers (default: all)")
    for path in lessons(parser.parse_args(argv).lessons):
        start = time.perf_counter()
        try:
            notebook = executed(path)
        except nbclient.exceptions.CellExecutionError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
