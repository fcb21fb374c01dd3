"""`anticipate`: levels of traces whose fits are known in closed form."""

from typing import Any

import numpy as np
import pytest

from scaling_cli import anticipate
from scaling_cli.forecasting.anticipation import LOOKAHEAD, Levels
from scaling_cli.vocabulary.errors import DataError, UsageError

X = np.arange(1.0, 31.0) * 1000
FALLING = 2.5 + 40.0 * X**-0.5
RISING = 0.9 - 3.0 * X**-0.5


def test_a_power_law_is_anticipated_from_its_first_prefix() -> None:
    found = anticipate(X, FALLING, 0.3)
    assert found.trend == pytest.approx((2.5, 40.0, 0.5), rel=1e-5)
    assert found.asymptote == pytest.approx(np.full(28, 2.5), abs=1e-5)
    assert (found.working, found.prediction) == (3000.0, 3000.0)
    # 40 x^-1/2 <= 0.3 from x = (40/0.3)^2 = 17778 on; the next observation is at 18000.
    assert found.convergence == 18000.0
    assert found.forecast == pytest.approx((40 / 0.3) ** 2, rel=1e-4)
    assert found.remaining == pytest.approx(40.0 * found.x**-0.5, rel=1e-4)


def test_accuracies_rise_to_theirs() -> None:
    found = anticipate(X, RISING, 0.02, rising=True)
    assert found.trend == pytest.approx((0.9, -3.0, 0.5), rel=1e-5)
    assert found.convergence == 23000.0  # (3/0.02)^2 = 22500
    percent = anticipate(X, 100 * RISING, 2.0, rising=True, limit=100.0)
    assert (percent.working, percent.prediction, percent.convergence) == (
        found.working,
        found.prediction,
        found.convergence,
    )


def test_an_asymptote_that_cannot_be_is_not_believed() -> None:
    # Towards 1.1, beyond any accuracy; and towards -0.5, below any loss.
    above = anticipate(X, 1.1 - 8.0 * X**-0.4, 0.02, rising=True)
    below = anticipate(X, -0.5 + 40.0 * X**-0.3, 0.3)
    for found, asymptote in ((above, 1.1), (below, -0.5)):
        assert found.working is not None
        assert (found.prediction, found.convergence, found.forecast) == (None, None, None)
        assert found.trend[0] == pytest.approx(asymptote, rel=1e-3)
        assert any("lies beyond what there is" in note for note in found.notes)


def test_the_working_level_waits_for_the_asymptote_to_calm_down() -> None:
    # Irregular at first, a power law after: the asymptote moves until the start weighs little.
    broken = FALLING + np.where(X <= 8000, 0.1 * (-1.0) ** np.arange(len(X)), 0.0)
    found = anticipate(X, broken, 0.3)
    slope = np.abs(np.diff(found.asymptote) / np.diff(np.log(found.x)))
    calm = slope <= 0.1 * (broken.max() - broken.min())
    first = next(i for i in range(len(calm)) if calm[i : i + LOOKAHEAD].all())
    assert found.working == found.x[first] > 3000
    assert found.prediction == found.working
    looser = anticipate(X, broken, 0.3, verticality=1e9)
    assert looser.working == 3000
    stricter = anticipate(X, broken, 0.3, verticality=1e-9)
    assert (stricter.working, stricter.prediction) == (None, None)


def test_an_anchor_damps_the_trace() -> None:
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(X))
    free = anticipate(X, FALLING + noise, 0.3)
    held = anticipate(X, FALLING + noise, 0.3, anchor=True)
    assert np.std(np.diff(held.asymptote)) < 0.5 * np.std(np.diff(free.asymptote))


def test_each_fit_is_a_least_squares_minimum() -> None:
    values = FALLING + 0.02 * np.random.default_rng(4).standard_normal(len(X))
    found = anticipate(X, values, 0.3)
    level, slope, exponent = found.trend

    def error(a: float, b: float, c: float) -> float:
        return float(np.sum((a + b * X**-c - values) ** 2))

    least = error(level, slope, exponent)
    for i in range(3):
        for factor in (0.999, 1.001):
            moved = [v * factor if j == i else v for j, v in enumerate(found.trend)]
            assert error(moved[0], moved[1], moved[2]) > least


def test_many_observations_are_averaged_and_said_to_be() -> None:
    x = np.arange(1.0, 2001.0) * 10
    found: Levels = anticipate(x, 2.5 + 40.0 * x**-0.5, 0.3)
    assert len(found.x) < 40
    assert found.trend == pytest.approx((2.5, 40.0, 0.5), rel=0.01)
    assert found.notes[0].startswith("2000 observations averaged to ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "the stopping threshold must be positive"),
        ({"verticality": -1.0}, "the verticality threshold must be positive"),
        ({"lookahead": 0}, "look ahead by 1 or more"),
        ({"first": 2}, "look ahead by 1 or more, from prefixes of 3"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        anticipate(X, FALLING, **{"threshold": 0.1, **options})


def test_too_few_or_bad_observations_are_refused() -> None:
    with pytest.raises(DataError, match="7 observations are too few"):
        anticipate(X[:7], FALLING[:7], 0.1)
    with pytest.raises(DataError, match="the value at 2000 is not a number"):
        anticipate(X, np.where(X == 2000, np.nan, FALLING), 0.1)
    with pytest.raises(DataError, match="places must be positive numbers that increase"):
        anticipate(X[::-1], FALLING, 0.1)
    with pytest.raises(DataError, match="as many values as places"):
        anticipate(X, FALLING[1:], 0.1)
