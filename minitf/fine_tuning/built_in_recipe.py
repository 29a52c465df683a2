"""The default settings for built-in data: a recipe chosen on their validation part, and groups for the report."""

from collections.abc import Collection, Mapping
from typing import Any

from minitf.datasets.built_in import BUILT_IN, built_in_name
from minitf.fine_tuning.config import FineTuneConfig


def with_recipe(settings: Mapping[str, Any], searched: Collection[str] = ()) -> dict[str, Any]:
    """Add the recipe of the built-in data, if `train` means such data, to `settings`.

    A setting that is given, or `searched`, keeps its value. The recipe of a new model does not apply to a `model`
    that is given.
    """
    name = built_in_name(settings.get("train"))
    if name is None:
        return dict(settings)
    if settings.get("model") is not None and BUILT_IN[name].recipe.get("from_scratch"):
        return {"by": BUILT_IN[name].by, **settings}
    recipe = {key: value for key, value in BUILT_IN[name].recipe.items() if key not in searched}
    return {"by": BUILT_IN[name].by, **recipe, **settings}


def recipe_line(config: FineTuneConfig) -> str | None:
    """Format the settings that are those of the recipe of the run's built-in data; None if there are none."""
    name, settings = built_in_name(config.data.train), config.settings()
    recipe = BUILT_IN[name].recipe if name else {}
    used = [_shown(key, value) for key, value in recipe.items() if settings[key] == value]
    return f"recipe of the built-in {name}: {', '.join(used)}" if used else None


def _shown(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"`{key}`"
    return f"`{key}` {value}" if isinstance(value, str) else f"`{key}` {value:g}"
