"""Imports go down, never up: the table of the design, held against every import statement of the package.

Read from the source, so that imports inside functions count and nothing need be installed. The self-tests plant each
kind of forbidden import in a small house of the same plan, and each must be found.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MINITF = Path(__file__).parent.parent / "minitf"

# Room -> what it may import, besides itself, `errors` and `files`, which every room may.
TABLE = {
    "equations": set(),
    "kernels": {"equations"},
    "mathematics": {"equations", "kernels"},
    "layers": {"mathematics"},
    "bert": {"layers", "mathematics"},
    "text": set(),
    "checkpoints": {"bert", "mathematics", "text.tokenizer"},
    "training.metrics": {"text.tags"},
    "tasks": {"bert", "text", "equations", "mathematics", "training.metrics"},
    "training": {"equations", "mathematics", "tasks", "text.batches", "checkpoints.save"},
    "attention_maps": {"bert", "text", "checkpoints", "mathematics", "tasks", "training"},
    "errors": set(),
    "files": set(),
}
TABLE["proof"] = set(TABLE)  # every room above it
TABLE["exercises"] = set(TABLE)  # those, and the proof

# The commands, and `minitf/__init__.py` (""), which opens the house lazily, may import every room; nobody a command.
COMMANDS = {"finetune", "predict", "evaluate", "search", "prune", "attend", "validate", "check", "convert"}
# What commands have in common: to the rooms it is a command, to the commands a room.
SHARED_BY_COMMANDS = {
    "answers",
    "augmenting",
    "console",
    "data_check",
    "experiment",
    "flags",
    "judging",
    "learning",
    "learning_curves",
    "kinds",
    "notes",
    "plans",
    "preparing",
    "report_page",
    "resuming",
    "runs",
    "studies",
}


@dataclass(frozen=True)
class Import:
    """That `importer`, a module's name below `minitf` ("" is `minitf` itself), imports `target`."""

    importer: str
    target: str  # the full name; a name below `minitf` begins with "minitf"; "?" if only the running program knows
    line: int
    in_function: bool


def modules(package: Path) -> dict[str, Path]:
    """Every module by its name below `minitf`."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(package: Path) -> list[Import]:
    names = modules(package)
    return [found for name, path in names.items() for found in imports_of(name, path, names)]


def imports_of(name: str, path: Path, names: dict[str, Path]) -> Iterator[Import]:
    def walk(node: ast.AST, in_function: bool) -> Iterator[Import]:
        for target in targets(node, name, path.name == "__init__.py", names):
            yield Import(name, target, node.lineno, in_function)
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


def targets(node: ast.AST, name: str, is_package: bool, names: dict[str, Path]) -> list[str]:
    """What an import statement, or a call of `import_module` or `__import__`, imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            here = ["minitf", *filter(None, name.split("."))]
            origin = ".".join([*here[: len(here) - node.level + is_package], *filter(None, [node.module])])
        if not within(origin, "minitf"):
            return [origin]
        # `from minitf.text import tokenizer` imports text.tokenizer if that is a module, else a name out of text.
        deeper = [f"{origin}.{alias.name}" for alias in node.names]
        return [each if below(each) in names or in_table(below(each)) else origin for each in deeper]
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if called in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            return [first.value if isinstance(first, ast.Constant) else "?"]
    return []


def below(full_name: str) -> str:
    return full_name.removeprefix("minitf").removeprefix(".")


def in_table(module: str) -> bool:
    """A room counts as one even where it is still to be built."""
    return module in TABLE or module in COMMANDS | SHARED_BY_COMMANDS


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def room_of(module: str) -> str | None:
    """The row of the table that a module obeys; None for a module that has none."""
    first = module.split(".")[0]
    if first in {"", *COMMANDS, *SHARED_BY_COMMANDS}:
        return first
    # Whoever imports training.metrics runs training/__init__.py first, which must bring no more along than metrics.
    if module == "training" or within(module, "training.metrics"):
        return "training.metrics"
    return first if first in TABLE else None


