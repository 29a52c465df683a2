"""The shares of a learning curve."""

import pytest

from minitf.errors import InputError
from minitf.tuning.learning_curve import shares


def test_shares_are_sorted_and_counted_once() -> None:
    assert shares("1,0.25, 0.5,0.25") == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("text", ["", "0", "0.5,2", "a", "0.1,,1", "nan"])
def test_wrong_shares(text: str) -> None:
    with pytest.raises(InputError, match=r"`learning_curve` .*: each share must be a number above 0 and at most 1"):
        shares(text)
