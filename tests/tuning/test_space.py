"""The search space: how it is typed, its grid, and the values that a search may propose."""

import optuna
import pytest

from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig, declared
from minitf.tuning import space
from minitf.tuning.space import Choice, Range


def test_a_space_is_parsed():
    printed = ["lr=1e-5..1e-3:log", "epochs=2..4", "--batch-size=16, 32", "dropout=0..0.5"]
    assert space.parse_space(printed) == {
        "lr": Range(1e-5, 1e-3, False, True),
        "epochs": Range(2, 4, True, False),
        "batch_size": Choice(("16", "32")),
        "dropout": Range(0, 0.5, False, False),
    }
    some = space.parse_space(printed[1:3])
    assert space.grid(some) == {"epochs": ["2", "3", "4"], "batch_size": ["16", "32"]}
    assert space.points(some) == 6
    with pytest.raises(InputError, match="`lr` is a range without steps"):
        space.grid(space.parse_space(printed))


@pytest.mark.parametrize("method", ["tpe", "random", "grid"])
def test_the_usual_space_can_be_searched(method: str) -> None:
    parts = space.parse_space([f"{name}={values}" for name, values in space.usual(method).items()])
    space.check_space(parts)
    if method == "grid":
        assert space.points(parts) == 3 * 2 * 3


def test_every_setting_is_searched_or_named_as_not_searched() -> None:
    """A flag without a value and the settings of `NOT_SEARCHED` are refused, all others accept their default."""
    for _, field in declared():
        default = field.default
        refused = isinstance(default, bool) or field.name in space.NOT_SEARCHED
        if refused:
            with pytest.raises(InputError, match=f"^`space` {field.name}: cannot be searched; choose from: "):
                space.check_space({field.name: Choice((str(default),))})
        elif default is not None:
            space.check_space({field.name: Choice((str(default),))})


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("epochs", Range(2.5, 4.0, False, False), "`epochs` must be a whole number"),
        ("lr", Range(-1.0, 1.0, False, False), "`lr` must be a number above 0"),
        ("batch_size", Choice(("8", "many")), "`batch_size` must be a whole number"),
        ("optimizer", Choice(("sgd",)), "`optimizer` must be one of"),
    ],
)
def test_values_that_a_setting_cannot_have(name: str, part, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        space.check_space({name: part})


def test_the_values_of_a_trial() -> None:
    """They are in the range, and are the same when they are typed and read again."""
    parts = space.parse_space(["lr=1e-5..1e-3:log", "epochs=2..4", "batch_size=16,32", "freeze=1,all"])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        chosen = {name: space.suggest(trial, name, part) for name, part in parts.items()}
        settings = {name: space.value(name, space.typed(value, parts[name])) for name, value in chosen.items()}
        config = FineTuneConfig.of(**settings)
        assert 1e-5 <= config.recipe.lr <= 1e-3
        assert config.recipe.lr == pytest.approx(chosen["lr"], rel=1e-3)
        assert config.recipe.epochs == chosen["epochs"] in (2, 3, 4)
        assert config.recipe.batch_size in (16, 32)
        assert config.model.freeze in ("1", "all")
