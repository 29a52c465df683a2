"""Typical wrong answers to lesson 9, each with what the judge must say of it."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "confusion_matrix": [
        (
            """
def confusion_matrix(predicted, actual, C):
    size = max(predicted.max(), actual.max()) + 1
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    return counts
""",
            "the largest class that occurs",
        ),
        (
            """
def confusion_matrix(predicted, actual, C):
    counts = [[0] * C] * C
    for t, p in zip(actual, predicted):
        counts[t][p] += 1
    return counts
""",
            "all rows are the same list",
        ),
        (
            """
def confusion_matrix(predicted, actual, C):
    counts = np.zeros((C, C), dtype=int)
    for p, t in zip(predicted, actual):
        counts[p, t] += 1
    return counts
""",
            "rows are the predicted classes and columns the true ones",
        ),
        (
            """
def confusion_matrix(predicted, actual, C):
    counts = np.zeros((C, C), dtype=int)
    counts[actual, predicted] += 1
    return counts
""",
            "a pair that occurs twice is counted once",
        ),
        (
            """
def confusion_matrix(predicted, actual, C):
    classes = sorted(set(actual) | set(predicted))
    return np.array([[np.sum((actual == t) & (predicted == p)) for p in classes] for t in classes])
""",
            "the matrix always has C of each",
        ),
        (
            """
def confusion_matrix(predicted, actual, C):
    counts = np.zeros((C, C), dtype=int)
    for t, p in zip(actual, predicted):
        if t == p:
            counts[t, p] += 1
    return counts
""",
            "only correct predictions are counted",
        ),
    ],
    "macro_f1": [
        (
            """
def macro_f1(confusion):
    hits, given, borne = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return float(np.mean(2 * hits / (given + borne)))
""",
            "0 is divided by 0",
        ),
        (
            """
def macro_f1(confusion):
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    there = both > 0
    return float(np.mean(2 * np.diag(confusion)[there] / both[there]))
""",
            "is left out of the mean",
        ),
        (
            """
def macro_f1(confusion):
    return np.trace(confusion) / confusion.sum()
""",
            "also called micro F1",
        ),
        (
            """
def macro_f1(confusion):
    hits, given, borne = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.mean([h / g if g else 0.0 for h, g in zip(hits, given)])
    recall = np.mean([h / b if b else 0.0 for h, b in zip(hits, borne)])
    return 2 * precision * recall / (precision + recall)
""",
            "precision and recall are averaged first",
        ),
    ],
    "accuracy_interval": [
        (
            """
def accuracy_interval(correct, n):
    p = correct / n
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - half, p + half
""",
            "the ends are not limited to 0 and 1",
        ),
        (
            """
def accuracy_interval(correct, n):
    p = correct / n
    half = 1.96 * math.sqrt(p * (1 - p))
    return max(0.0, p - half), min(1.0, p + half)
""",
            "is not divided by n",
        ),
        (
            """
def accuracy_interval(correct, n):
    p = correct / n
    half = math.sqrt(p * (1 - p) / n)
    return max(0.0, p - half), min(1.0, p + half)
""",
            "the factor 1.96 is missing",
        ),
    ],
}
