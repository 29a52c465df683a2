"""Random attention maps for tests; rows sum to 1."""

import numpy as np

from minitf.attention_maps.maps import AttentionMaps, Kind
from minitf.attention_maps.source_attribution import SourceAttribution


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


def random_sequence_maps(S=7, T=6, seed=0, name="tiny", labels=None, **changes) -> AttentionMaps:
    """Make maps of an encoder-decoder: an encoder of 2 layers of 4 heads, a decoder of 3 layers of 3 heads."""
    rng = np.random.default_rng(seed)
    A = np.zeros((3, 4, S + T, S + T))

    def fill(block):
        block[:] = rng.random(block.shape) ** 4
        block /= block.sum(axis=-1, keepdims=True)

    fill(A[:2, :, :S, :S])
    fill(A[:, :3, S:, S:])
    fill(A[:, :3, S:, :S])
    source = labels or tuple(f"▁s{i}" if i % 3 else f"s{i}" for i in range(S))
    target = tuple(f"▁t{i}" for i in range(T - 1))
    special = (*[False] * (S - 1), True)
    fields = {
        "text": "".join(label.replace("▁", " ") for label in source[:-1]).strip(),
        "pair": "".join(target).replace("▁", " ").strip(),
        "tokens": (*source[:-1], "</s>", "<pad>", *target),
        "segments": (0,) * S + (1,) * T,
        "special": (*special, True, *[False] * (T - 1)),
        "words": tuple(range(S + T)),
        "spans": (None,) * (S + T),
        "kinds": (Kind("cross", 1, 0, 3, 3), Kind("encoder", 0, 0, 2, 4), Kind("decoder", 1, 1, 3, 3)),
        "query_tokens": (*source[:-1], "</s>", *target, "</s>"),
        "query_special": (*special, *[False] * (T - 1), True),
        "query_words": tuple(range(S + T)),
        "roles": ("source", "generated"),
    }
    at, spans = 0, []
    for label in source[:-1]:
        word = label.removeprefix("▁")
        at = fields["text"].index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    fields["spans"] = (*spans, *[None] * (T + 1))
    return AttentionMaps(name=name, A=A, labels=(), probabilities=(), **fields | changes)


def random_attributions(maps: AttentionMaps, seed=0) -> list[SourceAttribution]:
    """Make an attribution for each target token of the maps of an encoder-decoder."""
    rng, S = np.random.default_rng(seed), maps.segments.index(1)
    return [
        SourceAttribution(maps.tokens[:S], maps.special[:S], label, 0.9, rng.random(S), *rng.normal(size=(3, S)), 1e-3)
        for label in maps.query_tokens[S:]
    ]
