"""Random attention maps for tests; rows sum to 1."""

import numpy as np

from minitf.attention_maps.maps import AttentionMaps


def random_maps(S=10, L=2, H=3, pair=False, seed=0, name="tiny", **changes) -> AttentionMaps:
    """Make maps. With `pair`, the second half is a second text. Every third token continues the word before it."""
    rng = np.random.default_rng(seed)
    A = rng.random((L, H, S, S)) ** 4
    A /= A.sum(axis=-1, keepdims=True)
    half = S // 2 if pair else S - 1
    tokens, words = [], []
    for i in range(S):
        special = i in (0, half, S - 1)
        continues = not special and i % 3 == 2 and tokens[-1][0] != "["
        tokens.append("[CLS]" if i == 0 else "[SEP]" if special else f"{'##' if continues else 'w'}{i}")
        words.append(words[-1] if continues else (words[-1] + 1 if words else 0))
    fields = {
        "name": name,
        "text": "a text",
        "pair": pair if isinstance(pair, str) else "another" if pair else None,
        "tokens": tuple(tokens),
        "segments": tuple(int(pair and i > half) for i in range(S)),
        "special": tuple(token.startswith("[") for token in tokens),
        "A": A,
        "labels": (),
        "probabilities": (),
        "words": tuple(words),
    }
    return AttentionMaps(**fields | changes)