def allowed(found: Import) -> bool:
    room, top = room_of(found.importer), found.target.split(".")[0]
    command = room in COMMANDS | SHARED_BY_COMMANDS
    free = command or room == ""
    if top == "transformers":
        return room == "proof" and found.in_function
    if top == "?":
        return free
    if top != "minitf":
        return True
    target = below(found.target)
    if target in COMMANDS:
        return False
    if target == "" or target.split(".")[0] in SHARED_BY_COMMANDS:  # `minitf` itself can lead anywhere
        return command
    return free or any(within(target, other) for other in TABLE[room] | {room, "errors", "files"})


def complaints(package: Path) -> list[str]:
    """Every breach of the table in the package at `package`, as `module:line imports target`."""
    homeless = {name for name in modules(package) if room_of(name) is None}
    return [f"{name} belongs to no room of the table" for name in sorted(homeless)] + [
        f"{found.importer or '__init__'}:{found.line} imports {found.target}"
        for found in imports(package)
        if found.importer not in homeless and not allowed(found)
    ]


def test_every_import_goes_down():
    assert complaints(MINITF) == []


def test_the_test_has_read_the_package():
    arrows = {(found.importer, found.target) for found in imports(MINITF)}
    assert {
        ("equations.attention", "minitf.equations.normalization"),
        ("kernels", "minitf.equations.update"),
        ("mathematics", "minitf.kernels"),
        ("layers.attention", "minitf.mathematics"),
        ("bert.model", "minitf.layers"),
        ("mathematics", "minitf.errors"),
    } <= arrows
    rooms = {room_of(name) for name in modules(MINITF)}
    assert {"equations", "kernels", "mathematics", "layers", "bert", "errors"} <= rooms


# --- self-tests

HOUSE = {
    "__init__.py": "def __getattr__(name):\n    from minitf.checkpoints import load\n    return getattr(load, name)\n",
    "errors.py": "",
    "equations/__init__.py": "",
    "equations/attention.py": "from minitf.equations import loss\nimport torch\n",
    "equations/loss.py": "from minitf.errors import InputError\n",
    "kernels.py": "from minitf.equations import attention\n",
    "mathematics.py": "from minitf import kernels\nfrom minitf.equations import attention, loss\n",
    "layers/__init__.py": "from minitf.layers.encoder import Encoder\n",
    "layers/encoder.py": "from ..mathematics import EQUATIONS\nfrom . import encoder\n",
    "bert/model.py": "from minitf.layers import Encoder\n",
    "text/tokenizer.py": "import tokenizers\n",
    "text/batches.py": "",
    "checkpoints/load.py": "from minitf.text import tokenizer\nfrom minitf.bert.model import Bert\n",
    "checkpoints/save.py": "",
    "tasks/tagging.py": "from minitf.training import metrics\nfrom minitf.text.batches import batches\n",
    "training/__init__.py": "",
    "training/metrics.py": "import numpy\n",
    "training/loop.py": "import minitf.checkpoints.save\nfrom minitf.tasks.metrics import f1\n",
    "attention_maps/page.py": "from minitf.checkpoints.load import load\n",
    "proof/reference.py": "def f():\n    import transformers\n    from minitf.training import loop\n",
    "finetune.py": "import minitf\nfrom minitf.training import loop\nfrom minitf.proof import reference\n",
    "predict.py": "import importlib\nfrom minitf import console\n",
    "console.py": "from minitf.errors import InputError\n",
    "flags.py": "from minitf.cli.console import number\nfrom minitf.training import loop\n",
}


def build(root: Path, *files: tuple[str, str]) -> Path:
    for name, text in [*HOUSE.items(), *files]:
        path = root / "minitf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "minitf"


def test_a_house_to_plan_gives_no_complaint(tmp_path):
    assert complaints(build(tmp_path)) == []


