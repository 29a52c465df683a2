"""Everything before the first step: load the model, encode and check the texts, print what will be trained."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch

from minitf.bert import Bert, BertConfig
from minitf.bert.device import choose_device
from minitf.bert.reinitialize import reinitialize_top
from minitf.checkpoints.kinds import Model
from minitf.checkpoints.report import LoadReport
from minitf.errors import InputError
from minitf.fine_tuning import augmentation, data_check, new_model
from minitf.fine_tuning.config import FineTuneConfig, ModelConfig, RecipeConfig, storable
from minitf.fine_tuning.data import Decisions, Splits, data_line
from minitf.fine_tuning.digests import digest_inputs
from minitf.fine_tuning.models import load_kind, longest_of
from minitf.fine_tuning.new_model import NewModel
from minitf.fine_tuning.terminal import Say
from minitf.fine_tuning.token_counts import AnyTokenizer, TokenCounts
from minitf.mathematics import Mathematics, mathematics
from minitf.tasks.base import Task
from minitf.tasks.spec import TaskSettings, TaskSpec
from minitf.text.batches import Examples
from minitf.text.windows import choose_max_length
from minitf.training import state
from minitf.training.loop import Plan
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.parameter_table import parameter_groups, parameter_table
from minitf.training.precision import choose_precision
from minitf.training.strategy import Strategy, count_layers, freeze
from minitf.training.workers import Workers, local_device

LOW_RATE = 3e-4  # for a new model
HIGH_RATE = 1e-2  # for Adam, if more than the head is trained


@dataclasses.dataclass(frozen=True)
class EncodedTables:
    """The tables as token ids, and the counts of the data check; the same for every seed."""

    examples: dict[str, Examples]
    counts: dict[str, TokenCounts]


@dataclasses.dataclass(frozen=True)
class Description:
    """What was loaded, checked and will be trained, as text: for `verbose` and the report."""

    model: str  # the load report
    data: str  # the data check
    parameters: str  # the parameter table


@dataclasses.dataclass(frozen=True)
class TrainingSetup:
    """Everything that training needs, loaded and encoded."""

    config: FineTuneConfig
    decisions: Decisions
    max_length: int
    splits: Splits
    model: Model
    loaded: LoadReport | NewModel
    tokenizer: AnyTokenizer
    task: Task
    encoded: EncodedTables
    math: Mathematics
    strategy: Strategy
    augmented: Callable[[int], Examples] | None  # the training examples of an epoch, if they are augmented
    inputs: dict[str, str]  # digests of the tables and the model, by name
    command: str  # that started the run
    description: "Description"

    @property
    def spec(self) -> TaskSpec:
        return self.decisions.spec

    @property
    def in_full(self) -> bool:
        """Whether the terminal shows everything that is in the report."""
        return self.config.output.verbose or self.config.output.dry_run

    @property
    def shows_parameters(self) -> bool:
        """Whether the terminal shows the trained parameters; by default, not if all have one learning rate."""
        return self.in_full or self.strategy != Strategy()

    @property
    def layers(self) -> int:
        return count_layers(self.model)[0]

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def plan(self) -> Plan:
        """The plan of the training loop."""
        recipe = self.config.recipe
        return Plan(
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            accumulate=recipe.accumulate,
            metric=self.decisions.metric,
            patience=recipe.early_stopping,
            lower_is_better=self.spec.lower_is_better,
        )

    def settings(self) -> dict[str, object]:
        """Return the settings and the values that the run chose, for the report and the saved state."""
        decided = {"metric": self.decisions.metric, "max_length": self.max_length}
        decided |= self.loaded.sizes if isinstance(self.loaded, NewModel) else {}
        return storable(self.config.settings() | decided)

    def optimizer(self) -> Optimizer:
        """Create the optimizer; freeze the parameters that are never trained."""
        freeze(self.model, self.layers, self.strategy.frozen)
        steps = total_steps(self.config.recipe, len(self.encoded.examples["train"]))
        scale = self.strategy.scale(*count_layers(self.model))
        return Optimizer(self.model, optimizer_recipe(self.config.recipe), steps, self.math, scale)


def prepare(
    config: FineTuneConfig,
    decisions: Decisions,
    splits: Splits,
    workers: Workers,
    say: Say,
    encoded: EncodedTables | None = None,
    command: str = "",
) -> TrainingSetup:
    """Load the model, encode the texts, print what will be trained. `encoded` is reused from a run with another seed.

    Raises InputError for settings that do not fit the model or the device.
    """
    spec, recipe = decisions.spec, config.recipe
    torch.manual_seed(recipe.seed)
    device = local_device(choose_device(recipe.device))
    choose_precision(recipe.precision, device)
    math = mathematics(config.model.math)
    task = spec.create(splits["train"], task_settings(config), math)
    model, loaded = _load(config, spec, splits, task, math, device, say)
    strategy = _strategy(config.model, count_layers(model)[0])
    inputs = digest_inputs(splits, loaded, state.digest(model, loaded.loaded), config.model.math)
    if isinstance(model, Bert):
        reinitialize_top(model, strategy.reinitialized)
    if workers.rank:
        torch.manual_seed(recipe.seed + (workers.rank << 32))  # each process has its own dropout
    tokenizer: Any = loaded.checked_tokenizer()
    max_length = choose_max_length(config.data.max_length, spec.max_length, longest_of(model))
    if encoded is None:
        encoded = EncodedTables(
            {name: task.encode(table, tokenizer, max_length) for name, table in splits.items()},
            data_check.count_tables(spec, splits, tokenizer, max_length),
        )
    lines: list[str] = []
    augmented = augmentation.augmented_examples(
        config, splits["train"], task, tokenizer, max_length, math, lines.append
    )
    setup = TrainingSetup(
        config=config,
        decisions=decisions,
        max_length=max_length,
        splits=splits,
        model=model,
        loaded=loaded,
        tokenizer=tokenizer,
        task=task,
        encoded=encoded,
        math=math,
        strategy=strategy,
        augmented=augmented,
        inputs=inputs,
        command=command,
        description=Description(
            model=str(loaded),
            data=data_check.check_table(spec, splits, encoded.counts, tokenizer, max_length, config.data.long_text),
            parameters=_parameter_table(model, recipe, strategy),
        ),
    )
    _describe(setup, longest_of(model), lines, say)
    return setup


def _load(
    config: FineTuneConfig,
    spec: TaskSpec,
    splits: Splits,
    task: Task,
    math: Mathematics,
    device: torch.device,
    say: Say,
) -> tuple[Model, LoadReport | NewModel]:
    """Load the model with the head of the task, or create a new one."""

    def change(official: Any) -> Any:
        return _changed(official, config.model, task.problem_type)

    if spec.model != "bert" and config.is_new:
        return new_model.create(spec, splits, config, math, device, change)
    return load_kind(
        spec.model,
        config.model.model,
        head=task.head,
        labels=task.labels or None,
        math=math,
        device=device,
        offline=config.output.offline,
        say=say,
        change=change,
        from_scratch=config.model.from_scratch,
        verify=not config.model.no_verify,
        revision=config.model.revision,
    )


# The rates of dropout in the configs of the models.
DROPOUT = (
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
    *("dropout", "attention_dropout", "activation_dropout"),
    *("resid_pdrop", "embd_pdrop", "attn_pdrop"),
)


def _changed(official: Any, model: ModelConfig, problem_type: str | None) -> Any:
    """Return the configuration of the model with the changes of the settings and the task."""
    changes: dict[str, object] = {}
    if isinstance(official, BertConfig):
        changes["problem_type"] = problem_type
    if model.dropout is not None:
        changes |= {name: model.dropout for name in DROPOUT if hasattr(official, name)}
    if model.hidden_act is not None:
        changes["hidden_act"] = model.hidden_act
    return dataclasses.replace(official, **changes)


def _describe(setup: TrainingSetup, longest: int, augmentation_lines: list[str], say: Say) -> None:
    """Print the model, the data and what will be trained; with `verbose` or `dry_run` in full."""
    recipe, spec, long_text = setup.config.recipe, setup.spec, setup.config.data.long_text
    in_full = setup.in_full
    say(setup.description.model if in_full else setup.loaded.short())
    say(data_line(setup.splits, spec, setup.config.data))
    if in_full:
        say(setup.description.data)
    checked = (spec, setup.splits, setup.encoded.counts, setup.tokenizer, setup.max_length, long_text)
    for finding in data_check.check_warnings(*checked, longest):
        say(f"warning: {finding.message}")
    shown = augmentation_lines if in_full else [line for line in augmentation_lines if not line.startswith(" ")]
    for line in (*shown, *(f"  {note}" for note in setup.encoded.examples["train"].notes())):
        say(line)
    size = f"{recipe.batch_size} {spec.batch_unit}"
    if recipe.accumulate > 1:
        size = f"{recipe.accumulate} × {size}"
    steps = total_steps(recipe, len(setup.encoded.examples["train"]))
    schedule = f"{recipe.schedule} to {recipe.min_lr:g}" if recipe.min_lr else recipe.schedule
    say(f"{recipe.optimizer}, {steps} steps of {size}, learning rate {recipe.lr:g}, {schedule}, seed {recipe.seed}")
    if setup.shows_parameters:
        say(setup.description.parameters)
    is_new, head_alone = isinstance(setup.loaded, NewModel), setup.config.model.freeze == "all"
    for warning in rate_warnings(recipe, is_new=is_new, head_alone=head_alone):
        say(f"warning: {warning}")


def rate_warnings(recipe: RecipeConfig, *, is_new: bool, head_alone: bool) -> Iterator[str]:
    """Warn of a learning rate that is unusual for a new model, for a frozen one, or for Adam."""
    is_adam = recipe.optimizer in ("adam", "adamw")
    if is_new and recipe.lr < LOW_RATE:
        yield f"a new model learns slowly at `lr` {recipe.lr:g}; try 1e-3"
    if head_alone and is_adam and recipe.lr < 1e-3:
        yield f"`freeze` all trains the head alone, which learns slowly at `lr` {recipe.lr:g}; try 1e-2"
    if not head_alone and is_adam and recipe.lr > HIGH_RATE:
        yield f"`lr` {recipe.lr:g} is high for {recipe.optimizer} and often destroys the model; try 5e-5"


def task_settings(config: FineTuneConfig) -> TaskSettings:
    """Return the settings that the task reads."""
    return TaskSettings(
        config.data.long_text, config.data.stride, config.recipe.class_weights, config.recipe.label_smoothing
    )


def optimizer_recipe(recipe: RecipeConfig) -> Recipe:
    """Return the settings that the optimizer reads."""
    decay = recipe.weight_decay
    if decay is None:
        decay = 0.01 if recipe.optimizer == "adamw" else 0.0
    return Recipe(
        rule=recipe.optimizer,
        lr=recipe.lr,
        schedule=recipe.schedule,
        min_lr=recipe.min_lr,
        warmup=recipe.warmup,
        weight_decay=decay,
        l1=recipe.l1,
        l2=recipe.l2,
        clip=recipe.clip or None,
        bias_correction=not recipe.no_bias_correction,
    )


def _strategy(model: ModelConfig, L: int) -> Strategy:
    """Return the strategy for a model of L layers. Raises InputError if it has too few."""
    what = model.freeze
    if what not in (None, "embeddings", "all") and int(what) > L:
        raise InputError(f"`freeze` {what}: this model has {L} layers; give fewer, or all")
    depths = 0 if what is None else {"embeddings": 1, "all": L + 2}.get(what) or int(what) + 1
    strategy = Strategy(depths, model.unfreeze == "gradual", model.layer_lr_decay, model.reinit_top)
    strategy.check(L)
    return strategy


def total_steps(recipe: RecipeConfig, examples: int) -> int:
    """Return the number of updates in all epochs."""
    size = recipe.batch_size * recipe.accumulate
    return int(recipe.epochs * -(-examples // size))


def _parameter_table(model: Model, recipe: RecipeConfig, strategy: Strategy) -> str:
    groups = parameter_groups(model, recipe.lr, strategy, count_layers(model)[0], recipe.epochs)
    return parameter_table(groups, optimizer_recipe(recipe).weight_decay)
