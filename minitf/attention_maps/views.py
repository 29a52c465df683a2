"""Make a figure or the page from a text: run the model, and compute everything that is shown."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.attention_maps import attribution, canvas, figures, lens, page, prediction_figures
from minitf.attention_maps.attribution import Attribution
from minitf.attention_maps.collect import collect
from minitf.attention_maps.maps import AttentionMaps
from minitf.attention_maps.model import OpenModel
from minitf.attention_maps.summary import summarise_all
from minitf.datasets.dataset import read_table
from minitf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Text:
    """The input of a model: a text or a pair, truncated to `max_length` tokens (default: the model's positions)."""

    text: str
    pair: str | None = None
    max_length: int | None = None


@dataclasses.dataclass(frozen=True)
class View:
    """One figure. Layers and heads count from 1; the defaults are the last layer and its first head."""

    name: str = "grid"  # or head, lines, rollout, summary, explain, lens
    layer: int | None = None
    head: int | None = None
    label: str | None = None  # the class that `explain` explains (default: the predicted one)
    dark: bool = False

    @property
    def theme(self) -> canvas.Theme:
        return canvas.DARK if self.dark else canvas.LIGHT


@dataclasses.dataclass(frozen=True)
class PageParts:
    """What a page has beside the attention maps."""

    attribution: str  # "auto", "always" or "never"
    auto_limit: int  # with "auto": the maximum number of tokens, because erasure needs a forward pass for each word
    label: str | None = None  # the class that the attribution explains (default: the predicted one)
    query_key: bool = False


def draw(opened: OpenModel, text: Text, view: View, say: Say) -> "Figure":
    """Run the model and draw one view, with the model and the text above it.

    Raises InputError if the model or the text has no such view.
    """
    figure = _draw(opened, text, view, say)
    canvas.entitle(figure, view.theme, opened.name, text.text, text.pair)
    return figure


def _draw(opened: OpenModel, text: Text, view: View, say: Say) -> "Figure":
    if view.name == "explain":
        return prediction_figures.draw_attribution(_attribute(opened, text, view.label, say), view.theme)
    if view.name == "lens":
        return prediction_figures.draw_lens(lens.read_layers(opened, text.text, text.pair, text.max_length), view.theme)
    maps = collect(opened, text.text, text.pair, text.max_length)
    _say_shape(maps, say)
    if view.name in ("head", "lines"):
        draw_head = figures.head if view.name == "head" else figures.lines
        return draw_head(maps, (view.layer or maps.layers) - 1, (view.head or 1) - 1, theme=view.theme)
    return {"grid": figures.grid, "rollout": figures.rollout, "summary": figures.summary}[view.name](maps, view.theme)


def draw_table_summary(
    opened: OpenModel,
    path: str,
    columns: Mapping[str, str | None],
    max_length: int | None,
    theme: canvas.Theme,
    say: Say,
) -> "Figure":
    """Draw the summary of every head over all texts of a table.

    `columns` has the names of the columns, `text` and `pair`, and the `delimiter`; None for those that are not set.
    Raises DataError for a table that cannot be used; InputError, with the row, for an empty text.
    """
    averages = summarise_all(_maps_of_table(opened, path, columns, max_length))
    say(f"{averages.texts} texts of up to {averages.longest} tokens")
    figure = figures.summary(averages, theme)
    canvas.entitle(figure, theme, opened.name, f"mean over {averages.texts} texts of {Path(path).name}")
    return figure


def _no_label(*cell: object) -> str:
    """The labels of a table are not needed here, so they may be anything."""
    return ""


def _maps_of_table(
    opened: OpenModel, path: str, columns: Mapping[str, str | None], max_length: int | None
) -> Iterator[AttentionMaps]:
    table = read_table(path, **columns, need_label=False, read_label=_no_label)  # type: ignore[arg-type]
    for example in table.examples:
        try:
            yield collect(opened, example.text, example.pair, max_length)
        except InputError as error:
            raise InputError(f"{table.path}:{example.row}: {error}") from None


def write_page(
    opened: OpenModel, text: Text, path: Path, parts: PageParts, compare: OpenModel | None, say: Say
) -> None:
    """Run the model, write the page, and print the sizes of its parts.

    Raises InputError for a model that cannot be compared, or a page that cannot be written.
    """
    maps = collect(opened, text.text, text.pair, text.max_length, parts.query_key)
    _say_shape(maps, say)
    other = None
    if compare is not None:
        other = collect(compare, text.text, text.pair, text.max_length)
        page.check_comparable(maps, other)  # before the attribution, which takes long
    scores = _attribution_of_page(opened, text, maps, parts, say)
    has_words = opened.model.head_name in lens.HEADS
    layers = lens.read_layers(opened, text.text, text.pair, text.max_length) if has_words else None
    html, sizes = page.build(maps, other, scores, layers)
    page.save(html, path)
    by_part = {"maps": sizes.maps, "`compare`": sizes.compare, "`query_key`": sizes.query_key, "total": sizes.whole}
    say("; ".join(f"{name} {size / 1e6:.2f} MB" for name, size in by_part.items() if size))


def _attribution_of_page(
    opened: OpenModel, text: Text, maps: AttentionMaps, parts: PageParts, say: Say
) -> Attribution | None:
    """Attribute the prediction of a classifier, unless it is switched off, or takes long and was not requested."""
    requested = parts.attribution == "always" or parts.label is not None
    if parts.attribution == "never" or not (maps.labels or requested):
        return None
    if len(maps.tokens) > parts.auto_limit and not requested:
        say(f"no attribution: it takes long for more than {parts.auto_limit} tokens; `attribution` always computes it")
        return None
    return _attribute(opened, text, parts.label, say)


def _attribute(opened: OpenModel, text: Text, label: str | None, say: Say) -> Attribution:
    scores = attribution.attribute(opened, text.text, text.pair, label, max_length=text.max_length)
    say(f"{scores.label} {scores.probability:.3f}; completeness residual {scores.residual:.1e}")
    say(attribution.conclusion(scores))
    return scores


def _say_shape(maps: AttentionMaps, say: Say) -> None:
    say(f"{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens")
    if maps.prediction:
        say(f"prediction: {maps.prediction}")
