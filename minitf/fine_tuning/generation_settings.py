"""The settings of generation: from flags or keywords, else from the checkpoint. Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minitf.errors import CheckpointError, InputError
from minitf.fine_tuning.other_names import suggest_setting
from minitf.fine_tuning.settings import Checked, Choice, Flag, Number, setting

if TYPE_CHECKING:
    from minitf.generation.batch import Strategy

LIMIT = 128  # new tokens, if neither the settings nor the checkpoint have a limit
_COUNT = Number(1, 1_000_000, whole=True)


class Stopping(Choice):
    """True, False or "never"; on the command line in lower case."""

    def __init__(self) -> None:
        super().__init__(("true", "false", "never"))

    def check(self, value: Any) -> str:
        return super().check(str(value).lower() if isinstance(value, bool) else value)


@dataclasses.dataclass(frozen=True)
class GenerationSettings(Checked):
    """How text is generated. None: as the checkpoint's generation config has it, else as described."""

    beams: int | None = setting(
        None, Number(1, 1000, whole=True), "beam search with N beams; 1 is greedy decoding", "N", "the model's, or 1"
    )
    length_penalty: float | None = setting(
        None, Number(-100, 100), "beams are ranked by Σ log P / length^A", "A", "the model's, or 1"
    )
    early_stopping: str | None = setting(
        None,
        Stopping(),
        "when a beam search stops: with `beams` outputs (true); when no running beam would beat them at its present"
        " length (false), or at any length (never)",
        "WHEN",
        "the model's, or false",
    )
    sample: bool | None = setting(None, Flag(), "draw each token from its probability")
    temperature: float | None = setting(
        None, Number(0, above=True), "sampling: divide the logits by T", "T", "the model's, or 1"
    )
    top_k: int | None = setting(
        None, _COUNT, "sampling: only the K most probable tokens", "K", "the model's, or all tokens"
    )
    top_p: float | None = setting(
        None,
        Number(0, 1),
        "sampling: only the most probable tokens whose probabilities sum to P",
        "P",
        "the model's, or 1",
    )
    seed: int | None = setting(None, Number(0, 1 << 62, whole=True), "sampling: random seed", "N", "0")
    max_new_tokens: int | None = setting(
        None, _COUNT, "maximum number of tokens of an output", "N", f"the model's, or {LIMIT}"
    )
    n_best: int = setting(1, Number(1, 1000, whole=True), "outputs for each text, the best first", "N")

    def check_combination(self) -> None:
        """Raise InputError for settings that do not go together."""
        searching = self.beams is not None and self.beams > 1
        if self.sample and searching:
            raise InputError(f"`sample` and `beams` {self.beams}: choose one")
        for name in ("temperature", "top_k", "top_p", "seed"):
            if getattr(self, name) is not None and not self.sample:
                raise InputError(f"`{name}` is for sampling: give `sample` too")
        if self.sample and self.early_stopping is not None:
            raise InputError("`early_stopping` is for beam search: leave it out, or give `beams` instead of `sample`")


def choose_strategy(settings: GenerationSettings, generation: Mapping[str, Any]) -> "Strategy":
    """Return the strategy: the settings, else the checkpoint's generation config, else greedy decoding.

    Raises InputError for what does not go together, CheckpointError for an invalid generation config.
    """
    from minitf.generation.batch import Strategy

    given = {name: value for name, value in dataclasses.asdict(settings).items() if value is not None}
    if given.get("sample"):
        given["beams"] = 1
    elif "beams" in given:
        given["sample"] = False
    chosen = stated_settings(generation) | given
    chosen.pop("max_new_tokens", None)
    chosen["early_stopping"] = {"true": True, "never": "never"}.get(chosen.get("early_stopping", ""), False)
    strategy = Strategy(**chosen)
    if strategy.sample and strategy.beams > 1:
        raise InputError("its generation config asks for sampling among beams: give `sample`, or `beams`")
    if strategy.n_best > strategy.beams and not strategy.sample:
        raise InputError(f"`n_best` {strategy.n_best}: give `beams` {strategy.n_best} or more, or `sample`")
    return strategy


def read_settings(settings: Mapping[str, Any]) -> GenerationSettings:
    """Check settings given as keywords. Raises InputError."""
    names = [field.name for field in dataclasses.fields(GenerationSettings)]
    for name in settings:
        if name not in names:
            raise InputError(f"there is no setting {name!r}{suggest_setting(name, names)}")
    read = GenerationSettings(**settings)
    read.check_combination()
    return read


def stated_settings(generation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a checkpoint's generation config has. Raises CheckpointError for invalid ones."""
    names = {"num_beams": "beams", "do_sample": "sample"}
    same = ("length_penalty", "early_stopping", "temperature", "top_p", "max_new_tokens")
    names |= dict(zip(same, same, strict=True))
    found = {names[key]: value for key, value in generation.items() if key in names and value is not None}
    if generation.get("top_k"):  # 0: all tokens
        found["top_k"] = generation["top_k"]
    try:
        checked = dataclasses.asdict(GenerationSettings(**found))
        _COUNT.check(generation.get("max_length") or 1)
    except InputError as error:
        raise CheckpointError(f"its generation config is invalid: {str(error).replace('`', '')}") from None
    except ValueError as error:
        raise CheckpointError(f"its generation config is invalid: max_length {error}") from None
    return {name: value for name, value in checked.items() if value is not None}


def new_tokens(settings: GenerationSettings, generation: Mapping[str, Any], read: int, longest: int | None) -> int:
    """Return the maximum number of new tokens after the `read` tokens with which the decoder begins.

    The settings have it, else the checkpoint's generation config, whose `max_length` counts all tokens. The model's
    `longest` positions limit it too; the last token needs none. Raises InputError for more than all positions.
    """
    limit = settings.max_new_tokens
    if limit is not None and longest is not None and limit > longest:
        raise InputError(f"`max_new_tokens` {limit}: the model has only {longest} positions")
    limit = limit or generation.get("max_new_tokens")
    if limit is None:
        limit = max(1, generation["max_length"] - read) if generation.get("max_length") else LIMIT
    return limit if longest is None else min(limit, longest + 1 - read)
