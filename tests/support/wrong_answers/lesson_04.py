"""Typical wrong answers to the exercises of lesson 4, and what the judge must say of each."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "gelu_tanh": [
        (
            """
def gelu_tanh(x):
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))
""",
            "the erf form of GELU is used instead of the tanh form",
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
            "the factor ½ is missing",
        ),
    ],
    "layer_norm": [
        (
            """
def layer_norm(x, gamma, beta, eps):
    mu = x.mean(-1, keepdim=True)
    variance = (x**2).mean(-1, keepdim=True) - mu**2
    return (x - mu) / torch.sqrt(variance + eps) * gamma + beta
""",
            "the variance is computed as mean(x²) − μ²",
        ),
        (
            """
def layer_norm(x, gamma, beta, eps):
    return gamma * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + beta
""",
            "it is divided by std + ε",
        ),
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
            "ε is added outside the square root, not inside",
        ),
        (
            """
def layer_norm(x, gamma, beta, eps):
    variance = ((x - x.mean()) ** 2).mean()
    return (x - x.mean()) / torch.sqrt(variance + eps) * gamma + beta
""",
            "mean and variance are computed over the whole tensor",
        ),
    ],
    "dropout": [
        (
            """
def dropout(x, p):
    if p in (0, 1):
        return x * (1 - p)
    keep = torch.ones(x.numel(), dtype=x.dtype)
    keep[torch.randperm(x.numel())[: round(p * x.numel())]] = 0
    return x * keep.reshape(x.shape) / (1 - p)
""",
            "exactly p · n numbers are set to 0",
        ),
        (
            """
def dropout(x, p):
    if p == 0:
        return x
    return x * torch.empty_like(x).bernoulli_(1 - p)
""",
            "the remaining numbers are not divided by 1 − p",
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
            "the remaining numbers are divided by p, not by 1 − p",
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
            "only the sublayer's output is normalised",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    Y = norm_1(X + attention(X))
    return norm_2(X + ffn(Y))
""",
            "the second residual connection adds the layer's input",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    X = norm_1(X + attention(X)[0])
    return norm_2(X + ffn(X))
""",
            "attention(X)[0], the output for the first text",
        ),
        (
            """
def encoder_layer(X, attention, ffn, norm_1, norm_2):
    return norm_2(ffn(norm_1(attention(X))))
""",
            "the residual connections are missing: the sublayer's input is not added",
        ),
    ],
}
