"""The loop: 50 whole fine-tuning steps against a reference trained by PyTorch; that it learns, repeats, chooses, stops.

One trap in the comparison: the reference builds its word embedding with `padding_idx=0`, so that [PAD]'s row never has
a gradient of the loss. minitf freezes no row. Its gradient there is zero all the same, for no real token looks at
padding, and this is asserted here, so decay and penalties are all that move that row, on both sides.
"""

import dataclasses
import itertools
import math

import pytest
import torch
import transformers
from torch import nn

from minitf.bert import Bert
from minitf.checkpoints import load
from minitf.checkpoints.renaming import PYTORCH
from minitf.errors import InputError
from minitf.mathematics import mathematics
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, shuffled
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe

LABELS = ("neg", "pos")
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


def reviews() -> list[tuple[str, str, int]]:
    """80 pairs of many lengths and their labels: praise and blame, each plain or negated."""
    things, starts = ("film", "book", "hotel room", "food"), ("it was", "so very, very", "we loved the film - it was")
    words = (("bad", 0), ("great", 1), ("not bad", 1), ("not good", 0), ("awful, the lowest", 0))
    drawn = itertools.product(things, starts, words)
    made = [(f"{start} {word}!", f"the {thing}", label) for thing, start, (word, label) in drawn]
    return (made + [(f"never again, {text}", pair, label) for text, pair, label in made])[:80]


def encoded(folder, *, pairs: bool = True) -> Examples:
    rows = reviews()
    seconds = [pair for _, pair, _ in rows] if pairs else None
    tokens = load.load_tokenizer(folder).encode([text for text, _, _ in rows], seconds, max_length=32)
    return Examples(tokens, torch.tensor([label for _, _, label in rows]))


# 50 whole steps ------------------------------------------------------------------------------------------------------

STEPS, EPOCHS, BATCH, SEED, WARMUP = 50, 5, 8, 3, 5


def reference_groups(reference: nn.Module, decay: float) -> list[dict]:
    """The usual two groups of `transformers` scripts: no decay for biases and LayerNorm."""
    without = ("bias", "LayerNorm.weight")
    named = list(reference.named_parameters())
    return [
        {"params": [p for name, p in named if not name.endswith(without)], "weight_decay": decay},
        {"params": [p for name, p in named if name.endswith(without)], "weight_decay": 0.0},
    ]


def train_reference(reference: nn.Module, examples: Examples, optimizer, clip: float | None) -> None:
    """As one writes it with `transformers` and PyTorch, over the batches that minitf draws."""
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    reference.train()
    for epoch in range(1, EPOCHS + 1):
        for indices in shuffled(examples.lengths(), BATCH, SEED, epoch):
            batch, labels = examples.batch(indices)
            reference(
                input_ids=batch.token_ids, token_type_ids=batch.segment_ids, attention_mask=batch.mask, labels=labels
            ).loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(reference.parameters(), clip)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def farthest(model: Bert, reference: nn.Module) -> float:
    """The largest difference of any weight, every tensor of either side having its counterpart."""
    theirs = dict(reference.named_parameters())
    official = {name: PYTORCH["bert"].official_name(name, "classification") for name, _ in model.named_parameters()}
    assert set(official.values()) == set(theirs)
    pairs = ((p, theirs[official[name]]) for name, p in model.named_parameters())
    return max(float((ours - other).detach().abs().max()) for ours, other in pairs)


