"""The best schedule: against brute force, against closed forms, and what is refused."""

import json
from pathlib import Path as File

import numpy as np
import pytest
from command_line import run
from curve_truths import TRUTHS
from refusals import refusal
from scipy.optimize import isotonic_regression
from scipy.signal import lfilter

import scaling_cli as sc
from scaling_cli import curve_laws
from scaling_cli.artefacts._curve_prediction import FittedLaw
from scaling_cli.artefacts.curve_fit import CurveFit, FittedRun
from scaling_cli.curve_fits.best_schedule import FLAT, best_schedule
from scaling_cli.numerics.descent import descend
from scaling_cli.runs.curves import curves_of
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.outcomes import Status

STEPS, WARMUP = 2000, 100
RUN = FittedRun("a", f"constant:peak=1,warmup={WARMUP},steps={STEPS}", last=STEPS - 1)
RANGES = {"S": [WARMUP, STEPS - 1], "lr": [0.1, 1.0], "L": [1.0, 9.0]}


def stored(*names: str, **changed: float) -> CurveFit:
    """Return a fit that holds laws of given parameters, of runs as in RUN."""
    laws = [
        FittedLaw(curve_laws.get(name)(**{**TRUTHS[name], **changed}), "as_trained", None, None)
        for name in names
    ]
    title = "average" if len(names) > 1 else str(*names)
    return CurveFit(
        title, 1.0, laws, [RUN], status=Status.PUBLISHED, n_points=0, data={"ranges": RANGES}
    )


def by_the_recurrence(rates: np.ndarray) -> float:
    """Return the loss at the last step by the annealing law as its paper writes it."""
    p = TRUTHS["annealing"]
    drops = -np.diff(rates, prepend=rates[0])
    momentum = np.asarray(lfilter([1.0], [1.0, p["forget"] - 1.0], drops))
    return p["L0"] + p["A"] * rates.sum() ** -p["alpha"] - p["C"] * float(momentum.sum())


def test_the_best_decay_is_that_of_every_length_tried() -> None:
    found = best_schedule(stored("annealing"), STEPS)
    linear = next(f for f in found.families if f.family == "wsd linear")
    lengths = np.arange(40, STEPS - WARMUP + 1, 4)
    losses = []
    for length in lengths:
        text = f"wsd:peak=1,warmup={WARMUP},stable={STEPS - length},min=0.1,steps={STEPS}"
        losses.append(by_the_recurrence(parse_schedule(text).per_step()))
    best = int(np.argmin(losses))
    assert linear.loss == pytest.approx(losses[best], abs=2e-6)
    assert linear.decay == pytest.approx(lengths[best] / STEPS, abs=0.01)
    near = lengths[np.array(losses) <= losses[best] * (1 + FLAT)] / STEPS
    assert linear.flat == pytest.approx((near[0], near[-1]), abs=0.02)
    assert linear.members == {"annealing": pytest.approx(linear.decay, abs=5e-3)}
    assert linear.edges == ("it ends at 0.1, the lowest rate allowed",)


def test_nothing_on_a_grid_of_the_average_is_lower() -> None:
    fit = stored("annealing", "multi_power", "functional", "area_exponential")
    found = best_schedule(fit, STEPS)
    for family in found.families:
        shape = family.family.removeprefix("wsd ")
        if not family.family.startswith("wsd "):
            continue
        grid = [
            fit.predict(
                f"wsd:peak=1,warmup={WARMUP},stable={stable},decay={shape},min={low},steps={STEPS}",
                [STEPS - 1],
            ).value[0]
            for stable in (100, 600, 1100, 1300, 1500, 1700, 1900)
            for low in (0.1, 0.2, 0.5)
        ]
        assert family.loss <= min(grid) + 1e-5
        own = list(family.members.values())
        assert len(own) == 4
        assert family.decay is not None
        assert min(own) <= family.decay <= max(own)
    losses = [family.loss for family in found.families]
    assert losses == sorted(losses)
    assert found.best.difference is None
    assert all(f.difference and f.difference.value >= 0 for f in found.families[1:])
    for name in ("cosine", "linear"):
        whole = next(f for f in found.families if f.family == name)
        grid = [
            fit.predict(f"{name}:peak=1,warmup=100,min={low},steps=2000", [1999]).value[0]
            for low in np.linspace(0.1, 1, 10)
        ]
        assert whole.loss <= min(grid) + 1e-6


def test_a_law_that_only_gains_from_drops_drops_at_once() -> None:
    """Without a power law, S2 is largest if the rate is lowest from the first moment on."""
    found = best_schedule(stored("annealing", A=1e-9), STEPS, knots=6)
    free = next(f for f in found.families if f.family == "knots")
    rates = free.prediction.schedule.lr(np.linspace(WARMUP + 1900 * (1 - 25 / 36), STEPS, 9))
    assert rates == pytest.approx(np.full(9, 0.1), abs=5e-3)
    wsd = next(f for f in found.families if f.family == "wsd sqrt")
    assert "its decay takes the whole run after the warm-up" not in free.edges
    assert free.loss < wsd.loss


def test_free_rates_are_no_worse_than_the_best_family() -> None:
    found = best_schedule(stored("annealing"), STEPS, knots=12)
    free = next(f for f in found.families if f.family == "knots")
    others = min(f.loss for f in found.families if f.family != "knots")
    rates = free.prediction.schedule.lr(np.arange(WARMUP, STEPS + 1))
    assert (np.diff(rates) <= 1e-15).all()
    assert (rates[0], rates.min()) == (1.0, pytest.approx(0.1, abs=1e-9))
    assert free.loss < others + 1e-4


