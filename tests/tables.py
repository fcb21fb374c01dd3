"""Tables with a known truth that several tests fit, and an independent NumPy copy of objectives."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scaling_cli import laws
from scaling_cli.laws._law import Domain, Law
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.objective import Objective

# Twelve to sixteen rows everywhere: arrays are padded to powers of two, so that all these tables
# share one executable per law.
SIZES = np.geomspace(2e7, 2e9, 5)
RATIOS = np.array([5.0, 20.0, 80.0])
OUTLIERS = np.array([7, 1, 12])  # of different sizes and ratios: no law can bend to them
TRUTHS = {
    "chinchilla": {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37},
    "overtraining": {"E": 1.6, "a": 140.0, "b": 190.0, "eta": 0.12},
    "power_law": {"E": 1.5, "A": 60.0, "alpha": 0.2},
    "kaplan_n": {"Nc": 8.8e13, "alpha_N": 0.076},
    "kaplan_nd": {"Nc": 6.4e13, "Dc": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
}


def truth(law: str) -> Law:
    """Return a law with the values of TRUTHS."""
    return laws.get(law)(**TRUTHS[law])


def inputs(law: str) -> dict[str, np.ndarray]:
    """Return a design of 15 rows: five sizes by three token ratios (isoFLOP-like)."""
    size = np.repeat(SIZES, len(RATIOS))
    columns = {"N": size, "D": size * np.tile(RATIOS, len(SIZES)), "x": size}
    return {symbol: columns[symbol] for symbol in laws.get(law).inputs()}


def table(law: str, *, noise: float = 0.0, seed: int = 0, outliers: int = 0) -> Points:
    """Return points of a law with log-normal noise; up to three runs are 10 to 30 % too high."""
    columns = inputs(law)
    generator = np.random.default_rng(seed)
    output = np.asarray(truth(law)(**columns), float)
    output = output * np.exp(noise * generator.standard_normal(len(output)))
    if outliers:
        output[OUTLIERS[:outliers]] *= generator.uniform(1.1, 1.3, outliers)
    return Points(columns, output, [f"run{i:02d}" for i in range(len(output))])


def free(law: type[Law], values: Mapping[str, float]) -> np.ndarray:
    """Return free coordinates: logarithms of the positive parameters."""
    declared = law.parameters()
    return np.array(
        [np.log(v) if declared[n].domain is Domain.POSITIVE else v for n, v in values.items()]
    )


def residuals(law: type[Law], u: np.ndarray, points: Points, space: str) -> np.ndarray:
    """Return residuals at free coordinates, real or complex, of a law of positive parameters."""
    values = dict(zip(law.parameters(), np.exp(u), strict=True))
    prediction = law(**values)(**{s: points.inputs[s] for s in law.inputs()})
    if space == "log":
        return np.log(prediction) - np.log(points.output)
    return prediction - points.output


def jacobian(law: type[Law], u: np.ndarray, points: Points, space: str) -> np.ndarray:
    """Return d residual / d u by complex steps: exact to rounding, shape (n, k)."""
    steps = u + 1e-30j * np.eye(len(u))
    return np.stack([np.imag(residuals(law, s, points, space)) / 1e-30 for s in steps], axis=1)


def objective_sum(objective: Objective, r: np.ndarray) -> float:
    """Return the sum of rho(r), written out point by point."""
    total = 0.0
    for size in np.abs(r).tolist():
        if objective.name == "lad":
            total += size
        elif objective.name == "l2" or size <= objective.delta:
            total += size * size / 2
        else:
            total += objective.delta * (size - objective.delta / 2)
    return total


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with path.open(encoding="utf8") as stream:
        return list(csv.DictReader(stream))


def measured(records: list[dict[str, str]], loss: str = "loss") -> Points:
    """Return the points of records with params and tokens."""
    N, D, L = (np.array([float(r[c]) for r in records]) for c in ("params", "tokens", loss))
    runs = [r.get("run_id") or f"row{i}" for i, r in enumerate(records)]
    return Points({"N": N, "D": D}, L, runs)
