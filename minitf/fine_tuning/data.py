"""The task and the tables of a run, decided, read and checked before torch is loaded."""

import dataclasses
from typing import Any

from minitf.datasets.built_in import BUILT_IN, PARTS, built_in_name, built_in_source, check_name
from minitf.datasets.dataset import Dataset, built_in_corpus
from minitf.datasets.findings import refuse
from minitf.datasets.groups import with_groups
from minitf.errors import InputError
from minitf.fine_tuning.built_in_recipe import recipe_line
from minitf.fine_tuning.config import SIZES, DataConfig, FineTuneConfig, ModelConfig
from minitf.fine_tuning.terminal import Say
from minitf.tasks import registry
from minitf.tasks.spec import Table, TaskSpec

Splits = dict[str, Table]  # "train", "valid" and, if given, "test"
SPLITS = PARTS


@dataclasses.dataclass(frozen=True)
class Decisions:
    """The task and the metric of a run; chosen automatically if the configuration does not set them."""

    spec: TaskSpec
    metric: str  # chooses the best epoch


def decide(config: FineTuneConfig, say: Say) -> Decisions:
    """Decide the task and the metric; print the reason if the data decide.

    Raises InputError for settings that do not fit the task, and DataError for data that cannot be read.
    """
    spec = _task(config.data, say)
    if problem := spec.problem(config.settings()):
        raise InputError(problem)
    _check_model(config, spec)
    return Decisions(spec, config.recipe.metric or spec.metrics[0])


def _check_model(config: FineTuneConfig, spec: TaskSpec) -> None:
    """Raise InputError if the task generates text and has no model for it, or if it takes no new model."""
    given = [name for name in SIZES if getattr(config.model, name) is not None]
    if spec.model == "bert":
        if given:
            raise InputError(
                f"`{given[0]}` is a size of a new model for generated text, and `task` {spec.name} takes that of"
                " `model`; leave it out"
            )
    elif config.model.model == ModelConfig.model and not config.is_new:
        raise InputError(
            f"`task` {spec.name} generates text, and {ModelConfig.model} cannot: give a `model` of the kind"
            f" {spec.model}, or `from_scratch` for a new one"
        )


def _task(data: DataConfig, say: Say) -> TaskSpec:
    if name := built_in_name(data.train):
        if data.task not in ("auto", BUILT_IN[name].task):
            raise InputError(f"`task` {data.task}: the built-in {name} are for {BUILT_IN[name].task}")
        return registry.SPECS[BUILT_IN[name].task]
    check_name(data.train)
    if data.task != "auto":
        return registry.SPECS[data.task]
    spec, why = registry.recognize(data.train, columns(data))
    say(f"`task` auto: {spec.name}, because {why}")
    return spec


def columns(data: DataConfig) -> dict[str, str | None]:
    """Return the column names that are given, and the delimiter if it is."""
    delimiter = {} if data.delimiter is None else {"delimiter": data.delimiter}
    return {"text": data.text, "pair": data.pair, "label": data.label} | delimiter


def read_data(config: FineTuneConfig, spec: TaskSpec, say: Say) -> Splits:
    """Read and check all tables; print the warnings. Raises DataError."""
    data = config.data
    if name := built_in_name(data.train):
        sources: dict[str, Any] = {part: built_in_source(name, part) for part in SPLITS}
        splits: Splits = dict(zip(SPLITS, built_in_corpus(name), strict=True))
    else:
        sources = {part: getattr(data, part) for part in SPLITS if getattr(data, part)}
        splits = {part: spec.read(source, **columns(data)) for part, source in sources.items()}
    if config.output.by is not None:
        measured = next(part for part in ("test", "valid", "train") if part in splits)  # a part of "train" is held out
        splits[measured] = with_groups(splits[measured], sources[measured], config.output.by, data.delimiter)
    if "valid" not in splits:
        refuse(spec.check(splits["train"], None, None))
        splits["train"], splits["valid"] = _hold_out(splits["train"], spec, config.recipe.seed, say)
    findings = spec.check(*(splits.get(name) for name in SPLITS))
    for finding in findings:
        if finding.level == "warning":
            say(f"warning: {finding.message}")
    refuse(findings)
    if line := recipe_line(config):
        say(line)
    return splits


def _hold_out(train: Table, spec: TaskSpec, seed: int, say: Say) -> tuple[Table, Table]:
    """Split the training table into training and validation."""
    total = len(train.examples)
    train, valid = spec.split(train, seed=seed)
    held_out = len(valid.examples)
    say(f"no `valid` given: holding out {held_out:,} of {total:,} training {spec.unit} ({spec.held_out}, seed {seed})")
    return train, valid


def data_line(splits: Splits, spec: TaskSpec, data: DataConfig) -> str:
    """Format the sizes of the tables, and the columns that were found by other names than `text` and `label`."""
    train = splits["train"]
    found = {"text": train.text_column, "pair": train.pair_column, "label": train.label_column}
    if not isinstance(train, Dataset) or built_in_name(data.train):
        found = {}
    named = [
        f"{name}: column {column!r}; "
        for name, column in found.items()
        if column not in (None, name) and getattr(data, name) is None
    ]
    sizes = ", ".join(f"{name} {len(table.examples)}" for name, table in splits.items())
    return f"{train.path}: {sizes} {spec.unit}; {''.join(named)}in training: {spec.describe(splits['train'])}"
