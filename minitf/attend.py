"""Look inside: who looks at whom in a text. `python -m minitf.attend DIR "text" ["second text"] --output maps.html`.

An .html is a page of its own, with every view and its controls, that opens anywhere and asks no network for anything.
An .svg, .png or .pdf is one picture: --view grid shows all heads, head and lines one of them, rollout what [CLS] has
gathered layer by layer, summary what each head looks at (over a whole table with --input), explain which words a
fine-tuned model's prediction rests on, by four methods, lens what each layer of a pre-trained one would predict.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.cli.console import Parser, number, run
from minitf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minitf.attention_maps.attribution import Attribution
    from minitf.attention_maps.collect import AttentionMaps, Opened
    from minitf.attention_maps.lens import Lens

VIEWS = ("grid", "head", "lines", "rollout", "summary", "explain", "lens")
ENDINGS = (".html", ".svg", ".png", ".pdf")
ATTRIBUTED = 128  # tokens up to which a page has the attribution without being asked: hiding each takes a pass


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.attend", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    count = number(1, whole=True)
    p.add_argument("model", metavar="DIR|MODEL", help="a run's best/, or any source of a model that finetune takes")
    p.add_argument("text", nargs="?", help="what the model reads")
    p.add_argument("pair", nargs="?", help="the second text of a pair")
    p.add_argument("--output", required=True, metavar="FILE", help="what is made: .html, .svg, .png or .pdf")
    p.add_argument("--view", choices=VIEWS, help="of a picture (default: grid); a page has its own")
    p.add_argument("--layer", type=count, metavar="N", help="with --view head or lines, from 1 (default: the last)")
    p.add_argument("--head", type=count, metavar="N", help="with --view head or lines, from 1 (default: the first)")
    p.add_argument("--label", metavar="NAME", help="of the attribution: the class (default: the one predicted)")
    p.add_argument("--input", metavar="FILE", help="with --view summary: a table of texts, CSV, TSV or JSON lines")
    p.add_argument("--text", dest="text_column", metavar="COL", help="with --input: the column of the text")
    p.add_argument("--pair", dest="pair_column", metavar="COL", help="with --input: the column of the second text")
    p.add_argument("--query-key", action="store_true", help="in a page: the products behind each weight")
    p.add_argument("--compare", metavar="DIR|MODEL", help="in a page: another model, of the same tokens and shape")
    p.add_argument(
        "--attribution",
        choices=["auto", "always", "never"],
        default="auto",
        help=f"in a page of a classifier (default: auto, up to {ATTRIBUTED} tokens)",
    )
    p.add_argument("--dark", action="store_true", help="a picture light on dark; a page does as the system does")
    p.add_argument("--max-length", type=count, metavar="N", help="tokens a text is cut to (default: all it can have)")
    p.add_argument("--math", default="kernels", metavar="WHICH", help="equations, kernels or a .py file")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_intermixed_args(argv)
    check(arguments)
    opened = opening(arguments, arguments.model)
    if Path(arguments.output).suffix.lower() == ".html":
        write_page(arguments, opened)
    else:
        from minitf.attention_maps import figures

        missing = figures.save(picture(arguments, opened), Path(arguments.output))
        if missing:
            print(f"no font here has {missing:.40}: boxes stand for them; install one, or make an .svg or .html")
    print(f"drawn: {arguments.output}")
    return 0


def check(arguments: argparse.Namespace) -> None:
    """Raises InputError for flags that do not go together, before anything heavy is loaded."""
    ending = Path(arguments.output).suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"--output {arguments.output}: the ending must be one of {', '.join(ENDINGS)}")
    page = ending == ".html"
    if page and arguments.view:
        raise InputError(f"--view {arguments.view} is for a picture; a page has all views")
    view = arguments.view or "grid"
    what = "an .html page" if page else f"--view {view}"
    of_one_head = not page and view in ("head", "lines")
    for name, given, fits in (
        ("--layer", arguments.layer, of_one_head),
        ("--head", arguments.head, of_one_head),
        ("--label", arguments.label, page or view == "explain"),
        ("--input", arguments.input, not page and view == "summary"),
        ("--query-key", arguments.query_key or None, page),
        ("--compare", arguments.compare, page),
        ("--attribution", None if arguments.attribution == "auto" else True, page),
        ("--dark", arguments.dark or None, not page),
    ):
        if given is not None and not fits:
            raise InputError(f"{name} does not go with {what}")
    if (arguments.text is None) == (arguments.input is None):
        raise InputError("give either a text or, with --view summary, --input FILE")
    for name, column in (("--text", arguments.text_column), ("--pair", arguments.pair_column)):
        if column is not None and arguments.input is None:
            raise InputError(f"{name} {column} names a column of --input FILE; a text stands by itself")
    if arguments.label is not None and arguments.attribution == "never":
        raise InputError("--label is of the attribution, which --attribution never leaves out")


def opening(arguments: argparse.Namespace, source: str) -> "Opened":
    from minitf.attention_maps.collect import open_model
    from minitf.bert.device import choose_device

    device = choose_device(arguments.device)
    return open_model(source, arguments.math, device=device, offline=arguments.offline)


def picture(arguments: argparse.Namespace, opened: "Opened") -> "Figure":
    """What --view names; says what is in it."""
    from minitf.attention_maps import attribution, figures, lens, prediction_figures, summary
    from minitf.attention_maps.collect import look

    theme, view = figures.DARK if arguments.dark else figures.LIGHT, arguments.view or "grid"
    text, pair, length = arguments.text, arguments.pair, arguments.max_length
    if view == "explain":
        found = attribution.attribute(opened, text, pair, arguments.label, max_length=length)
        say(found)
        return prediction_figures.explain(found, theme)
    if view == "lens":
        return prediction_figures.lens(lens.look_through(opened, text, pair, length), theme)
    if arguments.input is not None:
        all_of_them = summary.summarise_all(maps_of_table(arguments, opened))
        print(f"{all_of_them.texts} texts of up to {all_of_them.longest} tokens")
        return figures.summary(all_of_them, theme)
    maps = look(opened, text, pair, length)
    shape(maps)
    layer = (arguments.layer or maps.layers) - 1
    head = (arguments.head or 1) - 1
    if view == "head":
        return figures.head(maps, layer, head, theme)
    if view == "lines":
        return figures.lines(maps, layer, head, theme=theme)
    return {"grid": figures.grid, "rollout": figures.rollout, "summary": figures.summary}[view](maps, theme)


def maps_of_table(arguments: argparse.Namespace, opened: "Opened") -> "Iterator[AttentionMaps]":
    """The maps of each row of --input, one after another. Raises InputError, with the row, for an empty text."""
    from minitf.attention_maps.collect import look
    from minitf.datasets.dataset import read_table

    table = read_table(arguments.input, arguments.text_column, arguments.pair_column, need_label=False)
    for example in table.examples:
        try:
            yield look(opened, example.text, example.pair, arguments.max_length)
        except InputError as error:
            raise InputError(f"{table.path}:{example.row}: {error}") from None


def write_page(arguments: argparse.Namespace, opened: "Opened") -> None:
    """The page; says what its parts weigh."""
    from minitf.attention_maps import lens, page
    from minitf.attention_maps.collect import look

    text, pair, length = arguments.text, arguments.pair, arguments.max_length
    maps = look(opened, text, pair, length, arguments.query_key)
    shape(maps)
    other = None
    if arguments.compare is not None:
        other = look(opening(arguments, arguments.compare), text, pair, length)
        page.check_alike(maps, other)  # before the long work
    found = attributed(arguments, opened, maps)
    has_words = opened.model.head_name in lens.HEADS
    seen: Lens | None = lens.look_through(opened, text, pair, length) if has_words else None
    made, sizes = page.build(maps, other, found, seen)
    page.save(made, Path(arguments.output))
    parts = {"maps": sizes.maps, "--compare": sizes.compare, "--query-key": sizes.query_key}
    print("; ".join([f"{name} {mega(size)}" for name, size in parts.items() if size] + [f"in all {mega(sizes.whole)}"]))


def attributed(arguments: argparse.Namespace, opened: "Opened", maps: "AttentionMaps") -> "Attribution | None":
    """What a classifier's prediction rests on, if it is wanted and, unless asked for, soon done."""
    from minitf.attention_maps.attribution import attribute

    asked = arguments.attribution == "always" or arguments.label is not None
    if arguments.attribution == "never" or not (maps.labels or asked):
        return None
    if len(maps.tokens) > ATTRIBUTED and not asked:
        print(f"no attribution: over {ATTRIBUTED} tokens it takes long; --attribution always puts it in")
        return None
    found = attribute(opened, arguments.text, arguments.pair, arguments.label, max_length=arguments.max_length)
    say(found)
    return found


def shape(maps: "AttentionMaps") -> None:
    print(f"{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens")


def say(found: "Attribution") -> None:
    from minitf.attention_maps.attribution import verdict

    print(f"{found.label} {found.probability:.4f}; completeness residual {found.residual:.1e}")
    print(verdict(found))


def mega(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


if __name__ == "__main__":
    run(main)
