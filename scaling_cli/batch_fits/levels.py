"""When runs at several batch sizes reach the same loss: smoothed curves, read at loss levels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli.runs.direction import refuse_rising, spearman
from scaling_cli.runs.table import Runs, default_target
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.outcomes import LeftOut, why

BINS = 60  # of a curve along ln step
FEWEST_POINTS = 5
WARM = 0.98  # of its highest: the warm-up ends where the rate gets there
DECAYED = 0.9  # of its highest: a rate that ends below has decayed
LEVELS = 10
FEWEST_BATCHES = 3

Curves = dict[str, tuple[np.ndarray, np.ndarray]]  # (ln step, ln loss) by run


@dataclass(frozen=True)
class BatchRun:
    """The curve of one run at one batch size.

    Parameters
    ----------
    run : str
    N : float
        Parameters; NaN where they are not known.
    B : float
        Tokens per step.
    step, loss : array, shape (n,)
        Increasing steps after the warm-up, and nats/token there.
    notes : sequence of str
        What about the run does not agree with the theory.
    rate : float
        Its peak learning rate; NaN where that is not known.
    """

    run: str
    N: float
    B: float
    step: np.ndarray
    loss: np.ndarray
    notes: tuple[str, ...] = ()
    rate: float = np.nan


@dataclass(frozen=True)
class Level:
    """A loss, and when it was reached.

    Parameters
    ----------
    loss : float
        Nats/token.
    B, S : array, shape (batches,)
        Tokens per step, and steps until the loss was reached by the fastest run of that batch.
    runs : sequence of str
        Those runs.
    missed : sequence of float
        Batches whose runs did not get there, or began below.
    """

    loss: float
    B: np.ndarray
    S: np.ndarray
    runs: tuple[str, ...]
    missed: tuple[float, ...]


def batch_runs_of(
    runs: Runs, *, target: str | None = None, start: int | None = None
) -> tuple[list[BatchRun], list[LeftOut]]:
    """Return the curves of runs that say their batch, and the runs that are no such curve.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    target : str, optional
        Column of the loss. Default: `val_loss` where there is one, else `loss`.
    start : int, optional
        First step to take. Default: the end of the warm-up, where a learning rate is logged.

    Raises
    ------
    DataError
        If no run has a curve and a batch.
    FitError
        If what is logged rises.
    """
    view, column = View.of(runs), target or default_target(runs)
    curves, left = [], []
    for i, name in enumerate(runs.runs["run_id"].to_pylist()):
        rows = view.take(np.flatnonzero(view.owner == i))
        try:
            curves.append(_batch_run(name, rows, column, start))
        except DataError as error:
            left.append(LeftOut(name, error.message))
    if not curves:
        raise DataError(
            "no run has a loss curve and a batch size.",
            file=view.files(),
            hint="Say which column the batch is: --map batch_tokens=COLUMN. Left out: "
            f"{why(left)}.",
        )
    ranks = [spearman(c.step, c.loss) if np.ptp(c.loss) > 0 else 0.0 for c in curves]
    refuse_rising(column, "the step in every run", ranks)
    return curves, left


def _batch_run(name: str, rows: View, target: str, start: int | None) -> BatchRun:
    columns = rows.names()
    missing = [column for column in ("step", target, "batch_tokens") if column not in columns]
    if missing:
        raise DataError(f"no column {' and '.join(missing)}.")
    batch = np.unique(rows.column("batch_tokens"))
    if len(batch) != 1 or not batch[0] > 0:
        raise DataError("its batch is not one positive number of tokens.")
    first, notes = _warm(rows)
    step, loss = rows.column("step"), rows.column(target)
    taken = rows.own(target) & np.isfinite(step) & (step >= (first if start is None else start))
    if not np.isfinite(loss[taken]).all():
        raise DataError("its loss is not a finite number all along; the run diverged.")
    if not (loss[taken] > 0).all():
        raise DataError(f"its {target} is not positive all along, and levels are of its logarithm.")
    if taken.sum() < FEWEST_POINTS:
        raise DataError(f"{taken.sum()} points after the warm-up; {FEWEST_POINTS} are needed.")
    N = rows.column("params")[0] if "params" in columns else np.nan
    lr = rows.column("lr") if "lr" in columns else np.array([np.nan])
    rate = float(np.nanmax(lr)) if np.isfinite(lr).any() else np.nan
    return BatchRun(name, float(N), float(batch[0]), step[taken], loss[taken], notes, rate)


def _warm(rows: View) -> tuple[float, tuple[str, ...]]:
    """Return the first step at the full learning rate, and what is wrong with the schedule."""
    if "lr" not in rows.names() or not rows.own("lr").any():
        return 1.0, ("its learning rate is not known: it should be constant after a warm-up",)
    step, lr = rows.column("step"), rows.column("lr")
    known = rows.own("lr") & np.isfinite(lr) & np.isfinite(step)
    step, lr = step[known], lr[known]
    first = float(step[np.argmax(lr >= WARM * lr.max())])
    if lr[-1] < DECAYED * lr.max():
        return first, ("its learning rate decays, which the theory does not know",)
    return first, ()


def smoothed(run: BatchRun, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Return (ln step, ln loss) of a curve: means in bins of ln step, then never rising.

    The nearest falling curve in least squares (pool adjacent violators): noise neither makes a
    level be reached early, as a running minimum would have it, nor late.
    """
    from scipy.optimize import isotonic_regression

    x, y = np.log(np.asarray(run.step, float)), np.log(np.asarray(run.loss, float))
    edges = np.linspace(x[0], x[-1], bins + 1)[1:-1]
    place = np.searchsorted(edges, x)
    count = np.bincount(place)
    there = count > 0
    x, y = (np.bincount(place, values)[there] / count[there] for values in (x, y))
    weight = count[there]
    blocks = isotonic_regression(y, weights=weight, increasing=False).blocks[:-1]
    sums = [np.add.reduceat(values, blocks) for values in (x * weight, y * weight, weight)]
    return sums[0] / sums[2], sums[1] / sums[2]


