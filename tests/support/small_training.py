"""Small trainings that several tests share: texts of random words, a float64 model, and its weights by name."""

from pathlib import Path

import torch

import minitf
from minitf.bert import Bert
from minitf.text.batches import Examples, Tokens

QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


def texts(n: int, seed: int = 1, pairs: bool = False, C: int = 2, first: int = 5, last: int = 64) -> Examples:
    """Random texts of 3 to 14 tokens, `[CLS] … [SEP]`, and a class for each, the first the rarest."""
    g = torch.Generator().manual_seed(seed)
    tokens = []
    for _ in range(n):
        inner = torch.randint(first, last, (int(torch.randint(1, 13, (), generator=g)),), generator=g).tolist()
        ids = [2, *inner, 3]
        half = len(ids) // 2 if pairs else len(ids)
        tokens.append(Tokens(ids, [0] * half + [1] * (len(ids) - half)))
    targets = torch.randint(0, 2 * C, (n,), generator=g).clamp(max=2 * C - 2) % C
    targets[:C] = torch.arange(C)  # each at least once
    return Examples(tokens, targets)


def loaded(folder: Path, C: int = 2, dtype: torch.dtype = torch.float64, **more) -> Bert:
    torch.manual_seed(0)
    return minitf.load(folder, head="classification", num_labels=C, dtype=dtype, **more)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def farthest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)
