"""The answers that were most wrong: what to read first, for it shows what was not understood, or a wrong label."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One example that was answered wrongly."""

    row: int  # of its file
    text: str
    pair: str | None
    true: str
    said: str
    loss: float  # how wrong: what training would have made less


def worst(mistakes: Sequence[Mistake], most: int) -> list[Mistake]:
    """Those of the largest loss, the largest first."""
    return sorted(mistakes, key=lambda mistake: -mistake.loss)[:most]
