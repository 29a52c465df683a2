"""bertviz for `benchmarks.pages`: its environment, its page of the given maps, and the scripts that the page loads.

That environment's Python runs this file to write the page; it imports nothing of minitf.
"""

import subprocess
import sys
from pathlib import Path

# bertviz is installed without its dependencies: its pages do not need most of them.
PACKAGES = (["--no-deps", "bertviz==1.4.1"], ["ipython", "numpy", "torch"])
# The scripts that its pages load -> the npm package and file.
SCRIPTS = {
    "/require.min.js": ("requirejs@2.3.6", "require.js"),
    "/d3.min.js": ("d3@5.7.0", "dist/d3.min.js"),
    "/jquery.min.js": ("jquery@2.1.4", "dist/jquery.min.js"),
}


def prepare(folder: Path, constraints: Path) -> Path:
    """Create an environment with bertviz and its scripts in `folder`, unless it exists; return its Python."""
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
    """Return the scripts by the end of their address."""
    modules = folder / "js" / "node_modules"
    return {end: (modules / name.split("@")[0] / file).read_bytes() for end, (name, file) in SCRIPTS.items()}


def write(maps: str, output: str, view: str) -> None:
    """Write the page that `bertviz.head_view` or `model_view` returns for the maps in an .npz file."""
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
