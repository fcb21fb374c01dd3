"""One file makes a law: toys dropped into the registry go through every command, none knows them.

The oracle of a noiseless fit is the truth that its runs follow; of a headline, ten times the
largest run.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run
from refusals import refusal, refused
from toy_laws import TOYS, Toy, dropped_in

from scaling_cli import ingest, laws, plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Absorbs, Law, param, power
from scaling_cli.point_fits.fitting import refit_objective
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Level, Status
from scaling_cli.vocabulary.quantities import Domain

NOISE = 0.003
FIGURES = ("loss", "residuals", "predicted", "contour", "backtest")
NO_CONTOUR = "error: the contour figure needs a law of N and D, not of {}.\n"
REFUSED = {
    ("toy_shares", "contour"): NO_CONTOUR.format("r_web, r_code, r_books")
    + "hint: Draw --kind loss instead.\n",
    ("toy_pruned", "contour"): NO_CONTOUR.format("N, q") + "hint: Draw --kind loss instead.\n",
    ("toy_shares", "backtest"): "error: there is no backtest to draw: no input grows, so no larger "
    "runs can be hidden: intervals are UNTESTED.\n",
}


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the toys in the catalogue while this module runs."""
    with dropped_in(tmp_path_factory.mktemp("laws")):
        yield


@dataclass(frozen=True)
class Made:
    """A toy, the folder that it was fitted in, and what the fit printed and wrote."""

    toy: Toy
    folder: Path
    printed: str
    fit: Fit

    def run(self, *arguments: str) -> Any:
        """Run a command in that folder."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return run(*arguments)
        finally:
            os.chdir(before)

    @property
    def inputs(self) -> list[str]:
        """The options that ask for the toy's point."""
        return [part for s, v in self.toy.point.items() for part in ("--input", f"{s}={v:g}")]


@pytest.fixture(scope="module", params=TOYS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, registry: None
) -> Made:
    toy, folder = TOYS[request.param], tmp_path_factory.mktemp(request.param)
    toy.table(folder / "runs.csv", NOISE)
    columns = {toy.law().inputs()[s].column: f"{v:g}" for s, v in toy.point.items()}
    (folder / "points.csv").write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n")
    given = ["--law", toy.name, "--bootstrap", "20", "--weight", "precision", "-o", "fit.json"]
    half = Made(toy, folder, "", Fit.__new__(Fit))
    result = half.run("fit", "runs.csv", *given)
    assert result.exit_code == 0, result.output
    return Made(toy, folder, result.stdout, kinds.load(folder / "fit.json", Fit))


# ---- the registry takes a file and nothing else


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_a_file_is_a_law(toy: Toy) -> None:
    assert toy.name in laws.names()
    told = run("laws", toy.name)
    assert told.exit_code == 0
    for quantity in toy.law().inputs().values():
        assert quantity.meaning in told.stdout
    assert toy.name in run("laws").stdout


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_recovers_the_truth_of_noiseless_runs(toy: Toy) -> None:
    points = Points(toy.design, toy.outputs(), [f"r{i}" for i in range(len(toy.outputs()))])
    found = refit_objective(points, toy.name)
    assert found.value < 1e-18
    assert found.law.values() == pytest.approx(dict(toy.truth), rel=1e-5)
    at = {s: np.array([v]) for s, v in toy.point.items()}
    assert found.law(**at) == pytest.approx(toy.law()(**at), rel=1e-7)


# ---- every command


def test_fit_knows_every_run_and_says_what_it_did(made: Made) -> None:
    assert made.fit.n_points == len(made.toy.outputs())  # a share of zero is a value
    assert made.fit.left_out == []
    assert made.fit.selection["weight"] == "precision"
    for symbol in made.toy.law().inputs():
        low, high = made.fit.data["ranges"][symbol]
        values = made.toy.design[symbol]
        assert (low, high) == pytest.approx((values.min(), values.max()))
    assert [c.code for c in made.fit.checks if c.level is Level.FAIL] == []


def test_the_command_that_fit_suggests_works(made: Made) -> None:
    (line,) = (x for x in made.printed.splitlines() if x.startswith("next"))
    result = made.run(*line.split()[2:])
    assert result.exit_code == 0, result.output


