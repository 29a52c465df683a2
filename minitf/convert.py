"""Convert an official checkpoint to a folder that `transformers` opens."""

from collections.abc import Sequence
from pathlib import Path

from minitf.cli.console import flags_in_errors, run, say
from minitf.cli.convert import parser


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from minitf.checkpoints.convert import convert  # after parsing: it imports torch

    convert(
        arguments.checkpoint,
        Path(arguments.folder),
        overwrite=arguments.overwrite,
        offline=arguments.offline,
        verify=not arguments.no_verify,
        hidden_act=arguments.hidden_act,
        revision=arguments.revision,
        say=say,
    )
    return 0


if __name__ == "__main__":
    run(main)