@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize(
    ("recipe", "twin"),
    [
        (Recipe(lr=1e-3, weight_decay=0.05), lambda p: torch.optim.AdamW(reference_groups(p, 0.05), 1e-3)),
        (Recipe(rule="gd", lr=0.05, weight_decay=0.0), lambda p: torch.optim.SGD(reference_groups(p, 0.0), 0.05)),
        (
            Recipe(rule="momentum", lr=0.01, weight_decay=0.0),
            lambda p: torch.optim.SGD(reference_groups(p, 0.0), 0.01, momentum=0.9),
        ),
        (
            Recipe(rule="rmsprop", lr=1e-3, weight_decay=0.0),
            lambda p: torch.optim.RMSprop(reference_groups(p, 0.0), 1e-3),
        ),
        # PyTorch's Adam adds weight_decay · θ to the gradient: λ‖θ‖₂² has the gradient 2λθ. It does so after one has
        # clipped, while the gradient of a penalised loss is clipped whole: so nothing is clipped here.
        (
            Recipe(rule="adam", lr=1e-3, weight_decay=0.0, l2=0.02, clip=None),
            lambda p: torch.optim.Adam(reference_groups(p, 2 * 0.02), 1e-3),
        ),
    ],
    ids=["adamw", "gd", "momentum", "rmsprop", "adam+l2"],
)
def test_fifty_steps_as_the_reference(write_bert, recipe: Recipe, twin, math: str) -> None:
    folder, reference = write_bert(
        transformers.BertForSequenceClassification, dtype=torch.float64, num_labels=2, **NO_DROPOUT
    )
    examples, chosen = encoded(folder), mathematics(math)
    assert max(examples.lengths()) > min(examples.lengths()) + 8  # there is padding
    model = load.load(folder, head="classification", math=chosen, dtype=torch.float64)
    assert farthest(model, reference) == 0.0
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Optimizer(model, recipe, STEPS, chosen)
    assert optimizer.warmup == WARMUP

    norms = []
    few = Examples(examples.tokens[:2], examples.targets[:2])
    loop.train(
        model,
        Classification(LABELS, math=chosen),
        examples,
        few,
        optimizer,
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=SEED,
        log=lambda record: norms.append(record["gradient"]),
    )
    train_reference(reference, examples, twin(reference), recipe.clip)

    assert optimizer.steps == len(norms) == STEPS
    assert recipe.clip is None or max(norms) > recipe.clip  # clipping had something to do
    still = {name for name, p in model.named_parameters() if torch.allclose(p, start[name], rtol=0, atol=1e-5)}
    assert all(name.endswith("W_K.bias") for name in still)  # softmax does not feel it: in theory its gradient is zero
    assert farthest(model, reference) <= 1e-9


def test_padding_has_no_gradient(write_bert) -> None:
    """[PAD]'s row of the word embedding, which the reference freezes, has a gradient of exactly zero without that."""
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=2)
    examples, task = encoded(folder), Classification(LABELS)
    model = load.load(folder, head="classification").train()
    batch, targets = examples.batch(range(len(examples.tokens)))
    assert (batch.token_ids == 0).any()
    task.loss(task.logits(model, batch), targets).backward()
    gradient = model.embeddings.word.weight.grad
    assert gradient[0].abs().max() == 0.0
    assert gradient[2].abs().max() > 0.0  # [CLS]


@pytest.mark.parametrize("clip", [0.5, None])
@pytest.mark.parametrize(("l1", "l2"), [(0.003, 0.0), (0.0, 0.02), (0.003, 0.02)])
def test_penalties_as_autograd_of_the_penalised_loss(write_bert, l1: float, l2: float, clip: float | None) -> None:
    """A step on loss + λ₁‖W‖₁ + λ₂‖W‖₂², the reference's matrices written into its loss, clipped whole."""
    folder, reference = write_bert(
        transformers.BertForSequenceClassification, dtype=torch.float64, num_labels=2, **NO_DROPOUT
    )
    examples = encoded(folder)
    recipe = Recipe(rule="gd", lr=0.1, schedule="constant", warmup=0.0, weight_decay=0.0, l1=l1, l2=l2, clip=clip)
    model = load.load(folder, head="classification", dtype=torch.float64)
    whole = range(len(examples.tokens))
    batch, labels = examples.batch(whole)

    penalised = reference(
        input_ids=batch.token_ids, token_type_ids=batch.segment_ids, attention_mask=batch.mask, labels=labels
    ).loss
    for part in reference.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            penalised = penalised + l1 * part.weight.norm(p=1) + l2 * part.weight.norm(p=2) ** 2
    penalised.backward()
    if clip is not None:
        nn.utils.clip_grad_norm_(reference.parameters(), clip)
    torch.optim.SGD(reference.parameters(), 0.1).step()

    told = []
    loop.train(
        model,
        Classification(LABELS),
        examples,
        Examples(examples.tokens[:2], examples.targets[:2]),
        Optimizer(model, recipe, total=1),
        epochs=1,
        batch_size=len(whole),
        seed=0,
        log=told.append,
    )
    assert told[0]["loss"] == pytest.approx(penalised.item(), rel=1e-12)  # what is told is what is minimised
    assert farthest(model, reference) <= 1e-12


# What the loop does --------------------------------------------------------------------------------------------------


