"""Generate text with an encoder-decoder or a decoder: translate, summarize, reply, continue.

The work is in `minitf.fine_tuning.generation`. The flags are in `minitf.cli.generate`.
"""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from minitf.checkpoints.metadata import read_metadata
from minitf.cli import generate as cli
from minitf.cli.console import flags_in_errors, run, say_error
from minitf.cli.shared import model_options
from minitf.files import open_text
from minitf.fine_tuning.generation import PART, open_generator, write_records
from minitf.tasks.spec import Inputs
from minitf.tasks.whole_text.inputs import read_texts


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser().parse_intermixed_args(argv)
    cli.check(arguments)
    settings, size = cli.settings(arguments), arguments.batch_size
    texts = read_texts(inputs(arguments), read_metadata(Path(arguments.model)), pair_required=False)
    with nullcontext() if arguments.output is None else open_text(Path(arguments.output)) as file:
        generator = open_generator(arguments.model, model_options(arguments), size, say_error)
        strategy = generator.strategy(settings)
        if file is None and texts.count == 1 and strategy.beams == strategy.n_best == 1:
            ((text,), _), *_ = texts.parts(1)
            print_stream(generator.stream(text, settings))
        else:
            from minitf.tasks.whole_text.prediction import parts_with_progress

            parts = (part for part, _ in parts_with_progress(texts, size * PART, shown=file is not None))
            records = generator.records(parts, settings)
            if file is not None:
                write_records(records, file, cli.table_format(arguments))
            else:
                print_records(records, scores=strategy.n_best > 1)
    return 0


def inputs(arguments: argparse.Namespace) -> Inputs:
    """The texts, or the file and its column."""
    return Inputs(arguments.texts, path=arguments.input, text=arguments.text, delimiter=arguments.delimiter)


def print_stream(texts: Iterable[str]) -> None:
    """Print a text that grows, as it grows. Half of a character, which ends with U+FFFD, waits for the rest."""
    printed, text = "", ""
    for text in texts:
        whole = text.rstrip("\ufffd")
        if whole.startswith(printed):
            print(whole[len(printed) :], end="", flush=True)
            printed = whole
    # A tokenizer may write earlier tokens differently when it knows the later ones.
    print(text[len(printed) :] if text.startswith(printed) else f"\n{text}", flush=True)


def print_records(records: Iterable[dict[str, Any]], *, scores: bool) -> None:
    """Print each source and, below it, its outputs, with their scores if a source has several."""
    for record in records:
        if record["rank"] == 1:
            print(" ".join(record["source"].split()))
        score = f"{record['score']:8.4f}  " if scores else ""
        print(f"  {score}{' '.join(record['text'].split())}", flush=True)


if __name__ == "__main__":
    run(main)
