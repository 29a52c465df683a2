"""The configuration of a fine-tuning run: frozen, created once (from flags or keywords) and checked when it is created.

It never changes. Values that the run chooses, such as the task for `task` auto, are in `data.Decisions` and
`setup.TrainingSetup`.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from minitf.datasets import augmentation
from minitf.datasets.built_in import BUILT_IN, built_in_name
from minitf.datasets.dialect import parse_delimiter
from minitf.errors import InputError
from minitf.fine_tuning.other_names import suggest_setting
from minitf.fine_tuning.settings import Checked, Choice, Flag, Number, Source, Text, TextOrNumber, Words, setting
from minitf.tasks import registry

RECORDS = " records"  # records are saved as their count and this word
SIZES = ("layers", "width", "heads", "vocabulary")  # settings of a new model

_SHARE, _RATE, _COEFFICIENT = Number(0, 1), Number(0, 0.99), Number(0)
_COUNT, _LAYERS = Number(1, 1_000_000, whole=True), Number(1, 1000, whole=True)


def _tasks() -> list[str]:
    return ["auto", *registry.SPECS]


def _augmentation(text: str) -> None:
    try:
        augmentation.parse(text)
    except ValueError as error:
        raise ValueError(f"{error}; give one or more of delete=0.1,swap=0.1,replace=0.1") from None


def _frozen(text: str) -> None:
    if text not in ("embeddings", "all") and not (text.isascii() and text.isdigit() and int(text) <= 1000):
        raise ValueError(f"must be embeddings, a number of layers, or all, not {text!r}")


@dataclasses.dataclass(frozen=True)
class DataConfig(Checked):
    """The data: tables (CSV, TSV, JSON lines), CoNLL columns, SQuAD's JSON."""

    train: Any = setting(
        None, Source(), f"training examples, or built-in data: {', '.join(BUILT_IN)}", "FILE", "the built-in reviews"
    )
    valid: Any = setting(None, Source(), "validation examples", "FILE", "10 % of the training examples")
    test: Any = setting(None, Source(), "test examples, evaluated once, at the end", "FILE", "none")
    text: str | None = setting(None, Words(), "column of the text", "COL", "found by its name")
    pair: str | None = setting(None, Words(), "column of the second text of a pair", "COL", "none")
    label: str | None = setting(None, Words(), "column of the label", "COL", "found by its name")
    delimiter: str | None = setting(
        None,
        Text(parse_delimiter),
        "delimiter of a CSV or TSV: one character, or semicolon, tab, bar",
        "C",
        "recognized",
    )
    task: str = setting(
        "auto", Choice(_tasks), "what is predicted", None, "auto, from the data: a|b is multilabel, 2.5 regression"
    )
    max_length: int | None = setting(
        None, _COUNT, "tokens per text, or per window", "N", "128, qa 384, at most the model's"
    )
    long_text: str = setting(
        "truncate",
        Choice(("truncate", "head-tail", "windows")),
        "longer texts: cut the end, cut the middle, or average the logits of windows",
    )
    stride: int | None = setting(
        None, Number(0, 1_000_000, whole=True), "tokens that two neighbouring windows share", "N", "a third"
    )
    augment: str | None = setting(
        None,
        Text(_augmentation),
        "change training texts: delete=P,swap=P,replace=P, P the probability per word",
        "WHAT",
        "no",
    )
    augment_share: float = setting(0.5, _SHARE, "probability that a text is changed", "P")


