"""Laws of loss curves: error under schedules that were not fitted, and time beside SciPy's.

Usage: OPENBLAS_NUM_THREADS=1 SCALING_SHARED=../shared python benchmarks/curves.py

The published curves are other people's and not in this repository; the ladder's are. Times are
processor seconds of this process, compilation done.
"""

import csv
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path as File

import numpy as np
from scipy.optimize import minimize

from scaling_cli import Curve, CurveFit, curves_of, fit_curves, parse_schedule, read

LAWS = ("power_steps", "power_area", "annealing", "multi_power", "average")
WARM = "peak=0.0003,warmup=2159"
PUBLISHED = {
    "cosine_24000": f"wsd:{WARM},stable=2160,decay=cosine,min=3e-05,steps=24000",
    "constant_24000": f"constant:{WARM},steps=24000",
    "wsdcon_9": f"step:{WARM},at=8000,to=9e-05,steps=16000",
    "cosine_72000": f"wsd:{WARM},stable=2160,decay=cosine,min=3e-05,steps=72000",
    "constant_72000": f"constant:{WARM},steps=72000",
    "wsd_20000_24000": f"wsd:{WARM},stable=20000,decay=exponential,min=3e-05,steps=24000",
    "wsdld_20000_24000": f"wsd:{WARM},stable=20000,min=3e-05,steps=24000",
    "wsdcon_3": f"step:{WARM},at=8000,to=3e-05,steps=16000",
    "wsdcon_18": f"step:{WARM},at=8000,to=18e-05,steps=16000",
}
FITTED = 3  # of each set, the first ones


def published(folder: File) -> list[Curve]:
    """Return the nine curves of the 25M model."""
    found = []
    for name, text in PUBLISHED.items():
        with (folder / f"{name}.csv").open(encoding="utf8") as stream:
            rows = list(csv.DictReader(stream))
        step, loss = (np.array([float(row[c]) for row in rows]) for c in ("step", "loss"))
        found.append(Curve(name, parse_schedule(text), step, loss))
    return found


def ladder(size: str) -> list[Curve]:
    """Return the eight curves of one size of the ladder, those to fit first."""
    runs = read(f"data/ladder/runs/schedule-{size}-2.1M-*.csv", meta="data/ladder/runs.csv")
    first = ("constant", "cosine", "wsd20")
    curves, _ = curves_of(runs)
    return sorted(curves, key=lambda c: c.run.rpartition("-")[2] not in first)


def errors(fit: CurveFit, curves: Iterable[Curve]) -> tuple[float, float]:
    """Return the mean relative error over steps, and that of the last loss, over the curves."""
    off = [np.abs(fit.predict(c.schedule, c.step).value / c.loss - 1) for c in curves]
    return float(np.mean([o.mean() for o in off])), float(np.mean([o[-1] for o in off]))


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
        minimize(objective, low + (high - low) * generator.random(5), bounds=bounds,
                 method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-12, "maxiter": 2000}).fun
        for _ in range(starts)
    ]  # fmt: skip
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
            fit = fit_curves(curves[:FITTED], law=law)
            mean, last = errors(fit, curves[FITTED:])
            agree = ", ".join(f"{f.agree[0]}/{f.agree[1]}" for f in fit.laws.values())
            print(f"{title:16} {law:12} {100 * mean:7.3f}% {100 * last:7.3f}%   {agree}")
    curves = next(reversed(sets.values()))[:FITTED]
    for title, work in (
        (
            "4 starts",
            lambda: fit_curves(curves, law="annealing", prior=0.0).laws["annealing"].value,
        ),
        ("SciPy's L-BFGS-B, 24 starts", lambda: scipy_annealing(curves)),
    ):
        value, seconds = timed(work)
        print(f"annealing, lambda free, {title}: {seconds:.2f} s, minimum {value:.9e}")


if __name__ == "__main__":
    main()
