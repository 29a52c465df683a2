"""Predict with a fine-tuned model: labels for texts, or for a file.

The work is in `minitf.fine_tuning.prediction`. The flags are in `minitf.cli.predict`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from minitf.checkpoints.metadata import read_metadata
from minitf.cli import predict as cli
from minitf.cli.console import flags_in_errors, run, say_error
from minitf.cli.shared import model_options
from minitf.datasets.checks import skipped_rows
from minitf.errors import InputError
from minitf.files import open_text
from minitf.fine_tuning.prediction import choose_spec, open_fill, open_head, open_predictor
from minitf.tasks.spec import Inputs
from minitf.tasks.whole_text.inputs import read_texts


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser().parse_intermixed_args(argv)
    cli.check(arguments)
    source, options, size = arguments.model, model_options(arguments), arguments.batch_size
    texts: Any
    metadata, what = read_metadata(Path(source)), ""
    with nullcontext(sys.stdout) if arguments.output is None else open_text(Path(arguments.output)) as out:
        as_table, texts = arguments.output is not None, None
        if arguments.fill is not None:
            from minitf.tasks.masked_lm.prediction import fill

            fill(open_fill(source, metadata, options, size, say_error), arguments.fill, out)
        elif arguments.embed:
            from minitf.checkpoints.stated import stated_pooling
            from minitf.tasks.embedding import write_vectors

            texts = read_texts(inputs(arguments), metadata, pair_required=False)
            loaded, report = open_head(source, None, metadata, options, size, say_error)
            what = f" ({texts.count:,} vectors)"
            write_vectors(loaded, texts, out, as_table=as_table, pooling=stated_pooling(report.source.folder))
        else:
            spec = choose_spec(source, metadata, options, say_error)
            if arguments.spreadsheet_safe and not spec.tabular:
                raise InputError(f"--spreadsheet-safe: the output for {spec.name} is not a table; leave it out")
            texts = request = spec.read_inputs(inputs(arguments), metadata)
            loaded = open_predictor(source, spec, metadata, options, size, say_error)
            shown = None if arguments.all else loaded.labels_shown
            loaded = dataclasses.replace(loaded, table=cli.table_format(arguments), labels_shown=shown)
            spec.predict(loaded, request).write(out, as_table=as_table)
            what = f" ({request.count:,} predictions)"
        if skipped := getattr(texts, "skipped", 0):
            say_error(f"minitf: warning: {arguments.input}: {skipped_rows(skipped)}")
    if arguments.output is not None:
        print(f"written: {arguments.output}{what}", file=sys.stderr)  # not `say_error`: a path may contain backticks
    return 0


def inputs(arguments: argparse.Namespace) -> Inputs:
    """The texts, or the file and its columns."""
    if arguments.input is not None:
        return Inputs(path=arguments.input, text=arguments.text, pair=arguments.pair, delimiter=arguments.delimiter)
    pairs = None if arguments.pair is None else [arguments.pair] * len(arguments.texts)
    return Inputs(texts=arguments.texts, pairs=pairs)


if __name__ == "__main__":
    run(main)
