"""Make a figure or the page from a text: run the model, and compute everything that is shown."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.attention_maps import (
    attribution,
    canvas,
    figures,
    lens,
    page,
    prediction_figures,
    sequences,
    source_attribution,
)
from minitf.attention_maps.attribution import Attribution
from minitf.attention_maps.collect import collect
from minitf.attention_maps.maps import AttentionMaps, Block
from minitf.attention_maps.model import OpenGenerator, OpenModel, encoder
from minitf.attention_maps.summary import summarise_all
from minitf.datasets.dataset import read_table
from minitf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Text:
    """The input of a model: a text or a pair, truncated to `max_length` tokens (default: the model's positions).

    For a model that generates text: the `target` (default: the generated one, of at most `max_new_tokens`).
    """

    text: str
    pair: str | None = None
    max_length: int | None = None
    target: str | None = None
    max_new_tokens: int | None = None


@dataclasses.dataclass(frozen=True)
class View:
    """One figure. Layers and heads count from 1; the defaults are the last layer and its first head."""

    name: str | None = (
        None  # grid, head, lines, alignment, rollout, summary, explain, lens (default: grid or alignment)
    )
    layer: int | None = None
    head: int | None = None
    label: str | None = None  # the class that `explain` explains (default: the predicted one)
    dark: bool = False
    kind: str | None = None  # of the attention of an encoder-decoder: encoder, decoder, cross (default: cross)

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


def draw(opened: OpenModel | OpenGenerator, text: Text, view: View, say: Say) -> "Figure":
    """Run the model and draw one view, with the model and the text above it.

    Raises InputError if the model or the text has no such view.
    """
    if isinstance(opened, OpenGenerator):
        return _draw_sequence(opened, text, view, say)
    _check_encoder(opened, text, view)
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
    return _draw_maps(maps, view)


def _draw_maps(maps: AttentionMaps, view: View) -> "Figure":
    if view.name == "rollout":
        return figures.rollout(maps, view.theme)
    if view.name == "summary":
        return figures.summary(maps, view.theme)
    return _draw_heads(maps, view)


def _draw_heads(maps: AttentionMaps | Block, view: View) -> "Figure":
    if view.name in ("head", "lines"):
        draw_head = figures.head if view.name == "head" else figures.lines
        return draw_head(maps, (view.layer or maps.layers) - 1, (view.head or 1) - 1, theme=view.theme)
    return figures.grid(maps, view.theme)


def _draw_sequence(opened: OpenGenerator, text: Text, view: View, say: Say) -> "Figure":
    """Draw a view of a model that generates text."""
    _check_generator(opened, text, view)
    given, maps = _read(opened, text, say)
    _say_shape(maps, say)
    if not maps.kinds:
        _need_cross_attention(maps.name, "`view` alignment" if view.name == "alignment" else None, view.kind)
        figure = figures.summary(maps, view.theme) if view.name == "summary" else _draw_heads(maps, view)
    elif view.name == "explain":
        figure = prediction_figures.draw_source_attributions(_attribute_target(opened, given, say), view.theme)
    elif view.name == "alignment" or (view.name is None and view.kind in (None, "cross")):
        figure = figures.alignment(maps.block("cross"), None if view.layer is None else view.layer - 1, view.theme)
    else:
        figure = _draw_heads(maps.block(view.kind or "cross"), view)
    canvas.entitle(figure, view.theme, opened.name, f"{maps.roles[0]}: {maps.text}", _of_role(maps))
    return figure


def _of_role(maps: AttentionMaps) -> str | None:
    return None if maps.pair is None else f"{maps.roles[1]}: {maps.pair}"


def _read(opened: OpenGenerator, text: Text, say: Say) -> tuple[sequences.Text, AttentionMaps]:
    """Read the source, generate the target unless it is given, and collect the attention maps."""
    given = sequences.read(opened, text.text, text.target, text.max_length, text.max_new_tokens)
    maps = sequences.collect(opened, given)
    say(f"{maps.roles[1]}: {maps.pair or ''}")
    if not given.ended and maps.kinds:
        say(f"it has no end: stopped at {len(given.target_ids)} tokens (`max_new_tokens`)")
    return given, maps


def _check_encoder(opened: OpenModel, text: Text, view: View) -> None:
    """Raise InputError for what only a model that generates text has."""
    for name, value in (
        ("`target`", text.target),
        ("`max_new_tokens`", text.max_new_tokens),
        ("`attention`", view.kind),
        ("`view` alignment", True if view.name == "alignment" else None),
    ):
        if value is not None:
            raise InputError(f"{name} is for a model that generates text, not for an encoder like {opened.name}")


def _check_generator(opened: OpenGenerator, text: Text, view: View) -> None:
    """Raise InputError for what only an encoder has."""
    summary = view.name == "summary" and hasattr(opened.model, "encode")
    for what, used in (
        ("a second text", text.pair is not None),
        (f"`view` {view.name}", view.name in ("rollout", "lens") or summary),
        ("`label`", view.label is not None),
    ):
        if used:
            encoder(opened, what)
    if view.name == "explain" and not hasattr(opened.model, "encode"):
        _need_cross_attention(opened.name, "`view` explain", None)


def _need_cross_attention(name: str, what: str | None, kind: str | None) -> None:
    """Raise InputError for what only an encoder-decoder has."""
    if what is not None or kind is not None:
        raise InputError(
            f"{what or f'`attention` {kind}'} needs an encoder-decoder, and {name} is a decoder alone; leave it out"
        )


def draw_table_summary(
    opened: OpenModel | OpenGenerator,
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
    opened = encoder(opened, "`input`")
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
    opened: OpenModel | OpenGenerator,
    text: Text,
    path: Path,
    parts: PageParts,
    compare: OpenModel | OpenGenerator | None,
    say: Say,
) -> None:
    """Run the model, write the page, and print the sizes of its parts.

    Raises InputError for a model that cannot be compared, or a page that cannot be written.
    """
    if isinstance(opened, OpenGenerator):
        html, sizes = _sequence_page(opened, text, parts, compare, say)
    else:
        html, sizes = _encoder_page(opened, text, parts, compare, say)
    page.save(html, path)
    by_part = {"maps": sizes.maps, "`compare`": sizes.compare, "`query_key`": sizes.query_key, "total": sizes.whole}
    say("; ".join(f"{name} {size / 1e6:.2f} MB" for name, size in by_part.items() if size))


def _encoder_page(
    opened: OpenModel, text: Text, parts: PageParts, compare: OpenModel | OpenGenerator | None, say: Say
) -> tuple[str, page.Sizes]:
    _check_encoder(opened, text, View())
    maps = collect(opened, text.text, text.pair, text.max_length, parts.query_key)
    _say_shape(maps, say)
    other = None
    if compare is not None:
        other = collect(encoder(compare, "`compare`"), text.text, text.pair, text.max_length)
        page.check_comparable(maps, other)  # before the attribution, which takes long
    reason = _no_attribution(opened, maps, parts, say)
    scores = None if reason else _attribute(opened, text, parts.label, say)
    has_words = opened.model.head_name in lens.HEADS
    layers = lens.read_layers(opened, text.text, text.pair, text.max_length) if has_words else None
    return page.build(maps, other, scores, layers, no_attribution=reason)


def _sequence_page(
    opened: OpenGenerator, text: Text, parts: PageParts, compare: OpenModel | OpenGenerator | None, say: Say
) -> tuple[str, page.Sizes]:
    """Build the page of a model that generates text; another model reads the same source and target."""
    _check_generator(opened, text, View(label=parts.label))
    if parts.query_key:
        encoder(opened, "`query_key`")
    given, maps = _read(opened, text, say)
    _say_shape(maps, say)
    other = None
    if compare is not None:
        if not isinstance(compare, OpenGenerator):
            raise InputError(f"`compare` {compare.name}: it is an encoder; compare models of the same kind")
        other = sequences.collect(compare, given)
        page.check_comparable(maps, other)
    if parts.attribution == "always" and not maps.kinds:
        _need_cross_attention(opened.name, "`attribution`", None)
    reason = _no_attribution(opened, maps, parts, say)
    scores = None if reason else _attribute_target(opened, given, say)
    return page.build(maps, other, scores, no_attribution=reason)


def _no_attribution(opened: OpenModel | OpenGenerator, maps: AttentionMaps, parts: PageParts, say: Say) -> str:
    """Return, and print, why the page has no attribution; "" if it has one."""
    remedy = ""
    if parts.attribution == "never":
        return "it was not requested"
    if isinstance(opened, OpenGenerator) and not maps.kinds:
        reason = "it explains the output of an encoder-decoder, and this model is a decoder alone"
    elif parts.attribution == "always" or parts.label is not None:
        return ""
    elif not maps.kinds and not maps.labels:
        reason = "it explains the prediction of a trained classification head, and this model has none"
    elif len(maps.tokens) > parts.auto_limit:
        reason = f"it takes long for more than {parts.auto_limit} tokens"
        remedy = "; `attribution` always computes it"
    else:
        return ""
    say(f"no Attribution tab: {reason}{remedy}")
    return reason


def _attribute_target(
    opened: OpenGenerator, given: sequences.Text, say: Say
) -> list[source_attribution.SourceAttribution]:
    scores = source_attribution.attribute(opened, given)
    say(
        f"attribution of {len(scores)} tokens; largest completeness residual {max(abs(s.residual) for s in scores):.1e}"
    )
    say(attribution.verdict("cross-attention", source_attribution.mean_correlation(scores)))
    return scores


def _attribute(opened: OpenModel, text: Text, label: str | None, say: Say) -> Attribution:
    scores = attribution.attribute(opened, text.text, text.pair, label, max_length=text.max_length)
    say(f"{scores.label} {scores.probability:.3f}; completeness residual {scores.residual:.1e}")
    say(attribution.conclusion(scores))
    return scores


def _say_shape(maps: AttentionMaps, say: Say) -> None:
    if maps.kinds:
        shapes = (f"{kind.name} {kind.layers} layers of {kind.heads} heads" for kind in maps.kinds)
        second = sum(maps.segments)
        say(f"{'; '.join(shapes)}; {len(maps.tokens) - second} source and {second} target tokens")
        return
    say(f"{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens")
    if maps.prediction:
        say(f"prediction: {maps.prediction}")
