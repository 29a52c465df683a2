"""The flags of `python -m minitf.validate`."""

from minitf.cli.console import Parser
from minitf.cli.shared import model_flags

DESCRIPTION = """\
Compare minitf with transformers on the same sentences, tensor by tensor in the order of computation.

It compares the forward pass, the loss, the gradients, and the weights after five steps of AdamW, prints the largest
difference of each tensor, and names the first difference beyond rounding. It needs transformers.

Exit status 0 if all tensors are equal, 1 if one is not."""


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.validate",
        usage="MODEL [flags]",
        description=DESCRIPTION,
        examples=[
            "all-MiniLM-L6-v2 --quiet",
            "bert-base-uncased --dtype float32 --math kernels --output runs/validate",
            "runs/reviews-1/best --math my_math.py",
        ],
        parents=[
            model_flags(
                math="equations", device="cpu", max_length="tokens per sentence (default: 64, or the model's positions)"
            )
        ],
    )
    p.add_argument("model", metavar="MODEL", help="a checkpoint: any source that finetune takes")
    compared = p.add_argument_group("comparison")
    compared.add_argument(
        "--dtype",
        choices=["float64", "float32", "bfloat16"],
        default="float64",
        help="precision of both models (default: %(default)s)",
    )
    out = p.add_argument_group("output")
    out.add_argument(
        "--output",
        metavar="DIR",
        help="folder for validate.json, validate.png and validate-dark.png (default: not written)",
    )
    out.add_argument(
        "--quiet", action="store_true", help="print only one tensor per stage: the nearest to its tolerance"
    )
    return p
