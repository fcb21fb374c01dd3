"""Laws of loss curves: errors and bands under schedules that were not fitted, time beside SciPy's.

Usage: OPENBLAS_NUM_THREADS=1 SCALING_SHARED=../shared python benchmarks/curves.py [TRIPLES]

First three schedules of each set are fitted and the others predicted: errors over all their steps,
at their ends, and of the published curves where they are new: after a branch (shape), beyond the
longest fitted run (horizon). Then bands: TRIPLES other triples per set, drawn at random, say how
often a band of 90 % holds a held-out curve. The published curves are other people's and not in this
repository, and are read from their raw logs; the ladder's are. Times are processor seconds of this
process, compilation done.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path as File
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from scaling_cli import Curve, CurveFit, ScalingError, curves_of, fit_curves, read

LAWS = ("power_steps", "power_area", "annealing", "multi_power", "average")
RAW = ("cosine_24000", "constant_24000", "wsdcon_9")  # of the published curves, those to fit
FITTED = 3  # of each set, the first ones
# Where the published curves leave a run that was fitted: by a branch, or beyond its end.
BRANCH = {"wsd_20000_24000": 20000, "wsdld_20000_24000": 20000, "wsdcon_3": 8000, "wsdcon_18": 8000}
HORIZON = {"cosine_72000": 24000, "constant_72000": 24000}
TRIPLES = 6
END = 10  # the last 1/END of a run is its end: single losses are noisy
BARE = {"bootstrap": 0, "hold_out": False}


class Held(NamedTuple):
    """Of one held-out curve: were its end, and what share of its steps, in the band; how wide."""

    far: bool
    end: bool
    along: float
    half_width: float


def published(folder: File) -> list[Curve]:
    """Return the nine curves of the 25M model as their raw logs have them, those to fit first."""
    curves, _ = curves_of(read(f"{folder}/*.csv"))
    return sorted(curves, key=lambda c: c.run not in RAW)


def ladder(size: str) -> list[Curve]:
    """Return the eight curves of one size of the ladder, those to fit first.

    Those to fit are read with the table that states their schedules, as `scaling fit --meta` does;
    the others along the rates that they log, as `scaling predict --points` does.
    """
    logs = sorted(File("data/ladder/runs").glob(f"schedule-{size}-2.1M-*.csv"))
    first = [log for log in logs if log.stem.rpartition("-")[2] in ("constant", "cosine", "wsd20")]
    fitted, _ = curves_of(read(*first, meta="data/ladder/runs.csv"))
    others, _ = curves_of(read(*(log for log in logs if log not in first)))
    return [*fitted, *others]


def errors(fit: CurveFit, curves: Iterable[Curve]) -> tuple[float, float]:
    """Return the mean relative error over steps, and that of the last loss, over the curves."""
    off = [np.abs(fit.predict(c.schedule, c.step).value / c.loss - 1) for c in curves]
    return float(np.mean([o.mean() for o in off])), float(np.mean([o[-1] for o in off]))


def errors_of(fit: CurveFit, curves: Iterable[Curve], after: dict[str, int]) -> float:
    """Return the mean relative error over the steps of some curves after some step."""
    found = []
    for c in curves:
        if c.run in after:
            off = np.abs(fit.predict(c.schedule, c.step).value / c.loss - 1)
            found.append(off[c.step > after[c.run]].mean())
    return float(np.mean(found))


def held(fit: CurveFit, curve: Curve) -> Held:
    """Compare a held-out curve with the band of one logged value."""
    thin = curve.thinned()
    p = fit.predict(thin.schedule, thin.step)
    if p.mean is None or p.new_run is None:
        raise ValueError("the fit has no bands")
    off = np.abs(np.log(p.value / thin.loss))
    half = np.log(p.new_run[1] / p.value)
    last = -max(1, len(thin.step) // END)
    end = abs(float(np.log(p.value / thin.loss)[last:].mean())) < np.log(p.mean[1] / p.value)[-1]
    far = thin.step[-1] > 1.5 * fit.longest
    return Held(bool(far), bool(end), float(np.mean(off < half)), float(half[-1]))


def coverage(curves: list[Curve], triples: int) -> list[Held]:
    """Fit random triples and compare the other curves with the bands."""
    every = list(itertools.combinations(range(len(curves)), FITTED))
    chosen = np.random.default_rng(0).choice(len(every), min(triples, len(every)), replace=False)
    found = []
    for triple in (every[i] for i in chosen):
        try:
            fit = fit_curves([curves[i] for i in triple], bootstrap=20)
        except ScalingError as error:
            print(f"  {', '.join(curves[i].run for i in triple)}: {error}")
            continue
        if fit.uncertainty is not None and fit.uncertainty.folds:
            found += [held(fit, c) for i, c in enumerate(curves) if i not in triple]
    return found


def print_coverage(title: str, found: list[Held]) -> None:
    """Print how often bands of 90 % held what was measured."""
    for name, some in (
        ("same length", [h for h in found if not h.far]),
        ("1.5x longer", [h for h in found if h.far]),
    ):
        if some:
            end, along = np.mean([h.end for h in some]), np.mean([h.along for h in some])
            width = 100 * np.median([h.half_width for h in some])
            print(
                f"{title:16} {name:12} {len(some):4} curves  end {100 * end:4.0f} %  "
                f"logged values {100 * along:4.0f} %  half-width {width:.2f} %"
            )


def timed(work: Callable[[], float]) -> tuple[float, float]:
    """Return a value, and the processor seconds it took."""
    start = time.process_time()
    value = work()
    return value, time.process_time() - start


def scipy_annealing(curves: list[Curve], starts: int = 24) -> float:
    """Fit the annealing law, lambda free, by L-BFGS-B with numerical gradients, as is common."""
    from scipy.signal import lfilter

    data = []
    for c in curves:
        lr = c.schedule.lr(np.arange(int(c.step[-1]) + 1))
        lr[: int(np.argmax(lr))] = lr.max()
        gaps = -np.diff(lr / lr.max(), prepend=1.0)
        data.append((gaps, np.cumsum(lr / lr.max())[c.step], c.step, np.log(c.loss)))

    def objective(p: np.ndarray) -> float:
        total = 0.0
        for gaps, area, step, ln_loss in data:
            s2 = np.cumsum(lfilter([1.0], [1.0, p[4] - 1.0], gaps))[step]
            predicted = p[0] + np.exp(p[1]) * (area / 2e4) ** -p[2] - p[3] * 1e-3 * s2
            r = np.abs(np.log(np.maximum(predicted, 1e-9)) - ln_loss)
            total += np.where(r <= 1e-3, r**2 / 2, 1e-3 * (r - 5e-4)).sum()
        return total

    generator, bounds = np.random.default_rng(0), [(0.1, 5), (-5, 3), (0.1, 2), (0, 9), (1e-4, 0.1)]
    low, high = np.transpose(bounds)
    found = [
        minimize(
            objective,
            low + (high - low) * generator.random(5),
            bounds=bounds,
            method="L-BFGS-B",
            options={"ftol": 1e-14, "gtol": 1e-12, "maxiter": 2000},
        ).fun
        for _ in range(starts)
    ]
    return float(min(found))


def main() -> None:
    """Print the errors of each law on each set, and the times."""
    folder = File(os.environ.get("SCALING_SHARED", "../shared")) / "data/multipowerlaw/runs_25M"
    sets = {"ladder 68k": ladder("68k"), "ladder 164k": ladder("164k")}
    if folder.is_dir():
        sets["Luo et al. 25M"] = published(folder)
    print(f"{'set':16} {'law':12} {'mean':>8} {'last':>8}   starts that agree")
    for title, curves in sets.items():
        for law in LAWS:
            fit = fit_curves(curves[:FITTED], law=law, **BARE)
            mean, last = errors(fit, curves[FITTED:])
            agree = ", ".join(f"{a[0]}/{a[1]}" for f in fit.laws.values() if (a := f.agree))
            print(f"{title:16} {law:12} {100 * mean:7.3f}% {100 * last:7.3f}%   {agree}")
            if title.startswith("Luo"):
                shape, far = (errors_of(fit, curves, after) for after in (BRANCH, HORIZON))
                print(f"{'':30}shape {100 * shape:.3f}%, horizon {100 * far:.3f}%")
    triples = int(sys.argv[1]) if len(sys.argv) > 1 else TRIPLES
    for title, curves in sets.items():
        print_coverage(title, coverage(curves, triples))
    curves = next(reversed(sets.values()))[:FITTED]
    for title, work in (
        (
            "4 starts",
            lambda: (
                fit_curves(curves, law="annealing", prior=0.0, **BARE).laws["annealing"].value
                or np.nan
            ),
        ),
        ("SciPy's L-BFGS-B, 24 starts", lambda: scipy_annealing(curves)),
    ):
        value, seconds = timed(work)
        print(f"annealing, lambda free, {title}: {seconds:.2f} s, minimum {value:.9e}")


if __name__ == "__main__":
    main()
