"""`--law auto`: which law, by forecasts of held-back runs; against sums by hand and truths."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import scaling_cli as sc
from scaling_cli import laws
from scaling_cli.cli import app
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.chinchilla_gamma import ChinchillaGamma
from scaling_cli.laws.vocabulary_shift import VocabularyShift
from scaling_cli.point_fits.choosing import _asked
from scaling_cli.point_fits.choosing.cuts import Cut, cuts_of
from scaling_cli.point_fits.choosing.ranking import ranked
from scaling_cli.point_fits.choosing.tried import Tried
from scaling_cli.point_fits.choosing.width import width_of
from scaling_cli.point_fits.fitted import Company, Fitted
from scaling_cli.search.optimum import Optimum, make_problem
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

KAPLAN = laws.get("kaplan_nd")
CONSTRAINED = laws.get("data_constrained")
TRUTH = ChinchillaGamma(E=0.3, A=110.0, B=800.0, alpha=0.39, beta=0.42, gamma=0.47)


def grid(noise: float = 0.0) -> sc.Points:
    """Runs of a law with an outer power: 8 sizes, 8 budgets of tokens."""
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e8, 4e9, 8), np.geomspace(1e9, 1e11, 8)))
    shake = np.exp(noise * np.random.default_rng(5).standard_normal(len(N)))
    names = [f"r{i}" for i in range(len(N))]
    return sc.Points({"N": N, "D": D}, TRUTH(N=N, D=D) * shake, names)


@pytest.fixture(scope="module")
def chosen() -> sc.Fit:
    return sc.fit(grid(1e-3), law="auto", bootstrap=0)


def cut(axis: str, held: int) -> Cut:
    return Cut(axis, 1.0, np.arange(20) < 20 - held)


def tried(
    law: type, misses: Sequence[float], ahead: float = 0.0, edge: Sequence[str] = ()
) -> Tried:
    """A law that misses every run held back at a cut by as much."""
    whole = law(**dict.fromkeys(law.parameters(), 1.0))
    rows = [np.full(8, miss) for miss in misses]
    return Tried(whole, rows, np.array([ahead]), np.zeros(20), list(edge))


def test_cuts_hold_back_the_largest_along_cost_and_along_what_grows() -> None:
    points = grid()
    cuts = cuts_of(points, Chinchilla, None)
    assert list(dict.fromkeys(c.axis for c in cuts)) == ["C", "N", "D"]
    for made in cuts:
        values = {"C": 6 * points.inputs["N"] * points.inputs["D"], **points.inputs}[made.axis]
        assert np.array_equal(made.train, values <= made.at)
        assert 8 <= np.sum(~made.train) <= 0.6 * 64
    # 64 runs on 8 levels: the shares nearest to 10, 20 and 35 % are one, two and three levels.
    assert [int(np.sum(~c.train)) for c in cuts if c.axis == "N"] == [8, 16, 24]


def test_levels_that_hardly_differ_are_held_back_together() -> None:
    points = grid()
    near = points.inputs["N"] * np.where(np.arange(64) % 2, 1.02, 1.0)  # no level of its own
    both = sc.Points({**points.inputs, "N": near}, points.output, points.runs)
    held = [c.train for c in cuts_of(both, Chinchilla, None) if c.axis == "N"]
    plain = [c.train for c in cuts_of(points, Chinchilla, None) if c.axis == "N"]
    assert all(map(np.array_equal, held, plain))


def test_cuts_follow_the_points_that_are_asked_for() -> None:
    def axes(N: float, D: float) -> list[str]:
        there = {"N": np.array([N]), "D": np.array([D])}
        return list(dict.fromkeys(c.axis for c in cuts_of(grid(), Chinchilla, there)))

    assert axes(1e8, 1e12) == ["D"]  # no dearer than the runs: they leave on one axis alone
    assert axes(1e10, 1e12) == ["C", "N", "D"]
    assert axes(1e8, 1e9) == ["C", "N", "D"]  # within: along all


def test_a_few_runs_choose_no_law() -> None:
    with pytest.raises(FitError) as error:
        cuts_of(grid().take(np.arange(12)), Chinchilla, None)
    assert error.value.message == (
        "12 points are too few to choose a law by: a cut along C, N, D has to hold back 8 or "
        "more, and to leave 40% or more."
    )
    assert error.value.hint == "Name a law: --law chinchilla."


def test_errors_are_geometric_means_over_cuts_then_axes() -> None:
    cuts = [cut("C", 8), cut("C", 8), cut("N", 8)]
    one, other = tried(ChinchillaGamma, [0.01, 0.04, 0.08]), tried(Chinchilla, [0.04, 0.04, 0.04])
    choice, members = ranked([one, other], cuts, {"farseer": "too few"})
    # sqrt(.01 x .04) = .02 along C, .08 along N: sqrt(.02 x .08) = .04. Both are as good.
    assert [r.error for r in choice.laws] == [pytest.approx(0.04), pytest.approx(0.04), None]
    assert [r.weight for r in choice.laws] == [0.5, 0.5, 0.0]
    assert [m.name for m in members] == ["chinchilla", "chinchilla_gamma"]  # fewest parameters
    assert choice.laws[2].told == "too few"
    assert choice.cuts[1].errors == pytest.approx({"chinchilla_gamma": 0.04, "chinchilla": 0.04})


def test_laws_far_behind_at_a_bound_not_finite_or_the_same_have_no_share() -> None:
    cuts = [cut("C", 8)]
    others = [
        tried(Chinchilla, [0.0126]),
        tried(KAPLAN, [np.inf]),
        tried(laws.get("farseer"), [0.005], edge=["k"]),
        tried(laws.get("overtraining"), [0.01001]),
    ]
    choice, _ = ranked([tried(ChinchillaGamma, [0.01]), *others], cuts, {})
    told = {r.law: (r.weight, r.told) for r in choice.laws}
    assert told == {
        "farseer": (0.0, "k ran to the edge"),
        "chinchilla_gamma": (1.0, ""),
        "overtraining": (0.0, "the same as chinchilla_gamma here"),
        "chinchilla": (0.0, ""),  # 1.26 times the best
        "kaplan_nd": (0.0, "not finite where it was asked"),
    }
    assert choice.reason == (
        "chinchilla_gamma came nearest to the runs held back in 1 cut along C: it alone is the "
        "forecast."
    )


def test_a_law_of_more_inputs_is_no_better_for_them() -> None:
    cuts = [cut("C", 8)]
    choice, members = ranked([tried(Chinchilla, [0.010]), tried(CONSTRAINED, [0.011])], cuts, {})
    assert [m.name for m in members] == ["chinchilla"]
    assert choice.laws[1].told == "no better for U"
    choice, members = ranked([tried(Chinchilla, [0.011]), tried(CONSTRAINED, [0.010])], cuts, {})
    assert [m.name for m in members] == ["data_constrained"]
    assert choice.laws[1].told == "does not see U"


def test_of_laws_of_other_inputs_the_one_of_fewer_is_taken() -> None:
    shape = laws.get("width_depth")  # of width, depth and tokens
    choice, members = ranked(
        [tried(shape, [0.010]), tried(ChinchillaGamma, [0.011])], [cut("C", 8)], {}
    )
    assert [m.name for m in members] == ["chinchilla_gamma"]
    assert choice.laws[0].told == "no better for width, depth"
    assert choice.reason == (
        "chinchilla_gamma came within 1.25 times the error of width_depth, the nearest to the runs "
        "held back in 1 cut along C, from fewer inputs: it alone is the forecast."
    )


def test_what_lies_far_from_the_others_beyond_the_runs_is_left_out() -> None:
    near = [
        tried(Chinchilla, [0.010], ahead=1.00),
        tried(ChinchillaGamma, [0.011], ahead=1.01),
        tried(laws.get("farseer"), [0.0105], ahead=1.10),  # the median is 1.01, the spread .01
    ]
    choice, members = ranked(near, [cut("C", 8)], {})
    assert [m.name for m in members] == ["chinchilla", "chinchilla_gamma"]
    assert {r.law: r.told for r in choice.laws}["farseer"] == "far from the others beyond the runs"


def test_the_drift_holds_ninety_of_a_hundred_runs_that_were_held_back() -> None:
    points = grid()
    problem = make_problem(points, Chinchilla, Objective())
    spent = 6 * points.inputs["N"] * points.inputs["D"]
    edge = np.sort(spent)[31] * 1.001
    made = Cut("C", float(edge), spent <= edge)
    held, sigma = ~made.train, np.sqrt(3 * 0.005**2 / (64 - 5 + 3))  # no miss: its prior alone
    misses = np.full(int(np.sum(held)), 0.2)
    whole = Chinchilla(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    one = Tried(whole, [misses], np.zeros(1), np.zeros(64), [])
    width = width_of([one], problem, [made])
    D, N = points.inputs["D"], points.inputs["N"]
    own = [
        np.log10(spent / spent[made.train].max()),
        1.5 * np.log10(D / D[made.train].max()),
        np.log10((D / N) / (D / N)[made.train].max()),
        np.log10((N / D) / (N / D)[made.train].max()),
    ]
    away = np.max([np.zeros(64), *own], axis=0)[held]
    half = np.hypot(1.6448536 * sigma * width["noise"], 1.6448536 * width["drift"] * away)
    assert 0.9 <= np.mean(half * (1 + 1e-6) >= 0.2) < 0.95


def test_the_law_of_the_runs_is_found_and_forecasts(chosen: sc.Fit) -> None:
    assert chosen.choice is not None
    ranks = [one.law for one in chosen.choice.laws]
    shares = {one.law: one.weight for one in chosen.choice.laws}
    assert ranks.index("chinchilla_gamma") < ranks.index("chinchilla")
    assert shares["chinchilla_gamma"] > 0
    assert shares["chinchilla"] == shares["kaplan_nd"] == 0
    made = chosen.predict(N=2e10, D=5e11)
    assert made.forecast[0] == pytest.approx(TRUTH(N=2e10, D=5e11), rel=0.01)
    assert made.is_inside(0, TRUTH(N=2e10, D=5e11))
    mean = np.mean([np.log(v[0]) for v, w in made.members.values() if w[0] > 0])
    assert np.log(made.forecast[0]) == pytest.approx(mean)


def test_a_chosen_fit_is_stored_read_back_and_made_again(chosen: sc.Fit, tmp_path: Path) -> None:
    chosen.to_json(tmp_path / "fit.json")
    again = sc.load(tmp_path / "fit.json")
    assert again.choice == chosen.choice
    first, second = (f.predict(N=[1e10, 3e9], D=[1e12, 1e11]) for f in (chosen, again))
    assert np.array_equal(first.forecast, second.forecast)
    assert np.array_equal(np.array(first.new_run), np.array(second.new_run))
    told = sc.check(tmp_path / "fit.json").to_dict()
    assert (told["passed"], told["failed"]) == (1, 0)


def test_laws_of_the_columns_are_tried_and_a_target_below_zero_is_fitted_as_it_is() -> None:
    truth = VocabularyShift(E=-3.0, e=0.1, A=0.4, B=0.5, alpha=0.3, beta=0.35, k=0.1)
    levels = (1e8, 4e8, 1.6e9), (4e3, 1.6e4, 6.4e4), (1e9, 8e9, 6e10, 4e11)
    N, V, D = (v.ravel() for v in np.meshgrid(*levels))
    output = truth(N=N, V=V, D=D)
    assert np.max(output) < 0
    points = sc.Points({"N": N, "V": V, "D": D}, output, [f"r{i}" for i in range(len(N))])
    asked = _asked(points, {})
    known = {law.called() for law in asked.known}
    assert {"vocabulary_shift", "vocabulary_power", "vocabulary_size", "chinchilla"} <= known
    assert not known & {"kaplan_n", "kaplan_d", "data_constrained"}  # of one input, of another
    assert asked.objective == Objective("huber", 0.01, "linear")
    assert np.ptp(asked.points.output - output) < 1e-12  # lifted, no more
    named = _asked(points, {"objective": Objective("l2", 1e-3, "linear")})
    assert named.objective.name == "l2"


def test_draws_of_chosen_laws_are_few_where_refits_are_dear() -> None:
    points = grid()
    problem = make_problem(points, Chinchilla, Objective())
    optimum = Optimum(np.zeros(5), TRUTH, 0.0, Status.CONVERGED, (), {})
    chosen = Company(laws={}, width={"drift": 0.01, "noise": 1.0})
    many = points.take(np.repeat(np.arange(64), 13))  # 832 x 5 is more than 4000
    assert Fitted(points, problem, optimum, company=chosen).draws(500) == 500
    assert Fitted(many, problem, optimum, company=chosen).draws(500) == 50
    assert Fitted(many, problem, optimum).draws(500) == 500


@pytest.mark.parametrize("option", [{"fix": {"E": 1.0}}, {"alone": True}])
def test_what_belongs_to_one_law_is_refused(option: dict[str, Any]) -> None:
    name = next(iter(option))
    with pytest.raises(UsageError) as error:
        sc.fit(grid(), law="auto", **option)
    assert error.value.message == f"--{name} is of one law, and --law auto tries several."
    assert error.value.hint == f"Leave --{name} out, or name the law."


def test_where_no_law_takes_the_columns_they_are_named() -> None:
    table = {"run_id": ["a", "b"], "experts_count": [1, 2], "loss": [3.0, 2.9]}
    with pytest.raises(UsageError) as error:
        sc.fit(table, law="auto")
    assert error.value.message == (
        "no law in the catalogue takes the columns of these runs: run_id, loss, experts_count."
    )
    assert error.value.hint == (
        "'scaling laws' lists them; --map params=COLUMN says what a column is."
    )


def test_the_command_prints_the_ranked_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    points = grid(1e-3)
    rows = zip(points.inputs["N"], points.inputs["D"], points.output, strict=True)
    told = "\n".join(f"{n!r},{d!r},{y!r}" for n, d, y in (map(float, row) for row in rows))
    Path("runs.csv").write_text(f"params,tokens,loss\n{told}\n", encoding="utf8")

    def printed(line: str) -> str:
        result = CliRunner().invoke(app, shlex.split(line))
        assert result.exit_code == 0, result.output
        return result.stdout

    screen = printed("fit runs.csv --law auto --bootstrap 0")
    assert "laws tried on runs held back" in screen
    assert "came nearest to the runs held back in" in " ".join(screen.split())
    assert "how far off, by cut" in printed("show fit.json --full")
    page = printed("report fit.json --format md")
    assert page.index("laws tried on runs held back") < page.index("backtest (larger runs")
    assert "20B" in printed("predict --params 20B --tokens 500B")
