"""bertviz, for `benchmarks.pages`: an environment of its own, its page of given maps, and the scripts that it loads.

Run by that environment's Python as a file it writes the page; it needs nothing of minitf.
"""

import subprocess
import sys
from pathlib import Path

# Without its dependencies, most of which its pages do not need.
PACKAGES = (["--no-deps", "bertviz==1.4.1"], ["ipython", "numpy", "torch"])
# What its pages fetch while they are opened -> where npm has it.
SCRIPTS = {
    "/require.min.js": ("requirejs@2.3.6", "require.js"),
    "/d3.min.js": ("d3@5.7.0", "dist/d3.min.js"),
    "/jquery.min.js": ("jquery@2.1.4", "dist/jquery.min.js"),
}


def prepare(folder: Path, constraints: Path) -> Path:
    """The Python of an environment with bertviz, made in `folder` unless it is there, scripts beside it."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for packages in PACKAGES:
            install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(constraints), *packages]
            subprocess.run(install, check=True)
        names = [package for package, _ in SCRIPTS.values()]
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--prefix", str(folder / "js"), *names], check=True)
        (folder / "ready").touch()
    return python


def scripts(folder: Path) -> dict[str, bytes]:
    """By the end of the address that a page asks for."""
    modules = folder / "js" / "node_modules"
    return {end: (modules / name.split("@")[0] / file).read_bytes() for end, (name, file) in SCRIPTS.items()}


def write(maps: str, output: str, view: str) -> None:
    """The page of the maps in an .npz, as `bertviz.head_view` or `model_view` returns it."""
    import bertviz
    import numpy as np
    import torch

    with np.load(maps) as file:
        attention = [torch.from_numpy(A)[None] for A in file["A"]]
        tokens = [str(token) for token in file["tokens"]]
    page = getattr(bertviz, view)(attention, tokens, html_action="return")
    Path(output).write_text("<!doctype html><meta charset='utf-8'><body>" + page.data, encoding="utf-8")


if __name__ == "__main__":
    write(*sys.argv[1:4])