@dataclasses.dataclass(frozen=True)
class ModelConfig(Checked):
    """The checkpoint, changes of its configuration, and which of its weights are trained."""

    model: str = setting("all-MiniLM-L6-v2", Text(), "folder, Google's zip, or name, such as bert-base-uncased", "M")
    revision: str | None = setting(None, Text(), "branch, tag or commit on huggingface.co", "REV", "main")
    from_scratch: bool = setting(
        False, Flag(), "use the model's configuration, not its weights; without `model` a new one for generated text"
    )
    layers: int | None = setting(None, _LAYERS, "layers of a new model, in the encoder and in the decoder", "N", "2")
    width: int | None = setting(None, _COUNT, "width of a new model", "D", "128")
    heads: int | None = setting(None, _COUNT, "attention heads of a new model", "H", "one per 32 of the width")
    vocabulary: int | None = setting(
        None, _COUNT, "tokens that a new model learns from the texts, at most", "N", "4000"
    )
    hidden_act: str | None = setting(
        None, Choice(("gelu", "gelu_tanh", "relu")), "activation function", None, "the checkpoint's"
    )
    dropout: float | None = setting(None, _RATE, "dropout rate everywhere", "P", "the checkpoint's")
    math: str = setting(
        "kernels", Text(), "functions to compute with: kernels (fast), equations (readable), or your .py file", "WHICH"
    )
    no_verify: bool = setting(False, Flag(), "skip the checksums of a TensorFlow checkpoint")
    freeze: str | None = setting(
        None,
        TextOrNumber(_frozen),
        "embeddings, N (also the lowest N layers), or all (except the head)",
        "WHAT",
        "nothing",
    )
    unfreeze: str | None = setting(
        None, Choice(("gradual",)), "unfreeze from the top, epoch by epoch; all in the last one", None, "no"
    )
    layer_lr_decay: float = setting(1.0, Number(0, 1, above=True), "rate of layer ℓ of L: η ξ^(L − ℓ)", "ξ")
    reinit_top: int = setting(0, Number(0, 1000, whole=True), "re-initialize the top N layers", "N")


@dataclasses.dataclass(frozen=True)
class RecipeConfig(Checked):
    """How the weights are trained."""

    epochs: int = setting(5, _COUNT, "passes over the training data", "N")
    batch_size: int = setting(16, _COUNT, "texts per batch", "N")
    accumulate: int = setting(1, _COUNT, "batches per update", "N")
    optimizer: str = setting("adamw", Choice(("gd", "momentum", "rmsprop", "adam", "adamw")), "update rule")
    lr: float = setting(5e-5, Number(0, above=True), "peak learning rate", "η", "5e-5")
    schedule: str = setting(
        "linear",
        Choice(("constant", "linear", "polynomial", "step", "exponential", "cosine", "inverse-sqrt")),
        "learning-rate schedule after the warm-up",
    )
    min_lr: float = setting(0.0, _COEFFICIENT, "minimum learning rate, where the schedule ends", "η")
    warmup: float = setting(0.1, _SHARE, "share of the steps in which the rate rises", "SHARE")
    weight_decay: float | None = setting(None, _COEFFICIENT, "decoupled weight decay, adamw only", "λ", "0.01 there")
    l1: float = setting(0.0, _COEFFICIENT, "penalty λ‖θ‖₁", "λ")
    l2: float = setting(0.0, _COEFFICIENT, "penalty λ‖θ‖₂²", "λ")
    clip: float = setting(1.0, _COEFFICIENT, "maximum gradient norm; 0 disables clipping", "C")
    no_bias_correction: bool = setting(False, Flag(), "Adam without bias correction, as in Google's BERT code")
    label_smoothing: float = setting(0.0, _RATE, "share of the target spread over all classes", "ε")
    class_weights: str = setting("none", Choice(("none", "balanced")), "weight classes by their inverse frequency")
    metric: str | None = setting(
        None,
        Choice(registry.metrics),
        "score that chooses the best epoch",
        "NAME",
        "accuracy, micro_f1, pearson, f1, chrf or loss, by task",
    )
    early_stopping: int | None = setting(None, _COUNT, "stop after N epochs without a new best one", "N", "never")
    seed: int = setting(0, Number(0, 2**31, whole=True), "random seed", "S")
    seeds: int = setting(1, Number(1, 1000, whole=True), "train N times, with the seeds S, S + 1, …", "N")
    precision: str = setting("fp32", Choice(("fp32", "bf16", "fp16")), "precision of matrix products")
    device: str = setting("auto", Choice(("auto", "cpu", "cuda")), "where the model runs")