def test_next_runs_of_a_file_with_their_costs(made: Made) -> None:
    law, grown = made.toy.law(), dict.fromkeys(made.toy.law().growing(), 5.0)
    further = {s: v * grown.get(s, 1.0) for s, v in made.toy.design.items()}
    columns = {law.inputs()[s].column: v for s, v in further.items()}
    costs = 1 + np.arange(len(made.toy.outputs())) / 1000
    rows = zip(*columns.values(), costs, strict=True)
    lines = [",".join([*columns, "cost"]), *(",".join(f"{v:.9g}" for v in row) for row in rows)]
    (made.folder / "may.csv").write_text("\n".join(lines) + "\n")
    typed = ("next", "--fit", "fit.json", "--budget", "3.4", *made.inputs)
    told = json.loads(made.run(*typed, "--candidates", "may.csv", "--json").stdout)
    assert sum(r["cost"] for r in told["runs"]) <= 3.4
    for r in told["runs"]:
        row = round(1000 * (r["cost"] - 1))
        assert r["inputs"] == pytest.approx({s: v[row] for s, v in further.items()})
    assert told["simulated"]["refitted"] > 290
    assert told["half_width"]["after"] < told["half_width"]["before"]
    if not law.growing():
        assert made.run(*typed).stderr == (
            "error: this law has no input that grows, and so does not say what a run costs.\n"
            "hint: Give --candidates FILE with a column cost.\n"
        )


def test_predicts_at_options_and_at_a_file_of_points(made: Made) -> None:
    typed = made.run("predict", "--fit", "fit.json", "--json", *made.inputs)
    read = made.run("predict", "--fit", "fit.json", "--json", "--points", "points.csv")
    (one,), (other,) = (json.loads(r.stdout)["predictions"] for r in (typed, read))
    assert one == other
    assert one["inputs"] == pytest.approx(dict(made.toy.point))
    truth = float(made.toy.law()(**made.toy.point))
    assert one["new_run"][0] < truth < one["new_run"][1]
    assert one["value"] == pytest.approx(truth, rel=0.01)
    assert made.run("predict", "--fit", "fit.json", *made.inputs).exit_code == 0


def test_profiles_parameters_and_predictions(made: Made) -> None:
    for arguments in ([], ["--of", "loss", *made.inputs]):
        result = made.run("profile", "fit.json", "--json", "--method", "delta", *arguments)
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)["intervals"]
        assert all(one["low"] < one["value"] < one["high"] for one in found)


def test_profiles_an_optimum_that_takes_more_than_compute(made: Made) -> None:
    if "optimal_params" not in made.fit.law.derived_quantities():
        return
    asked = ["--of", "optimal_params", "--compute", "1e22", "--input", "R=4", "--method", "delta"]
    result = made.run("profile", "fit.json", "--json", *asked)
    (one,) = json.loads(result.stdout)["intervals"]
    assert one["inputs"] == {"C": 1e22, "R": 4.0}
    assert one["value"] == pytest.approx(made.fit.law.derive("optimal_params", C=1e22, R=4.0))


@pytest.mark.parametrize("kind", FIGURES)
def test_draws_every_figure_or_says_why_not(made: Made, kind: str) -> None:
    result = made.run("plot", "fit.json", "--kind", kind, "-o", "figure.png")
    refusal = REFUSED.get((made.toy.name, kind))
    lines = result.stderr.splitlines(keepends=True)
    warned = [line for line in lines if line.startswith("! ")]
    assert "".join(line for line in lines if line not in warned) == (refusal or "")
    assert len(warned) <= sum(check.level is Level.WARN for check in made.fit.checks)
    assert (result.exit_code == 0) == (refusal is None)
    if refusal is None:
        numbers = plots.numbers(plots.get(kind).table(made.fit))
        json.dumps(numbers, default=lambda value: np.asarray(value).tolist(), allow_nan=True)


def test_check_refits_it(made: Made) -> None:
    result = made.run("check", "fit.json")
    assert result.exit_code == 0, result.output
    assert "refitted: predictions within" in result.stdout


def test_backtests_what_grows(made: Made) -> None:
    result = made.run("backtest", "runs.csv", "--law", made.toy.name, "--cuts", "2", "--json")
    if made.toy.law().growing():
        assert json.loads(result.stdout)["axis"] == made.toy.law().axis()
        return
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["message"] == (
        "no input of law toy_shares grows from small runs to large ones: there are no larger runs "
        "to hold back."
    )


def test_shows_the_fit(made: Made) -> None:
    result = made.run("show", "fit.json")
    assert result.exit_code == 0, result.output
    assert made.toy.name in result.stdout


