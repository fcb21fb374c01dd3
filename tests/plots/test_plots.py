"""Figures: the numbers they show come from the law, and drawing leaves the world as it was."""

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from processes import loaded_by
from refusals import refusal

from scaling_cli import plots
from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.power_law import PowerLaw
from scaling_cli.plots import _style, curves, schedules
from scaling_cli.plots.backtest import Errors
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError
from scaling_cli.vocabulary.outcomes import Status

# alpha = beta and A = B: the best N equals the best D, both sqrt(C/6).
LAW = Chinchilla(E=1.0, A=100.0, B=100.0, alpha=0.5, beta=0.5)
SIZES, TOKENS = (1e4, 1e5, 1e6), (1e5, 1e6, 1e7)
OF_POINTS = plots.of_kind("fit")
OFF = 1.01  # every measured loss is 1 % above the law
CUT = ("factor", "bias", "mare", "coverage", "n_train", "n_test", "half_width")
CUTS = [
    dict(zip(CUT, (10.0, -0.01, 0.02, 0.5, 4, 2, 0.03), strict=True)),
    dict(zip(CUT, (3.0, 0.0, 0.01, 1.0, 7, 1, 0.02), strict=True)),
]
CHOICES = [
    {"name": "least squares", "kind": "objective", "headline_shift": 0.01},
    {"name": "beta = alpha", "kind": "tie", "headline_shift": -0.03},
]
BUDGETS = [
    {
        "compute": 6e11,
        "sizes": [1e4, 1e6],
        "curvature": 0.1,
        "optimum": 1e5,
        "output": 2.0,
        "reason": "",
    }
]


def _uncertainty(law: Law, axis: str, edge: float) -> Uncertainty:
    draws = {n: value * np.linspace(0.999, 1.001, 50) for n, value in law.values().items()}
    return Uncertainty(
        draws=draws,
        sigma=np.full(50, 0.01),
        drift=0.0,
        largest={axis: edge},
        tested=True,
        method="no spread but noise",
    )


def _fit(law: Law, inputs: Mapping[str, np.ndarray], **changes: Any) -> Fit:
    points = Points(inputs, OFF * law(**inputs), [f"run{i}" for i in range(len(law(**inputs)))])
    stored = {
        "inputs": {s: v.tolist() for s, v in inputs.items()},
        "output": points.output.tolist(),
        "runs": list(points.runs),
    }
    axis = "C" if "D" in inputs else "x"
    made: dict[str, Any] = {
        "uncertainty": _uncertainty(law, axis, points.ranges(law)[axis][1]),
        "data": {"ranges": points.ranges(law), "conventions": {"N": "total"}, "points": stored},
        "backtest": {"axis": axis, "cuts": CUTS, "note": ""},
        "diagnostics": {"sensitivity": CHOICES, "isoflop": {"budgets": BUDGETS}},
    }
    return Fit(law, status=Status.CONVERGED, value=0.0, n_points=len(points), **(made | changes))


@pytest.fixture
def fit() -> Fit:
    size, tokens = np.meshgrid(SIZES, TOKENS)
    return _fit(LAW, {"N": size.ravel(), "D": tokens.ravel()})


@pytest.fixture
def one_variable() -> Fit:
    return _fit(PowerLaw(E=1.0, A=8.0, alpha=0.5), {"x": np.geomspace(1, 100, 12)})


@pytest.fixture
def measured() -> Points:
    inputs = {"N": np.array([1e7]), "D": np.array([1e8])}
    return Points(inputs, LAW(**inputs) * math.exp(0.002), ["held"])


@pytest.mark.parametrize("name", OF_POINTS)
def test_every_figure_says_what_it_shows(name: str) -> None:
    module = plots.get(name)
    assert isinstance(module, ModuleType)
    for documented in (module, module.Table, module.table, module.draw):
        assert (documented.__doc__ or "").strip()


@pytest.mark.parametrize(
    ("name", "with_interval"),
    [(n, w) for n in OF_POINTS for w in (True, False) if w or n != "clouds"],
)
def test_every_figure_is_drawn(
    name: str, with_interval: bool, fit: Fit, measured: Points, tmp_path: Path
) -> None:
    shown = fit if with_interval else replace(fit, uncertainty=None)
    table = plots.get(name).table(shown, measured=measured)
    figure = plots.figure(name, table)
    assert len(figure.axes) >= table.layout()[1]
    labels = [ax.get_xlabel() for ax in figure.axes[: table.layout()[1]]]
    assert all(labels)
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    plots.save(figure, first)
    plots.save(plots.figure(name, table), second)
    assert first.read_bytes().startswith(b"\x89PNG")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["loss", "residuals", "predicted", "backtest"])
