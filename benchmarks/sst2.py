"""SST-2 beside `transformers`: the same recipe, sentences, batches and seeds; quality and speed in one alternating run.

    python -m benchmarks.sst2 --data FOLDER            # FOLDER holds GLUE's train.tsv and dev.tsv

Both models start from the same weights, the new classifier's included, and see the same batches; dropout is drawn by
each on its own. minitf trains through `training.loop.train`; after every few steps of it, in its log call, the
reference takes as many. So both meet the same load on the machine, and the ratio of their times is that of the code.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks import record
from minitf.checkpoints.load import load_tokenizer, load_with_report
from minitf.datasets.dataset import Dataset, read_table
from minitf.mathematics import mathematics
from minitf.proof.reference import copy_new
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, by_length, shuffled
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.optimizer import Optimizer, Recipe

TURN = 8  # steps that one side takes before the other
WARM_UP = 2  # turns not timed


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


class Reference:
    """The same recipe with `transformers` and PyTorch's fused AdamW: the loop that their users write."""

    def __init__(self, model: Any, recipe: Recipe, examples: Examples, batches: list[list[int]]):
        self.model, self.examples, self.batches = model, examples, batches
        self.device = next(model.parameters()).device
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
        self.schedule = transformers.get_linear_schedule_with_warmup(
            self.optimizer, round(recipe.warmup * len(batches)), len(batches)
        )
        self.clip = recipe.clip
        self.done = 0

    def steps(self, n: int) -> None:
        self.model.train()
        for indices in self.batches[self.done : self.done + n]:
            batch, targets = self.examples.batch(indices)
            batch, targets = batch.to(self.device), targets.to(self.device)
            out = self.model(
                input_ids=batch.token_ids,
                token_type_ids=batch.segment_ids,
                attention_mask=batch.mask,
                labels=targets,
            )
            out.loss.item()  # logged at every step, as minitf does
            out.loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.done += 1

    @torch.no_grad()
    def accuracy(self, examples: Examples) -> float:
        self.model.eval()
        right = 0
        for indices in by_length(examples.lengths(), 64):
            batch, targets = examples.batch(indices)
            batch, targets = batch.to(self.device), targets.to(self.device)
            logits = self.model(
                input_ids=batch.token_ids, token_type_ids=batch.segment_ids, attention_mask=batch.mask
            ).logits
            right += int((logits.argmax(dim=-1) == targets).sum())
        return right / len(examples.tokens)


def one_seed(arguments: argparse.Namespace, train: Dataset, dev: Dataset, seed: int) -> dict[str, Any]:
    """Train both, turn by turn; accuracies on dev and the seconds of each turn."""
    math = mathematics(arguments.math)
    torch.manual_seed(seed)
    labels = ("0", "1")
    model, report = load_with_report(arguments.model, head="classification", labels=labels, math=math)
    tokenizer = load_tokenizer(report.source.folder)
    theirs = transformers.BertForSequenceClassification.from_pretrained(report.source.folder, num_labels=2)
    copy_new(model, theirs, report.new)
    theirs = copy.deepcopy(theirs)

    task = Classification(labels, math=math)
    chosen = torch.randperm(len(train.examples), generator=torch.Generator().manual_seed(seed))[: arguments.sentences]
    whole = task.encode(train, tokenizer, 128)
    examples = Examples([whole.tokens[i] for i in chosen.tolist()], whole.targets[chosen])
    development = task.encode(dev, tokenizer, 128)
    recipe = Recipe(lr=arguments.lr)
    batches = shuffled(examples.lengths(), arguments.batch_size, seed, epoch=1)
    reference = Reference(theirs, recipe, examples, batches)

    vocabulary = CompactVocabulary(model.embeddings.word, [examples, development])
    optimizer = Optimizer(model, recipe, len(batches), math)
    turns: list[tuple[float, float]] = []
    random_state = {"theirs": torch.get_rng_state()}
    start = time.perf_counter()

    def theirs_now(logged: dict[str, Any]) -> None:
        nonlocal start
        if logged["step"] % TURN and logged["step"] != len(batches):
            return
        ours_took = time.perf_counter() - start
        ours_state = torch.get_rng_state()
        torch.set_rng_state(random_state["theirs"])
        start = time.perf_counter()
        reference.steps(min(TURN, len(batches) - reference.done))
        turns.append((ours_took, time.perf_counter() - start))
        random_state["theirs"] = torch.get_rng_state()
        torch.set_rng_state(ours_state)
        start = time.perf_counter()

    history = loop.train(
        model,
        task,
        vocabulary.renumber(examples),
        vocabulary.renumber(development),
        optimizer,
        epochs=1,
        batch_size=arguments.batch_size,
        seed=seed,
        log=theirs_now,
    )
    timed = turns[WARM_UP:-1]
    result = {
        "seed": seed,
        "accuracy": {"minitf": history[-1].valid["accuracy"], "transformers": reference.accuracy(development)},
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
    surroundings = record.surroundings()  # as it is now: the run may outlast a commit
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    train = read_table(arguments.data / "train.tsv", "sentence", None, "label")
    dev = read_table(arguments.data / "dev.tsv", "sentence", None, "label")
    runs = [one_seed(arguments, train, dev, seed) for seed in arguments.seeds]
    differences = [100 * (r["accuracy"]["minitf"] - r["accuracy"]["transformers"]) for r in runs]
    low, high = interval(differences)
    ratio = statistics.median(t / o for r in runs for o, t in r["turns"][WARM_UP:-1])
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


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean, by Student's t; of one value, everything."""
    n = len(differences)
    if n < 2:
        return float("-inf"), float("inf")
    from scipy.stats import t  # comes with scikit-learn, of the extra `test`

    half = float(t.ppf(0.975, n - 1)) * statistics.stdev(differences) / n**0.5
    mean = statistics.mean(differences)
    return mean - half, mean + half


if __name__ == "__main__":
    raise SystemExit(main())
