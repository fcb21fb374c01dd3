"""Cleaning of curves: noise as it was made, spikes and jumps that were put there, nothing else."""

from pathlib import Path

import numpy as np
import pytest
from tables import rows

from scaling_cli.forecasting.despiking import (
    _medians,
    averaged,
    checked,
    jump,
    noise_of,
    spikes,
)
from scaling_cli.vocabulary.errors import DataError

X = np.arange(1.0, 2001.0) * 10
CLEAN = 2.5 + 20.0 * X**-0.5


def noisy(sd: float, seed: int = 0) -> np.ndarray:
    return CLEAN * np.exp(sd * np.random.default_rng(seed).standard_normal(len(X)))


@pytest.mark.parametrize("sd", [0.001, 0.01, 0.05])
def test_noise_is_what_was_added(sd: float) -> None:
    assert noise_of(noisy(sd)) == pytest.approx(sd, rel=0.1)


def test_a_smooth_curve_has_no_noise() -> None:
    assert noise_of(CLEAN[200:]) < 1e-6
    assert noise_of(CLEAN[:3]) == 0.0


def test_spikes_are_found_and_nothing_below_the_curve() -> None:
    loss = noisy(0.005)
    put = np.random.default_rng(1).choice(np.arange(300, 2000), 20, replace=False)
    loss[put] *= 1.3
    loss[1000] *= 0.7
    found = np.flatnonzero(spikes(X, loss))
    assert set(put) <= set(found)
    assert 1000 not in found
    assert len(found) <= 20 + 0.005 * len(X)  # three sd on one side: 0.13 % of clean rows


def test_a_wide_spike_is_left_out_whole() -> None:
    loss = noisy(0.005)
    loss[1000:1040] *= 1.0 + 0.4 * np.exp(-np.arange(40) / 15.0)
    assert spikes(X, loss)[1000:1035].all()


def test_clean_and_short_curves_have_no_spikes() -> None:
    assert not spikes(X[400:], CLEAN[400:]).any()
    short = CLEAN[:150].copy()
    short[80] *= 2
    assert not spikes(X[:150], short).any()


@pytest.mark.parametrize("size", [0.05, -0.05])
@pytest.mark.parametrize("sd", [0.001, 0.01])
def test_a_jump_that_stays_is_found(size: float, sd: float) -> None:
    loss = noisy(sd)
    loss[1200:] *= np.exp(size)
    found = jump(X[300:], loss[300:])
    assert found is not None
    assert abs(found.row - 900) <= 10
    assert found.x == X[300 + found.row]
    assert found.size == pytest.approx(size, abs=0.015)


@pytest.mark.parametrize("size", [0.9, 0.95, 1.05])
def test_a_jump_of_a_steep_curve_is_placed_to_the_row(size: float) -> None:
    """With noise and a slope, medians of half windows differ most some rows before a fall."""
    x = np.arange(202.0, 2001.0, 2.0)
    noise = np.exp(0.003 * np.random.default_rng(7).standard_normal(len(x)))
    found = jump(x, (2.6 + 0.6 * (x / 2000) ** -0.45) * noise * np.where(x > 1000, size, 1.0))
    assert found is not None
    assert (found.row, found.x) == (400, 1002)
    assert found.size == pytest.approx(np.log(size), abs=0.005)


def test_what_comes_back_is_no_jump() -> None:
    loss = noisy(0.002)
    loss[1000:1100] *= 1.2
    assert jump(X[300:], loss[300:]) is None
    assert jump(X[300:], noisy(0.01)[300:]) is None
    assert jump(X[:20], CLEAN[:20]) is None


def test_real_jumps_are_drops_of_the_rate_and_nothing_else(shared: Path) -> None:
    found = {}
    for path in sorted((shared / "data/multipowerlaw/runs_25M").glob("*.csv")):
        logged = rows(path)
        step, loss = (np.array([float(r[c]) for r in logged]) for c in ("step", "loss"))
        late = step >= 0.2 * step[-1]
        found[path.stem] = jump(step[late], loss[late])
    # wsdcon_X drops the rate at step 8000; constant and cosine never change it suddenly.
    for name in ("constant_24000", "constant_72000", "cosine_24000", "cosine_72000"):
        assert found[name] is None
    for name in ("wsdcon_3", "wsdcon_9"):
        assert found[name] is not None
        assert found[name].x == pytest.approx(8000, abs=500)
        assert found[name].size < 0


def test_means_are_means_of_what_is_not_far_off() -> None:
    loss = noisy(0.01)
    loss[1500] *= 3.0
    points = averaged(X, loss, bins=16)
    assert len(points.x) == 16
    assert (np.diff(points.x) > 0).all()
    assert points.rows.sum() >= len(X) - 20
    last = X[0] * (X[-1] / X[0]) ** (15 / 16) <= X
    kept = last & (np.arange(len(X)) != 1500)
    off = np.abs(np.log(loss[kept]) - np.median(np.log(loss[last])))
    assert off.max() < 4 * 1.4826 * np.median(off)  # the clip takes the spike only
    assert np.log(points.loss[-1]) == pytest.approx(np.log(loss[kept]).mean(), rel=1e-12)
    assert points.weight[-1] == pytest.approx(np.sqrt(20))


def test_noisy_curves_get_fewer_points() -> None:
    assert len(averaged(X[100:], CLEAN[100:]).x) == 48
    # 5 % noise asks for 100 rows a point: 1900 rows are 19 points.
    assert len(averaged(X[100:], noisy(0.05)[100:]).x) == pytest.approx(19, abs=3)


@pytest.mark.parametrize(
    ("x", "loss", "message"),
    [
        ([1, 2, 3], [1, 2], "as many losses as steps"),
        ([1, 2, 3], [3, 2, 1], "3 points are too few"),
        ([1, 2, 2, 3, 4], [5, 4, 3, 2, 1], "must be positive numbers that increase"),
        ([0, 1, 2, 3, 4], [5, 4, 3, 2, 1], "must be positive numbers that increase"),
        ([1, 2, 3, 4, 5], [5, 4, np.nan, 2, 1], "the loss at 3 is not a positive number"),
        ([1, 2, 3, 4, 5], [5, 4, 3, 2, 0], "the loss at 5 is not a positive number"),
    ],
)
def test_what_is_no_curve_is_refused(x: list[float], loss: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked(x, loss, 5)


def test_a_long_curve_jumps_where_a_short_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The medians of windows come of ranks there: the same numbers, ties included."""
    loss = np.round(noisy(0.01), 3)
    loss[1200:] *= 1.1
    short = jump(X, loss), jump(X, np.round(noisy(0.01), 3))
    monkeypatch.setattr("scaling_cli.forecasting.despiking.MANY", 0)
    assert (jump(X, loss), jump(X, np.round(noisy(0.01), 3))) == short
    assert short[0] is not None
    assert short[1] is None
    windows = np.lib.stride_tricks.sliding_window_view(loss, 40)
    assert (_medians(loss, 40) == np.median(windows, axis=1)).all()
