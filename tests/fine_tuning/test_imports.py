"""Modules that the commands import before they do anything are cheap to import."""

import json
import subprocess
import sys

MODULES = (
    *("config", "data", "evaluation", "folder", "prediction", "provenance", "reports", "resume", "run", "saved"),
    *("settings", "terminal"),
)
HEAVY = ("torch", "numpy", "matplotlib", "optuna", "transformers")


def test_they_import_neither_torch_nor_numpy() -> None:
    names = [*(f"minitf.fine_tuning.{name}" for name in MODULES), "minitf.tuning.space", "minitf.training.processes"]
    program = f"""
import importlib, json, sys
found = {{}}
for name in {names!r}:
    importlib.import_module(name)
    found |= {{heavy: name for heavy in {HEAVY!r} if heavy in sys.modules and heavy not in found}}
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {}