# ---- how far, and where


def test_the_headline_and_the_checks_lie_at_one_distance(made: Made) -> None:
    law, at = made.fit.law, made.fit.diagnostics["headline"]
    checks = {c.code: c.message for c in made.fit.checks}
    if not law.growing():
        best = int(np.argmin(made.fit.data["points"]["output"]))
        assert at == {s: made.fit.data["points"]["inputs"][s][best] for s in law.inputs()}
        assert checks["extrap.distance"] == (
            "no input grows, so no forecast lies beyond the largest run: the headline is a run."
        )
        assert "\nthe best run, for no input of this law grows: " in made.printed
        assert " at the best run (" in checks["extrap.width"]
        return
    largest = made.fit.data["ranges"][law.axis()][1]
    assert float(law.along(at)) == pytest.approx(10 * largest, rel=1e-9)
    assert f"the headline lies 10x beyond the largest {law.axis()}" in checks["extrap.distance"]
    assert "\n10x the largest run" in made.printed
    assert " at 10x (" in checks["extrap.width"]


def test_what_does_not_grow_is_held_where_the_largest_run_has_it(made: Made) -> None:
    law, stored = made.fit.law, made.fit.data["points"]["inputs"]
    largest = int(np.argmax(law.along(stored)))
    for symbol in set(law.inputs()) - set(law.growing()) if law.growing() else ():
        assert made.fit.diagnostics["headline"][symbol] == stored[symbol][largest]


def test_without_anything_that_grows_intervals_are_untested(made: Made) -> None:
    assert made.fit.uncertainty is not None
    assert made.fit.uncertainty.tested == bool(made.fit.law.growing())
    told = made.run("predict", "--fit", "fit.json", *made.inputs).stdout
    assert ("UNTESTED" in told) == (not made.fit.law.growing())


def test_an_optimum_that_takes_more_than_compute() -> None:
    toy = TOYS["toy_experts"]
    law, C = toy.law(), 1e22
    best = law.optimum(C, R=4.0)
    assert best is not None
    assert best["R"] == 4.0
    assert 6 * best["N"] * best["D"] == pytest.approx(C, rel=1e-12)
    sizes = best["N"] * np.exp(np.linspace(-0.5, 0.5, 201))
    least = sizes[np.argmin(law(N=sizes, D=C / (6 * sizes), R=4.0))]
    assert best["N"] == pytest.approx(least, rel=1e-9)  # the middle of the grid is the lowest
    assert law.optimum(C) is None  # R is neither held nor optimal


def test_predict_takes_compute_and_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaling_cli.cli._inputs import grid

    law = TOYS["toy_experts"].law()
    found = grid(law, params=[], tokens=[], compute=[1e22], others={"R": [2.0, 4.0]})
    assert found.inputs["R"] == [2.0, 4.0]
    assert found.inputs["N"] == pytest.approx(
        [law.derive("optimal_params", C=1e22, R=r) for r in (2.0, 4.0)]
    )
    assert found.notes == ["N and D of least loss at C, by the law"]
    assert refusal(UsageError, grid, law, params=[], tokens=[], compute=[1e22], others={}) == (
        "the law needs R (experts of a mixture: --input R=...). For example: scaling predict "
        "--input R=2"
    )


# ---- a quantity of its own is read by its column, an alias, or what the user says


@pytest.mark.parametrize(
    ("column", "reading", "where"),
    [
        ("experts", {}, "experts > 1"),
        ("n_experts", {}, "n_experts > 1"),
        ("E_count", {"map": {"experts": "E_count"}}, "experts > 1"),
    ],
)
def test_reads_a_quantity_that_only_the_law_knows(
    tmp_path: Path, column: str, reading: dict[str, Any], where: str
) -> None:
    toy = TOYS["toy_experts"]
    path = toy.table(tmp_path / "runs.csv")
    path.write_text(path.read_text().replace(",experts,", f",{column},"))
    points = select(ingest.read(path, **reading), toy.law(), where=where)
    kept = toy.design["R"] > 1
    assert sorted(points.inputs["R"]) == sorted(toy.design["R"][kept])


def test_a_quantity_of_the_law_can_be_set(tmp_path: Path) -> None:
    toy = TOYS["toy_experts"]
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n1e8,2e9,3\n2e8,2e9,2.9\n")
    points = select(ingest.read(path, set={"experts": "4"}), toy.law())
    assert points.inputs["R"].tolist() == [4.0, 4.0]


