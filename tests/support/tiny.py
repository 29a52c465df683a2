"""The vocabulary of tiny test models, and weights far from their initial values."""

from pathlib import Path

import torch

WORDS = """
the a of and to in is was it not no good bad great awful film book hotel room food very so i we you never again
loved hated stars five one un want ##want ##ed wa running ##ly ##s ##ing low lowest , . ! ? ' - é caf ##é
中 国 h ##a ##b ##c d e
""".split()  # noqa: SIM905 (a list of words is easier read as words)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]


def redraw(model: torch.nn.Module, seed: int = 0) -> None:
    """Every parameter far from where training starts: scales ≠ 1, biases ≠ 0, so that nothing can hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * (0.3 if p.dim() > 1 else 0.5))
            if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
                p += 1.0


def write_vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "model_max_length": 64}')
