"""Typical wrong answers to the exercises of lesson 7, and what the judge must say of each."""

CROSS_ENTROPY = """
def cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    return {}
"""

SOFTMAX_GRADIENT = """
def softmax_gradient(A, dA):
    return {}
"""

LAYER_NORM_GRADIENT = """
def layer_norm_gradient(x, gamma, eps, dy):
    mu = x.mean(axis=-1, keepdims=True)
    s = np.sqrt(((x - mu) ** 2).mean(axis=-1, keepdims=True) + eps)
    x_hat = (x - mu) / s
    {}
    rows = tuple(range(x.ndim - 1))
    return dx, {}, {}
"""
THREE_TERMS = "(g - g.mean(axis=-1, keepdims=True) - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)) / s"
MEAN_OF_SQUARES = "(x**2).mean(axis=-1, keepdims=True) - mu**2"
SUMS = "(dy * x_hat).sum(axis=rows)", "dy.sum(axis=rows)"

WRONG: dict[str, list[tuple[str, str]]] = {
    "cross_entropy": [
        (
            """
def cross_entropy(logits, labels):
    C = int(labels.max()) + 1
    return -(torch.eye(C)[labels] * loss.log_softmax(logits[:, :C])).sum(-1).mean()
""",
            "the number of classes is taken from the labels",
        ),
        (CROSS_ENTROPY.format("-loss.log_softmax(logits)[rows, labels].sum()"), "summed, not averaged"),
        (CROSS_ENTROPY.format("-torch.softmax(logits, dim=-1)[rows, labels].log().mean()"), "use log-softmax"),
        (CROSS_ENTROPY.format("-torch.softmax(logits, dim=-1)[rows, labels].mean()"), "minus the probability"),
        (CROSS_ENTROPY.format("loss.log_softmax(logits)[rows, labels].mean()"), "the minus sign is missing"),
    ],
    "softmax_gradient": [
        (SOFTMAX_GRADIENT.format("A * (1 - A) * dA"), "only the diagonal of the Jacobian"),
        (SOFTMAX_GRADIENT.format("A * dA"), "Σ A dA is not subtracted"),
        (SOFTMAX_GRADIENT.format("A * (dA - dA.mean(axis=-1, keepdims=True))"), "the plain mean of dA"),
        (SOFTMAX_GRADIENT.format("A * (dA - (A * dA).sum(axis=-1))"), "keepdims is missing"),
        (SOFTMAX_GRADIENT.format("A * (dA - (A * dA).sum(axis=-2, keepdims=True))"), "over the queries"),
        (SOFTMAX_GRADIENT.format("A * (dA - np.sum(A * dA))"), "one sum over all rows is used"),
    ],
    "layer_norm_gradient": [
        (
            LAYER_NORM_GRADIENT.replace("((x - mu) ** 2).mean(axis=-1, keepdims=True)", MEAN_OF_SQUARES).format(
                f"g = dy * gamma; dx = {THREE_TERMS}", *SUMS
            ),
            "the variance is computed as mean(x²) − μ²",
        ),
        (LAYER_NORM_GRADIENT.format("dx = dy * gamma / s", *SUMS), "treated as constants"),
        (
            LAYER_NORM_GRADIENT.format("g = dy * gamma; dx = (g - g.mean(axis=-1, keepdims=True)) / s", *SUMS),
            "the term through σ is missing",
        ),
        (LAYER_NORM_GRADIENT.format(f"g = dy; dx = {THREE_TERMS}", *SUMS), "γ is left out"),
        (
            LAYER_NORM_GRADIENT.format(
                f"g = dy * gamma; dx = {THREE_TERMS}", "(dy * x_hat).sum(axis=0)", "dy.sum(axis=0)"
            ),
            "summed over the first axis only",
        ),
        (LAYER_NORM_GRADIENT.format(f"g = dy * gamma; dx = {THREE_TERMS}", *reversed(SUMS)), "are exchanged"),
    ],
}
