"""The training loop: 50 fine-tuning steps against PyTorch; it learns, is reproducible, chooses the best epoch, stops.

One difference between the two: the reference creates its word embedding with `padding_idx=0`, so that the row of [PAD]
has no gradient. minitf freezes no row, but the gradient of this row is zero, because no token attends to padding (a
test below). So only weight decay and penalties change the row, in both.
"""

import ast
import dataclasses
import inspect
import itertools
import math
import re
from contextlib import closing, contextmanager

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
from minitf.tasks.inference import predict_logits
from minitf.text.batches import Examples, shuffled
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe
from tests.support.small_training import train

LABELS = ("neg", "pos")
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


def reviews() -> list[tuple[str, str, int]]:
    """80 pairs of many lengths and their labels: positive and negative, each with and without a negation."""
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


# 50 steps ------------------------------------------------------------------------------------------------------------

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
    """A training loop with `transformers` and PyTorch, over the same batches as minitf."""
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
    """The largest difference of any weight; both sides must have the same tensors."""
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
        # PyTorch's Adam adds weight_decay · θ to the gradient; λ‖θ‖₂² has the gradient 2λθ. PyTorch adds it after
        # clipping, while minitf clips the gradient of the loss with its penalty: so nothing is clipped here.
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
    train(
        model,
        Classification(LABELS, math=chosen),
        examples,
        few,
        optimizer,
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=SEED,
        on_step=lambda step: norms.append(step.gradient),
    )
    train_reference(reference, examples, twin(reference), recipe.clip)

    assert optimizer.steps == len(norms) == STEPS
    assert recipe.clip is None or max(norms) > recipe.clip  # some gradients are clipped
    same = {name for name, p in model.named_parameters() if torch.allclose(p, start[name], rtol=0, atol=1e-5)}
    assert all(name.endswith("W_K.bias") for name in same)  # in theory its gradient is zero
    assert farthest(model, reference) <= 1e-9


def test_padding_has_no_gradient(write_bert) -> None:
    """The row of [PAD] in the word embedding, which the reference freezes, has a gradient of exactly zero."""
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
def test_penalties_against_autograd(write_bert, l1: float, l2: float, clip: float | None) -> None:
    """One step on loss + λ₁‖W‖₁ + λ₂‖W‖₂², with the penalties of all matrices in the reference's loss, clipped."""
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

    steps = []
    train(
        model,
        Classification(LABELS),
        examples,
        Examples(examples.tokens[:2], examples.targets[:2]),
        Optimizer(model, recipe, total=1),
        epochs=1,
        batch_size=len(whole),
        on_step=steps.append,
    )
    assert steps[0].loss == pytest.approx(penalised.item(), rel=1e-12)  # the loss of a step includes the penalties
    assert farthest(model, reference) <= 1e-12


# The loop ------------------------------------------------------------------------------------------------------------


def plain_model(write_bert, **config) -> tuple[Bert, Examples]:
    """A tiny model with random weights, and texts whose class depends on one word."""
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
    torch.manual_seed(seed)  # of dropout
    recipe = more.pop("recipe", Recipe(lr=0.03))
    steps = epochs * math.ceil(len(examples.tokens) / 8)
    return train(
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
    history = learn(model, examples, epochs=16, on_step=lambda step: losses.append(step.loss))
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)  # the loss of random predictions
    assert history[-1].valid["accuracy"] == history[-1].valid["macro_f1"] == 1.0
    assert max(history[-1].valid["loss"], losses[-1]) < 0.1
    predicted = torch.stack(predict_logits(model, Classification(LABELS), examples)).argmax(dim=-1)
    assert torch.equal(predicted, examples.targets)


def test_the_same_seed_gives_the_same_bits(write_bert) -> None:
    """The seed determines dropout and the order of the batches, and nothing else is random."""
    runs = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        model, examples = plain_model(write_bert)
        steps = []
        learn(model, examples, epochs=2, seed=seed, on_step=steps.append)
        runs[name] = weights(model), steps
    assert same(runs["first"][0], runs["again"][0])
    assert runs["first"][1] == runs["again"][1]
    assert not same(runs["first"][0], runs["other"][0])


