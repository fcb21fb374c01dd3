"""The points of a curve, and of its own past: what is fitted, and what a backtest is fitted to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli.forecasting.despiking import Averaged, averaged, noise_of
from scaling_cli.forecasting.family_fits import Batch
from scaling_cli.learning_curves._family import SEEN

FEWEST = 5  # points that can be extrapolated
FEWEST_AT_CUT = 6  # rows that a backtest needs
LEAST_SCALE, MOST_SCALE = (
    1e-3,
    1e-2,
)  # of residuals of ln loss: laws are not better, noise not worse
TAIL = 0.05  # of the curve, at its end: where it is now


@dataclass(frozen=True)
class Prefixes:
    """A curve cut at several places, as points to fit.

    Parameters
    ----------
    ends : array, shape (p,)
        Last x of each; the whole curve comes first.
    batch : Batch
        The points of each, x in hundredths of its end.
    counts : array, shape (p,)
        Effective number of points, (sum w)^2 / sum w^2.
    whole : Averaged
        The points of the whole curve, x as given.
    now : tuple of float
        Mean x, and loss, over the last 5 % of the curve.
    noise : float
        Of single rows, in ln loss.
    """

    ends: np.ndarray
    batch: Batch
    counts: np.ndarray
    whole: Averaged
    now: tuple[float, float]
    noise: float


def prefixes(
    x: np.ndarray,
    loss: np.ndarray,
    cuts: Sequence[float],
    *,
    skip: float,
    recency: float,
    start: float = 0.0,
) -> Prefixes:
    """Return the points of a curve and of its prefixes.

    Parameters
    ----------
    x, loss : array, shape (n,)
        Checked, without spikes.
    cuts : sequence of float
        Shares of the last x at which it is cut; cuts with too few rows are left out.
    skip : float
        Share of each prefix that is left out at its start.
    recency : float
        A point has the weight x to this power, times the root of its rows (20 at most).
    start : float
        What lies before it is left out everywhere.
    """
    noise, last = noise_of(loss[x >= start]), float(x[-1])
    taken, ends, left = [], [], x[:0]
    for share in (1.0, *cuts):
        seen = (x <= share * last) & (x >= start)
        rows = np.flatnonzero(seen & (x >= skip * share * last))
        if len(rows) < FEWEST:
            rows = np.flatnonzero(seen)[-FEWEST:]
        if len(rows) < (FEWEST if share == 1.0 else FEWEST_AT_CUT) or x[rows[-1]] in left:
            continue
        taken.append(averaged(x[rows], loss[rows]))
        ends.append(x[rows[-1]])
        left = np.array(ends)
    batch = _batch(taken, left, recency, noise)
    counts = batch.weight.sum(axis=1) ** 2 / (batch.weight**2).sum(axis=1)
    late = x >= (1 - TAIL) * last
    now = (np.exp(np.log(x[late]).mean()), np.exp(np.log(loss[late]).mean()))
    return Prefixes(left, batch, counts, taken[0], (float(now[0]), float(now[1])), noise)


def _batch(taken: Sequence[Averaged], ends: np.ndarray, recency: float, noise: float) -> Batch:
    longest = max(len(points.x) for points in taken)
    x, loss, weight = (np.zeros((len(taken), longest)) for _ in range(3))
    scale = np.empty(len(taken))
    for i, points in enumerate(taken):
        n = len(points.x)
        x[i], loss[i] = SEEN, points.loss[-1]  # where nothing is, at weight zero
        x[i, :n], loss[i, :n] = SEEN * points.x / ends[i], points.loss
        heavy = points.weight * (points.x / ends[i]) ** recency
        weight[i, :n] = heavy * n / heavy.sum()
        scale[i] = np.clip(noise / np.sqrt(np.median(points.rows)), LEAST_SCALE, MOST_SCALE)
    return Batch(x, loss, weight, scale)