def test_laws_of_one_variable_are_drawn(name: str, one_variable: Fit) -> None:
    table = plots.get(name).table(one_variable)
    assert len(plots.figure(name, table).axes) >= 1


def test_a_law_of_one_variable_has_no_contour(one_variable: Fit) -> None:
    assert refusal(UsageError, plots.get("contour").table, one_variable) == (
        "the contour figure needs a law of N and D, not of x. Draw --kind loss instead."
    )


@pytest.mark.parametrize("name", ["residuals", "predicted", "contour"])
def test_a_fit_without_points_is_refused(name: str, fit: Fit) -> None:
    assert refusal(DataError, plots.get(name).table, replace(fit, data={})) == (
        "the fit carries no points. "
        "A published fit has none, and a fit to very many points keeps only their digest."
    )


@pytest.mark.parametrize(
    ("backtest", "why"),
    [
        (None, "it was not fitted here"),
        ({"axis": "C", "cuts": [], "note": "too few runs"}, "too few runs"),
    ],
)
def test_a_fit_without_backtest_is_refused(backtest: Any, why: str, fit: Fit) -> None:
    said = refusal(DataError, plots.get("backtest").table, replace(fit, backtest=backtest))
    assert said == f"there is no backtest to draw: {why}."


def test_loss_frontier_is_the_closed_form(fit: Fit) -> None:
    table = plots.get("loss").table(fit)
    # With A = B and alpha = beta: N* = D* = sqrt(C/6), so L* = E + 2 A (C/6)^(-alpha/2).
    expected = 1.0 + 200.0 * (table.frontier.scale / 6) ** -0.25
    np.testing.assert_allclose(table.frontier.loss, expected, rtol=1e-12)
    assert table.edge == 6e13
    assert table.edge in table.frontier.scale
    assert table.frontier.scale[-1] == pytest.approx(6e14)
    best = np.sqrt(table.frontier.scale / 6)
    bounds = fit.predict(N=best, D=best).new_run
    assert bounds is not None
    np.testing.assert_allclose([table.frontier.low, table.frontier.high], bounds, rtol=1e-9)


def test_loss_curves_run_through_the_tokens_of_each_size(fit: Fit) -> None:
    table = plots.get("loss").table(fit)
    assert [curve.size for curve in table.curves] == list(SIZES)
    for curve in table.curves:
        np.testing.assert_allclose(curve.scale[[0, -1]], [6 * curve.size * t for t in (1e5, 1e7)])
        tokens = curve.scale / (6 * curve.size)
        expected = 1.0 + 100 * curve.size**-0.5 + 100 * tokens**-0.5
        np.testing.assert_allclose(curve.loss, expected, rtol=1e-12)


def test_many_sizes_are_shown_by_a_colour_bar() -> None:
    sizes = np.geomspace(1e4, 1e6, 20)
    table = plots.get("loss").table(_fit(LAW, {"N": sizes, "D": sizes[::-1].copy()}))
    assert len(table.curves) == 8
    figure = plots.figure("loss", table)
    assert [ax.get_ylabel() for ax in figure.axes[1:]] == ["N of each run"]
    # A size trained once is drawn through the budgets of the data, not beyond.
    assert all(curve.scale[-1] <= table.edge * (1 + 1e-12) for curve in table.curves)


def test_loss_reaches_past_what_was_measured(fit: Fit) -> None:
    inputs = {"N": np.array([1e9]), "D": np.array([1e9])}
    table = plots.get("loss").table(fit, measured=Points(inputs, LAW(**inputs), ["far"]))
    assert table.frontier.scale[-1] > 6e18


def test_what_was_turned_is_drawn_in_what_was_fitted(fit: Fit) -> None:
    # 200 - score was fitted as a loss is: so are its points, lines, bands and held-out runs.
    turned = {"target": "score", "sign": -1.0, "offset": 200.0}
    ranges, points = dict(fit.data["ranges"]), dict(fit.data["points"])
    ranges["L"] = [200 - end for end in reversed(ranges["L"])]
    points["output"] = [200 - value for value in points["output"]]
    scores = replace(
        fit, data={**fit.data, "ranges": ranges, "points": points, "fitted_as": turned}
    )
    plain, drawn = (plots.get("loss").table(f) for f in (fit, scores))
    np.testing.assert_allclose(drawn.loss, plain.loss, rtol=1e-12)
    for of in ("loss", "low", "high"):
        sides = (getattr(table.frontier, of) for table in (drawn, plain))
        np.testing.assert_allclose(*sides, rtol=1e-12)
    held = {"N": np.array([1e7]), "D": np.array([1e8])}
    score, fitted = Points(held, np.array([197.5]), ["a"]), Points(held, np.array([2.5]), ["a"])
    for given in (score, replace(fitted, turned=scores.turned)):
        assert plots.get("loss").table(scores, measured=given).held_out.measured.tolist() == [2.5]