@dataclasses.dataclass(frozen=True)
class OutputConfig(Checked):
    """Where the run is saved."""

    output: str | None = setting(None, Text(), "folder of the run", "DIR", "a new runs/NAME-N")
    overwrite: bool = setting(False, Flag(), "replace an earlier run in `output`")
    resume: bool = setting(False, Flag(), "continue the run in `output`; its own settings apply")
    save_every: int | None = setting(None, _COUNT, "save every N steps too", "N", "after each epoch")
    by: str | None = setting(
        None,
        Words(),
        "report the score of each group: a column, length or unknown (tokens)",
        "COL",
        "none; reviews: kind",
    )
    offline: bool = setting(False, Flag(), "use no network")
    dry_run: bool = setting(False, Flag(), "check everything, train nothing")
    verbose: bool = setting(False, Flag(), "print all of what was loaded, checked, trained and measured")


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """All settings of a run. Raises InputError for invalid settings, and for settings that contradict each other."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    recipe: RecipeConfig = RecipeConfig()
    output: OutputConfig = OutputConfig()

    @property
    def is_new(self) -> bool:
        """Whether a task that generates text gets a new model, with a vocabulary learned from the training data."""
        return self.model.from_scratch and self.model.model == ModelConfig.model

    @classmethod
    def of(cls, **settings: Any) -> "FineTuneConfig":
        """Create a configuration from settings by name, with defaults for the others. Raises InputError."""
        for name in settings:
            field_of(name)
        parts = {}
        for part in dataclasses.fields(cls):
            mine = {f.name: settings[f.name] for f in dataclasses.fields(part.type) if f.name in settings}  # type: ignore[arg-type]
            parts[part.name] = part.type(**mine)  # type: ignore[operator]
        return cls(**parts)

    def settings(self) -> dict[str, Any]:
        """Return all settings by name."""
        parts = (getattr(self, part.name) for part in dataclasses.fields(self))
        return {field.name: getattr(part, field.name) for part in parts for field in dataclasses.fields(part)}

    def replace(self, **settings: Any) -> "FineTuneConfig":
        """Return a copy with other values of some settings. Raises InputError."""
        return FineTuneConfig.of(**self.settings() | settings)

    def __post_init__(self) -> None:
        model, recipe = self.model, self.recipe
        if recipe.weight_decay and recipe.optimizer != "adamw":
            raise InputError(f"`weight_decay` is for adamw only; with `optimizer` {recipe.optimizer} use `l2`")
        if recipe.no_bias_correction and recipe.optimizer not in ("adam", "adamw"):
            raise InputError(f"`no_bias_correction` is for adam and adamw, not for `optimizer` {recipe.optimizer}")
        if recipe.min_lr > recipe.lr:
            raise InputError(f"`min_lr` {recipe.min_lr:g} is above `lr` {recipe.lr:g}; give a smaller one")
        if model.from_scratch and (model.freeze is not None or model.unfreeze):
            raise InputError(
                "`from_scratch` initializes all weights randomly, and `freeze` would not train them; leave one out"
            )
        for name in SIZES:
            if getattr(model, name) is not None and not self.is_new:
                raise InputError(f"`{name}` is a size of a new model: give `from_scratch`, and no `model`")
        if model.freeze == "all" and model.unfreeze:
            raise InputError("`freeze` all leaves nothing for `unfreeze`; leave one out")
        if recipe.seeds > 1 and self.output.dry_run:
            raise InputError("`dry_run` trains nothing, so it needs no `seeds`")
        if built_in := built_in_name(self.data.train):
            for name in ("valid", "test", "text", "pair", "label", "delimiter"):
                if getattr(self.data, name):
                    why = "without it" if self.data.train is None else f"{built_in!r} is not a file, so"
                    raise InputError(f"`{name}` needs `train` with your examples: {why} the built-in data are used")


def declared() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Yield every setting with the name of its part: ("data", field), …"""
    for part in dataclasses.fields(FineTuneConfig):
        for field in dataclasses.fields(part.type):  # type: ignore[arg-type]
            yield part.name, field


def field_of(name: str) -> dataclasses.Field[Any]:
    """Return the declaration of a setting. Raises InputError if there is none."""
    fields = {field.name: field for _, field in declared()}
    if name not in fields:
        raise InputError(f"there is no setting {name!r}{suggest_setting(name, sorted(fields))}")
    return fields[name]


def storable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are saved, as JSON: without `resume` and `verbose`, and for records only their count."""
    return {
        name: f"{len(value)}{RECORDS}" if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name not in ("resume", "verbose")
    }
