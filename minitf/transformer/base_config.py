"""What the configs of `transformer` share: official keys in and out, checks by the kind of each field."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Self

from minitf.datasets.config_values import (
    LARGEST_SIZE,
    check_choice,
    check_flag,
    check_integer,
    check_positive,
    check_rate,
    is_integer,
)
from minitf.errors import CheckpointError
from minitf.transformer.family import FAMILIES, Family

# The keys of an old config.json that only generation reads; today they are in generation_config.json.
GENERATION_KEYS = (
    *("max_length", "max_new_tokens", "min_length", "min_new_tokens", "do_sample", "num_beams", "early_stopping"),
    *("length_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "diversity_penalty"),
    *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "num_beam_groups", "num_return_sequences"),
    *("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id"),
    *("exponential_decay_length_penalty", "remove_invalid_values", "renormalize_logits"),
)

Check = Callable[[str, Any], None]


def checked(check: Check, default: Any = dataclasses.MISSING, optional: bool = False) -> Any:
    """Return a dataclass field with this check; `optional` also allows None."""
    return dataclasses.field(default=default, metadata={"check": check, "optional": optional})


def size(default: Any = dataclasses.MISSING, low: int = 1, high: int = LARGEST_SIZE, optional: bool = False) -> Any:
    """Return a field for an integer from `low` to `high`."""
    return checked(partial(check_integer, low=low, high=high), default, optional)


def rate(default: float) -> Any:
    """Return a field for a rate of dropout."""
    return checked(check_rate, default)


def positive(default: float) -> Any:
    """Return a field for a positive number."""
    return checked(check_positive, default)


def flag(default: bool) -> Any:
    """Return a field for true or false."""
    return checked(check_flag, default)


def token(default: int | None) -> Any:
    """Return a field for a token id, or None."""
    return size(default, low=0, optional=True)


def tokens(default: int | None) -> Any:
    """Return a field for a token id, several of them, or None."""
    return checked(_check_tokens, default, optional=True)


def _check_tokens(name: str, value: Any) -> None:
    for each in value if isinstance(value, tuple) else (value,):
        check_integer(name, each, low=0)


class BaseConfig:
    """A frozen dataclass whose fields have the official keys, or those of `family.keys`.

    Raises CheckpointError, in one line, for invalid values, and for values that change the computation and are not
    supported.
    """

    MODELS: ClassVar[tuple[str, ...]]  # the names in FAMILIES that this class is for
    OTHER_KEYS: ClassVar[tuple[str, ...]] = ()  # keys that are read, but are no field
    model_type: str
    generation: Mapping[str, Any]

    @property
    def family(self) -> Family:
        """The equations of this model, as differences from BERT."""
        return FAMILIES[self.model_type]

    @property
    def title(self) -> str:
        """The name of the model, for messages."""
        return self.family.title

    def check_fields(self) -> None:
        """Check each field on its own, and that fields with one official key are equal."""
        if not isinstance(self.model_type, str) or self.model_type not in self.MODELS:
            raise CheckpointError(
                f"config: model_type = {self.model_type!r:.80} is not supported; choose from: {', '.join(self.MODELS)}"
            )
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if "check" in field.metadata and not (value is None and field.metadata["optional"]):
                field.metadata["check"](self._key(field.name), value)
            if field.name in self.family.fixed and value != self.family.fixed[field.name]:
                raise CheckpointError(
                    f"config: {field.name} = {value!r} is not possible in {self.family.title},"
                    f" only {self.family.fixed[field.name]!r}"
                )
        by_key: dict[str, Any] = {}
        for name in self._stored_fields():
            if by_key.setdefault(self._key(name), getattr(self, name)) != getattr(self, name):
                raise CheckpointError(f"config: {name} must be {by_key[self._key(name)]!r}, as {self._key(name)} says")

    @classmethod
    def read(cls, model: str, official: Mapping[str, Any]) -> tuple[Self, tuple[str, ...]]:
        """Read a parsed `config.json` as the model called `model` in FAMILIES; return the config and the ignored keys.

        None stands for a missing value, except of the end token. The keys of generation become `generation`.
        """
        family = FAMILIES[model]
        for key, only in family.only.items():
            allowed = only(official) if callable(only) else only
            if official.get(key) not in (allowed, None):
                raise CheckpointError(f"config: {key} = {official[key]!r:.80} is not supported, only {allowed!r}")
        if "vocab_size" in cls._names() and official.get("vocab_size") is None:
            raise CheckpointError("config: vocab_size is missing")
        values = {name: value(official) if callable(value) else value for name, value in family.defaults.items()}
        values |= family.fixed
        keys = {name: family.keys.get(name, name) for name in cls._names() if name not in family.fixed}
        values |= {name: _plain(official[key]) for name, key in keys.items() if official.get(key) is not None}
        if "eos_token_id" in keys and official.get("eos_token_id", ...) is None:
            values["eos_token_id"] = None  # null: the vocabulary has no end token
        generation = {key: official[key] for key in GENERATION_KEYS if official.get(key) is not None}
        read = {*keys.values(), *family.only, *cls.OTHER_KEYS, *generation, "model_type", "architectures"}
        ignored = tuple(sorted(key for key in official if key not in read and official[key] is not None))
        return cls(**values, model_type=model, generation=generation), ignored  # type: ignore[call-arg]

    def to_dict(self) -> dict[str, Any]:
        """Return the official form, for `config.json`."""
        written = {self._key(name): getattr(self, name) for name in sorted(self._stored_fields())}
        more = {key: value(self) if callable(value) else value for key, value in self.family.written.items()}
        return {"model_type": self.family.model_type, **more, **written}

    def generation_dict(self) -> dict[str, Any]:
        """Return the content of `generation_config.json`: what generation reads, and the special tokens."""
        ids = {name: getattr(self, name) for name in self._names() if name.endswith("_token_id")}
        return {name: value for name, value in {**ids, **self.generation}.items() if value is not None}

    @property
    def end_id(self) -> int | tuple[int, ...] | None:
        """The token that ends a text, several of them, or None."""
        end: int | tuple[int, ...] | None = self._token("eos_token_id")
        return end

    @property
    def pad_id(self) -> int | None:
        """The token that pads a batch, or None."""
        pad: int | None = self._token("pad_token_id")
        return pad

    def _token(self, name: str) -> Any:
        """The token id that generation uses: that of `generation` if it has one, else the field."""
        value = self.generation.get(name)
        return _plain(value if value is not None else getattr(self, name, None))

    @classmethod
    def _names(cls) -> list[str]:
        """The fields that have an official key in some model."""
        return [f.name for f in dataclasses.fields(cls) if "check" in f.metadata]  # type: ignore[arg-type]

    def _stored_fields(self) -> list[str]:
        return [name for name in self._names() if name not in self.family.fixed]

    def _key(self, name: str) -> str:
        return self.family.keys.get(name, name)


def check_in_vocabulary(name: str, token_id: int | None, vocab_size: int) -> None:
    """Raise CheckpointError if a token that the model reads has no row in its table."""
    if token_id is None or not 0 <= token_id < vocab_size:
        raise CheckpointError(f"config: {name} must be a token id below vocab_size {vocab_size}, not {token_id!r}")


def check_activation(config: Any, value: str) -> None:
    """Raise CheckpointError unless this model can have the activation function."""
    check_choice(config.family.keys.get("activation_function", "activation_function"), value, config.family.activations)


def _plain(value: Any) -> Any:
    """Return a list of integers of JSON as a tuple: a frozen config has no lists."""
    return tuple(value) if isinstance(value, list) and all(map(is_integer, value)) else value