def test_held_out_runs_are_predicted_not_fitted(fit: Fit, measured: Points) -> None:
    held = plots.get("loss").table(fit, measured=measured).held_out
    expected = 1.0 + 100 * 1e7**-0.5 + 100 * 1e8**-0.5
    assert held.predicted.tolist() == pytest.approx([expected], rel=1e-12)
    assert held.measured.tolist() == pytest.approx([expected * math.exp(0.002)], rel=1e-12)
    assert held.scale.tolist() == [6e15]
    assert held.low < held.measured < held.high


def test_residuals_are_logarithms_in_per_cent(fit: Fit, measured: Points) -> None:
    table = plots.get("residuals").table(fit, measured=measured)
    np.testing.assert_allclose(table.residual, 100 * math.log(1.01), rtol=1e-10)
    np.testing.assert_allclose(table.held_out, [0.2], rtol=1e-10)
    assert list(table.by) == ["C", "N", "D"]
    assert table.by["C"].values.max() == 6e13
    np.testing.assert_allclose(table.by["N"].group_medians, 100 * math.log(1.01), rtol=1e-10)


def test_groups_of_neighbours_have_equal_sizes() -> None:
    sizes = np.geomspace(1.0, 2.0**15, 16)
    table = plots.get("residuals").table(_fit(LAW, {"N": sizes, "D": np.full(16, 1e6)}))
    groups = sizes.reshape(4, 4)
    expected = np.exp(np.log(groups).mean(axis=1))
    np.testing.assert_allclose(table.by["N"].group_values, expected, rtol=1e-12)


def test_predicted_bounds_hold_every_point(fit: Fit, measured: Points) -> None:
    table = plots.get("predicted").table(fit, measured=measured)
    np.testing.assert_allclose(table.measured / table.predicted, OFF, rtol=1e-12)
    low, high = table.limits
    assert low < table.held_out.low.min()
    assert high > table.measured.max()


def test_backtest_is_in_per_cent_and_rising(fit: Fit) -> None:
    table = plots.get("backtest").table(fit)
    assert table.factor.tolist() == [3.0, 10.0]
    assert table.mare.tolist() == [1.0, 2.0]
    assert table.bias.tolist() == [0.0, -1.0]
    assert table.half_width.tolist() == [2.0, 3.0]
    ticks = plots.figure("backtest", table).axes[0].get_xticklabels()
    assert [t.get_text() for t in ticks] == ["3×\n7 fitted\n1/1 in", "10×\n4 fitted\n1/2 in"]


def test_contour_surface_is_the_law(fit: Fit) -> None:
    table = plots.get("contour").table(fit)
    expected = 1 + 100 * table.size[None, :] ** -0.5 + 100 * table.tokens[:, None] ** -0.5
    np.testing.assert_allclose(table.loss, expected, rtol=1e-12)
    np.testing.assert_allclose(table.best_size, table.best_tokens, rtol=1e-9)
    assert table.edge == 6e13


def test_axes_are_labelled_from_quantities_and_conventions(fit: Fit) -> None:
    bits = replace(fit, data={**fit.data, "conventions": {"N": "non_embedding", "L": "bits/byte"}})
    axes = plots.figure("contour", plots.get("contour").table(bits)).axes[0]
    assert axes.get_xlabel() == "Model parameters, N (non-embedding)"
    assert axes.get_ylabel() == "Training tokens, D"
    assert axes.get_title() == "Cross-entropy loss (bits/byte)"


def _drawn(axes: Axes) -> dict[str, np.ndarray]:
    """Return x of what is visible of each labelled line, by label and style."""
    return {
        f"{line.get_label()} {line.get_linestyle()}": np.asarray(line.get_xdata(), float)[
            np.isfinite(np.asarray(line.get_ydata(), float))
        ]
        for line in axes.get_lines()
    }


