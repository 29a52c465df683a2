"""Typical wrong answers to the exercises of lesson 8, and what the judge must say of each."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "momentum": [
        (
            """
def momentum(theta, g, state, lr, mu=0.9):
    if "v" not in state:
        state["v"] = g
    else:
        state["v"].mul_(mu).add_(g)
    theta -= lr * state["v"]
""",
            "`state` holds the gradient tensor g itself, not a copy",
        ),
        (
            """
def momentum(theta, g, state, lr, mu=0.9):
    v = state.setdefault("v", torch.zeros_like(theta))
    theta -= lr * v
    v *= mu
    v += g
""",
            "θ is updated with v before g is added to v",
        ),
        (
            """
def momentum(theta, g, state, lr, mu=0.9):
    state["v"] = mu * state.get("v", torch.zeros_like(theta)) + g
    return theta - lr * state["v"]
""",
            "write it into theta instead",
        ),
        (
            """
def momentum(theta, g, state, lr, mu=0.9):
    v = mu * torch.zeros_like(theta) + g
    theta -= lr * v
""",
            "v is not kept between the steps",
        ),
        (
            """
def momentum(theta, g, state, lr, mu=0.9):
    v = state.setdefault("v", torch.zeros_like(theta))
    v *= mu
    v += (1 - mu) * g
    theta -= lr * v
""",
            "an average, not a sum",
        ),
    ],
    "adam": [
        (
            """
def adam(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8):
    m = state.setdefault("m", torch.zeros_like(theta))
    v = state.setdefault("v", torch.zeros_like(theta))
    m *= beta_1
    m += (1 - beta_1) * g
    v *= beta_2
    v += (1 - beta_2) * g * g
    theta -= lr * m / (v.sqrt() + eps)
""",
            "m and v are not divided by 1 − βᵗ",
        ),
        (
            """
def adam(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8):
    state["t"] = t = state.get("t", 0) + 1
    m = state["m"] = beta_1 * state.get("m", torch.zeros_like(theta)) + (1 - beta_1) * g
    v = state["v"] = beta_2 * state.get("v", torch.zeros_like(theta)) + (1 - beta_2) * g * g
    theta -= lr * (m / (1 - beta_1**t)) / (v / (1 - beta_2**t) + eps).sqrt()
""",
            "ε is inside the square root",
        ),
        (
            """
def adam(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8):
    state["t"] = t = state.get("t", 1) + 1
    m = state["m"] = beta_1 * state.get("m", torch.zeros_like(theta)) + (1 - beta_1) * g
    v = state["v"] = beta_2 * state.get("v", torch.zeros_like(theta)) + (1 - beta_2) * g * g
    theta -= lr * (m / (1 - beta_1**t)) / ((v / (1 - beta_2**t)).sqrt() + eps)
""",
            "t is too large by 1",
        ),
    ],
    "adamw": [
        (
            """
def adamw(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8, weight_decay=0.01):
    update.adam(theta, g + weight_decay * theta, state, lr, beta_1, beta_2, eps)
""",
            "Adam with an L2 penalty",
        ),
        (
            """
def adamw(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8, weight_decay=0.01):
    theta *= 1 - weight_decay
    update.adam(theta, g, state, lr, beta_1, beta_2, eps)
""",
            "the learning rate is missing in the decay",
        ),
        (
            """
def adamw(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8, weight_decay=0.01):
    update.adam(theta, g, state, lr, beta_1, beta_2, eps)
    theta *= 1 - lr * weight_decay
""",
            "θ decays after Adam's step",
        ),
    ],
    "linear_schedule": [
        (
            """
def linear_schedule(step, lr, total, warmup):
    if step < warmup:
        return lr * (step + 1) / warmup
    return lr * max(0.0, 1 - (step - warmup) / max(1, total - warmup))
""",
            "the warm-up starts at η/warmup",
        ),
        (
            """
def linear_schedule(step, lr, total, warmup):
    if step < warmup:
        return lr * step / warmup
    return lr * max(0.0, 1 - step / total)
""",
            "the decay is computed from step 0",
        ),
        (
            """
def linear_schedule(step, lr, total, warmup):
    if step < warmup:
        return lr * step / warmup
    return lr * (1 - (step - warmup) / max(1, total - warmup))
""",
            "the learning rate is negative",
        ),
        (
            """
def linear_schedule(step, lr, total, warmup):
    if step < warmup:
        return lr * step / warmup
    return lr * max(0.0, 1 - (step - warmup) / total)
""",
            "the learning rate never reaches 0",
        ),
    ],
}
