"""Forecasts blind to the schedule: error of each family and combination, coverage, time.

Usage: OPENBLAS_NUM_THREADS=1 SCALING_SHARED=../shared python benchmarks/families.py

Every curve is cut at 25, 50, 75 and 90 % of its run and its end is forecast. The end is the mean
of the last 3 points, or of the last 1 % of long logs. Published curves are other people's and not
in this repository; runs of more than 7 epochs, whose loss rises, are left out.
"""

import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scaling_cli import Extrapolation, extrapolate
from scaling_cli.vocabulary.errors import ScalingError

SHARED = Path(os.environ.get("SCALING_SHARED", "../shared")) / "data"
SETS = (
    ("Luo et al.", SHARED / "multipowerlaw", "runs_*/*.csv", "loss"),
    ("Gemstones", SHARED / "gemstones/runs", "*.csv", "loss"),
    ("xLSTM", SHARED / "xlstm_isoflop/runs", "*.csv", "loss"),
    ("nanoGPT", SHARED / "nanogpt_logs", "*_val.csv", "loss"),
    ("datablations", SHARED / "datablations/runs", "*.csv", "loss"),
    ("Tissue et al.", SHARED / "lr_annealing_100M/runs", "*.csv", "loss"),
    ("ladder", Path("data/ladder/runs"), "schedule-*.csv", "val_loss"),
)
OVERFITTED = ("ep14", "ep44")
CUTS = (0.25, 0.5, 0.75, 0.9)
FEWEST = 8
KINDS = ("cosine", "wsd", "constant")


@dataclass(frozen=True)
class Run:
    """One curve: where it is from, what its rate did, its rows."""

    source: str
    kind: str
    x: np.ndarray
    loss: np.ndarray

    def end(self) -> tuple[float, float]:
        """Return x and the loss at the end, averaged."""
        n = max(3, round(0.01 * len(self.x)))
        return float(np.exp(np.log(self.x[-n:]).mean())), float(
            np.exp(np.log(self.loss[-n:]).mean())
        )


def kind_of(source: str, name: str) -> str:
    """Return what the learning rate did, as the data set says."""
    if "constant" in name or source == "Gemstones":
        return "constant"
    return "wsd" if "wsd" in name or source == "nanoGPT" else "cosine"


def runs() -> Iterator[Run]:
    """Yield the curves that are there."""
    for source, folder, pattern, column in SETS:
        for path in sorted(folder.glob(pattern)):
            if any(mark in path.stem for mark in OVERFITTED):
                continue
            x, loss = rows(path, column)
            yield Run(source, kind_of(source, path.stem), x, loss)


def rows(path: Path, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps (or tokens) and losses, the last row of a repeated step."""
    with path.open(encoding="utf8") as stream:
        logged = list(csv.DictReader(stream))
    clock = "step" if "step" in logged[0] else "tokens"
    pairs = {float(r[clock]): float(r[column]) for r in logged if r[column]}
    return tuple(np.array([p for p in sorted(pairs.items()) if p[0] > 0]).T)


def forecast(run: Run, cut: float) -> dict[str, Extrapolation]:
    """Return forecasts of the end by the combinations; the equal mean follows from any."""
    seen = run.x <= cut * run.x[-1]
    if seen.sum() < FEWEST:
        return {}
    at, _ = run.end()
    return {
        how: extrapolate(run.x[seen], run.loss[seen], at, combine=how)
        for how in ("stack", "average")
    }


def main() -> None:
    """Print the table."""
    errors: dict[str, dict[tuple[str, float], list[float]]] = {}
    inside: dict[tuple[str, float], list[tuple[bool, float]]] = {}
    sources: dict[str, list[bool]] = {}
    count, started = 0, time.process_time()
    for run in runs():
        for cut in CUTS:
            try:
                found = forecast(run, cut)
            except ScalingError as error:
                print(f"{run.source} {run.kind} at {cut:g}: {error}")
                continue
            if not found:
                continue
            count += len(found)
            end = run.end()[1]
            default = found["stack"]
            values = {m.family: m.value for m in default.members}
            values["[equal]"] = float(np.exp(np.mean(np.log(list(values.values())))))
            values |= {f"[{how}]": each.value for how, each in found.items()}
            values["[last value]"] = default.seen[1]
            for name, value in values.items():
                errors.setdefault(name, {}).setdefault((run.kind, cut), []).append(
                    100 * abs(value / end - 1)
                )
            low, high = default.interval
            held = low <= end <= high
            half = 50 * (high - low) / default.value
            inside.setdefault((run.kind, cut), []).append((held, half))
            if run.kind != "wsd":
                sources.setdefault(run.source, []).append(held)
    seconds = (time.process_time() - started) / count
    report(errors, inside)
    print({s: f"{100 * np.mean(held):.0f} % of {len(held)}" for s, held in sources.items()})
    print(f"{count} forecasts, {seconds:.3f} s each, five backtests included")


def report(
    errors: dict[str, dict[tuple[str, float], list[float]]],
    inside: dict[tuple[str, float], list[tuple[bool, float]]],
) -> None:
    """Print median errors, and coverage with median half-widths, by kind of schedule and cut."""
    heads = [f"{kind} at {', '.join(f'{c:g}' for c in CUTS)}" for kind in KINDS]
    print(f"{'median |error|, %':18}" + "".join(f"{head:>36}" for head in heads))
    for name, found in sorted(errors.items()):
        cells = [[np.median(found.get((k, c), [np.nan])) for c in CUTS] for k in KINDS]
        print(f"{name:18}" + "".join(f"{'  '.join(f'{v:5.2f}' for v in c):>36}" for c in cells))
    for title, which in (("90 % interval, %", 0), ("half-width, %", 1)):
        line = f"{title:18}"
        for kind in KINDS:
            pairs = [np.array(inside.get((kind, c), [(np.nan, np.nan)]), float) for c in CUTS]
            shown = [100 * np.mean(p[:, 0]) if which == 0 else np.median(p[:, 1]) for p in pairs]
            line += f"{'  '.join(f'{v:5.{which}f}' for v in shown):>36}"
        print(line)
    print(
        "curves            "
        + "".join(
            f"{'  '.join(f'{len(inside.get((k, c), [])):5d}' for c in CUTS):>36}" for k in KINDS
        )
    )


if __name__ == "__main__":
    main()
