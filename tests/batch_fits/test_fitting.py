"""The critical batch from runs: made curves give it back; SciPy finds the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal
from scipy.optimize import least_squares

import scaling_cli as sc
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.batch_fit import BatchFit, BatchTrajectory
from scaling_cli.batch_fits.fitting import critical_law, fit_batches, hyperbola
from scaling_cli.batch_fits.levels import BatchRun, batch_runs_of, levels, smoothed
from scaling_cli.vocabulary.errors import DataError, FitError

ONE = BatchTrajectory(Sc=50.0, alpha_S=0.6, B_star=4e4, alpha_B=0.25, floor=1.5, N=26124.0)
SIZED = BatchTrajectory(Sc=2.1e3, alpha_S=0.76, B_star=4e4, alpha_B=0.25, Nc=1e9, alpha_N=0.1)
BATCHES = (256, 512, 1024, 2048, 4096, 8192, 16384)


def made(
    t: BatchTrajectory,
    N: float,
    batches: tuple[int, ...] = BATCHES,
    *,
    noise: float = 0.0,
    seed: int = 0,
) -> list[BatchRun]:
    """Return runs of a known law, each longer than its critical batch needs."""
    rng = np.random.default_rng(seed)
    found = []
    for B in batches:
        step = np.unique(np.geomspace(20, 4e5 / B**0.7, 40).round())
        loss = t.loss(step, B, N=N) * np.exp(noise * rng.standard_normal(len(step)))
        found.append(BatchRun(f"{N:g}-{B}", N, B, step, loss))
    return found


@pytest.fixture(scope="module")
def exact() -> BatchFit:
    return fit_batches(made(ONE, 26124.0))


def test_made_runs_give_their_law_back(exact: BatchFit) -> None:
    # Curves are smoothed in bins: what is left is their curvature.
    losses = np.array([2.0, 2.5, 3.0])
    found, true = exact.trajectory, ONE
    np.testing.assert_allclose(found.critical_batch(losses), true.critical_batch(losses), rtol=1e-4)
    for B in (300.0, 3000.0, 30000.0):
        step = np.geomspace(30, 3000, 9)
        np.testing.assert_allclose(found.loss(step, B), true.loss(step, B), rtol=1e-5)
    assert exact.misfit is not None
    assert exact.misfit < 1e-6


def test_several_sizes_give_the_size_too() -> None:
    fit = fit_batches([*made(SIZED, 26124.0), *made(SIZED, 3e5)])
    found = fit.trajectory
    assert found.floor is None
    for N in (3e4, 1e5, 1e6):
        assert found.min_loss(N) == pytest.approx(SIZED.min_loss(N), rel=1e-3)
        np.testing.assert_allclose(
            found.loss(500.0, 1e4, N=N), SIZED.loss(500.0, 1e4, N=N), rtol=1e-3
        )


def test_intervals_hold_the_truth_of_noisy_runs() -> None:
    inside = []
    for seed in range(12):
        fit = fit_batches(made(ONE, 26124.0, noise=0.003, seed=seed))
        assert len(fit.replicates) == len(BATCHES)
        for loss in (2.0, 3.0):
            found = fit.interval(lambda t, L=loss: t.critical_batch(L))
            assert found is not None
            low, high = found
            inside.append(low < float(ONE.critical_batch(loss)) < high)
            assert high / low < 1.6
    assert sum(inside) >= 18  # of 24, at nominal 90 %: fewer have a chance of 1 %


def test_the_hyperbola_is_scipys() -> None:
    rng = np.random.default_rng(0)
    B = np.array([256.0, 1024, 4096, 16384])
    S = 100 * (1 + 2000 / B) * np.exp(0.05 * rng.standard_normal(4))
    critical, least, rms = hyperbola(B, S)
    oracle = least_squares(
        lambda p: np.log(S) - p[0] - np.log1p(np.exp(p[1]) / B), [5.0, 7.0], xtol=1e-15, ftol=1e-15
    )
    np.testing.assert_allclose([np.log(least), np.log(critical)], oracle.x, rtol=1e-7)
    np.testing.assert_allclose(rms, np.sqrt(np.mean(oracle.fun**2)), rtol=1e-9)


@pytest.mark.parametrize(
    ("S", "critical"), [((1e4, 2.5e3, 625.0), np.inf), ((100.0, 100.0, 100.0), 0.0)]
)
def test_batches_on_one_side_do_not_tell_the_critical_one(S: tuple, critical: float) -> None:
    """Steps in proportion to 1/B, or none saved at all."""
    assert hyperbola(np.array([256.0, 1024, 4096]), np.array(S))[0] == critical


def test_all_levels_together_are_scipys() -> None:
    found = levels(made(ONE, 26124.0, noise=0.01))
    B_star, alpha_B = critical_law(found)

    def residuals(p: np.ndarray) -> np.ndarray:
        rows = [
            np.log(x.S) - p[2 + i] - np.log1p(np.exp(p[0] - p[1] * np.log(x.loss)) / x.B)
            for i, x in enumerate(found)
        ]
        return np.concatenate(rows)

    start = [np.log(4e4), 4.0, *(float(np.log(x.S.min())) for x in found)]
    oracle = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    mine = np.log([B_star, 1 / alpha_B])
    np.testing.assert_allclose(mine, [oracle.x[0], np.log(oracle.x[1])], rtol=1e-6)


def test_the_smoothed_curve_never_rises_and_is_the_nearest() -> None:
    step, loss = np.arange(1.0, 7.0), np.exp([5.0, 4.0, 4.5, 3.0, 3.3, 3.6])
    x, y = smoothed(BatchRun("r", 1.0, 1.0, step, loss), bins=100)
    # By hand: (4, 4.5) and (3, 3.3, 3.6) are pooled to their means.
    np.testing.assert_allclose(y, [5.0, 4.25, 3.3], rtol=1e-14)
    np.testing.assert_allclose(x, [0.0, np.log(6) / 2, np.log(120) / 3], atol=1e-14)


def test_of_several_rates_the_fastest_counts() -> None:
    slow = [
        BatchRun(f"{r.run}-slow", r.N, r.B, r.step, r.loss * 1.05)
        for r in made(ONE, 26124.0, BATCHES[::2])
    ]
    runs = [*made(ONE, 26124.0), *slow]
    assert {name for level in levels(runs) for name in level.runs} == {
        r.run for r in made(ONE, 26124.0)
    }


def test_a_file_says_the_same(exact: BatchFit, tmp_path: Path) -> None:
    exact.to_json(tmp_path / "batch.json")
    again = kinds.load(tmp_path / "batch.json", BatchFit)
    assert again.trajectory == exact.trajectory
    assert again.to_dict() == exact.to_dict()
    first, second = (fit.interval(lambda t: t.cost(2.0).S_min) for fit in (exact, again))
    assert first == second


WARNED = {
    "batch.bracket": (16, 32, 64, 128, 256),
    "batch.count": (256, 1024, 4096, 16384),
    "batch.learning_rate": BATCHES,
}


@pytest.mark.parametrize("code", WARNED)
def test_what_the_runs_do_not_say(code: str) -> None:
    fit = fit_batches(made(ONE, 26124.0, WARNED[code]))
    level = {check.code: str(check.level) for check in fit.checks}
    assert level[code] == "warn"


def test_a_best_rate_at_the_edge_of_its_sweep_is_told() -> None:
    """At 2048 tokens the highest of three rates is the fastest; elsewhere the middle one."""
    runs = []
    for run in made(ONE, 26124.0):
        fastest = 2 if run.B == 2048 else 1
        for place in range(3):
            slow = 1.0 if place == fastest else 1.3
            runs.append(
                replace(run, run=f"{run.run}-{place}", step=slow * run.step, rate=1e-3 * 2**place)
            )
    (check,) = (c for c in fit_batches(runs).checks if c.code == "batch.learning_rate")
    assert check.message == (
        "at batches of 2048 tokens the best learning rate is the lowest or the highest that was "
        "tried: another may need fewer steps. Sweep further there."
    )


def test_every_check_of_batches_is_documented(root: Path, exact: BatchFit) -> None:
    text = (root / "docs" / "checklist.md").read_text(encoding="utf8")
    assert [c.code for c in exact.checks if f"| `{c.code}` |" not in text] == []
    assert all(c.message.endswith(".") for c in exact.checks)


def test_two_batches_are_refused() -> None:
    assert refusal(FitError, fit_batches, made(ONE, 26124.0, (256, 4096))) == (
        "runs of one size at 2 batch sizes do not tell the critical batch; 3 are needed, better "
        "five. Train the same model at batches four times apart, to a common loss."
    )


def test_runs_without_a_common_loss_are_refused() -> None:
    runs = [
        BatchRun(r.run, r.N, r.B, r.step, r.loss + 10 * i)
        for i, r in enumerate(made(ONE, 26124.0, (256, 1024, 4096)))
    ]
    assert refusal(FitError, fit_batches, runs) == (
        "the runs of different batch sizes reach no loss in common. Train the larger batches for "
        "longer: at the same number of tokens they end higher."
    )


def _table(folder: Path, name: str, lines: list[str]) -> None:
    (folder / f"{name}.csv").write_text("\n".join(["step,lr,loss", *lines]) + "\n")


def test_logs_are_read_and_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    def rows(rate: float, last: float, loss: str = "") -> list[str]:
        rates = [rate / 2, *[rate] * 10, last]
        return [f"{10 * (i + 1)},{r},{loss or 5 - 0.2 * i}" for i, r in enumerate(rates)]

    _table(tmp_path, "good", rows(1e-3, 1e-3))
    _table(tmp_path, "decayed", rows(1e-3, 1e-4))
    _table(tmp_path, "diverged", rows(1e-3, 1e-3, "nan"))
    _table(tmp_path, "short", rows(1e-3, 1e-3)[:4])
    runs = sc.read(str(tmp_path), set={"batch_tokens": "1024", "params": "1M"})
    found, left = batch_runs_of(runs)
    assert [(r.run, r.B, r.N, r.step[0]) for r in found] == [
        ("decayed", 1024, 1e6, 20),
        ("good", 1024, 1e6, 20),
    ]
    assert found[0].notes == ("its learning rate decays, which the theory does not know",)
    assert {item.run: item.reason for item in left} == {
        "diverged": "its loss is not a finite number all along; the run diverged.",
        "short": "3 points after the warm-up; 5 are needed.",
    }


def test_logs_without_a_batch_are_refused(tmp_path: Path) -> None:
    _table(tmp_path, "a", [f"{i},1e-3,{5 - 0.1 * i}" for i in range(1, 9)])
    with pytest.raises(DataError, match="no run has a loss curve and a batch size"):
        batch_runs_of(sc.read(str(tmp_path)))


@pytest.mark.parametrize("B", [256, 2048, 8192])
def test_a_batch_that_was_not_fitted_is_predicted(root: Path, B: int) -> None:
    """Our own sweep: the best of three rates at every step, where the loss is one of the levels."""
    folder = root / "data/batch_sweep"
    runs, left = batch_runs_of(sc.read(str(folder / "runs/*.csv"), meta=str(folder / "runs.csv")))
    assert (len(runs), left) == (20, [])
    hidden = [run for run in runs if run.B == B]
    fit = fit_batches([run for run in runs if run.B != B])
    best = np.min([run.loss for run in hidden], axis=0)
    off = fit.trajectory.loss(hidden[0].step, B, N=hidden[0].N) / best - 1
    assert np.mean(np.abs(off[best < 2.5])) < 0.01
    assert abs(off[-1]) < 0.02


def test_what_rises_has_no_levels_to_reach(tmp_path: Path) -> None:
    for batch in (1024, 4096, 16384):
        rows = [f"{10 * i},{batch},{1 - 1 / i},{3 - i}" for i in range(2, 20)]
        table = "step,batch_tokens,accuracy,margin\n" + "\n".join(rows)
        (tmp_path / f"{batch}.csv").write_text(table)
    runs = sc.read(str(tmp_path))
    assert refusal(FitError, batch_runs_of, runs, target="accuracy") == (
        "accuracy rises with the step in every run (+1.00, by rank correlation), and the least is "
        "taken for the best here. Fit a column that falls as runs get better: a loss, or of an "
        "accuracy what is left to its limit, written to a column of its own."
    )
    told = refusal(DataError, batch_runs_of, runs, target="margin")
    assert told.endswith("its margin is not positive all along, and levels are of its logarithm.")