def test_beyond_the_data_looks_different(one_variable: Fit) -> None:
    axes = plots.figure("loss", plots.get("loss").table(one_variable)).axes[0]
    lines = _drawn(axes)
    assert lines["fitted law -"].max() == 100.0
    assert lines["extrapolated --"].min() == 100.0


def test_an_optimum_beyond_the_sizes_or_tokens_that_were_run_is_dashed(fit: Fit) -> None:
    # N* = D* = sqrt(C/6) lies among both the sizes (1e4 to 1e6) and the tokens (1e5 to 1e7), or a
    # tenth beside them, from C = 6e10 / 1.21 to 6e12 * 1.21, though runs reach from 6e9 to 6e13.
    low, high = 6e10 / 1.21, 6e12 * 1.21
    table = plots.get("loss").table(fit)
    lines = _drawn(plots.figure("loss", table).axes[0])
    solid, dashed = lines["compute-optimal -"], lines["extrapolated --"]
    step = table.frontier.scale[1] / table.frontier.scale[0]
    assert low <= solid.min() < low * step
    assert high / step < solid.max() <= high
    np.testing.assert_array_equal(np.union1d(solid, dashed), table.frontier.scale)
    assert np.intersect1d(solid, dashed).tolist() == [solid.min(), solid.max()]
    best = plots.get("contour").table(fit)
    inside = (best.best_compute >= low) & (best.best_compute <= high)
    np.testing.assert_array_equal(best.best_inside, inside)


def test_an_optimum_far_from_every_run_has_no_solid_line(fit: Fit) -> None:
    law = Chinchilla(E=1.0, A=0.01, B=100.0, alpha=0.5, beta=0.5)  # N* = 1e-8 D*
    table = plots.get("loss").table(replace(fit, law=law, uncertainty=None))
    lines = _drawn(plots.figure("loss", table).axes[0])
    assert "compute-optimal -" not in lines
    np.testing.assert_array_equal(lines["compute-optimal, extrapolated --"], table.frontier.scale)


@pytest.mark.parametrize("longest", [1e3, 9e3])
def test_where_the_data_end_is_said_inside_the_axes(longest: float) -> None:
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.plot([1.0, 1e4], [3.0, 2.0])
    _style.shade_no_data(axes, longest)
    figure.draw_without_rendering()
    (text,) = axes.texts
    assert "no fitted run beyond here" in text.get_text()
    inside, box = axes.get_window_extent(), text.get_window_extent()
    assert inside.x0 <= box.x0 < box.x1 <= inside.x1


def test_labels_of_many_cuts_do_not_touch(fit: Fit) -> None:
    # The reach and counts of the seven cuts of 240 runs, the widest labels there are.
    factors, tests = (6.52, 17.5, 39.7, 102.0, 242.0, 628.0), (14, 38, 61, 99, 139, 180)
    cuts = [
        {**CUTS[0], "factor": f, "n_test": n, "n_train": 240 - n, "coverage": 0.995}
        for f, n in zip(factors, tests, strict=True)
    ]
    table = plots.get("backtest").table(replace(fit, backtest={"axis": "C", "cuts": cuts}))
    figure = plots.figure("backtest", table)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) == len(factors)
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_the_legend_of_a_backtest_covers_no_forecast(fit: Fit) -> None:
    table = plots.get("backtest").table(fit)
    reach = np.geomspace(1.0, 600.0, 40)
    wide = np.full(40, 10.0)
    errors = Errors(reach, np.zeros(40), -wide, wide, np.full(40, True), 0.9)
    figure = plots.figure("backtest", replace(table, errors=errors))
    (legend,) = figure.legends
    assert legend.get_window_extent().y0 > figure.axes[0].get_window_extent().y1
    assert figure.axes[0].get_legend() is None


def test_a_backtest_within_a_decade_has_plain_numbers_along_it(fit: Fit) -> None:
    table = plots.get("backtest").table(fit)
    reach, wide = np.geomspace(1.2, 3.6, 9), np.full(9, 5.0)
    errors = Errors(reach, np.zeros(9), -wide, wide, np.full(9, True), 0.9)
    figure = plots.figure("backtest", replace(table, errors=errors))
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    texts = [label.get_text() for label in axis.get_ticklabels(which="both")]
    shown = [text for text in texts if text]
    assert len(shown) >= 3
    np.testing.assert_allclose([float(text) for text in shown], axis.get_majorticklocs())


