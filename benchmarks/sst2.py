"""SST-2 beside `transformers`: the same recipe, sentences, batches and seeds; accuracy and speed.

    python -m benchmarks.sst2 --data FOLDER            # FOLDER has GLUE's train.tsv and dev.tsv

Both models start from the same weights, also of the new classifier, and see the same batches; each draws its own
dropout. They train alternately (`side_by_side`), so the ratio of their times compares the code.
"""

import argparse
import copy
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks import record
from benchmarks.confidence import interval
from benchmarks.side_by_side import TURN, WARM_UP, Reference, alternate
from minitf.checkpoints.load import load_tokenizer, load_with_report
from minitf.datasets.dataset import Dataset, read_table
from minitf.mathematics import mathematics
from minitf.proof.reference import copy_new
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, shuffled
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.loop import Plan, TrainingData
from minitf.training.optimizer import Optimizer, Recipe

LABELS = ("0", "1")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.sst2", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    p.add_argument("--model", default="all-MiniLM-L6-v2")
    p.add_argument("--sentences", type=int, default=10_000)
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--lr", type=float, default=5e-5)
    p.add_argument("--math", default="kernels")
    p.add_argument("--name", default="sst2", help="of the record")
    return p


def one_seed(arguments: argparse.Namespace, train: Dataset, dev: Dataset, seed: int) -> dict[str, Any]:
    """Train both alternately; return the accuracies on `dev` and the seconds of each turn."""
    math = mathematics(arguments.math)
    torch.manual_seed(seed)
    model, report = load_with_report(arguments.model, head="classification", labels=LABELS, math=math)
    tokenizer = load_tokenizer(report.source.folder)
    theirs = transformers.BertForSequenceClassification.from_pretrained(report.source.folder, num_labels=2)
    copy_new(model, theirs, report.new)
    theirs = copy.deepcopy(theirs)

    task = Classification(LABELS, math=math)
    chosen = torch.randperm(len(train.examples), generator=torch.Generator().manual_seed(seed))[: arguments.sentences]
    whole = task.encode(train, tokenizer, 128)
    examples = Examples([whole.tokens[i] for i in chosen.tolist()], whole.targets[chosen])
    development = task.encode(dev, tokenizer, 128)
    recipe = Recipe(lr=arguments.lr)
    batches = shuffled(examples.lengths(), arguments.batch_size, seed, epoch=1)
    reference = Reference(theirs, recipe, task, examples, batches)

    vocabulary = CompactVocabulary(model.embeddings.word, [examples, development])
    optimizer = Optimizer(model, recipe, len(batches), math)
    data = TrainingData(vocabulary.renumber(examples), vocabulary.renumber(development))
    plan = Plan(epochs=1, batch_size=arguments.batch_size, seed=seed)
    history, turns = alternate(loop.train(model, task, data, optimizer, plan), reference)
    measured = task.measure(reference.predict_logits(development, batch_size=64), development)
    timed = turns[WARM_UP:-1] or turns
    result = {
        "seed": seed,
        "accuracy": {"minitf": history[-1].valid["accuracy"], "transformers": measured.accuracy},
        "sentences_per_second": {
            "minitf": TURN * arguments.batch_size * len(timed) / sum(t for t, _ in timed),
            "transformers": TURN * arguments.batch_size * len(timed) / sum(t for _, t in timed),
        },
        "median_speed_ratio": statistics.median(t / o for o, t in timed),
        "turns": [[round(o, 4), round(t, 4)] for o, t in turns],
    }
    print(
        f"seed {seed}: accuracy minitf {result['accuracy']['minitf']:.4f}, transformers"
        f" {result['accuracy']['transformers']:.4f}; speed ratio {result['median_speed_ratio']:.3f}",
        flush=True,
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    surroundings = record.surroundings()  # now, since the commit may change during the run
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    train = read_table(arguments.data / "train.tsv", "sentence", None, "label")
    dev = read_table(arguments.data / "dev.tsv", "sentence", None, "label")
    runs = [one_seed(arguments, train, dev, seed) for seed in arguments.seeds]
    differences = [100 * (r["accuracy"]["minitf"] - r["accuracy"]["transformers"]) for r in runs]
    low, high = interval(differences)
    ratio = statistics.median(t / o for r in runs for o, t in r["turns"][WARM_UP:-1] or r["turns"])
    summary = {
        "mean_accuracy": {
            side: statistics.mean(r["accuracy"][side] for r in runs) for side in ("minitf", "transformers")
        },
        "mean_difference_points": statistics.mean(differences),
        "confidence_95_points": [low, high],
        "median_speed_ratio": ratio,
    }
    path = record.write(arguments.name, {**surroundings, "summary": summary, "runs": runs})
    print(
        f"minitf − transformers: {summary['mean_difference_points']:+.2f} points, 95 % confidence"
        f" [{low:+.2f}, {high:+.2f}]; minitf's speed over the reference's: {ratio:.3f}; written: {path.name}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
