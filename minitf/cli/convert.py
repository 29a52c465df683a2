"""The flags of `python -m minitf.convert`."""

from minitf.cli.console import Parser
from minitf.cli.shared import checkpoint_flags

DESCRIPTION = """Convert an official checkpoint to a folder that `transformers` opens.

CHECKPOINT is a TensorFlow checkpoint (a folder, its bert_model.ckpt, or Google's zip), or any other source of a model
that the commands take. DIR gets config.json, model.safetensors and the tokenizer's files.

--hidden-act is written into config.json. Google's own code computes gelu_tanh, although its files say gelu."""

EXAMPLES = (
    "uncased_L-12_H-768_A-12.zip weights/bert-base",
    "path/to/bert_model.ckpt converted --hidden-act gelu_tanh",
    "bert-base-uncased converted --overwrite --offline",
)


def parser() -> Parser:
    """Make the parser of the command."""
    p = Parser(
        prog="python -m minitf.convert",
        usage="CHECKPOINT DIR [flags]",
        description=DESCRIPTION,
        examples=EXAMPLES,
        parents=[checkpoint_flags()],
    )
    p.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder, a TensorFlow prefix, a zip or a name")
    p.add_argument("folder", metavar="DIR", help="where to write the converted checkpoint")
    output = p.add_argument_group("output")
    output.add_argument("--overwrite", action="store_true", help="replace an earlier conversion in DIR")
    return p