def test_an_unknown_figure_is_refused() -> None:
    assert refusal(UsageError, plots.get, "residual") == (
        "there is no figure 'residual'. Did you mean residuals or schedules? "
        f"Known figures: {', '.join(plots.names())}."
    )


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    assert refusal(UsageError, plots.save, Figure(), tmp_path / "loss.jpeg") == (
        "cannot write a figure as 'loss.jpeg'. Use a name that ends in .png, .svg, .pdf."
    )


def test_a_folder_that_is_not_there_is_a_clear_error(fit: Fit, tmp_path: Path) -> None:
    figure = plots.figure("backtest", plots.get("backtest").table(fit))
    target = tmp_path / "nowhere" / "loss.png"
    assert refusal(ScalingError, plots.save, figure, target) == (
        f"{target}: cannot write the figure: No such file or directory. "
        "Make the folder first, or choose another."
    )


@pytest.mark.parametrize(("suffix", "head"), [(".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_vector_figures_are_the_same_twice(
    suffix: str, head: bytes, fit: Fit, tmp_path: Path
) -> None:
    table = plots.get("backtest").table(fit)
    written = [
        plots.save(plots.figure("backtest", table), tmp_path / f"{i}{suffix}") for i in range(2)
    ]
    assert written[0].read_bytes().startswith(head)
    assert written[0].read_bytes() == written[1].read_bytes()


def test_drawing_leaves_the_callers_style_alone(fit: Fit) -> None:
    before = dict(mpl.rcParams)
    plots.figure("loss", plots.get("loss").table(fit))
    assert dict(mpl.rcParams) == before


def test_no_window_system_is_loaded() -> None:
    loaded = loaded_by(
        "from scaling_cli import plots\nassert 'matplotlib' not in sys.modules\n"
        "for name in plots.names(): plots.get(name)\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert "pandas" not in loaded


def test_the_numbers_are_plain_data(fit: Fit, measured: Points) -> None:
    numbers = plots.numbers(plots.get("loss").table(fit, measured=measured))
    assert numbers["edge"] == 6e13
    assert numbers["held_out"]["runs"] == ("held",)
    assert numbers["frontier"]["level"] == 0.9


def test_losses_over_a_decade_keep_their_axis(fit: Fit) -> None:
    # One loss of 40 among losses near 2: the linear margin of such an axis goes below zero.
    stored = fit.data["points"]
    points = {**stored, "output": [40.0, *stored["output"][1:]]}
    axes = plots.figure("loss", plots.get("loss").table(replace(fit, data={"points": points}))).axes
    low, high = axes[0].get_ylim()
    assert 0.5 < low < min(stored["output"])
    assert 40.0 < high < 80.0


def test_a_predicted_curve_is_drawn_to_its_end() -> None:
    step, flat = np.arange(10.0), np.linspace(2.0, 1.9, 10)
    sides: tuple[Any, ...] = (2 - step / 5, None, None, np.ones(10))
    panel = curves.Panel("run", True, "constant:peak=1,steps=10", step, flat, flat, step, *sides)
    (axes, *_) = plots.figure("curves", curves.Table((panel,), 0.9, "average", "nats")).axes
    assert axes.get_ylim()[0] < 0.2  # where the prediction ends, far below what was measured


@pytest.mark.parametrize("count", [1, 3, 9])
def test_the_legend_of_loss_curves_lies_inside_the_figure(count: int) -> None:
    step = np.arange(10.0)
    panel = curves.Panel(
        "run",
        True,
        "constant:peak=1,steps=10",
        step,
        3 - step / 10,
        step,
        step,
        3 - step / 10,
        2.9 - step / 10,
        3.1 - step / 10,
        np.ones(10),
    )
    held = replace(panel, fitted=False)
    drawn = plots.figure(
        "curves", curves.Table((panel,) * (count - 1) + (held,), 0.9, "annealing", "bits/byte")
    )
    drawn.draw_without_rendering()
    (legend,) = drawn.legends
    box = legend.get_window_extent()
    assert drawn.bbox.x0 <= box.x0 and box.x1 <= drawn.bbox.x1
    texts = [text.get_text() for text in legend.get_texts()]
    assert ("annealing, fitted run" in texts) == (count > 1)
    assert "annealing, held-out run" in texts


def test_schedules_are_written_out_in_the_legend() -> None:
    text = "wsd:peak=0.0047,warmup=100,stable=1638.4,decay=sqrt,min=0.0005,steps=2048"
    assert schedules._folded(text).replace("\n", "") == text
    assert max(map(len, schedules._folded(text).split("\n"))) <= schedules.WIDE
    assert schedules._folded("knots:" + ",".join(["at=1"] * 99)).endswith("...")
