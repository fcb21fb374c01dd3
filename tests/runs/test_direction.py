"""Which way a target goes: detected, refused, fitted as what is left to its limit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from tables import truth

import scaling_cli as sc
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.step_batch import StepBatch
from scaling_cli.runs.direction import Direction, correlations, directed, spearman, way
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, FitError, UsageError
from scaling_cli.vocabulary.objective import Turned

N = np.repeat(np.geomspace(1e7, 1e9, 5), 4)
D = N * np.tile([5.0, 20.0, 60.0, 200.0], 5)
LAW = truth("chinchilla")
LOSS = np.asarray(LAW(N=N, D=D), float)


def ranked(x: np.ndarray, y: np.ndarray) -> float:
    """Return scipy's rank correlation."""
    found: Any = spearmanr(x, y)
    return float(found.statistic)


def points(output: np.ndarray, target: str = "acc") -> Points:
    runs = [f"r{i}" for i in range(len(output))]
    return Points({"N": N, "D": D}, output, runs, {"L": "as given"}, target=target)


def test_rank_correlations_are_those_of_scipy(rng: np.random.Generator) -> None:
    x, y = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    assert spearman(x, y) == pytest.approx(ranked(x, y), rel=1e-12)
    assert spearman(x, x * 0 + np.arange(40)) == pytest.approx(ranked(x, np.arange(40)), rel=1e-12)


def test_ways() -> None:
    assert way(correlations(points(LOSS), Chinchilla)) == -1
    assert way(correlations(points(1 / LOSS), Chinchilla)) == 1
    assert way({"N": 0.9, "D": -0.4, "C": 0.6}) == 0  # it rises with one and falls with the other
    assert way({"N": 0.4, "D": 0.1, "C": 0.4}) == 0
    assert correlations(points(LOSS).take(np.arange(20) < 5), Chinchilla) == {}


def test_what_rises_is_refused_with_the_command_that_fits_it() -> None:
    with pytest.raises(FitError) as caught:
        directed(points(np.exp(-LOSS)), Chinchilla, Direction())
    ranks = {s: ranked(v, -LOSS) for s, v in (("N", N), ("D", D), ("C", N * D))}
    told = " and ".join(f"{s} ({rank:+.2f})" for s, rank in ranks.items())
    assert caught.value.message == (
        f"acc rises with {told}, by rank correlation; chinchilla can only fall."
    )
    assert caught.value.hint == (
        "--rising --limit 1 fits what is left to the limit, and answers in acc."
    )
    assert caught.value.exit_code == 4


def test_a_loss_that_rises_is_that_of_runs_that_differ() -> None:
    rows = replace(
        points(1 / LOSS, "loss"),
        conventions={"L": "nats/token"},
        settings={"tokenizer": np.array(["a", "b"] * 10, object)},
    )
    with pytest.raises(FitError) as caught:
        directed(rows, Chinchilla, Direction())
    assert caught.value.message.endswith("The losses of runs that are alike do not rise.")
    assert caught.value.hint == (
        "They differ: tokenizer has 2 values; fit one kind with --where. Check which column it is "
        "(--target, --map)."
    )


def test_a_limit_is_taken_where_it_is_known() -> None:
    for output, limit in ((np.exp(-LOSS), 1.0), (100 * np.exp(-LOSS), 100.0), (-LOSS, 0.0)):
        turned = directed(points(output), Chinchilla, Direction(rising=True)).turned
        assert turned == Turned("acc", -1.0, limit)
    with pytest.raises(UsageError) as caught:
        directed(points(40 - LOSS, "reward"), Chinchilla, Direction(rising=True))
    assert caught.value.message == (
        f"reward ({40 - LOSS.max():g} to {40 - LOSS.min():g}) rises to a limit that is not known: "
        "give it with --limit."
    )


def test_what_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="--limit is what a rising target cannot pass"):
        Direction(limit=1.0)
    with pytest.raises(UsageError, match="must be a number, not nan"):
        Direction(rising=True, limit=np.nan)
    with pytest.raises(UsageError, match="--rising is for laws of a loss"):
        directed(Points({"D": D}, D, ["a"] * 20), StepBatch, Direction(rising=True))
    with pytest.raises(FitError, match="--rising is for what rises"):
        directed(points(LOSS), Chinchilla, Direction(rising=True))
    with pytest.raises(DataError) as caught:
        directed(points(9 - LOSS), Chinchilla, Direction(rising=True, limit=6.0))
    reached = [f"r{i}" for i in np.flatnonzero(LOSS <= 3)]
    more = f" and {len(reached) - 5} more" if len(reached) > 5 else ""
    assert caught.value.message == f"acc reaches its limit, 6, in {', '.join(reached[:5])}{more}."


def test_values_below_zero_need_linear_residuals() -> None:
    below = points(LOSS - 3, "margin")
    bad = np.flatnonzero(LOSS <= 3)
    with pytest.raises(DataError) as caught:
        directed(below, Chinchilla, Direction())
    assert caught.value.message == (
        f"margin is {LOSS[bad[0]] - 3:g} in r{bad[0]} and not positive in {len(bad) - 1} more; "
        "residuals of chinchilla are taken of its logarithm."
    )
    lifted = directed(below, Chinchilla, Direction(space="linear"))
    assert lifted.output.min() > 0
    np.testing.assert_allclose(lifted.measured(), below.output, atol=1e-14)
    assert lifted.notes[-1] == (
        f"margin is fitted as {lifted.turned}, as it is not positive everywhere; answers are in "
        "margin."
    )


def test_what_is_stored_is_what_is_fitted() -> None:
    turned = Turned("acc", -1.0, 100.0)
    assert (str(turned), str(Turned("r", -1.0, 0.0)), str(Turned("m", 1.0, 2.5))) == (
        "100 - acc",
        "-r",
        "m + 2.5",
    )
    assert Turned.of({"fitted_as": turned.to_dict()}) == turned
    assert turned.ends((3.0, 8.0)) == (92.0, 97.0)
    rows = directed(points(100 * np.exp(-LOSS)), Chinchilla, Direction(rising=True))
    stored = np.asarray(rows.to_dict()["output"])
    again = rows.turned.forth(stored) if rows.turned else stored
    np.testing.assert_array_equal(again, rows.output)  # to the bit, or a check would refuse it
    with pytest.raises(ValueError, match="sign of 1 or -1"):
        Turned.of({"fitted_as": {"target": "a", "sign": 2, "offset": 0}})


def test_a_rising_fit_answers_in_its_target() -> None:
    limit = 3.0 * LOSS.max()
    fit = sc.fit(points(limit - LOSS, "score"), rising=True, limit=limit, bootstrap=0)
    assert fit.law.values() == pytest.approx(LAW.values(), rel=1e-4)
    at = fit.predict(N=2e9, D=1e11)
    truth_there = limit - float(LAW(N=2e9, D=1e11))
    assert at.value[0] == pytest.approx(truth_there, rel=1e-9)
    fitted = fit.as_fitted().predict(N=2e9, D=1e11)
    assert at.new_run is not None and fitted.new_run is not None
    low, high = (float(end[0]) for end in fitted.new_run)
    assert [float(end[0]) for end in at.new_run] == pytest.approx([limit - high, limit - low])
    widths = at.half_widths()
    assert widths is not None
    assert at.forecast[0] == pytest.approx(limit - fitted.forecast[0])
    assert widths[1][0] == pytest.approx((high - low) / 2 / at.forecast[0])
    assert fit.data["ranges"]["L"] == pytest.approx([limit - LOSS.max(), limit - LOSS.min()])
    assert fit.points().sha256() == fit.data["sha256"]
