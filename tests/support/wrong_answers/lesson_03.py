"""Typical wrong answers to the exercises of lesson 3, and what the judge must say of each."""

SPLIT = """
def split_heads(X, H):
    B, S, D = X.shape
    return X.reshape(B, S, H, D // H).transpose(1, 2)
"""
MERGE = """
def merge_heads(X):
    B, H, S, d_k = X.shape
    return X.transpose(1, 2).reshape(B, S, H * d_k)
"""
MULTI_HEAD = """
def multi_head_attention(X, W_Q, W_K, W_V, W_O, H):
    Q = attention.split_heads(projection.linear(X, W_Q), H)
    K = attention.split_heads(projection.linear(X, W_K), H)
    V = attention.split_heads(projection.linear(X, W_V), H)
    context, _ = attention.scaled_dot_product_attention(Q, K, V)
    return projection.linear(attention.merge_heads(context), W_O)
"""

WRONG: dict[str, list[tuple[str, str]]] = {
    "split_heads": [
        (SPLIT.replace("B, S, H, D // H).transpose(1, 2)", "B, H, S, D // H)"), "the sentence is split into heads"),
        (SPLIT.replace(".transpose(1, 2)", ""), "the axes of heads and tokens must be swapped"),
        (
            SPLIT.replace("H, D // H).transpose(1, 2)", "D // H, H).permute(0, 3, 1, 2)"),
            "a head takes every H-th column",
        ),
    ],
    "merge_heads": [
        (MERGE.replace(".transpose(1, 2)", ""), "the outputs are ordered by head, not by token"),
        (MERGE.replace(".transpose(1, 2)", ".permute(0, 2, 3, 1)"), "the columns of the heads are interleaved"),
    ],
    "multi_head_attention": [
        (MULTI_HEAD.replace("projection.linear", "torch.matmul"), "X is multiplied by W as it is in the file"),
        (
            MULTI_HEAD.replace(
                "projection.linear(attention.merge_heads(context), W_O)", "attention.merge_heads(context)"
            ),
            "the product with W_O is missing",
        ),
        (MULTI_HEAD.replace("), H)", "), 1)"), "H is not used: there is one head with the whole width"),
        (MULTI_HEAD.replace("attention(Q, K, V)", "attention(K, Q, V)"), "queries and keys are exchanged"),
        (MULTI_HEAD.replace("attention(Q, K, V)", "attention(Q, V, K)"), "keys and values are exchanged"),
        (
            """
def multi_head_attention(X, W_Q, W_K, W_V, W_O, H):
    B, S, D = X.shape
    Q, K, V = (projection.linear(X, W).reshape(B, H, S, D // H) for W in (W_Q, W_K, W_V))
    context, _ = attention.scaled_dot_product_attention(Q, K, V)
    return projection.linear(attention.merge_heads(context), W_O)
""",
            "the sentence is split into heads, not the width",
        ),
    ],
}