@pytest.mark.parametrize(
    ("file", "text", "target"),
    [
        ("equations/loss.py", "from minitf import kernels", "minitf.kernels"),
        ("kernels.py", "\nimport minitf.layers.encoder", "minitf.layers.encoder"),
        ("kernels.py", "import torch, minitf.mathematics as m", "minitf.mathematics"),
        ("layers/encoder.py", "from minitf.equations.loss import mean", "minitf.equations.loss"),
        ("layers/encoder.py", "def f():\n    from minitf.bert.model import Bert", "minitf.bert.model"),
        ("layers/encoder.py", "from ..bert import model", "minitf.bert.model"),
        ("layers/__init__.py", "from ..bert import model", "minitf.bert.model"),
        ("layers/encoder.py", "from .. import training", "minitf.training"),
        ("bert/model.py", "if TYPE_CHECKING:\n    from minitf.checkpoints import x", "minitf.checkpoints"),
        ("bert/model.py", "class A:\n    def f(self):\n        import minitf.tasks", "minitf.tasks"),
        ("text/batches.py", "from minitf.mathematics import EQUATIONS", "minitf.mathematics"),
        ("checkpoints/load.py", "from minitf.text.batches import x", "minitf.text.batches"),
        ("checkpoints/load.py", "from minitf.text import *", "minitf.text"),
        ("tasks/tagging.py", "from minitf.training import loop", "minitf.training.loop"),
        ("tasks/tagging.py", "import minitf.training", "minitf.training"),
        ("training/metrics.py", "from minitf.equations import loss", "minitf.equations.loss"),
        ("training/__init__.py", "from minitf.training.loop import x", "minitf.training.loop"),
        ("training/loop.py", "from minitf.checkpoints import load", "minitf.checkpoints.load"),
        ("attention_maps/page.py", "from minitf.layers import x", "minitf.layers"),
        ("errors.py", "from minitf.equations import loss", "minitf.equations.loss"),
        # nobody imports a command
        ("proof/reference.py", "from minitf import finetune", "minitf.finetune"),
        ("predict.py", "from minitf.finetune import main", "minitf.finetune"),
        ("__init__.py", "from .predict import main", "minitf.predict"),
        ("flags.py", "from minitf import finetune", "minitf.finetune"),
        ("training/loop.py", "from minitf import console", "minitf.cli.console"),
        ("__init__.py", "from minitf.cli.finetune import parser", "minitf.cli.finetune"),
        # through the front door, or in disguise
        ("layers/encoder.py", "import minitf", "minitf"),
        ("layers/encoder.py", "from minitf import load", "minitf"),
        ("layers/encoder.py", "import_module('minitf.bert')", "minitf.bert"),
        ("layers/encoder.py", "x = importlib.import_module(name)", "?"),
        # transformers
        ("text/tokenizer.py", "def f():\n    import transformers", "transformers"),
        ("proof/reference.py", "from transformers import BertModel", "transformers"),
        ("proof/reference.py", "class A:\n    import transformers.models", "transformers.models"),
        ("predict.py", "def main():\n    from transformers.models import x", "transformers.models"),
        ("__init__.py", "import_module('transformers')", "transformers"),
    ],
)
def test_a_planted_import_is_found(tmp_path, file, text, target):
    """At its line, the last of each text."""
    (importer,) = (name for name, path in modules(build(tmp_path)).items() if path == tmp_path / "minitf" / file)
    line = text.count("\n") + 1
    expected = f"{importer or '__init__'}:{line} imports {target}"
    assert complaints(build(tmp_path, (file, text))) == [expected]


@pytest.mark.parametrize("file", ["gadgets.py", "gadgets/saw.py", "data/__init__.py", "data/reviews/reader.py"])
def test_a_module_that_the_table_does_not_know_is_found(tmp_path, file):
    """`data` among them: it holds no code."""
    (complaint,) = complaints(build(tmp_path, (file, "import transformers")))
    assert complaint.endswith("belongs to no room of the table")