def test_a_quantity_that_no_run_has(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n1e8,2e9,3\n")
    error = refused(DataError, select, ingest.read(path), TOYS["toy_experts"].law())
    assert error.message == (
        "law toy_experts needs experts (R, experts of a mixture); no run has it."
    )


# ---- domains


def shares(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["run_id,web,code,books,loss", *rows]) + "\n")
    return path


def test_a_share_of_zero_is_a_value_and_one_outside_is_left_out(tmp_path: Path) -> None:
    rows = ["a,1,0,0,2.5", "b,0.5,0.5,0,2.6", "c,1.2,-0.2,0,2.7"]
    points = select(ingest.read(shares(tmp_path / "r.csv", *rows)), TOYS["toy_shares"].law())
    assert list(points.runs) == ["a", "b"]
    assert [(x.run, x.reason) for x in points.left_out] == [
        ("c", "web is 1.2, not between 0 and 1")
    ]


def test_shares_that_do_not_sum_to_one_are_refused(tmp_path: Path) -> None:
    path = shares(tmp_path / "r.csv", "a,1,0,0,2.5", "b,0.5,0.3,0.1,2.6")
    error = refused(DataError, select, ingest.read(path), TOYS["toy_shares"].law())
    assert (error.message, error.row) == (
        "r_web, r_code, r_books of run b sum to 0.9; shares must sum to one.",
        3,
    )


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        (
            "toy_shares",
            {"r_web": 0.5, "r_code": 0.3, "r_books": 0.1},
            "r_web, r_code, r_books must sum to one, not to 0.9.",
        ),
        (
            "toy_shares",
            {"r_web": 1.5, "r_code": 0.0, "r_books": 0.0},
            "r_web (share of web) must be between 0 and 1, got 1.5.",
        ),
        (
            "toy_pruned",
            {"N": 1e9, "q": -0.1},
            "q (share of weights that is zero) must be between 0 and 1, got -0.1.",
        ),
        (
            "toy_experts",
            {"N": 1e9, "D": 1e10, "R": 0.0},
            "R (experts of a mixture) must be positive and finite, got 0.0.",
        ),
    ],
)
def test_predict_refuses_what_lies_outside_a_domain(
    name: str, inputs: dict[str, float], message: str
) -> None:
    from scaling_cli.artefacts._prediction import read_inputs

    assert refusal(UsageError, read_inputs, TOYS[name].law(), inputs) == message


def test_distance_of_a_share_is_in_widths_of_its_range() -> None:
    law = TOYS["toy_pruned"].law()
    ranges = {"N": [1e7, 1e10], "q": [0.2, 0.4]}
    fit = Fit(
        law=law,
        status=Status.CONVERGED,
        objective=Objective(),
        value=0.0,
        n_points=21,
        data={"ranges": ranges},
    )
    found = fit.predict(N=1e9, q=np.array([0.0, 0.3, 0.5])).extrapolation["q"]
    assert found == pytest.approx([2.0, 1.0, 1.5])


def test_a_coefficient_cannot_carry_the_unit_of_what_may_be_zero() -> None:
    quantity = TOYS["toy_pruned"].law().inputs()["q"]
    assert quantity.domain is Domain.UNIT

    class Wrong(Law):
        """L(q) = A/q^a."""

        A: float = param("coefficient", absorbs=Absorbs("q", "a"))
        a: float = param("exponent", starts=(0.3,))

        def __call__(self, q: Any) -> Any:
            """Return the loss."""
            return self.A * power(q, -self.a)

        __call__.__annotations__.update(type(TOYS["toy_pruned"].law()).__call__.__annotations__)

    with pytest.raises(TypeError, match=r"^Wrong: A absorbs q, which may be 0$"):
        Wrong.parameters()


# ---- an example of what a law can be asked at


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_the_example_of_a_law_is_one_that_it_takes(toy: Toy) -> None:
    import shlex

    from scaling_cli.cli._inputs import grid

    law = toy.law()
    point = law.example()
    assert all(q.domain.holds(point[s]) for s, q in law.inputs().items())
    assert float(np.sum(law.total(point))) == pytest.approx(1.0)
    others = {s: [v] for s, v in point.items()}
    assert grid(law, params=[], tokens=[], compute=[], others=others).inputs == others
    typed = shlex.split(law.options(point))
    assert {"--params", "--tokens", "--input"} >= set(typed[::2])
    assert len(typed) == 2 * len(point)
