"""Whether stopping the multi-power law early, or stronger priors, predict better, and who can tell.

On the curves of Luo et al. (other people's data, 25M): every variant is fitted to three schedules;
`left out` is its error on each of these without it, all that a rule may look at; `shapes` and
`horizon` are errors on new shapes after they branch off and on steps beyond the longest fitted run.
AdamW as the authors describe it: absolute rates, decoupled steps, from the instantaneous law.
"""

import os
from collections.abc import Sequence
from pathlib import Path as File

import numpy as np
from curves import BRANCH, FITTED, published

from scaling_cli import Curve
from scaling_cli.curve_fits.fitting import DELTA, fit_curves
from scaling_cli.curve_laws.multi_power import MultiPower
from scaling_cli.engine.curves import CurveProblem, linearise
from scaling_cli.schedules._path import Path
from scaling_cli.vocabulary.errors import FitError

NAMES = tuple(MultiPower.parameters())
RATES = np.array([5e-2, 5e-2, 5e-3, 5e-2, 5e-2, 5e-3, 5e-3])  # L0, A, alpha, B, C, beta, gamma
STOPS = (50, 100, 200, 400, 800)
SCALES = (0.2, 1.0)
LONGEST = 24000


def problem(curves: Sequence[Curve]) -> CurveProblem:
    """Return the problem of the multi-power law in absolute rates, without priors."""
    paths = [c.path("as_trained", 1.0).compressed() for c in curves]
    free = np.ones(len(NAMES), bool)
    area = float(np.exp(np.mean([np.log(p.area[-1]) for p in paths])))
    return CurveProblem(
        MultiPower,
        paths,
        [c.loss for c in curves],
        DELTA,
        np.zeros((len(NAMES), 2)),
        free,
        {"area": area},
    )


def start(curves: Sequence[Curve]) -> np.ndarray:
    """Return the instantaneous law, L0 + A S1^-alpha - B (peak - eta), by least squares."""
    loss = np.concatenate([c.loss for c in curves])
    area = np.concatenate([c.path("as_trained", 1.0).area for c in curves])
    gap = np.concatenate([c.schedule.highest - c.schedule.lr(c.step) for c in curves])
    best = None
    for alpha in np.linspace(0.2, 0.9, 71):
        design = np.stack([np.ones_like(area), area**-alpha, -gap], axis=1)
        found, _, _, _ = np.linalg.lstsq(design, loss, rcond=None)
        error = float(((design @ found - loss) ** 2).sum())
        if best is None or error < best[0]:
            best = error, np.array([found[0], found[1], alpha, found[2], 1.0, 0.5, 0.5])
    assert best is not None
    return best[1]


def gradient(work: CurveProblem, values: np.ndarray) -> np.ndarray:
    """Return the derivative of the summed Huber loss by the parameters as they are."""
    line = linearise(work, MultiPower(**dict(zip(NAMES, values.tolist(), strict=True))))
    by_log = line.jacobian.T @ np.clip(line.residuals, -DELTA, DELTA)
    by_log[NAMES.index("alpha")] -= (
        values[NAMES.index("alpha")] * np.log(work.scales["area"]) * by_log[NAMES.index("A")]
    )
    return by_log / values


def descents(curves: Sequence[Curve], scale: float) -> dict[int, MultiPower]:
    """Return the law after each number of AdamW steps."""
    work, values = problem(curves), start(curves)
    mean = square = np.zeros(len(NAMES))
    found = {}
    for i in range(1, max(STOPS) + 1):
        g = gradient(work, values)
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        step = mean / (1 - 0.9**i) / (np.sqrt(square / (1 - 0.999**i)) + 1e-8)
        values = np.maximum(values - scale * RATES * step, 1e-6)
        if i in STOPS:
            found[i] = MultiPower(**dict(zip(NAMES, values.tolist(), strict=True)))
    return found


def off(law: MultiPower, curve: Curve, unit: float) -> np.ndarray:
    """Return relative errors along a curve."""
    path = Path.of(curve.schedule, curve.step, unit=unit)
    return np.abs(law.curve(path) / curve.loss - 1)


def scores(law: MultiPower, others: Sequence[Curve], unit: float) -> list[float]:
    """Return the mean error on all other curves, on new shapes, and beyond the horizon, in 1e-4."""
    each = {c.run: off(law, c, unit) for c in others}
    at = {c.run: c.step for c in others}
    shapes = [each[run][at[run] > branch].mean() for run, branch in BRANCH.items()]
    far = [e[at[run] > LONGEST].mean() for run, e in each.items() if at[run][-1] > LONGEST]
    return [1e4 * float(np.mean(v)) for v in ([e.mean() for e in each.values()], shapes, far)]


def converged(curves: Sequence[Curve], strength: float) -> tuple[MultiPower, float] | None:
    """Return the law fitted to a minimum with priors, and its unit; None if there is none."""
    try:
        fit = fit_curves(
            curves,
            law="multi_power",
            warmup="as_trained",
            prior=strength,
            bootstrap=0,
            hold_out=False,
        )
    except FitError:
        return None
    law = fit.laws["multi_power"].law
    assert isinstance(law, MultiPower)
    return law, fit.unit


def main() -> None:
    """Print a row for every variant."""
    folder = File(os.environ.get("SCALING_SHARED", "../shared")) / "data/multipowerlaw/runs_25M"
    curves = published(folder)
    fitted, others = curves[:FITTED], curves[FITTED:]
    folds = [(fitted[:i] + fitted[i + 1 :], fitted[i]) for i in range(FITTED)]
    print(f"{'variant':28} {'left out':>9} {'all':>6} {'shapes':>7} {'horizon':>8}   (1e-4)")
    for strength in (0.0, 1.0, 10.0, 100.0):
        whole = converged(fitted, strength)
        parts = [(converged(rest, strength), out) for rest, out in folds]
        left = [1e4 * off(found[0], out, found[1]).mean() for found, out in parts if found]
        if whole:
            row(f"minimum, priors x {strength:g}", left, scores(whole[0], others, whole[1]))
    for scale in SCALES:
        whole_path = descents(fitted, scale)
        parts_path = [(descents(rest, scale), out) for rest, out in folds]
        for stop in STOPS:
            left = [1e4 * off(path[stop], out, 1.0).mean() for path, out in parts_path]
            row(
                f"AdamW, {stop} steps, rates x {scale:g}",
                left,
                scores(whole_path[stop], others, 1.0),
            )


def row(title: str, left: Sequence[float], found: Sequence[float]) -> None:
    """Print one variant: the error on schedules left out, and how many could be."""
    mean, (every, shapes, horizon) = float(np.mean(left)), found
    print(
        f"{title:28} {mean:6.1f}/{len(left)} {every:6.1f} {shapes:7.1f} {horizon:8.1f}", flush=True
    )


if __name__ == "__main__":
    main()
