"""Input checks that an equation and its kernel share, so that both refuse the same inputs.

Every check raises ValueError. PyTorch is not imported: the checks read shapes, dtypes and values, which NumPy
arrays have too, so `gradient` also uses them.
"""

from typing import Any


def check_probability(name: str, p: float) -> None:
    """A rate or a share is from 0 to 1."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name} must be from 0 to 1, not {p}")


def check_floating(name: str, x: Any) -> None:
    """`x` has a floating-point dtype."""
    if "float" not in _dtype(x):
        raise ValueError(f"{name} must have a floating-point dtype, not {_dtype(x)}")


def check_alike(name: str, x: Any, other_name: str, other: Any) -> None:
    """Two operands have the same shape and floating-point dtype: broadcasting would pair the wrong elements."""
    check_floating(name, x)
    if x.shape != other.shape:
        raise ValueError(f"{name} {_shape(x)} and {other_name} {_shape(other)} must have the same shape")
    if x.dtype != other.dtype:
        raise ValueError(f"{name} and {other_name} must have the same dtype, not {_dtype(x)} and {_dtype(other)}")


def check_indices(name: str, indices: Any, count: int, ignored: int | None = None) -> None:
    """Indices are integers from 0 to `count` − 1, or `ignored`. A negative one does not count from the end."""
    if _dtype(indices) not in ("int64", "int32"):
        raise ValueError(f"{name} must have the dtype int64 or int32, not {_dtype(indices)}")
    outside = (indices < 0) | (indices >= count)
    if ignored is not None:
        outside &= indices != ignored
    if bool(outside.any()):
        allowed = f"from 0 to {count - 1}" + ("" if ignored is None else f", or {ignored}, which is ignored")
        raise ValueError(f"{name} must be {allowed}; found {int(indices[outside].reshape(-1)[0])}")


def check_cross_entropy(
    logits: Any, labels: Any, class_weights: Any, label_smoothing: float, ignore_index: int | None
) -> None:
    """`logits [B, C]`, `labels [B]`, and as many class weights as classes."""
    check_floating("logits", logits)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {_shape(logits)} and labels {_shape(labels)} must be [B, C] and [B]")
    C = logits.shape[1]
    check_indices("labels", labels, C, ignore_index)
    if class_weights is not None and (class_weights.shape != (C,) or class_weights.dtype != logits.dtype):
        raise ValueError(
            f"class_weights must be [{C}] of {_dtype(logits)}, not {_shape(class_weights)} of {_dtype(class_weights)}"
        )
    check_probability("label_smoothing", label_smoothing)


def check_look_up(E: Any, ids: Any) -> None:
    """A table `[N, D]`, and integers from 0 to N − 1."""
    if E.ndim != 2:
        raise ValueError(f"E must be [N, D], not {_shape(E)}")
    check_indices("ids", ids, E.shape[0])


def check_linear(X: Any, W: Any, b: Any) -> None:
    """`X […, D_in]`, `W [D_out, D_in]`, `b [D_out]` in the dtype of W."""
    if W.ndim != 2 or X.shape[-1:] != W.shape[1:]:
        raise ValueError(f"X {_shape(X)} and W {_shape(W)} must be […, D_in] and [D_out, D_in]")
    if b is not None and (b.shape != W.shape[:1] or b.dtype != W.dtype):
        raise ValueError(f"b must be [{W.shape[0]}] of {_dtype(W)}, not {_shape(b)} of {_dtype(b)}")


def check_layer_norm(x: Any, gamma: Any, beta: Any) -> None:
    """`x […, D]`, `gamma [D]`, `beta [D]`."""
    check_floating("x", x)
    if x.ndim < 1 or gamma.shape != x.shape[-1:] or beta.shape != gamma.shape:
        raise ValueError(f"x {_shape(x)}, gamma {_shape(gamma)}, beta {_shape(beta)} must be […, D], [D] and [D]")


def check_update(theta: Any, g: Any) -> None:
    """A gradient has the shape of its parameter."""
    if theta.shape != g.shape:
        raise ValueError(f"the gradient {_shape(g)} must have the shape of its parameter, {_shape(theta)}")


def check_attention(Q: Any, K: Any, V: Any, mask: Any, bias: Any = None) -> None:
    """`Q […, S_q, d_k]`, `K […, S_k, d_k]`, `V […, S_k, d_v]`; a boolean mask that broadcasts to `[…, S_q, S_k]`.

    The bias of the scores has a floating-point dtype and broadcasts likewise.
    """
    if Q.ndim < 2 or Q.shape[:-2] != K.shape[:-2] or Q.shape[-1] != K.shape[-1] or K.shape[:-1] != V.shape[:-1]:
        raise ValueError(
            f"Q {_shape(Q)}, K {_shape(K)} and V {_shape(V)} must be […, S_q, d_k], […, S_k, d_k] and […, S_k, d_v]"
        )
    check_floating("Q", Q)
    if not Q.dtype == K.dtype == V.dtype:
        raise ValueError(f"Q, K and V must have one dtype, not {_dtype(Q)}, {_dtype(K)}, {_dtype(V)}")
    scores = (*Q.shape[:-1], K.shape[-2])
    if mask is not None:
        if _dtype(mask) != "bool":
            raise ValueError(f"mask must be boolean, True where a query may look, not {_dtype(mask)}: {_ADDITIVE}")
        _check_broadcast("mask", mask, scores)
    if bias is not None:
        check_floating("bias", bias)
        _check_broadcast("bias", bias, scores)


def check_tokens(token_ids: Any, name: str, x: Any) -> None:
    """`token_ids` is `[B, S]`; `x` is `[B, S]`, or `[1, S]` for all texts."""
    if token_ids.ndim != 2:
        raise ValueError(f"token_ids must be [B, S], not {_shape(token_ids)}")
    B, S = token_ids.shape
    if tuple(x.shape) not in ((B, S), (1, S)):
        raise ValueError(f"{name} must be [B, S] like token_ids, {[B, S]}, not {_shape(x)}")


def check_padding_mask(mask: Any) -> None:
    """A padding mask is `[B, S]`, boolean or of the integers 1 (real token) and 0 (padding)."""
    if mask.ndim != 2:
        raise ValueError(f"mask must be [B, S], 1 for a real token and 0 for padding, not {_shape(mask)}")
    if "int" not in _dtype(mask) and _dtype(mask) != "bool":
        raise ValueError(f"mask must be boolean or of integers, 1 for a real token, not {_dtype(mask)}: {_ADDITIVE}")
    if _dtype(mask) != "bool" and bool(((mask != 0) & (mask != 1)).any()):
        raise ValueError(f"mask must be 1 for a real token and 0 for padding: {_ADDITIVE}")


def check_rms_norm(x: Any, gamma: Any) -> None:
    """`x […, D]`, `gamma [D]`."""
    check_floating("x", x)
    if x.ndim < 1 or gamma.shape != x.shape[-1:]:
        raise ValueError(f"x {_shape(x)} and gamma {_shape(gamma)} must be […, D] and [D]")


def check_queries(S_q: int, S_k: int) -> None:
    """The queries are the last `S_q` of `S_k` positions."""
    if not 0 <= S_q <= S_k:
        raise ValueError(f"{S_q} queries cannot be the last of {S_k} positions")


def _check_broadcast(name: str, x: Any, scores: tuple[int, ...]) -> None:
    if x.ndim > len(scores) or any(m not in (1, n) for m, n in zip(x.shape[::-1], scores[::-1], strict=False)):
        raise ValueError(f"{name} {_shape(x)} does not broadcast to the scores {list(scores)}")


_ADDITIVE = "convert an additive mask (0 and −∞) with mask == 0"


def _dtype(x: Any) -> str:
    """The name of a dtype, the same for PyTorch and NumPy: "float32", "int64", "bool" …"""
    return str(x.dtype).removeprefix("torch.")


def _shape(x: Any) -> list[int]:
    return list(x.shape)
