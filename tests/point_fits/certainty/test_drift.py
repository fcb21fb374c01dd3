"""Drift: the posterior against numerical integration, its limits against closed forms."""

import math

import pytest
import scipy.integrate

from scaling_cli.point_fits.certainty import uncertainty as drift
from scaling_cli.point_fits.certainty.uncertainty import NORMAL_90, Cut


def miss(rms: float, own: float, decades: float) -> Cut:
    return Cut(1.0, 9, 3, 10.0, 0.0, 0.0, NORMAL_90 * own, 1.0, rms, decades, ("a",))


def oracle(misses: list[Cut], median: float = 0.025, log_sd: float = 0.5) -> float:
    """Return the root mean square of the posterior, by adaptive quadrature in ln drift."""

    def density(x: float) -> float:
        total = -0.5 * (x / log_sd) ** 2
        for m in misses:
            variance = m.own**2 + (median * math.exp(x) * m.decades) ** 2
            total -= 0.25 * (math.log(variance) + m.rms**2 / variance)
        return math.exp(total)

    def integral(power: float) -> float:
        return scipy.integrate.quad(
            lambda x: (median * math.exp(x)) ** power * density(x), -5, 5, epsabs=0, epsrel=1e-10
        )[0]

    return math.sqrt(integral(2) / integral(0))


def test_without_backtests_it_is_the_prior_of_other_tables() -> None:
    # The root mean square of a log-normal: median x e^(sd^2).
    assert drift.prior() == pytest.approx(0.025 * math.exp(0.25), rel=1e-12)
    assert drift.learned([]) == pytest.approx(drift.prior(), rel=1e-9)


@pytest.mark.parametrize(
    "misses",
    [
        [miss(0.03, 0.01, 1.0)],
        [miss(0.001, 0.01, 0.5), miss(0.002, 0.008, 0.9)],
        [miss(0.2, 0.01, 1.0), miss(0.02, 0.05, 0.3), miss(0.4, 0.02, 2.0)],
    ],
)
def test_it_is_the_root_mean_square_of_the_posterior(misses: list[Cut]) -> None:
    assert drift.learned(misses) == pytest.approx(oracle(misses), rel=1e-6)
    other = drift.learned(misses, median=0.04, log_sd=0.8)
    assert other == pytest.approx(oracle(misses, median=0.04, log_sd=0.8), rel=1e-6)


def test_enough_backtests_overrule_the_prior() -> None:
    # Misses of 6 % a decade, and nothing else to explain them.
    assert drift.learned([miss(0.12, 1e-6, 2.0)] * 400) == pytest.approx(0.06, rel=0.01)
    # Five sds of the prior below its median: it takes more of them.
    assert drift.learned([miss(0.002, 1e-6, 1.0)] * 4000) == pytest.approx(0.002, rel=0.01)


def test_a_backtest_that_allows_everything_teaches_nothing() -> None:
    assert drift.learned([miss(0.5, 10.0, 1.0)]) == pytest.approx(drift.prior(), rel=1e-4)


def test_larger_misses_mean_more_drift() -> None:
    found = [drift.learned([miss(rms, 0.01, 1.0)] * 3) for rms in (0.0, 0.01, 0.03, 0.1)]
    assert found == sorted(found)
    assert found[0] < drift.prior() < found[-1]


def test_what_it_came_from_in_words() -> None:
    one = miss(0.01, 0.01, 1.0)
    assert drift.source([]) == "that of other tables: no backtest was possible"
    assert drift.source([one]) == "3.2 % in other tables, updated by 1 backtest of this one"
    assert drift.source([one] * 4) == "3.2 % in other tables, updated by 4 backtests of this one"
