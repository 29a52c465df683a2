"""Show the attention of a model on a text, as an interactive page or a figure.

The work is in `minitf.attention_maps`. The flags are in `minitf.cli.attend`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.cli import attend
from minitf.cli.console import flags_in_errors, run, say, say_error

if TYPE_CHECKING:
    from minitf.attention_maps.model import OpenGenerator, OpenModel


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = attend.parse(argv)
    from minitf.attention_maps import figures, views
    from minitf.attention_maps.model import open_model
    from minitf.bert.device import choose_device

    def opened(source: str, revision: str | None = None) -> "OpenModel | OpenGenerator":
        return open_model(
            source,
            arguments.math,
            device=choose_device(arguments.device),
            offline=arguments.offline,
            hidden_act=arguments.hidden_act,
            verify=not arguments.no_verify,
            revision=revision,
            say=say_error,
        )

    model, output = opened(arguments.model, arguments.revision), Path(arguments.output)
    text = views.Text(arguments.text, arguments.pair, arguments.max_length, arguments.target, arguments.max_new_tokens)
    if output.suffix.lower() == ".html":
        parts = views.PageParts(arguments.attribution, attend.ATTRIBUTION_LIMIT, arguments.label, arguments.query_key)
        compare = opened(arguments.compare) if arguments.compare is not None else None
        views.write_page(model, text, output, parts, compare, say)
    else:
        view = views.View(
            arguments.view, arguments.layer, arguments.head, arguments.label, arguments.dark, arguments.attention
        )
        if arguments.input is not None:
            columns = {"text": arguments.text_column, "pair": arguments.pair_column, "delimiter": arguments.delimiter}
            figure = views.draw_table_summary(model, arguments.input, columns, arguments.max_length, view.theme, say)
        else:
            figure = views.draw(model, text, view, say)
        missing = figures.save(figure, output)
        if missing:
            print(f"no installed font has {missing:.40}, drawn as boxes; install such a font or write .svg or .html")
    print(f"written: {output}")
    return 0


if __name__ == "__main__":
    run(main)