def test_the_seed_orders_the_batches(write_bert) -> None:
    """Without dropout two seeds differ too, by their batches."""
    runs = []
    for seed in (1, 2):
        model, examples = plain_model(write_bert, **NO_DROPOUT)
        learn(model, examples, epochs=1, seed=seed)
        runs.append(weights(model))
    assert not same(*runs)


def test_the_events(write_bert) -> None:
    """Each step has its number, epoch, loss, learning rate and gradient norm; each epoch follows its last step."""
    model, examples = plain_model(write_bert)
    steps, epochs = [], []
    history = learn(
        model, examples, epochs=3, on_step=steps.append, on_epoch=lambda epoch: epochs.append((len(steps), epoch))
    )
    assert [step.number for step in steps] == list(range(1, 19))  # 48 texts, 8 per batch
    assert [step.epoch for step in steps] == [1] * 6 + [2] * 6 + [3] * 6
    assert [step.ends_epoch for step in steps] == ([False] * 5 + [True]) * 3
    assert list(steps[0].to_dict()) == ["step", "epoch", "loss", "lr", "gradient"]  # a contract
    optimizer = Optimizer(model, Recipe(lr=0.03), total=18)
    for step in steps:
        assert step.lr == optimizer.rate()
        assert step.gradient > 0.0
        optimizer.steps += 1
    assert [n for n, _ in epochs] == [6, 12, 18]
    assert [epoch for _, epoch in epochs] == history
    for epoch in history:
        losses = [step.loss for step in steps if step.epoch == epoch.number]
        assert epoch.train_loss == pytest.approx(sum(losses) / len(losses))
        assert epoch.seconds > 0.0


