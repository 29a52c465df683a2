"""Typical wrong answers to the exercises of lesson 6, and what the judge must say of each."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "cosine_similarity": [
        (
            """
def cosine_similarity(a, b):
    return (a * b).sum(dim=-1) / (a.norm(dim=-1).clamp(min=1e-3) * b.norm(dim=-1).clamp(min=1e-3))
""",
            "the lower bound of the norms is too large",
        ),
        (
            "def cosine_similarity(a, b):\n    return (a * b).sum(dim=-1)\n",
            "the dot product is not divided by the norms",
        ),
        (
            "def cosine_similarity(a, b):\n    return (a * b).sum(dim=-1) / (a.norm() * b.norm()).clamp(min=1e-12)\n",
            "the norm is computed over the whole tensor",
        ),
        (
            """
def cosine_similarity(a, b):
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1))
""",
            "a vector of zeros is divided by its norm, 0",
        ),
        (
            """
def cosine_similarity(a, b):
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1) + 1e-8)
""",
            "an ε is added to the denominator",
        ),
        (
            """
def cosine_similarity(a, b):
    squares = a.square().sum(dim=-1) * b.square().sum(dim=-1)
    return (a * b).sum(dim=-1) / squares.clamp(min=1e-12)
""",
            "the square root is missing",
        ),
    ],
    "mean_of_tokens": [
        ("def mean_of_tokens(X, mask):\n    return X.mean(dim=1)\n", "padding is included in the mean"),
        (
            "def mean_of_tokens(X, mask):\n    return (X * mask.unsqueeze(-1)).mean(dim=1)\n",
            "the sum is divided by S",
        ),
        ("def mean_of_tokens(X, mask):\n    return X[:, 0]\n", "only the first token is used"),
        (
            """
def mean_of_tokens(X, mask):
    return (X * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
""",
            "a text of padding alone is divided by 0 tokens",
        ),
        (
            "def mean_of_tokens(X, mask):\n    return (X * mask).sum(dim=1) / mask.sum(dim=1)\n",
            "at your line",
        ),
    ],
}
