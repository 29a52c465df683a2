"""Execute lessons in a new kernel and save their outputs.

    python lessons/execute.py                 # all lessons
    python lessons/execute.py 02 07           # these lessons

Lessons are committed in this form: cells numbered from 1, no times, no widget state, no paths of a machine. If a cell
raises an error, the file is not changed, and the exit status is 1. Needs `pip install -e ".[lessons]"`.
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


def lessons(wanted: Sequence[str] = ()) -> list[Path]:
    """The notebooks in their order; with `wanted`, only those whose names begin with one of these."""
    found = sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if not wanted or path.name.startswith(tuple(wanted))]


def executed(path: Path, timeout: int = 600) -> Any:
    """Execute the notebook at `path` in a new kernel; return it in the form that is committed."""
    notebook = nbformat.read(path, as_version=4)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    client = nbclient.NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(LESSONS)}},
        record_timing=False,
        extra_arguments=["--log-level=40"],  # errors only, without warnings about its sockets
    )
    client.execute()
    return tidy(notebook)


def tidy(notebook: Any) -> Any:
    """Remove everything that a reader does not see, so that a run changes only the outputs."""
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
                outputs[-1].text += output.text  # how a stream is split depends on timing
            else:
                outputs.append(output)
        if cell.cell_type == "code":
            cell.outputs = outputs
    return notebook


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python lessons/execute.py", description=__doc__)
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons (default: all)")
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
