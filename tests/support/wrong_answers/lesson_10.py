"""Typical wrong answers to lesson 10, each with what the judge must say of it."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "layer_rate": [
        (
            """
def layer_rate(lr, decay, layer, L):
    return lr * decay ** (L - layer)
""",
            "so that pooler and head have more than η",
        ),
        (
            """
def layer_rate(lr, decay, layer, L):
    return lr * decay ** min(layer, L)
""",
            "the learning rate decreases towards the top",
        ),
        (
            """
def layer_rate(lr, decay, layer, L):
    return lr * decay ** max(0, L - 1 - layer)
""",
            "layers are counted from 0",
        ),
        (
            """
def layer_rate(lr, decay, layer, L):
    return lr * decay ** (L + 2 - layer)
""",
            "the exponent is counted from the head",
        ),
    ],
    "mean_and_sd": [
        (
            """
def mean_and_sd(scores):
    n, mean = len(scores), sum(scores) / len(scores)
    squares = sum(x**2 for x in scores) / n - mean**2
    return mean, math.sqrt(max(0.0, squares) * n / max(1, n - 1))
""",
            "the variance is computed as mean(x²) − x̄²",
        ),
        (
            """
def mean_and_sd(scores):
    return float(np.mean(scores)), float(np.std(scores))
""",
            "the sum of squares is divided by n, not by n − 1",
        ),
        (
            """
def mean_and_sd(scores):
    mean = sum(scores) / len(scores)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in scores) / (len(scores) - 1))
""",
            "for one run it divides by n − 1 = 0",
        ),
        (
            """
def mean_and_sd(scores):
    return float(np.mean(scores)), float(np.std(scores, ddof=1))
""",
            "for one run it is divided by n − 1 = 0",
        ),
        (
            """
def mean_and_sd(scores):
    n, mean = len(scores), sum(scores) / len(scores)
    return mean, sum((x - mean) ** 2 for x in scores) / max(1, n - 1)
""",
            "this is the variance",
        ),
    ],
    "stop_at": [
        (
            """
def stop_at(losses, patience):
    for epoch in range(patience, len(losses)):
        if losses[epoch] >= losses[epoch - patience]:
            return epoch + 1
    return len(losses)
""",
            "is compared with the one `patience` epochs before it",
        ),
        (
            """
def stop_at(losses, patience):
    since = 0
    for epoch in range(1, len(losses)):
        since = since + 1 if losses[epoch] >= losses[epoch - 1] else 0
        if since == patience:
            return epoch + 1
    return len(losses)
""",
            "is compared with the one before it",
        ),
        (
            """
def stop_at(losses, patience):
    best, since = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, since = loss, 0
        else:
            since += 1
        if since > patience:
            return epoch
    return len(losses)
""",
            "an epoch too late",
        ),
        (
            """
def stop_at(losses, patience):
    best, since, kept = math.inf, 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, since, kept = loss, 0, epoch
        else:
            since += 1
        if since == patience:
            break
    return kept
""",
            "this is the best epoch",
        ),
        (
            """
def stop_at(losses, patience):
    best, since = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best = loss
        else:
            since += 1
        if since == patience:
            return epoch
    return len(losses)
""",
            "all epochs without a new best are counted together",
        ),
    ],
}
