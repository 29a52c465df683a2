"""Typical wrong answers to the exercises of lesson 5, and what the judge must say of each."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "pooled": [
        (
            """
def pooled(X, W, b):
    return torch.tanh(X[:, 0] @ W + b)
""",
            "x W is computed, not x Wᵀ",
        ),
        (
            """
def pooled(X, W, b):
    return torch.tanh(X.mean(dim=1) @ W.T + b)
""",
            "the mean of the tokens is used, not [CLS]",
        ),
        (
            """
def pooled(X, W, b):
    return torch.tanh(X[0] @ W.T + b)
""",
            "the first sentence of the batch is used",
        ),
        (
            """
def pooled(X, W, b):
    return X[:, 0] @ W.T + b
""",
            "tanh is missing",
        ),
        (
            """
def pooled(X, W, b):
    return torch.tanh(X @ W.T + b)
""",
            "every token goes through the pooler",
        ),
        (
            """
def pooled(X, W, b):
    return torch.tanh(X[:, :1] @ W.T + b)
""",
            "the axis of tokens is kept",
        ),
    ],
    "from_tensorflow": [
        (
            """
def from_tensorflow(name, array):
    return array.T
""",
            "every matrix is transposed",
        ),
        (
            """
def from_tensorflow(name, array):
    return array.reshape(array.shape[::-1]) if "kernel" in name else array
""",
            "the kernel is reshaped, not transposed",
        ),
        (
            """
def from_tensorflow(name, array):
    return array if "embeddings" in name else array.T
""",
            "output_weights is transposed too",
        ),
    ],
    "varint": [
        (
            """
def varint(n):
    written = []
    while n > 127:
        written.append(n % 128 + 128)
        n //= 128
    return [*written, n]
""",
            "it is of type list, not bytes",
        ),
        (
            """
def varint(n):
    written = [n & 127]
    while n := n >> 7:
        written.insert(0, n & 127 | 128)
    return bytes(written)
""",
            "the highest seven bits come first",
        ),
        (
            """
def varint(n):
    written = []
    while n:
        written.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
    return bytes(written)
""",
            "nothing is written for 0: it takes one byte",
        ),
        (
            """
def varint(n):
    written = []
    while n > 127:
        written.append(n & 127)
        n >>= 7
    return bytes([*written, n])
""",
            "the eighth bit is never set",
        ),
    ],
}
