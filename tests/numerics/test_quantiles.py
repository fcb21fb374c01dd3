"""Quantiles against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from scaling_cli.numerics.quantiles import central, central_about, quantile


@pytest.mark.parametrize("freedom", range(1, 13))
@pytest.mark.parametrize("share", [0.6, 0.75, 0.9, 0.95, 0.995])
def test_students_t(freedom: int, share: float) -> None:
    known = stats.t.ppf(share, freedom)
    assert quantile(2 * share - 1, freedom) == pytest.approx(known, rel=1e-10)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_infinite_freedom_is_the_normal_distribution(level: float) -> None:
    assert quantile(level) == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=1e-14)


def test_the_central_share_of_draws() -> None:
    assert central(np.arange(101.0), 0.9) == pytest.approx([5.0, 95.0])


def test_ranges_of_numbers_some_of_which_are_endless() -> None:
    """Draws in order, of which the ends are the 5th, 50th and 95th of a hundred and one."""
    drawn = np.arange(101.0)
    endless = np.where(drawn > 90, np.inf, drawn)[::-1]
    assert central_about(50.0, endless, 0.9) == (5.0, np.inf)
    assert central_about(np.inf, endless, 0.9) == (5.0, np.inf)
    assert central_about(0.0, -endless, 0.9) == (-np.inf, 45.0)
    assert np.isnan(central_about(0.0, np.append(endless, np.nan), 0.9)).all()