def levels(runs: Sequence[BatchRun], count: int = LEVELS) -> list[Level]:
    """Return loss levels that at least three batches reach, and when each does, highest first.

    Parameters
    ----------
    runs : sequence of BatchRun
        Of one size. Where a batch was run at several learning rates, the fastest to a level counts.
    count : int
        Levels, evenly spaced in ln loss.
    """
    curves: Curves = {run.run: smoothed(run) for run in runs}
    batches = sorted({run.B for run in runs})
    losses = [[curves[r.run][1] for r in runs if r.B == B] for B in batches]
    needed = min(max(FEWEST_BATCHES, len(batches) - 1), len(batches))
    highest = sorted((min(y[0] for y in own) for own in losses), reverse=True)[needed - 1]
    lowest = sorted(min(y[-1] for y in own) for own in losses)[needed - 1]
    if not lowest < highest:
        return []
    return [_level(runs, curves, batches, at) for at in np.linspace(highest, lowest, count)]


def _level(runs: Sequence[BatchRun], curves: Curves, batches: Sequence[float], at: float) -> Level:
    reached: dict[float, tuple[float, str]] = {}
    began_below = set()  # the fastest of that batch was there before its curve begins
    for run in runs:
        x, y = curves[run.run]
        if y[0] < at:
            began_below.add(run.B)
        elif y[-1] <= at:
            when = float(np.exp(np.interp(-at, -y, x)))
            reached[run.B] = min(reached.get(run.B, (np.inf, "")), (when, run.run))
    there = [B for B in batches if B in reached and B not in began_below]
    when, names = np.array([reached[B][0] for B in there]), tuple(reached[B][1] for B in there)
    missed = tuple(B for B in batches if B not in there)
    return Level(float(np.exp(at)), np.array(there), when, names, missed)
