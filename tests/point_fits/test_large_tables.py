"""Large tables: steps and thinned questions against refits of everything, closed forms and truths.

What counts as large is set low, so that each is also done in full beside it.
"""

import math
import tracemalloc
from collections.abc import Mapping

import numpy as np
import pytest
import scipy.stats
from tables import truth

from scaling_cli import laws
from scaling_cli.engine.starts import starts
from scaling_cli.point_fits import fitted as fitted_module
from scaling_cli.point_fits.backtesting import backtest
from scaling_cli.point_fits.certainty.draws import parameter_draws
from scaling_cli.point_fits.certainty.resampling import resample, resample_counts
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.fitting import fit
from scaling_cli.reports import diagnosis
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports._blocks import Labelled, Text
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise, settle
from scaling_cli.vocabulary.objective import Objective

MANY = 120
BOTH_SIDES = (
    "in 7 of 7 cuts a run has rows on both sides: its later rows are forecast with its earlier "
    "ones fitted. With --at final every run is on one side.",
)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables of more than MANY points be large."""
    monkeypatch.setattr(fitted_module, "MANY", MANY)


def curves(law: str = "chinchilla", runs: int = 60, rows: int = 8, offset: float = 0.003) -> Points:
    """Return rows along runs, with noise of each run and of each row."""
    generator = np.random.default_rng(0)
    size = np.repeat(10 ** generator.uniform(7, 9.5, runs), rows)
    ratio = np.repeat(10 ** generator.uniform(0.5, 2, runs), rows)
    columns = {"N": size, "D": size * ratio * np.tile(np.arange(1, rows + 1) / rows, runs)}
    inputs = {symbol: columns[symbol] for symbol in laws.get(law).inputs()}
    noise = np.repeat(offset * generator.standard_normal(runs), rows)
    noise += 0.004 * generator.standard_normal(runs * rows)
    output = np.asarray(truth(law)(**inputs), float) * np.exp(noise)
    return Points(inputs, output, [f"run{i // rows:02d}" for i in range(runs * rows)])


def fitted_to(points: Points, law: str, objective: str = "huber", count: int = 200) -> Fitted:
    problem = make_problem(points, laws.get(law), Objective(objective))
    return Fitted(points, *settle(problem), Resampling(count, seed=3))


def logs(draws: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return ln of draws, shape (parameters, m)."""
    return np.log(np.stack(list(draws.values())))


@pytest.mark.parametrize("prior", [None, {"alpha": "0.35+-0.01"}])
def test_resamples_by_steps_end_where_refits_do(
    monkeypatch: pytest.MonkeyPatch, prior: dict[str, str] | None
) -> None:
    points = curves(runs=300, rows=10, offset=0.001)
    problem = make_problem(points, laws.get("chinchilla"), Objective(delta=3e-3), prior=prior)
    settled, asked = settle(problem), Resampling(200, seed=3)
    refitted = resample(Fitted(points, *settled, asked))
    monkeypatch.setattr(fitted_module, "MANY", MANY)
    stepped = resample(Fitted(points, *settled, asked))
    assert stepped.method.endswith("of 300, Newton steps from the fit; 10 were refitted")
    assert (stepped.asked, stepped.restarted, stepped.better) == (200, 10, 0)
    ends, steps = logs(refitted.draws), logs(stepped.draws)
    sd = np.std(ends, axis=1)
    apart = (steps - ends) / sd[:, None]
    np.testing.assert_array_less(np.sqrt(np.mean(apart**2, axis=1)), 0.05)
    np.testing.assert_allclose(np.std(steps, axis=1), sd, rtol=0.02)


def test_resamples_by_steps_are_weighted_regression(large: None) -> None:
    points = curves("kaplan_n", runs=200, rows=2, offset=0.0)
    stepped = resample(fitted_to(points, "kaplan_n", "l2"))
    assert "Newton steps" in stepped.method
    x, y = np.log(points.inputs["N"]), np.log(points.output)
    weights = resample_counts(points.runs, 200, seed=3)
    lines = -np.array([np.polyfit(x, y, 1, w=np.sqrt(w))[0] for w in weights])
    assert np.max(np.abs(stepped.draws["alpha_N"] - lines)) < 0.05 * np.std(lines)


def test_where_steps_end_elsewhere_all_are_refitted(monkeypatch: pytest.MonkeyPatch) -> None:
    points = curves(runs=7, rows=60, offset=0.02)  # a resample of seven runs lies far from the fit
    refitted = resample(fitted_to(points, "chinchilla", count=30))
    monkeypatch.setattr(fitted_module, "MANY", MANY)
    told = resample(fitted_to(points, "chinchilla", count=30))
    assert told.method == refitted.method == "bootstrap by run, 30 resamples of 7"
    np.testing.assert_array_equal(logs(told.draws), logs(refitted.draws))