def test_descent_ends_at_the_projection(rng: np.random.Generator) -> None:
    """The nearest falling values to some are their isotonic regression."""
    wanted = rng.random(8)

    def project(z: np.ndarray) -> np.ndarray:
        return isotonic_regression(z, increasing=False).x

    found = descend(lambda z: 1 + float(((z - wanted) ** 2).sum()), project, np.full(8, 0.5))
    assert found == pytest.approx(project(wanted), abs=2e-3)


REFUSED = [
    (
        {"steps": 3100},
        "3100 steps are 1.6 times the longest fitted run, of 2000. Decays after long runs take off "
        "less than such fits say: at most 1.5 times.",
    ),
    (
        {"peak": 1.1},
        "the peak 1.1 lies above 1, the highest rate that was fitted. By these laws a higher rate "
        "always ends lower, which is not true: fit runs with the higher peak, or keep to this one.",
    ),
    (
        {"low": 0.0},
        "the lowest rate 0 does not lie between 0.1, the lowest at which a fitted run ends, and "
        "the peak 1. By these laws steps at ever lower rates, even at zero, go on lowering the "
        "loss, which is not true: fit a run that ends lower.",
    ),
    (
        {"warmup": 500},
        "no fitted run has a warm-up of 500 steps. How the warm-up counts is a convention of each "
        "law, not something that it was fitted to. Fitted: 100.",
    ),
    ({"steps": 101}, "101 steps leave no run after a warm-up of 100."),
    ({"knots": -1}, "a free schedule has 2 stretches or more, not -1."),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED)
def test_what_lies_outside_the_fitted_regime_is_refused(asked: dict, message: str) -> None:
    said = refusal(UsageError, best_schedule, stored("annealing"), **{"steps": STEPS, **asked})
    assert said == message


def test_a_law_without_decays_is_refused() -> None:
    assert refusal(FitError, best_schedule, stored("power_area"), STEPS) == (
        "the law sees no decay: by it a constant rate at the peak is best. Fit the average, or a "
        "law with drops: scaling laws lists them."
    )


def test_the_degenerate_directions_are_real() -> None:
    """What is refused would win: a law's loss falls with zero rates, and with the peak."""
    fit = stored("annealing")
    decayed = "linear:peak=1,warmup=100,steps=1000"
    padded = f"{decayed} + knots:0=0,1000=0,steps=1000"
    ends = [fit.predict(decayed, [999]).value[0], fit.predict(padded, [1999]).value[0]]
    assert ends[1] < ends[0] - 0.01
    higher = fit.predict("linear:peak=3,warmup=100,steps=1000", [999]).value[0]
    assert higher < ends[0] - 0.1


@pytest.fixture(scope="module")
def ladder(root: File) -> tuple[CurveFit, dict[str, float]]:
    """A fit to three schedules of the ladder's 164k model, and the last losses of all eight."""
    runs = sc.read(
        str(root / "data/ladder/runs/schedule-164k-2.1M-*.csv"),
        meta=str(root / "data/ladder/runs.csv"),
    )
    curves, _ = curves_of(runs)
    kind = {c.run.rpartition("-")[2]: c for c in curves}
    fitted = [kind[name] for name in ("constant", "cosine", "wsd20")]
    fit = sc.fit_curves(fitted, bootstrap=0, hold_out=False)
    return fit, {name: float(c.loss[-1]) for name, c in kind.items()}


def test_the_ladders_best_decay(ladder: tuple[CurveFit, dict[str, float]]) -> None:
    """Of decays over 10, 20 and 40 % of the run, the one that ended lowest is as good as best."""
    fit, ends = ladder
    linear = next(f for f in best_schedule(fit, 2048).families if f.family == "wsd linear")
    measured = {0.1: ends["wsd10"], 0.2: ends["wsd20"], 0.4: ends["wsd40"]}
    best = min(measured, key=lambda share: measured[share])
    assert linear.flat is not None
    assert linear.flat[0] - 0.02 <= best <= linear.flat[1] + 0.02


def test_the_command(ladder: tuple[CurveFit, dict[str, float]], tmp_path: File) -> None:
    path = str(tmp_path / "fit.json")
    ladder[0].to_json(path)
    command = ["schedule", "--best", "--fit", path, "--steps", "2048"]
    result = run(*command)
    assert result.exit_code == 0, result.output
    for part in (
        "best      wsd:peak=0.0047,warmup=10",
        "by each law",
        "held as fitted: peak 0.0047",
        "longer warm-ups",
    ):
        assert part in result.stdout
    found = json.loads(run(*command, "--json").stdout)
    assert found["best"] == found["families"][0]
    assert found["regime"]["steps"] == 2048
    schedule = parse_schedule(found["best"]["inputs"]["schedule"])
    again = ladder[0].predict(schedule, [2047]).value[0]
    assert found["best"]["value"] == pytest.approx(again, rel=1e-12)


WRONG = [
    (["--best"], "--best needs the length of the run. Give --steps 24000."),
    (
        [],
        "no schedule and no log was given. Give FAMILY:option=value,..., a log, or --best --fit "
        "FILE --steps N.",
    ),
    (["--best", "--steps", "9", "a.csv"], "schedules and logs cannot be used with --best."),
    (["constant:peak=1,steps=9", "--peak", "1"], "--peak needs --best."),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_options_that_do_not_belong(options: list[str], message: str) -> None:
    result = run("schedule", *options, "--json")
    assert result.exit_code == 2
    said = json.loads(result.stdout)["error"]
    assert f"{said['message']} {said['hint'] or ''}".strip() == message