def plain_model(write_bert, **config) -> tuple[Bert, Examples]:
    """A tiny model with fresh weights, and texts that one word tells apart."""
    folder, _ = write_bert(**(TINY | config))
    torch.manual_seed(0)
    model, _ = load.load_with_report(folder, head="classification", labels=LABELS, from_scratch=True)
    rows = [
        (f"{start} the {thing} was {word}{end}", label)
        for (word, label), start, thing, end in itertools.product(
            (("great", 1), ("good", 1), ("awful", 0), ("bad", 0)), ("", "so"), ("film", "book", "room"), ("", " !")
        )
    ]
    tokens = load.load_tokenizer(folder).encode([text for text, _ in rows])
    return model, Examples(tokens, torch.tensor([label for _, label in rows]))


def learn(model: Bert, examples: Examples, valid: Examples | None = None, *, epochs: int = 5, seed: int = 0, **more):
    torch.manual_seed(seed)  # dropout's draws
    recipe = more.pop("recipe", Recipe(lr=0.03))
    steps = epochs * math.ceil(len(examples.tokens) / 8)
    return loop.train(
        model,
        more.pop("task", Classification(LABELS)),
        examples,
        examples if valid is None else valid,
        Optimizer(model, recipe, steps),
        **({"epochs": epochs, "batch_size": 8, "seed": seed} | more),
    )


def weights(model: Bert) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_it_learns(write_bert) -> None:
    model, examples = plain_model(write_bert)
    losses = []
    history = learn(model, examples, epochs=16, log=lambda record: losses.append(record["loss"]))
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)  # at first it guesses
    assert history[-1].valid["accuracy"] == history[-1].valid["macro_f1"] == 1.0
    assert max(history[-1].valid["loss"], losses[-1]) < 0.1
    answers = torch.stack(loop.answer(model, Classification(LABELS), examples)).argmax(dim=-1)
    assert torch.equal(answers, examples.targets)


def test_a_seed_repeats_to_the_bit(write_bert) -> None:
    """The seed draws dropout and the order of the batches, and nothing else is drawn."""
    runs = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        model, examples = plain_model(write_bert)
        told = []
        learn(model, examples, epochs=2, seed=seed, log=told.append)
        runs[name] = weights(model), told
    assert same(runs["first"][0], runs["again"][0])
    assert runs["first"][1] == runs["again"][1]
    assert not same(runs["first"][0], runs["other"][0])


def test_the_seed_orders_the_batches(write_bert) -> None:
    """Without dropout two seeds differ all the same, by their batches."""
    runs = []
    for seed in (1, 2):
        model, examples = plain_model(write_bert, **NO_DROPOUT)
        learn(model, examples, epochs=1, seed=seed)
        runs.append(weights(model))
    assert not same(*runs)


def test_what_is_logged(write_bert) -> None:
    """Each step has its number, epoch, loss, rate and gradient; each epoch its mean, told once it is over."""
    model, examples = plain_model(write_bert)
    told, epochs = [], []
    history = learn(model, examples, epochs=3, log=told.append, after_epoch=lambda e: epochs.append((len(told), e)))
    assert [record["step"] for record in told] == list(range(1, 19))  # 48 texts, 8 a batch
    assert [record["epoch"] for record in told] == [1] * 6 + [2] * 6 + [3] * 6
    optimizer = Optimizer(model, Recipe(lr=0.03), total=18)
    for record in told:
        assert record["lr"] == optimizer.rate()
        assert record["gradient"] > 0.0
        optimizer.steps += 1
    assert [n for n, _ in epochs] == [6, 12, 18]
    assert [epoch for _, epoch in epochs] == history
    for epoch in history:
        losses = [record["loss"] for record in told if record["epoch"] == epoch.number]
        assert epoch.train_loss == pytest.approx(sum(losses) / len(losses))
        assert epoch.seconds > 0.0


class Scripted(Classification):
    """A task that answers rightly for as many of ten examples as its script says, epoch by epoch."""

    def follow(self, script: list[float]) -> "Scripted":
        object.__setattr__(self, "script", iter(script))
        return self

    def measure(self, answers, examples):
        value = next(self.script)
        return dataclasses.replace(
            super().measure(answers, examples), accuracy=value, macro_f1=1.0 - value, loss=1.0 - value
        )


