"""The corpus "hard-reviews" over several seeds: majority class, bag of words, training from scratch, fine-tuning.

    python -m benchmarks.corpus

All are measured on the test split, which was not used to choose anything. Writes results/corpus.json.
"""

import argparse
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import record
from minitf import finetune
from minitf.datasets.dataset import built_in_corpus

NAME = "hard-reviews"
TRAIN = ("--train", NAME)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    p.add_argument("--name", default="corpus", help="of the record")
    return p


def majority(name: str) -> list[bool]:
    """Whether the most frequent class of the training split is right, for each test sentence."""
    train, _, test = built_in_corpus(name)
    label = Counter(train.labels).most_common(1)[0][0]
    return [e.label == label for e in test.examples]


def bag_of_words(name: str) -> list[bool]:
    """Whether logistic regression on TF-IDF of words and word pairs is right, for each test sentence.

    The penalty is chosen on the validation split.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, valid, test = built_in_corpus(name)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    X = words.fit_transform(train.texts)
    fitted = [LogisticRegression(C=C, max_iter=1000).fit(X, train.labels) for C in (0.1, 1.0, 10.0, 100.0)]
    best = max(fitted, key=lambda model: model.score(words.transform(valid.texts), valid.labels))
    return [bool(right) for right in best.predict(words.transform(test.texts)) == np.array(test.labels)]


def finetuned(seed: int, *flags: str) -> dict[str, float]:
    """Run the command once: test accuracy, best epoch, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        finetune.main(["--seed", str(seed), "--output", str(run), *flags])
        report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return {
        "seed": seed,
        "accuracy": report["test"]["accuracy"],
        "best_epoch": report["best_epoch"],
        "seconds": report["seconds"],
    }


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    surroundings = record.surroundings()  # now, since the commit may change during the runs
    rows = {"from scratch": (*TRAIN, "--from-scratch"), "fine-tuned": TRAIN}
    runs = {name: [finetuned(seed, *flags) for seed in arguments.seeds] for name, flags in rows.items()}
    summary: dict[str, Any] = {
        "majority": statistics.mean(majority(NAME)),
        "bag of words": statistics.mean(bag_of_words(NAME)),
    }
    for name, results in runs.items():
        scores = [r["accuracy"] for r in results]
        summary[name] = {
            "mean": statistics.mean(scores),
            "sd": statistics.stdev(scores) if len(scores) > 1 else 0.0,
            "lowest": min(scores),
        }
    path = record.write(arguments.name, {**surroundings, "summary": summary, "runs": runs})
    print(f"\n{json.dumps(summary, indent=1)}\nwritten: {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
