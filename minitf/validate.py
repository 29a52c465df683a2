"""Compare minitf with `transformers` on the same sentences, tensor by tensor in the order of computation.

The work is in `minitf.proof`. The flags are in `minitf.cli.validate`.
"""

from collections.abc import Sequence
from pathlib import Path

from minitf import __version__
from minitf.cli.console import flags_in_errors, run, say
from minitf.cli.validate import parser


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Compare a checkpoint in minitf and in the reference, and print the result."""
    arguments = parser().parse_args(argv)
    import torch

    from minitf.bert.device import choose_device
    from minitf.proof import report
    from minitf.proof.divergence import compare_models, first_divergence
    from minitf.proof.reference import open_pair, reference_version
    from minitf.proof.sentences import LABELS, encode_sentences

    versions = f"minitf {__version__}, transformers {reference_version()}, torch {torch.__version__}"
    device = choose_device(arguments.device)
    torch.manual_seed(0)  # a new classifier is drawn once and copied to the reference
    pair = open_pair(
        arguments.model,
        arguments.math,
        getattr(torch, arguments.dtype),
        device,
        offline=arguments.offline,
        hidden_act=arguments.hidden_act,
        verify=not arguments.no_verify,
        revision=arguments.revision,
    )
    say(str(pair.report))
    tokenizer = pair.report.checked_tokenizer()
    batch = encode_sentences(tokenizer, pair.ours.config.longest, arguments.max_length).to(device)
    if not pair.report.files.open_in_transformers():
        kind = "a TensorFlow checkpoint" if pair.report.source.tensorflow else "these files"
        print(f"transformers cannot read {kind}: it gets minitf's tensors, and only the computation")
        print("is compared, not the reading of the files")
    print(f"{versions}; {arguments.dtype}, {arguments.math}, {report.device_name(device)}")
    sentences, longest = batch.token_ids.shape
    print(f"{sentences} sentences of {int(batch.mask.sum(1).min())} to {longest} tokens in one padded batch\n")
    rows = compare_models(pair, batch, torch.tensor(LABELS, device=device) % pair.ours.config.num_labels)
    print("\n".join(report.table(rows, worst_only=arguments.quiet)))
    print(f"\n{report.conclusion(rows, arguments.dtype)}")
    if arguments.output:
        report.write_report(Path(arguments.output), rows, vars(arguments), versions, say)
    return 0 if first_divergence(rows) is None else 1


if __name__ == "__main__":
    run(main)
