"""Typical wrong answers to the exercises of lesson 2, and what the judge must say of each."""

SOFTMAX = """
def softmax(x):
    peak = x.amax(dim=-1, keepdim=True)
    e = torch.exp(x - peak.masked_fill(peak == -math.inf, 0.0))
    return e / e.sum(dim=-1, keepdim=True).clamp(min=1.0)
"""
ATTENTION = """
def scaled_dot_product_attention(Q, K, V, mask=None):
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    A = attention.softmax(scores)
    return A @ V, A
"""
MASK = """
def padding_mask(lengths, S):
    real = torch.arange(S) < lengths[:, None]
    return real[:, None, None, :]
"""

WRONG: dict[str, list[tuple[str, str]]] = {
    "softmax": [
        (
            """
def softmax(x):
    e = torch.exp(x)
    return e / e.sum(dim=-1, keepdim=True)
""",
            "exp of a huge number overflows",
        ),
        (
            SOFTMAX.replace("x - peak.masked_fill(peak == -math.inf, 0.0)", "x - x.mean(-1, True)"),
            "the mean is subtracted",
        ),
        ("def softmax(x):\n    return torch.softmax(x, -2)\n", "it is computed over the last axis but one"),
        (SOFTMAX.replace("dim=-1", "dim=0"), "it is computed over the first axis, not the last"),
        (SOFTMAX.replace(" / e.sum(dim=-1, keepdim=True).clamp(min=1.0)", ""), "not divided by their sum"),
        (
            SOFTMAX.replace(".masked_fill(peak == -math.inf, 0.0)", "").replace(".clamp(min=1.0)", ""),
            "a row of −∞ is divided by its sum",
        ),
    ],
    "padding_mask": [
        (MASK.replace("<", ">="), "True marks padding, not real tokens"),
        (MASK.replace("<", "<="), "the first padding token counts as real"),
        (MASK.replace("[:, None, None, :]", ""), "the mask is [B, S]"),
        (MASK.replace("[:, None, None, :]", "[:, None, :, None]"), "padded keys are still attended to"),
        (MASK.replace("None, :]", "None, :].float()"), "0 and 1 are returned instead of False and True"),
    ],
    "scaled_dot_product_attention": [
        (ATTENTION.replace(" / math.sqrt(Q.shape[-1])", ""), "the scores are not divided by √d_k"),
        (
            ATTENTION.replace("attention.softmax(scores)", "attention.softmax(scores.mT).mT"),
            "softmax is computed over the queries",
        ),
        (ATTENTION.replace("~mask", "mask"), "the mask hides the real tokens and shows the padding"),
        (ATTENTION.replace("-math.inf", "-1e9"), "a query whose keys are all masked then attends to all of them"),
        (
            """
def scaled_dot_product_attention(Q, K, V, mask=None):
    A = attention.softmax(Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1]))
    if mask is not None:
        A = A * mask
    return A @ V, A
""",
            "the mask is applied after softmax",
        ),
    ],
}
