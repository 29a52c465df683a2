"""minitf: a Transformer written by hand to be understood, and real enough to be used.

    import minitf
    model = minitf.load("all-MiniLM-L6-v2")
    tokenizer = minitf.load_tokenizer("all-MiniLM-L6-v2")
    batch = tokenizer(["Every equation is one short function."])
    out = model(batch.token_ids, batch.segment_ids, batch.mask)

Importing it is cheap: torch is loaded with the first name that needs it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minitf.checkpoints.load import load as load
    from minitf.checkpoints.load import load_tokenizer as load_tokenizer
    from minitf.checkpoints.load import load_with_report as load_with_report

__version__ = "0.1.0"
__all__ = ["__version__", "load", "load_tokenizer", "load_with_report"]


def __getattr__(name: str) -> Any:
    if name in ("load", "load_tokenizer", "load_with_report"):
        from minitf.checkpoints import load as module

        return getattr(module, name)
    raise AttributeError(f"module 'minitf' has no attribute {name!r}")