class Scripted(Classification):
    """A task whose scores are given by a script, epoch by epoch."""

    def follow(self, script: list[float]) -> "Scripted":
        object.__setattr__(self, "script", iter(script))
        return self

    def measure(self, logits, examples):
        value = next(self.script)
        return dataclasses.replace(
            super().measure(logits, examples), accuracy=value, macro_f1=1.0 - value, loss=1.0 - value
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
    """The first, and each that is better than all before; of equal ones that with the lower loss."""
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
    """After so many epochs in a row that were not the best; each epoch is yielded, the last too."""
    model, examples = plain_model(write_bert)
    yielded = []
    history = learn(model, examples, task=Scripted(LABELS).follow(script), patience=patience, on_epoch=yielded.append)
    assert len(history) == epochs
    assert yielded == history


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_reported(write_bert, value: float) -> None:
    """At the step at which it occurs, before it changes any weight."""
    model, examples = plain_model(write_bert)

    class Failing(Classification):
        def loss(self, logits, targets):
            loss = super().loss(logits, targets)
            return loss * value if model.training and len(steps) == 3 else loss

    steps: list[loop.Step] = []
    message = f"the loss is {value} at step 4 (all outputs and weights are finite): lower `lr`, or raise `warmup`"
    with pytest.raises(InputError, match=re.escape(message)):
        learn(model, examples, task=Failing(LABELS), on_step=steps.append)
    assert [step.number for step in steps] == [1, 2, 3]
    assert all(p.isfinite().all() for p in model.parameters())


def test_weights_that_the_last_step_breaks_are_reported(write_bert) -> None:
    """No batch follows that would show it: the evaluation must, so that a model of NaN is not the best."""
    model, examples = plain_model(write_bert)
    epochs = []
    with pytest.raises(InputError, match=r"the validation loss is nan after epoch 1: lower `lr`"):
        learn(model, examples, epochs=1, batch_size=48, recipe=Recipe(lr=1e30, warmup=0.0), on_epoch=epochs.append)
    assert epochs == []


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_logits_are_in_the_order_of_the_examples(write_bert, batch_size: int) -> None:
    """Evaluation sorts by length; it returns one row per example, equal to that of the example alone."""
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=2)
    examples, task = encoded(folder, pairs=False), Classification(LABELS)
    assert examples.lengths() != sorted(examples.lengths(), reverse=True)
    model = load.load(folder, head="classification", dtype=torch.float64)
    logits = torch.stack(predict_logits(model, task, examples, batch_size))
    assert logits.shape == (len(examples.tokens), 2)
    assert not logits.requires_grad
    with torch.no_grad():
        alone = [task.logits(model, examples.batch([i])[0])[0] for i in range(len(examples.tokens))]
    assert torch.allclose(logits, torch.stack(alone), rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_has_no_dropout_and_keeps_the_mode(write_bert, training: bool) -> None:
    model, examples = plain_model(write_bert, hidden_dropout_prob=0.5)
    task = Classification(LABELS)
    expected = torch.stack(predict_logits(model.eval(), task, examples))
    state = torch.get_rng_state()
    assert torch.equal(torch.stack(predict_logits(model.train(training), task, examples)), expected)
    assert torch.equal(torch.get_rng_state(), state)  # no random numbers were used
    assert all(part.training is training for part in model.modules())
    with torch.no_grad():
        batch = examples.batch(range(8))[0]
        dropped = [task.logits(model, batch) for _ in range(2)]
    assert torch.equal(*dropped) is not training


def test_training_has_dropout(write_bert) -> None:
    """In the second epoch too, after an evaluation."""
    model, examples = plain_model(write_bert)
    modes = []

    class Watched(Classification):
        def logits(self, model, batch):
            modes.append((model.training, torch.is_grad_enabled()))
            return super().logits(model, batch)

    learn(model, examples, epochs=2, task=Watched(LABELS))
    assert modes == ([(True, True)] * 6 + [(False, False)]) * 2


# The generator -------------------------------------------------------------------------------------------------------


@contextmanager
def replaced_embeddings(model: Bert):
    """Inside the block the model has other embeddings, as with frozen layers."""
    own = model.embeddings
    model.embeddings = type("Other", (nn.Module,), {"forward": lambda self, *given: own(*given), "word": own.word})()
    try:
        yield
    finally:
        model.embeddings = own


def events_of(model: Bert, examples: Examples, progress: loop.Progress | None = None):
    """The events of two epochs of six steps, in a stage that changes the model."""
    data, plan = loop.TrainingData(examples, examples), loop.Plan(2, 8, 0)
    optimizer = Optimizer(model, Recipe(lr=0.03), 12)
    return loop.train(
        model, Classification(LABELS), data, optimizer, plan, lambda epoch: replaced_embeddings(model), progress
    )


@pytest.mark.parametrize("at", [1, 3, 6, 7, 8])
def test_an_exception_in_the_callers_loop_leaves_the_model_whole(write_bert, at: int) -> None:
    """`closing` ends the generator, which leaves the stage: after a step, and after the epoch (the seventh event)."""
    model, examples = plain_model(write_bert)
    own = model.embeddings
    events = events_of(model, examples)

    def body() -> None:
        with closing(events):
            for n, event in enumerate(events, 1):
                inside = isinstance(event, loop.Step)
                assert (model.embeddings is own) is not inside
                if n == at:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert model.embeddings is own
    assert next(events, None) is None


def test_an_error_in_the_loop_leaves_the_model_whole(write_bert, monkeypatch) -> None:
    model, examples = plain_model(write_bert)
    own = model.embeddings
    monkeypatch.setattr(loop, "update", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(events_of(model, examples))
    assert model.embeddings is own


def test_progress_is_that_of_the_last_event(write_bert) -> None:
    """A state that is saved after any event continues with the next one."""
    model, examples = plain_model(write_bert)
    progress = loop.Progress()
    for event in events_of(model, examples, progress):
        if isinstance(event, loop.Step):
            assert (progress.epoch, len(progress.losses)) == (event.epoch, (event.number - 1) % 6 + 1)
            assert progress.losses[-1] == event.loss
        else:
            assert (progress.history[-1], progress.losses) == (event, [])


def test_nothing_is_computed_before_the_first_event_is_requested(write_bert) -> None:
    model, examples = plain_model(write_bert)
    before = weights(model)
    events_of(model, examples).close()
    assert same(weights(model), before)


@pytest.mark.parametrize(("function", "parameters"), [(loop.train, 8), (loop.update, 8)])
def test_the_loop_fits_a_screen(function, parameters: int) -> None:
    """At most 45 lines of body, without the docstring, and eight parameters."""
    (definition,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    docstring, *body = definition.body
    assert ast.get_docstring(definition)
    assert body[-1].end_lineno - docstring.end_lineno <= 45
    assert len(inspect.signature(function).parameters) <= parameters
