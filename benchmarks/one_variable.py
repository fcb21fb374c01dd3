"""Curves of one variable forecast beyond what was seen: a power law, the ensemble, families.

    SCALING_SHARED=../shared python benchmarks/one_variable.py [benchmark.vision.csv ...]

Loss curves under constant rates are cut at a quarter, and their end is forecast. The 92 curves of
Alabdulmohsin et al. (arXiv:2209.06640) are others' and not in this repository; they lie beside the
paper's code (google-research/revisiting_neural_scaling_laws/data): rows marked as training are
fitted, the others are forecast. The error of a curve is the root mean square of
ln (forecast/measured), averaged over the curves of a domain.
"""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import families
import numpy as np

from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.single import METHODS, Options, forecast_job
from scaling_cli.vocabulary.errors import ScalingError

CUT, FEWEST = 0.25, 10
BLIND = [method for method in METHODS if method != "law"]  # the law needs a learning rate


@dataclass(frozen=True)
class Curve:
    """Rows that are fitted and rows that are forecast, (x, loss) each."""

    domain: str
    name: str
    seen: np.ndarray
    hidden: np.ndarray


def curves(path: Path) -> Iterator[Curve]:
    """Yield the curves of a file; a row that is there twice counts once."""
    parts: dict[tuple[str, str], dict[str, set[tuple[float, float]]]] = {}
    with path.open(encoding="utf8") as stream:
        for row in csv.DictReader(stream):
            curve = parts.setdefault((row["Domain"], f"{row['Task']} {row['Model']}"), {})
            point = float(row["Seen Examples"]), float(row["Loss"])
            curve.setdefault(row["Training"], set()).add(point)
    for (domain, name), rows in parts.items():
        yield Curve(domain, name, *(np.array(sorted(rows[part])) for part in ("1", "0")))


def constant() -> Iterator[Curve]:
    """Yield the curves under constant rates that are there."""
    for run in families.runs():
        seen = run.x <= CUT * run.x[-1]
        if run.kind == "constant" and seen.sum() >= FEWEST:
            rows = np.stack([run.x[seen], run.loss[seen]], axis=1)
            yield Curve("constant rates", run.source, rows, np.array([run.end()]))


def forecast(curve: Curve, method: str) -> tuple[float, float, float]:
    """Return the error, the share of rows inside their 90 % interval, and its half-width."""
    job = Job(curve.name, *curve.seen.T)
    x, loss = curve.hidden.T
    found = forecast_job(job, Options(until=float(x[-1]) * (1 + 1e-9), method=method))
    at = np.log(found.path.x)
    middle, low, high = (
        np.interp(np.log(x), at, np.log(end))
        for end in (found.path.loss, found.path.low, found.path.high)
    )
    row = np.log(loss)
    inside = (low - found.noise <= row) & (row <= high + found.noise)
    return float(np.sqrt(np.mean((middle - row) ** 2))), inside.mean(), np.mean(high - low) / 2


def main() -> None:
    """Print a table of methods and domains."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for curve in chain(constant(), *(curves(Path(path)) for path in sys.argv[1:])):
        for method in BLIND:
            try:
                told = forecast(curve, method)
            except ScalingError as error:
                print(f"{curve.domain} {curve.name}, {method}: {error}")
                continue
            for domain in (curve.domain, "all"):
                found.setdefault((domain, method), []).append(told)
    print("| curves | method | mean error | median | inside 90 % | half-width |")
    print("|---|---|---|---|---|---|")
    for (domain, method), rows in sorted(found.items()):
        error, inside, half = np.array(rows).T
        cells = (
            f"{error.mean():.4f} | {np.median(error):.4f} | {inside.mean():.2f} | {half.mean():.4f}"
        )
        print(f"| {domain}, {len(rows)} | {method} | {cells} |")


if __name__ == "__main__":
    main()
