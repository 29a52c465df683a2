"""The configuration: each setting is declared once and checked when it is created, from Python and as text."""

import dataclasses
import math
import re

import numpy as np
import pytest

from minitf.cli import finetune as cli
from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig, declared, field_of, storable
from minitf.fine_tuning.settings import Choice, Flag, Number, Source, Text, TextOrNumber

# The values of a setting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "value", "kept"),
    [
        (Number(), 1, 1.0),
        (Number(0, 1), 1.0, 1.0),
        (Number(0, 1), 0, 0.0),
        (Number(0, above=True), 1e-300, 1e-300),
        (Number(1, whole=True), 3, 3),
        (Number(1, whole=True), np.int64(3), 3),
        (Number(), np.float32(0.5), 0.5),
        (Choice(("a", "b")), "b", "b"),
        (Choice(lambda: ["a", "b"]), "b", "b"),
        (Flag(), True, True),
        (Text(), "x", "x"),
        (TextOrNumber(), 2, "2"),
        (Source(), [{"text": "x"}], ({"text": "x"},)),
        (Source(), "x.csv", "x.csv"),
    ],
)
def test_values_from_python(values, value, kept) -> None:
    found = values.check(value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("values", "value", "message"),
    [
        (Number(0, above=True), 0, "must be a number above 0, not 0"),
        (Number(0, 1), 1.1, "must be a number of at least 0 and at most 1, not 1.1"),
        (Number(), math.nan, "must be a number, not nan"),
        (Number(), math.inf, "must be a number, not inf"),
        (Number(), 10**400, "must be a number, not 1000"),
        (Number(), "1", "must be a number, not '1'"),
        (Number(), True, "must be a number, not True"),
        (Number(), None, "must be a number, not None"),
        (Number(1, whole=True), 1.0, "must be a whole number of at least 1, not 1.0"),
        (Number(1, whole=True), 0, "must be a whole number of at least 1, not 0"),
        (Choice(("a", "b")), "c", "must be one of a, b, not 'c'"),
        (Choice(("a", "b")), ["a"], "must be one of a, b, not ['a']"),
        (Flag(), 1, "must be True or False, not 1"),
        (Flag(), "yes", "must be True or False, not 'yes'"),
        (Text(), 1, "must be a text or a path, not 1"),
        (TextOrNumber(), 1.5, "must be a text or a path, not 1.5"),
        (Source(), [["x"]], 'must be a path or a list of records, {"text": "…", "label": "…"}, not [['),
    ],
)
def test_wrong_values_from_python(values, value, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        values.check(value)


@pytest.mark.parametrize(
    ("values", "text", "value"), [(Number(), "1e-3", 1e-3), (Number(whole=True), "12", 12), (Choice(("a",)), "a", "a")]
)
def test_values_as_text(values, text: str, value) -> None:
    found = values.parse(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("values", "text", "message"),
    [
        (Number(), "x", "must be a number, not 'x'"),
        (Number(), "nan", "must be a number, not nan"),
        (Number(whole=True), "1.5", "must be a whole number, not '1.5'"),
        (Number(0), "-1", "must be a number of at least 0, not -1"),
        (Flag(), "true", "takes no value"),
        (Choice(("a", "b")), "c", "must be one of a, b, not 'c'"),
    ],
)
def test_wrong_values_as_text(values, text: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        values.parse(text)


def test_a_path_is_kept_as_text(tmp_path) -> None:
    assert Text().check(tmp_path) == str(tmp_path)


# The configuration ---------------------------------------------------------------------------------------------------


def test_every_setting_is_declared_once() -> None:
    names = [field.name for _, field in declared()]
    assert len(names) == len(set(names))
    assert {part for part, _ in declared()} == {part.name for part in dataclasses.fields(FineTuneConfig)}
    assert list(FineTuneConfig().settings()) == names
    for _, field in declared():
        assert field.metadata["meaning"]
        default = getattr(next(part for part in parts(FineTuneConfig()) if hasattr(part, field.name)), field.name)
        assert default == field.default  # the check does not change it
        assert type(default) is type(field.default)


def parts(config: FineTuneConfig) -> list:
    return [getattr(config, part.name) for part in dataclasses.fields(config)]


def test_each_setting_is_a_flag() -> None:
    options = {option for action in cli.parser()._actions for option in action.option_strings}
    assert options == {cli.flag(field.name) for _, field in declared()} | {"-h", "--help"}


def test_settings_from_keywords() -> None:
    config = FineTuneConfig.of(lr=1, freeze=2, seed=5)
    assert (config.recipe.lr, config.model.freeze, config.recipe.seed, config.recipe.epochs) == (1.0, "2", 5, 5)
    assert config == FineTuneConfig.of(**config.settings())


def test_it_is_frozen() -> None:
    config = FineTuneConfig()
    for part, name in ((config, "recipe"), (config.recipe, "lr")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, name, 1)


def test_replace() -> None:
    config = FineTuneConfig.of(lr=1e-3, seed=1)
    other = config.replace(seed=2)
    assert (other.recipe.lr, other.recipe.seed, config.recipe.seed) == (1e-3, 2, 1)
    with pytest.raises(InputError, match="`seed` must be a whole number"):
        config.replace(seed=-1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0}, "`lr` must be a number above 0, not 0"),
        ({"lr": "fast"}, "`lr` must be a number above 0, not 'fast'"),
        ({"lr": None}, "`lr` must be a number above 0, not None"),
        ({"epochs": 2.5}, "`epochs` must be a whole number of at least 1 and at most 1e+06, not 2.5"),
        ({"optimizer": "sgd"}, "`optimizer` must be one of gd, momentum, rmsprop, adam, adamw, not 'sgd'"),
        ({"task": "parsing"}, "`task` must be one of auto, classification"),
        ({"metric": "bleu"}, "`metric` must be one of accuracy"),
        ({"freeze": "some"}, "`freeze` must be embeddings, a number of layers, or all, not 'some'"),
        ({"freeze": True}, "`freeze` must be a text or a path, not True"),
        ({"augment": "insert=0.1"}, "`augment` "),
        ({"train": 5}, '`train` must be a path or a list of records, {"text": "…", "label": "…"}, not 5'),
        ({"overwrite": "yes"}, "`overwrite` must be True or False, not 'yes'"),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        FineTuneConfig.of(**settings)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_unknown_setting_with_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"there is no setting 'epoch'.*epochs"):
        FineTuneConfig.of(epoch=3)
    with pytest.raises(InputError, match=r"^there is no setting 'zzz'$"):
        field_of("zzz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adam", "weight_decay": 0.1}, "`weight_decay` is for adamw only; with `optimizer` adam use"),
        ({"optimizer": "gd", "no_bias_correction": True}, "`no_bias_correction` is for adam and adamw"),
        ({"from_scratch": True, "freeze": "embeddings"}, "`from_scratch` "),
        ({"from_scratch": True, "unfreeze": "gradual"}, "`from_scratch` "),
        ({"freeze": "all", "unfreeze": "gradual"}, "`freeze` all leaves nothing for `unfreeze`"),
        ({"seeds": 2, "dry_run": True}, "`dry_run` trains nothing, so it needs no `seeds`"),
        ({"valid": "x.csv"}, "`valid` needs `train`"),
        ({"label": "stars"}, "`label` needs `train`"),
    ],
)
def test_contradictions(settings: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        FineTuneConfig.of(**settings)
    assert str(caught.value).startswith(message)


def test_what_is_saved_of_the_settings() -> None:
    """All but whether the run is resumed, and what it prints; of records only their number."""
    config = FineTuneConfig.of(train=[{"text": "x", "label": "a"}] * 3, resume=True, output="out")
    saved = storable(config.settings())
    assert set(saved) == {field.name for _, field in declared()} - {"resume", "verbose"}
    assert saved["train"] == "3 records"
