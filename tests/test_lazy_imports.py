"""The packages that a command loads, read from `sys.modules` of a new process, so that indirect imports count too.

Which module may import which is checked in test_contracts.
"""

import json
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minitf
from minitf.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "numpy", "transformers", "matplotlib", "tokenizers", "safetensors", "huggingface_hub", "tqdm"}
MODULES = sorted(module.name for module in pkgutil.walk_packages(minitf.__path__, "minitf."))


def loaded_by(program):
    """Return the heavy packages that a new Python process has loaded after `program`, and its output."""
    program += f"\nimport json, sys\nprint(json.dumps(sorted({HEAVY!r} & set(sys.modules))), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1])), done.stdout


def test_a_loaded_package_is_found():
    assert "tokenizers" in loaded_by("import tokenizers")[0]
    assert "torch" in loaded_by("import minitf; minitf.load")[0]


def test_importing_minitf_loads_nothing_heavy():
    assert loaded_by("import minitf; print(minitf.__version__)") == (set(), f"{minitf.__version__}\n")


def test_every_command_is_listed():
    found = {path.stem for path in (ROOT / "minitf").glob("*.py") if "\ndef main(" in path.read_text(encoding="utf-8")}
    assert found == {*COMMANDS, "__main__"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command):
    program = f"""
import minitf.{command} as command
try:
    command.main(["--help"])
except SystemExit as left:
    assert left.code in (0, None), left.code
"""
    heavy, printed = loaded_by(program)
    assert heavy == set()
    assert f"usage: python -m minitf.{command}" in printed


@pytest.mark.parametrize("flag", ["--nonsense", "--seed=x"])
def test_a_wrong_flag_loads_nothing_heavy(flag):
    program = f"""
import minitf.finetune
try:
    minitf.finetune.main([{flag!r}])
except SystemExit as left:
    assert left.code == 2, left.code
else:
    raise AssertionError("accepted")
"""
    assert loaded_by(program)[0] == set()


def test_every_module_can_be_imported_without_transformers_and_matplotlib():
    assert {"minitf.finetune", "minitf.checkpoints.load", "minitf.fine_tuning.journal"} <= set(MODULES)
    heavy, _ = loaded_by("import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in MODULES))
    assert "torch" in heavy
    assert not heavy & {"transformers", "matplotlib"}


def test_the_main_path_runs_without_the_reference(write_bert):
    """Load, compute, save and predict; only drawing needs matplotlib, and only the proof needs the reference."""
    folder, _ = write_bert()
    program = f"""
import sys
import minitf
from minitf.__main__ import COMMANDS
from pathlib import Path
assert "torch" not in sys.modules
model = minitf.load({str(folder)!r}, head="classification", num_labels=2)
tokenizer = minitf.load_tokenizer({str(folder)!r})
batch = tokenizer(["good", "not good"])
assert model(batch.token_ids, batch.segment_ids, batch.mask).logits.shape == (2, 2)
from minitf.checkpoints.save import save
save(model, tokenizer, Path({str(folder.parent / "best")!r}))
from minitf import predict
predict.main([{str(folder.parent / "best")!r}, "good"])
"""
    heavy, printed = loaded_by(program)
    assert "LABEL_" in printed
    assert not heavy & {"transformers", "matplotlib"}


def test_the_names_of_the_package():
    from minitf.checkpoints import load as module

    assert minitf.load is module.load
    assert minitf.load_tokenizer is module.load_tokenizer
    assert all(hasattr(minitf, name) for name in minitf.__all__)
    with pytest.raises(AttributeError, match="module 'minitf' has no attribute 'nonsense'"):
        _ = minitf.nonsense
    assert not hasattr(minitf, "lode")


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert minitf.__version__ == project["version"]
