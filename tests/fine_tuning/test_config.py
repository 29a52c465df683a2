"""Settings that contradict each other are refused when a configuration is made."""

import pytest

from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig


def test_the_minimum_rate_is_not_above_the_peak() -> None:
    assert FineTuneConfig.of().recipe.min_lr == 0.0
    assert FineTuneConfig.of(lr=1e-4, min_lr=1e-4).recipe.min_lr == 1e-4
    with pytest.raises(InputError, match=r"`min_lr` 0\.001 is above `lr` 0\.0001"):
        FineTuneConfig.of(lr=1e-4, min_lr=1e-3)
    with pytest.raises(InputError, match="`min_lr` must be a number of at least 0"):
        FineTuneConfig.of(min_lr=-1e-5)
