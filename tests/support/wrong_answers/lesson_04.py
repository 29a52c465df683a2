"""Typical wrong answers to the exercises of lesson 4, and what the judge must say of each."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "gelu_tanh": [
        (
            """
def gelu_tanh(x):
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))
""",
            "the erf form of GELU stands in the place of the tanh form",
        ),
        (
            """
def gelu_tanh(x):
    return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**2)))
""",
            "the square of x is taken, not the cube",
        ),
        (
            """
def gelu_tanh(x):
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
""",
            "the half is missing",
        ),
    ],
    "layer_norm": [
        (
            """
def layer_norm(x, gamma, beta, eps):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True) + eps) * gamma + beta
""",
            "the variance is divided by D − 1, not by D",
        ),
        (
            """
def layer_norm(x, gamma, beta, eps):
    mu = x.mean(dim=-1, keepdim=True)
    return (x - mu) / (torch.sqrt(((x - mu) ** 2).mean(dim=-1, keepdim=True)) + eps) * gamma + beta
""",
            "ε is added to the root, not under it",
        ),
        (
            """
def layer_norm(x, gamma, beta, eps):
    variance = ((x - x.mean()) ** 2).mean()
    return (x - x.mean()) / torch.sqrt(variance + eps) * gamma + beta
""",
            "mean and variance run over the whole tensor",
        ),
    ],
    "dropout": [
        (
            """
def dropout(x, p):
    if p == 0:
        return x
    return x * torch.empty_like(x).bernoulli_(1 - p)
""",
            "what is kept is not divided by 1 − p",
        ),
        (
            """
def dropout(x, p):
    if p == 0:
        return x
    if p == 1:
        return x * 0
    return x * torch.empty_like(x).bernoulli_(1 - p) / p
""",
            "what is kept is divided by p, not by 1 − p",
        ),
        (
            """
def dropout(x, p):
    return x * torch.empty_like(x).bernoulli_(1 - p) / (1 - p)
""",
            "with p = 1 it divides by 1 − p = 0",
        ),
    ],
    "encoder_layer": [
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    X = X + attention(norm_1(X))
    return X + ffn(norm_2(X))
""",
            "the norm comes before the sublayer",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    X = X + norm_1(attention(X))
    return X + norm_2(ffn(X))
""",
            "the norm is taken of the sublayer's answer alone",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    Y = norm_1(X + attention(X))
    return norm_2(X + ffn(Y))
""",
            "the second sum adds the layer's own input",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    X = norm_1(X + attention(X)[0])
    return norm_2(X + ffn(X))
""",
            "attention(X)[0] is added, the first text's answer",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    return norm_2(ffn(norm_1(attention(X))))
""",
            "the sublayer's input is not added back",
        ),
    ],
}