def test_draws_of_a_line_by_steps_are_students_t(large: None) -> None:
    points = curves("kaplan_n", runs=400, rows=1, offset=0.0)
    fitted = fitted_to(points, "kaplan_n", "l2")
    assert fitted.large
    draws, sigmas = parameter_draws(fitted, 0.02, 2000)
    freedom = 400 - 2 + 3
    assert scipy.stats.kstest(freedom * (0.02 / sigmas) ** 2, "chi2", args=(freedom,)).pvalue > 0.01
    x, y = np.log(points.inputs["N"]), np.log(points.output)
    error = 0.02 / math.sqrt(np.sum((x - x.mean()) ** 2))
    standard = (draws["alpha_N"] + np.polyfit(x, y, 1)[0]) / error
    assert scipy.stats.kstest(standard, "t", args=(freedom,)).pvalue > 0.01


def test_draws_by_steps_scatter_as_refits_do(monkeypatch: pytest.MonkeyPatch) -> None:
    points = curves(runs=100, rows=10)
    refitted = logs(parameter_draws(fitted_to(points, "chinchilla"), 0.005)[0])
    monkeypatch.setattr(fitted_module, "MANY", MANY)
    stepped = logs(parameter_draws(fitted_to(points, "chinchilla"), 0.005)[0])
    assert not np.array_equal(stepped, refitted)  # of another stream
    sd = np.std(refitted, axis=1)
    # Two sets of 500 draws: their means differ by .06 sd, and their sds by 4.5 %.
    assert np.max(np.abs(stepped.mean(axis=1) - refitted.mean(axis=1)) / sd) < 4 * 0.063
    np.testing.assert_allclose(np.std(stepped, axis=1), sd, rtol=4 * 0.045)


def test_a_large_table_is_questioned_on_a_part_of_it(large: None) -> None:
    points = curves(rows=10)
    fitted = fitted_to(points, "chinchilla")
    part = fitted.questioned
    assert fitted.questioned is part
    assert len(part.points) == MANY == len(points) / 5
    compute = points.inputs["N"] * points.inputs["D"]
    kept = part.points.inputs["N"] * part.points.inputs["D"]
    np.testing.assert_array_equal(np.sort(kept), np.sort(compute)[4::5])
    assert part.target == fitted.target
    assert part.optimum.value == pytest.approx(optimise(part.problem).value, rel=1e-9)
    assert part.questioned is part


def test_a_fit_of_a_large_table_says_what_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    points = curves()
    whole = fit(points, bootstrap=50)
    assert "thinned_to" not in whole.diagnostics
    assert backtest(points).notes == BOTH_SIDES
    monkeypatch.setattr(fitted_module, "MANY", MANY)
    thinned = fit(points, bootstrap=50)
    assert thinned.diagnostics["thinned_to"] == MANY
    assert thinned.parameters == whole.parameters
    screen = [block for block in fit_report.blocks(thinned) if isinstance(block, Labelled)]
    (told,) = (block.lines[0] for block in screen if block.label == "backtest")
    assert "largest of 120 points (thinned from 480) forecast from the rest" in told
    first, *_ = diagnosis.blocks(thinned)
    assert first == Text(["what follows was asked of 120 of the 480 points, as the backtest was"])
    note = "a table of 480 points is tested on 120 of them, thinned in order of size."
    assert backtest(points).notes == (*BOTH_SIDES, note)
    # The forecast: its middle is the same laws of all points, its width other draws.
    (far,) = whole.predict(N=1e11, D=2e12).to_dicts()
    (near,) = thinned.predict(N=1e11, D=2e12).to_dicts()
    assert near["forecast"] == pytest.approx(far["forecast"], rel=1e-6)
    widths = [np.log(high / low) for low, high in (far["new_run"], near["new_run"])]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


@pytest.mark.parametrize("law", ["chinchilla", "kaplan_n", "kaplan_nd"])
def test_starts_of_many_points_are_made_from_few(law: str) -> None:
    points = curves(law, runs=500, rows=10, offset=0.0)
    problem = make_problem(points, laws.get(law), Objective())
    tracemalloc.start()
    begin = starts(problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e7  # all pairs of 5,000 points, which the median slope is of, take 4e8 bytes
    values = problem.law(**{n: float(v[0]) for n, v in problem.parameters(begin[:1]).items()})
    assert np.median(np.abs(problem.misses(np.asarray(values(**points.inputs))))) < 0.02
