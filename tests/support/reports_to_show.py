"""The content of a report.json of every kind, as large and awkward as real ones get, without training a model."""

import random
from typing import Any

LONG_NAME = "a very long class name that goes on and on for ever, with-hyphens/and/slashes_and_underscores"
CHINESE = "这部电影很好看，我们都喜欢它，但是酒店的食物非常糟糕。"
KINDS = ("2 classes", "20 classes", "60 classes", "1000 classes", "qa", "tagging", "labels", "regression", "chinese",
         "304 tokens", "evaluation")  # fmt: skip
_draw = random.Random(0)
WORDS = ["the", "film", "was", "great", "awful", "never", "again", "Pneumonoultramicroscopicsilicovolcanoconiosis"]


def text(words: int) -> str:
    return " ".join(_draw.choices(WORDS, k=words))


def mistake(true: str, said: str, words: int = 12, **more: Any) -> dict[str, Any]:
    usual = {
        "row": _draw.randrange(2, 9999),
        "text": text(words),
        "pair": None,
        "true": true,
        "said": said,
        "loss": 2.5,
    }
    return usual | more


def classes(n: int, names: Any = None) -> dict[str, Any]:
    """The metrics of a classifier with `n` classes."""
    labels = names or [LONG_NAME if i == 3 else f"class {i}" for i in range(n)]
    scores = [
        {"label": c, "precision": 0.5, "recall": 0.25, "f1": i / n, "support": 1234} for i, c in enumerate(labels)
    ]
    found: dict[str, Any] = {"loss": 1.0, "accuracy": 0.5, "classes": scores}
    if n > 60:
        return found | {"confusions": [{"true": LONG_NAME, "predicted": labels[i], "count": 99 - i} for i in range(99)]}
    return found | {"confusion": [[_draw.choice((0, 0, 3, 1234)) for _ in labels] for _ in labels]}


def run(task: str, metrics: dict[str, Any], scores: dict[str, float], **more: Any) -> dict[str, Any]:
    """A run of four epochs."""
    epochs = [
        {"epoch": n, "train_loss": 1 / n, "seconds": 75.0, "valid": {"loss": 1.2 / n} | scores | {"words": 1055}}
        for n in (1, 2, 3, 4)
    ]
    path = "/home/somebody/projects/reviews/2026/a-table-with-a-rather-long-name.csv"
    usual = {
        "task": task,
        "command": f"python -m minitf.finetune --train {path} --output runs/reviews-1 --epochs 4",
        "arguments": {"model": "all-MiniLM-L6-v2", "train": path, "lr": 5e-5, "metric": next(iter(scores))},
        "versions": {"minitf": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu"},
        "data": {name: {"path": path, "rows": 2000, "sha256": "0123456789abcdef" * 4} for name in ("train", "test")},
        "epochs": epochs,
        "epoch_scores": [{name: value * n / 4 for name, value in scores.items()} for n in (1, 2, 3, 4)],
        "best_epoch": 4,
        "test": metrics,
        "scores": scores,
        "baseline": "always guessing one class: 0.5000",
        "learned": False,
        "seconds": 300.0,
        "finished": "2026-11-28T22:47:03+00:00",
        "machine": {"device": "cpu", "cpu": "AMD EPYC 7763 64-Core Processor", "cores": 2, "threads": 2,
                    "system": "Linux x86_64"},
        "details": {"model": f"all-MiniLM-L6-v2: {text(40)}", "data": text(60), "parameters": text(40)},
        "mistakes": [mistake("class 1", f"{LONG_NAME} (87%)") for _ in range(5)],
        "mistaken": 1000,
    }  # fmt: skip
    return usual | more


def calibration() -> dict[str, Any]:
    bins = [{"low": n / 10, "high": (n + 1) / 10, "count": 9 * n, "probability": n / 10 + 0.05, "share": n / 12}
            for n in range(10)]  # fmt: skip
    return {"error": 0.0731, "x": "probability of the predicted class", "y": "share of right predictions", "bins": bins}


def content(kind: str) -> dict[str, Any]:
    """The content of report.json of one of KINDS."""
    scores = {"accuracy": 0.8123, "macro F1": 0.7911}
    number, _, what = kind.partition(" ")
    if what == "classes":
        groups = [{"name": name, "count": 90, "score": 0.7, "low": 0.5, "high": 0.9} for name in ("plain", LONG_NAME)]
        slices = {"column": "kind", "metric": "accuracy", "total": 9, "groups": groups}
        return run("classification", classes(int(number)), scores, calibration=calibration(), slices=slices)
    if kind == "qa":
        answers = {"true": (2000, 2030), "predicted": (2020, 2060)}
        found = [mistake(text(3), f"{text(30)} (3%)", pair=text(900), answers=answers) for _ in range(20)]
        return run("qa", {"loss": 1.0}, {"F1": 0.5, "exact match": 0.25}, mistakes=found)
    if kind == "tagging":
        sentences = [
            {"row": 9, "loss": 3.0, "words": text(n).split(), "before": 5, "after": 0,
             "true": [[1, 3, "organization"], [4, 5, "person"]], "predicted": [[1, 2, "organization"]]}
            for n in (6, 9, 120)
        ]  # fmt: skip
        metrics = classes(2) | {"confusion": None}
        four = {"F1": 0.8, "precision": 0.7, "recall": 0.9, "accuracy": 0.95}
        return run("tagging", metrics, four, sentences={"mistaken": 9, "worst": sentences})
    if kind == "labels":
        found = [mistake(" | ".join(f"label {n}" for n in range(20)), "none") for _ in range(5)]
        return run("multilabel", classes(20) | {"confusion": None}, {"micro F1": 0.5, "exact": 0.25}, mistakes=found)
    if kind == "regression":
        pairs = [[n / 100, n / 120 + _draw.random()] for n in range(500)]
        predictions = {"total": 2000, "pairs": pairs}
        return run("regression", {"loss": 1.0}, {"Pearson": 0.5, "Spearman": 0.4}, predictions=predictions)
    if kind == "chinese":
        found = [mistake("好评", "差评 (51%)", text=CHINESE * n) for n in (1, 3, 30)]
        return run("classification", classes(2, ["好评", CHINESE]), scores, mistakes=found)
    if kind == "304 tokens":
        return run("classification", classes(2), scores, mistakes=[mistake("a", "b", 304) for _ in range(20)])
    names = ("task", "command", "versions", "test", "scores", "baseline", "mistakes", "mistaken", "finished", "machine")
    whole = run("classification", classes(5), scores)
    return {name: whole[name] for name in names} | {"title": "held_out.csv, runs/reviews-1/best", "seconds": 0.25,
            "data": {"data": whole["data"]["test"]}}  # fmt: skip


def steps(n: int = 400) -> list[dict[str, Any]]:
    """The records of the steps of a run with four epochs."""
    return [
        {"step": i + 1, "epoch": 1 + 4 * i // n, "loss": 1 + _draw.random() / (i + 1), "lr": 1e-5} for i in range(n)
    ]
