"""The figures that a paper wants: each number from a closed form, or from a simulation."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cli_fits
import numpy as np
import pytest

import scaling_cli as sc
from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.forecast import Forecasts
from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.plots import (
    _compare,
    batch,
    clouds,
    collapse,
    forecast,
    isoflop,
    loss,
    optimum,
    predicted,
    valley,
)
from scaling_cli.plots import sensitivity as tornado
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules import parse_schedule
from scaling_cli.verbs.compare import pairs_of
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.outcomes import Status

STORED = Path(__file__).resolve().parents[1] / "artefacts" / "v0.1.0"
# alpha = beta and A = B: the best N equals the best D, both sqrt(C/6).
LAW = Chinchilla(E=1.0, A=100.0, B=100.0, alpha=0.5, beta=0.5)
SIZES = np.array([1e4, 1e5, 1e6])
HEADLINE = {"N": 1e7, "D": 1e7}


def fitted(**changes: Any) -> Fit:
    """Return a fit of the law to nine runs, which carries its points."""
    N, D = (grid.ravel() for grid in np.meshgrid(SIZES, SIZES))
    points = {"inputs": {"N": N.tolist(), "D": D.tolist()}, "output": LAW(N=N, D=D).tolist()}
    ranges = {"N": [1e4, 1e6], "D": [1e4, 1e6], "C": [6e8, 6e12], "L": [1.2, 3.0]}
    made: dict[str, Any] = {
        "data": {"ranges": ranges, "points": points, "conventions": {"N": "total"}},
        "diagnostics": {"headline": HEADLINE},
        "uncertainty": cli_fits.certain(LAW, {}),
    }
    return Fit(LAW, status=Status.CONVERGED, value=0.0, n_points=9, **(made | changes))


def drawn(name: str, table: Any) -> Any:
    figure = plots.figure(name, table)
    bottom = figure.axes[-table.layout()[1] :]
    assert all(ax.get_xlabel() for ax in bottom if ax.get_label() != "<colorbar>")
    return figure


def test_the_tornado_has_the_largest_shift_on_top() -> None:
    choices = [
        {"name": "huber", "kind": "objective", "headline_shift": 0.01},
        {"name": "beta = alpha", "kind": "tie", "headline_shift": -0.05},
        {"name": "failed", "kind": "tie", "headline_shift": None},
    ]
    runs = [{"removed": [f"r{i}"], "headline_shift": 0.001 * i} for i in range(1, 9)]
    told = {"headline": HEADLINE, "sensitivity": choices, "influence": {"runs": runs, "of": 8}}
    table = tornado.table(fitted(diagnostics=told))
    assert table.name[:3] == ("beta = alpha", "huber", "without r8")
    assert len(table.name) == 2 + tornado.RUNS
    assert table.shift[:2] == pytest.approx([100 * np.expm1(-0.05), 100 * np.expm1(0.01)])
    widths = fitted().predict(**HEADLINE).half_widths()
    assert widths is not None and table.half_width == 100 * widths[1][0]
    bars = drawn("sensitivity", table).axes[0].patches
    assert max(abs(bar.get_width()) for bar in bars[1:]) == pytest.approx(-table.shift[0])
    with pytest.raises(DataError, match="there are no refits to draw"):
        tornado.table(fitted())


def test_the_ellipse_holds_the_share_that_it_says() -> None:
    generator = np.random.default_rng(0)
    covariance = 1e-4 * np.array([[4.0, 3.0], [3.0, 9.0]])
    alpha, beta = generator.multivariate_normal([0.5, 0.5], covariance, 20_000).T
    sure = cli_fits.certain(LAW, {})
    every = {name: np.full(20_000, value) for name, value in LAW.values().items()}
    sure = replace(sure, draws=every | {"alpha": alpha, "beta": beta}, sigma=np.full(20_000, 0.01))
    table = clouds.table(fitted(uncertainty=sure), level=0.8)
    (panel,) = table.pairs
    assert panel.names == ("alpha", "beta")
    assert panel.correlation == pytest.approx(0.5, abs=0.02)
    away = np.stack([alpha, beta]) - np.array([[alpha.mean()], [beta.mean()]])
    distance = np.einsum("in,ij,jn->n", away, np.linalg.inv(np.cov(alpha, beta)), away)
    edge = panel.ellipse - np.array([[alpha.mean()], [beta.mean()]])
    radius = np.einsum("in,ij,jn->n", edge, np.linalg.inv(np.cov(alpha, beta)), edge)
    assert radius == pytest.approx(np.full(clouds.AROUND, radius[0]))
    assert np.mean(distance < radius[0]) == pytest.approx(0.8, abs=0.01)
    outside = (alpha < panel.limits[0][0]) | (alpha > panel.limits[0][1])
    outside |= (beta < panel.limits[1][0]) | (beta > panel.limits[1][1])
    assert panel.outside == outside.sum()
    assert not panel.away  # the fit is the middle of the draws
    far = replace(fitted(uncertainty=sure), law=replace(LAW, alpha=0.7))
    assert clouds.table(far).pairs[0].away
    drawn("clouds", table)
    with pytest.raises(DataError, match="carries no draws"):
        clouds.table(fitted(uncertainty=None))
    with pytest.raises(UsageError, match="no two free parameters"):
        clouds.table(fitted())


def test_the_best_split_is_the_closed_form_beside_published_laws() -> None:
    table = optimum.table(fitted())
    assert table.size == pytest.approx(np.sqrt(table.compute / 6), rel=1e-12)
    assert table.data == pytest.approx(table.size, rel=1e-9)
    assert table.size_range is not None and table.data_range is not None
    for ends in (*table.size_range, *table.data_range):  # all draws are the law
        assert ends == pytest.approx(table.size, rel=1e-9)
    assert table.compute[-1] == pytest.approx(optimum.REACH * 6e12)
    edge = LAW(N=table.size_valley[0], D=table.data_valley[1])
    assert edge == pytest.approx(1.001 * LAW(N=table.size, D=table.size), rel=1e-9)
    besiroglu = kinds.load("chinchilla/besiroglu-2024", Fit).law
    own, best = table.others[0], besiroglu.optimum(table.compute[-1])
    assert best is not None and own.name == "chinchilla/besiroglu-2024"
    assert own.size[-1] == pytest.approx(best["N"], rel=1e-12)
    assert [o.name for o in table.others if "non-embedding" in o.name] == [
        "kaplan_nd/kaplan-2020 (N non-embedding)"
    ]
    drawn("optimum", table)


def test_a_slice_has_its_parabola_and_its_minimum() -> None:
    budget = {
        "compute": 6e10,
        "sizes": [1e4, 1e6],
        "curvature": 0.2,
        "optimum": 1e5,
        "output": 2.0,
        "reason": "",
    }
    flat = {**budget, "compute": 6e12, "optimum": None, "output": None, "reason": "flat"}
    told = {"isoflop": {"budgets": [flat, budget]}}
    table = isoflop.table(fitted(diagnostics=told))
    first, second = table.slices
    assert (first.compute, second.compute) == (6e10, 6e12)
    assert first.size.tolist() == [1e6, 1e5, 1e4]  # the runs of that compute
    assert first.parabola[[0, -1]] == pytest.approx(2 + 0.2 * np.log(10) ** 2)
    assert first.parabola.min() == pytest.approx(2.0, abs=1e-3)
    assert len(second.parabola) == 0
    drawn("isoflop", table)
    with pytest.raises(DataError, match="no isoFLOP slices"):
        isoflop.table(fitted())


def test_at_the_critical_batch_steps_and_tokens_are_twice_the_least() -> None:
    fit = kinds.load(STORED / "batch_fit.json", BatchFit)
    table = batch.table(fit)
    for level in table.levels:
        cost = fit.trajectory.cost(level.loss, N=fit.trajectory.N)
        least = 2 * float(cost.S_min), 2 * float(cost.E_min)
        assert level.critical == pytest.approx(least)
        assert level.tokens == pytest.approx(level.batch * level.steps)
        excess = (level.curve_steps / cost.S_min - 1) * (level.curve_tokens / cost.E_min - 1)
        assert excess == pytest.approx(np.ones(batch.STEPS))  # the hyperbola
    assert np.all(np.diff(table.loss) < 0)
    drawn("batch", table)
    with pytest.raises(DataError, match="no loss levels"):
        batch.table(replace(fit, levels=()))


def _curve(run: str, times: float, length: int) -> Curve:
    step = np.arange(1, length + 1)
    schedule = parse_schedule(f"constant:peak=0.01,steps={length}")
    return Curve(run, schedule, step, times * (1 + (step / length) ** -0.5))


def test_curves_that_are_multiples_of_one_fall_upon_each_other() -> None:
    fit = kinds.load("multi_power/luo-2025-25m", CurveFit)
    bare = replace(fit, data={k: v for k, v in fit.data.items() if k != "points"})
    table = collapse.table(bare, [_curve("a", 1.0, 400), _curve("b", 3.0, 800)])
    assert table.spread == pytest.approx(np.zeros(collapse.STEPS), abs=0.05)
    assert table.runs[0].ratio[-1] == pytest.approx(
        2 / np.mean(1 + np.linspace(0.9, 1) ** -0.5), rel=1e-3
    )
    drawn("collapse", table)
    with pytest.raises(DataError, match="carries no curves"):
        collapse.table(bare)


def test_a_backtest_is_drawn_by_what_it_predicted() -> None:
    test = kinds.load(STORED / "backtest.json", Backtest)
    table = predicted.table(test)
    held, every = table.held_out, test.forecasts()
    assert held is not None
    assert held.predicted.tolist() == every.predicted.tolist()
    assert held.measured.tolist() == every.measured.tolist()
    assert table.limits[0] < every.low.min() and table.limits[1] > every.high.max()
    drawn("predicted", table)


def test_a_stored_forecast_is_drawn_from_where_it_was_made() -> None:
    stored = kinds.load(STORED / "forecast.json", Forecasts)
    table = forecast.table(stored)
    (panel,) = table.shown
    assert panel.logged.loss.tolist() == [stored.runs[0].seen.loss]
    assert panel.forecast.path.x[-1] == stored.runs[0].until
    (axes,) = drawn("forecast", table).axes
    assert axes.get_xlim()[0] < stored.runs[0].now
    with pytest.raises(DataError, match="no forecast that can be drawn"):
        forecast.table(replace(stored, runs=()))


def test_a_published_law_is_drawn_alone() -> None:
    table = sc.plot("kaplan_nd/kaplan-2020").table
    law = kinds.load("kaplan_nd/kaplan-2020", Fit).law
    assert table.runs == () and table.edge is None
    best = law.optimum(table.frontier.scale[7])
    assert best is not None
    assert table.frontier.loss[7] == pytest.approx(float(law(**best)), rel=1e-12)
    assert not table.frontier.inside.any()
    known = loss.table(replace(fitted(), data={"ranges": {"C": [6e8, 6e12]}}))
    assert known.edge == 6e12 and known.frontier is not None
    assert known.frontier.inside.sum() == np.sum(known.frontier.scale <= 6e12 * (1 + 1e-9))


def test_the_numbers_are_written_as_csv(tmp_path: Path) -> None:
    sc.plot(fitted(), "optimum").save(tmp_path / "numbers.csv")
    rows = [*csv.DictReader(io.StringIO((tmp_path / "numbers.csv").read_text("utf8")))]
    sizes = [float(row["value"]) for row in rows if row["place"] == "size"]
    assert sizes == optimum.table(fitted()).size.tolist()
    assert {row["value"] for row in rows if row["place"] == "others.0.name"} == {
        "chinchilla/besiroglu-2024"
    }
    low = [float(row["value"]) for row in rows if row["place"] == "size_range.0"]
    assert low == pytest.approx(sizes, rel=1e-9)


def test_recipes_cross_where_the_closed_form_says() -> None:
    """Best splits of alpha = beta, A = B: L = E + 2 A (C/6)^-1/4."""
    other = replace(fitted(), law=Chinchilla(E=1.1, A=80.0, B=80.0, alpha=0.5, beta=0.5))
    table = _compare.table(*pairs_of(sc.compare(fitted(), other)))
    (against,) = table.others
    assert against.crossing == pytest.approx(6 * 400.0**4, rel=2e-4)  # 0.1 = 40 (C/6)^-1/4
    assert table.reached == pytest.approx(1 + 200 * (table.x / 6) ** -0.25, rel=1e-9)
    assert against.difference == pytest.approx(against.reached - table.reached)
    assert against.low is not None and against.high is not None
    assert np.all((against.low <= against.difference) & (against.difference <= against.high))
    assert table.x[-1] == pytest.approx(10 * table.edge)
    drawn = plots.drawn(_compare, table)
    assert [text.get_text() for text in drawn.legends[0].texts].count("extrapolated") == 1


def test_a_valley_is_as_high_as_it_says_at_its_edges() -> None:
    recipe = kinds.load(STORED / "hparams.json", Recipe)
    table = valley.table(recipe)
    curvature = recipe.flatness.hessian[0, 0] if recipe.flatness else math.nan
    for cell in table.valleys:
        away = np.log(cell.edges[:, 0, :] / cell.optimum)
        assert np.expm1(curvature * away**2 / 2) == pytest.approx(
            np.repeat(np.array(valley.EXCESS)[:, None], 2, axis=1)
        )
        told = recipe.learning_rate.predict(N=cell.N, D=cell.D)
        assert cell.advice == pytest.approx(told.value)
    drawn("valley", table)
    hessian = np.array([[0.1, 0.02], [0.02, 0.05]])
    ellipses = valley.edges(np.array([0.01, 1e5]), hessian)
    away = np.log(ellipses / np.array([0.01, 1e5])[:, None])
    heights = np.einsum("ekm,kl,elm->em", away, hessian, away) / 2
    assert heights == pytest.approx(np.log1p(np.array(valley.EXCESS))[:, None] + 0 * heights)
    with pytest.raises(DataError, match="there are no cells to draw"):
        valley.table(replace(recipe, cells=()))


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("optimal_size/kaplan-2020", {"C": 1e21}),
        ("data_constrained/muennighoff-2023", {"N": 8.67e9, "D": 178e9, "U": 25e9}),
    ],
)
def test_a_law_alone_is_drawn_where_its_numbers_are_held(name: str, at: dict[str, float]) -> None:
    fit = kinds.load(name, Fit)
    table = loss.table(fit)
    line = table.frontier
    assert line is not None and np.isfinite(line.loss).all()
    assert line.scale[-1] == pytest.approx(loss.REACH * float(fit.law.along(at)))
    held = {s: v for s, v in at.items() if s not in fit.law.growing()}
    best = fit.law.optimum(line.scale[-1], **held) or {"C": line.scale[-1]}
    assert line.loss[-1] == pytest.approx(float(fit.law(**best)))


def test_a_law_of_tasks_is_drawn_over_its_losses() -> None:
    fit = kinds.load("task_accuracy/ladder", Fit)
    line = loss.table(fit).frontier
    assert line is not None
    assert line.loss == pytest.approx(fit.law(L=1 / line.scale))
    losses = fit.points().inputs["L"]
    assert 1 / line.scale[0] == pytest.approx(losses.max())
    assert 1 / line.scale[-1] == pytest.approx(0.93 * losses.min())  # a decade of compute
