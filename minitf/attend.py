"""Look inside: who looks at whom in a text, as a picture. `python -m minitf.attend DIR "text" ["second text"]`.

--view grid shows all heads, head and lines one of them, rollout what [CLS] has gathered layer by layer, summary what
each head looks at, explain which words a fine-tuned model's prediction rests on, by four methods side by side.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.console import Parser, number, run
from minitf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minitf.attention_maps.collect import AttentionMaps
    from minitf.attention_maps.figures import Theme

VIEWS = ("grid", "head", "lines", "rollout", "summary", "explain")
ENDINGS = (".svg", ".png", ".pdf")


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.attend", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    count = number(1, whole=True)
    p.add_argument("model", metavar="DIR|MODEL", help="a run's best/, or any source of a model that finetune takes")
    p.add_argument("text", help="what the model reads")
    p.add_argument("pair", nargs="?", help="the second text of a pair")
    p.add_argument("--output", required=True, metavar="FILE", help="where the picture goes: .svg, .png or .pdf")
    p.add_argument("--view", choices=VIEWS, default="grid", help="default: %(default)s")
    p.add_argument("--layer", type=count, metavar="N", help="with --view head or lines, from 1 (default: the last)")
    p.add_argument("--head", type=count, metavar="N", help="with --view head or lines, from 1 (default: the first)")
    p.add_argument("--label", metavar="NAME", help="with --view explain: the class (default: the one predicted)")
    p.add_argument("--dark", action="store_true", help="light on dark")
    p.add_argument("--max-length", type=count, metavar="N", help="tokens the text is cut to (default: all it can have)")
    p.add_argument("--math", default="kernels", metavar="WHICH", help="equations, kernels or a .py file")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    check(arguments)

    from minitf.attention_maps import attribution, figures
    from minitf.attention_maps.collect import look, open_model
    from minitf.bert.device import choose_device

    device = choose_device(arguments.device)
    opened = open_model(arguments.model, arguments.math, device=device, offline=arguments.offline)
    theme = figures.DARK if arguments.dark else figures.LIGHT
    if arguments.view == "explain":
        found = attribution.attribute(opened, arguments.text, arguments.pair, arguments.label)
        figure = figures.explain(found, theme)
        print(f"{found.label} {found.probability:.4f}; completeness residual {found.residual:.1e}")
        print(figures.verdict(found))
    else:
        maps = look(opened, arguments.text, arguments.pair, arguments.max_length)
        layer = maps.layers if arguments.layer is None else arguments.layer
        figure = draw(arguments.view)(maps, layer - 1, (arguments.head or 1) - 1, theme)
        print(f"{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens")
    figures.save(figure, Path(arguments.output))
    print(f"drawn: {arguments.output}")
    return 0


def check(arguments: argparse.Namespace) -> None:
    """Raises InputError for flags that do not go together, before anything heavy is loaded."""
    if Path(arguments.output).suffix.lower() not in ENDINGS:
        raise InputError(f"--output {arguments.output}: the ending must be one of {', '.join(ENDINGS)}")
    of_one_head = arguments.view in ("head", "lines")
    for name, given, fits in (
        ("--layer", arguments.layer, of_one_head),
        ("--head", arguments.head, of_one_head),
        ("--label", arguments.label, arguments.view == "explain"),
    ):
        if given is not None and not fits:
            raise InputError(f"{name} does not go with --view {arguments.view}")


def draw(view: str) -> "Callable[[AttentionMaps, int, int, Theme], Figure]":
    """The function that draws a view of the maps."""
    from minitf.attention_maps import figures

    return {
        "grid": lambda maps, layer, head, theme: figures.grid(maps, theme),
        "head": figures.head,
        "lines": lambda maps, layer, head, theme: figures.lines(maps, layer, head, theme=theme),
        "rollout": lambda maps, layer, head, theme: figures.rollout(maps, theme),
        "summary": lambda maps, layer, head, theme: figures.summary(maps, theme),
    }[view]


if __name__ == "__main__":
    run(main)
