"""minitf: a Transformer written by hand to be understood, and real enough to be used.

    import minitf

    run = minitf.fine_tune(train="reviews.csv", output="runs/a")
    predict = minitf.predictor(run.best)
    predict(["I loved it.", "The soup was cold."])

    model = minitf.load("all-MiniLM-L6-v2")
    tokenizer = minitf.load_tokenizer("all-MiniLM-L6-v2")
    batch = tokenizer(["Every equation is one short function."])
    out = model(batch.token_ids, batch.segment_ids, batch.mask)

The import is cheap: each name is loaded with its module when it is first used. Types are in `__init__.pyi`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "load": "checkpoints.load",
    "load_tokenizer": "checkpoints.load",
    "load_with_report": "checkpoints.load",
    "fine_tune": "fine_tuning.run",
    "predictor": "fine_tuning.prediction",
    "generator": "fine_tuning.generation",
    "score": "fine_tuning.evaluation",
    "attention": "attention_maps.collect",
    "InputError": "errors",
    "DataError": "errors",
    "DivergedError": "errors",
    "Interrupted": "errors",
}
__all__ = ["__version__", *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'minitf' has no attribute {name!r}")
    return getattr(importlib.import_module(f"minitf.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
