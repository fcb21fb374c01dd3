"""The next runs: simulated truths, closed forms of regression, and what is printed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from command_line import run
from refusals import refusal

import scaling_cli as sc
from scaling_cli.artefacts.fit import Fit
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, UsageError

NOISE = 0.004
LAW = tables.truth("chinchilla")
FAR: dict[str, Any] = {"N": 2e10, "D": 1e12}
BUDGET = 6 * 2e9 * 160e9 * 3


def fitted(points: Points, **options: Any) -> Fit:
    return sc.fit(points, bootstrap=0, **options)


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fitted(tables.table("chinchilla", noise=NOISE, seed=3))


def test_before_is_what_predict_says_and_after_is_less(fit: Fit) -> None:
    told = sc.next_runs(fit, budget=BUDGET, **FAR)
    widths = fit.predict(**FAR).half_widths()
    assert widths is not None
    assert told["half_width"]["before"] == pytest.approx(widths[1][0], rel=1e-9)
    assert told["half_width"]["after"] < 0.9 * told["half_width"]["before"]
    costs = [6 * r["params"] * r["tokens"] for r in told["runs"]]
    assert [r["cost"] for r in told["runs"]] == pytest.approx(costs)
    assert told["spent"] == pytest.approx(sum(costs))
    assert told["spent"] <= BUDGET
    left = [r["left"] for r in told["runs"]]
    assert left == sorted(left, reverse=True)
    parts = {n: float(v[0]) for n, v in fit.predict(**FAR).parts.items()}
    assert {n: p["before"] for n, p in told["parts"].items()} == pytest.approx(parts, rel=1e-9)
    assert told["parts"]["noise"]["before"] == told["parts"]["noise"]["after"]
    assert told["if_law_holds"]["before"] == pytest.approx(
        np.hypot(parts["parameters"], parts["noise"]), rel=1e-9
    )
    assert told["if_law_holds"]["after"] < told["half_width"]["after"]


def test_the_range_that_comes_out_is_the_one_that_was_announced() -> None:
    ratios, inside, alone = [], [], []
    for seed in range(6):
        random, points = np.random.default_rng(seed), tables.table("chinchilla", noise=NOISE)
        output = LAW(**points.inputs) * np.exp(NOISE * random.standard_normal(len(points)))
        before = Points(points.inputs, output, points.runs)
        told = sc.next_runs(fitted(before), budget=BUDGET, **FAR)
        new = {s: np.array([r["inputs"][s] for r in told["runs"]]) for s in FAR}
        inputs = {s: np.concatenate([points.inputs[s], new[s]]) for s in FAR}
        more = LAW(**new) * np.exp(NOISE * random.standard_normal(len(new["N"])))
        names = [f"r{i}" for i in range(len(output) + len(more))]
        after = fitted(Points(inputs, np.concatenate([output, more]), names)).predict(**FAR)
        widths = after.half_widths()
        assert widths is not None
        ratios.append(widths[1][0] / told["half_width"]["after"])
        inside.append(after.is_inside(0, float(LAW(**FAR))))
        own = np.hypot(after.parts["parameters"][0], after.parts["noise"][0])
        alone.append(own / told["if_law_holds"]["after"])
    assert np.median(ratios) == pytest.approx(1, abs=0.1)
    assert np.ptp(ratios) < 0.5
    assert sum(inside) >= 5
    assert np.median(alone) == pytest.approx(1, abs=0.25)  # an sd of noise by some 30 runs


def test_less_and_more_than_the_budget_are_told(fit: Fit) -> None:
    told = sc.next_runs(fit, budget=BUDGET, **FAR)
    less, more = told["other_budgets"]
    assert less["half_width"] > told["half_width"]["after"] > more["half_width"]
    for times, other in ((1 / 3, less), (3.0, more)):
        own = sc.next_runs(fit, budget=times * BUDGET, **FAR)
        assert other["half_width"] == pytest.approx(own["half_width"]["after"], rel=1e-9)
        assert (other["times"], other["runs"]) == (times, len(own["runs"]))


def test_simulated_futures_of_a_power_law_are_those_of_a_regression() -> None:
    # With E held at nought ln L is a straight line of ln x: least squares in closed form.
    x, far = np.geomspace(1e6, 1e8, 12), 1e10
    random = np.random.default_rng(0)
    y = 30 * x**-0.2 * np.exp(0.01 * random.standard_normal(12))
    line = fitted(Points({"x": x}, y, [f"r{i}" for i in range(12)]), law="power_law", fix={"E": 0})
    told = sc.next_runs(line, budget=1e9, x=far)
    new = np.array([r["inputs"]["x"] for r in told["runs"]])
    at = np.array([1, np.log(far)])

    def half(places: np.ndarray) -> float:
        rows = np.stack([np.ones(len(places)), np.log(places)], axis=1)
        variance = float(at @ np.linalg.inv(rows.T @ rows) @ at)
        return 1.645 * told["noise"] * np.sqrt(variance)

    sim = told["simulated"]
    assert new.max() <= 1e9
    assert sim["before"] == pytest.approx(half(x), rel=0.15)
    both = half(np.concatenate([x, new]))
    assert sim["criterion"] == pytest.approx(both, rel=0.15)
    assert sim["after"] == pytest.approx(both, rel=0.2)
    assert new.max() > 5 * x.max()  # a line is told by its ends


def test_a_first_design_can_be_fitted_and_holds_the_truth() -> None:
    told = sc.next_runs("chinchilla/hoffmann-2022", budget=1e19, N=7e9, D=1.4e11)
    assert told["first"] and told["extrapolation"] == {}
    runs = told["runs"]
    assert len(runs) >= 7 and told["spent"] <= 1e19
    inputs = {s: np.array([r["inputs"][s] for r in runs]) for s in ("N", "D")}
    random = np.random.default_rng(1)
    loss = LAW(**inputs) * np.exp(0.005 * random.standard_normal(len(runs)))
    after = fitted(Points(inputs, loss, [f"r{i}" for i in range(len(runs))]))
    forecast = after.predict(N=7e9, D=1.4e11)
    assert forecast.is_inside(0, float(LAW(N=7e9, D=1.4e11)))
    widths = forecast.half_widths()
    assert widths is not None
    assert 0.3 < widths[1][0] / told["half_width"]["after"] < 2


def test_candidates_of_a_table_and_their_costs(fit: Fit) -> None:
    may = {"params": [4e9, 4e9, 1e9], "tokens": ["320B", "80B", "20B"], "cost": [900, 300, 20]}
    told = sc.next_runs(fit, budget=320, candidates=may, **FAR)
    assert {r["cost"] for r in told["runs"]} <= {300.0, 20.0}
    assert told["candidates"] == 2
    assert told["cost_of_target"] is None
    by_law = {k: v for k, v in may.items() if k != "cost"}
    told = sc.next_runs(fit, budget=6 * 4e9 * 8e10, candidates=by_law, **FAR)
    assert {r["cost"] for r in told["runs"]} <= {6 * 4e9 * 8e10, 6 * 1e9 * 2e10}
    assert refusal(
        DataError, sc.next_runs, fit, budget=1, candidates=may | {"cost": [1, 0, 2]}, **FAR
    ) == ("column 'cost': every candidate needs a positive cost.")


def test_what_is_refused(fit: Fit) -> None:
    assert refusal(UsageError, sc.next_runs, fit, budget=1e9, **FAR).startswith(
        "no run to choose from is in the budget of 1e+09: the cheapest costs "
    )
    assert refusal(UsageError, sc.next_runs, fit, budget=-1, **FAR) == (
        "budget must be a positive number, not -1."
    )
    assert refusal(UsageError, sc.next_runs, fit, budget=1, runs="runs.csv", **FAR) == (
        "give runs, or --fit, not both."
    )
    assert refusal(UsageError, sc.next_runs, fit, budget=1e20, N=[1e9, 2e9], D=1e12) == (
        "next takes one target. Ask for each by itself."
    )


def test_what_is_printed(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit.to_json("fit.json")
    typed = ("next", "--budget", f"{BUDGET:g}", "--target-params", "20B", "--target-tokens", "1T")
    record = json.loads(run(*typed, "--json", "--quiet").stdout)
    result = run(*typed, "--quiet")
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(lines) <= 25
    before, after = (100 * record["half_width"][key] for key in ("before", "after"))
    said = " ".join(result.stdout.split())
    runs = record["runs"]
    assert said.startswith(
        f"{len(runs)} run{'s' * (len(runs) > 1)} for {record['spent']:.3g} take the forecast of "
        f"loss at N = 20B, D = 1T from +/-{before:.2f} % to +/-{after:.2f} %."
    )
    assert "futures simulated and refitted" in said
    own = " to ".join(f"{100 * record['if_law_holds'][key]:.2f} %" for key in ("before", "after"))
    assert f"half widths of 90 % of new runs; {own} if chinchilla holds" in said
    assert "chinchilla holds up to the target, and new runs are trained as the others were." in said
    lacking = run("next", "--budget", "1e20", "--target-params", "7B")
    assert (lacking.exit_code, lacking.stderr) == (
        2,
        "error: the target needs D (training tokens: --target-tokens).\n",
    )
    inside = run("next", "--budget", "1e22", "--target-params", "1B", "--target-tokens", "20B")
    assert "the target lies inside the runs" in " ".join(inside.stdout.split())
    Path("may.csv").write_text("params,tokens,cost\n4e9,8e10,300\n1e9,2e10,20\n", encoding="utf8")
    few = run(*typed[:2], "320", *typed[3:], "--candidates", "may.csv", "--json", "-q")
    assert {r["cost"] for r in json.loads(few.stdout)["runs"]} <= {300.0, 20.0}
    assert "needs runs to fit" in run(*typed, "--law", "kaplan_d").stderr
