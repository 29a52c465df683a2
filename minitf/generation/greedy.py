"""Greedy decoding."""

from collections.abc import Iterator

from minitf.generation.decoding import Request
from minitf.generation.sequences import Sequences


def greedy(request: Request) -> Iterator[Sequences]:
    """Append argmax P(token | tokens so far) to each row; yield the rows after each token.

    The output is what the last yield has. The most probable token at each step is not always the beginning of the most
    probable sequence: that is what beam search looks for.
    """
    rows = Sequences.start(request)
    while not rows.done:
        log_p = request.log_p(rows.ids)
        rows = rows.extended(log_p.argmax(-1), log_p)
        yield rows