@pytest.mark.parametrize(
    ("metric", "script", "best"),
    [
        ("accuracy", [0.5, 0.7, 0.7, 0.6, 0.8], [True, True, False, False, True]),
        ("accuracy", [0.5, 0.4, 0.3, 0.2, 0.1], [True, False, False, False, False]),
        ("accuracy", [0.5, 0.7, 0.4, 0.6, 0.7], [True, True, False, False, False]),
        ("macro_f1", [0.5, 0.7, 0.4, 0.4, 0.3], [True, False, True, False, True]),
        ("loss", [0.5, 0.3, 0.6, 0.6, 0.7], [True, False, True, False, True]),
    ],
)
def test_the_best_epoch(write_bert, metric: str, script: list[float], best: list[bool]) -> None:
    """The first, and each that beats all before it; of equals the earlier."""
    model, examples = plain_model(write_bert)
    history = learn(model, examples, task=Scripted(LABELS).follow(script), metric=metric)
    assert [epoch.best for epoch in history] == best
    assert [epoch.number for epoch in history] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("patience", "script", "epochs"),
    [
        (1, [0.5, 0.6, 0.6, 0.9, 0.9], 3),
        (2, [0.5, 0.6, 0.6, 0.7, 0.7], 5),
        (2, [0.5, 0.4, 0.4, 0.9, 0.9], 3),
        (3, [0.5, 0.4, 0.4, 0.4, 0.9], 4),
        (None, [0.5, 0.4, 0.4, 0.4, 0.4], 5),
        (9, [0.5, 0.4, 0.4, 0.4, 0.4], 5),
    ],
)
def test_it_stops_early(write_bert, patience: int | None, script: list[float], epochs: int) -> None:
    """After so many epochs in a row that were not the best; the last is still told."""
    model, examples = plain_model(write_bert)
    told = []
    history = learn(model, examples, task=Scripted(LABELS).follow(script), patience=patience, after_epoch=told.append)
    assert len(history) == epochs
    assert told == history


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_named(write_bert, value: float) -> None:
    """At the step at which it happens, before any weight is spoiled by it."""
    model, examples = plain_model(write_bert)

    class Failing(Classification):
        def loss(self, logits, targets):
            loss = super().loss(logits, targets)
            return loss * value if model.training and len(told) == 3 else loss

    told: list[dict] = []
    spoiled = rf"the loss is {value} at step 4; first in the loss itself: lower --lr, or lengthen --warmup"
    with pytest.raises(InputError, match=spoiled):
        learn(model, examples, task=Failing(LABELS), log=told.append)
    assert [record["step"] for record in told] == [1, 2, 3]
    assert all(p.isfinite().all() for p in model.parameters())


def test_weights_spoiled_by_the_last_step_are_named(write_bert) -> None:
    """No further batch would show it: the evaluation must, rather than call a model of NaN the best."""
    model, examples = plain_model(write_bert)
    told = []
    with pytest.raises(InputError, match="lower --lr"):
        learn(model, examples, epochs=1, batch_size=48, recipe=Recipe(lr=1e30, warmup=0.0), after_epoch=told.append)
    assert told == []


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_answers_come_in_the_order_of_the_examples(write_bert, batch_size: int) -> None:
    """Evaluation sorts by length; what it returns is one row per example, as each alone would be answered."""
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=2)
    examples, task = encoded(folder, pairs=False), Classification(LABELS)
    assert examples.lengths() != sorted(examples.lengths(), reverse=True)
    model = load.load(folder, head="classification", dtype=torch.float64)
    answers = torch.stack(loop.answer(model, task, examples, batch_size))
    assert answers.shape == (len(examples.tokens), 2)
    assert not answers.requires_grad
    with torch.no_grad():
        alone = [task.logits(model, examples.batch([i])[0])[0] for i in range(len(examples.tokens))]
    assert torch.allclose(answers, torch.stack(alone), rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_is_without_dropout_and_leaves_the_mode(write_bert, training: bool) -> None:
    model, examples = plain_model(write_bert, hidden_dropout_prob=0.5)
    task = Classification(LABELS)
    expected = torch.stack(loop.answer(model.eval(), task, examples))
    state = torch.get_rng_state()
    assert torch.equal(torch.stack(loop.answer(model.train(training), task, examples)), expected)
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn
    assert all(part.training is training for part in model.modules())
    with torch.no_grad():
        batch = examples.batch(range(8))[0]
        dropped = [task.logits(model, batch) for _ in range(2)]
    assert torch.equal(*dropped) is not training


def test_training_has_dropout_on(write_bert) -> None:
    """Also in the second epoch, after an evaluation."""
    model, examples = plain_model(write_bert)
    modes = []

    class Watched(Classification):
        def logits(self, model, batch):
            modes.append((model.training, torch.is_grad_enabled()))
            return super().logits(model, batch)

    learn(model, examples, epochs=2, task=Watched(LABELS))
    assert modes == ([(True, True)] * 6 + [(False, False)]) * 2
