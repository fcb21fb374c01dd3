"""Cleaning a loss curve before it is extrapolated: noise, spikes, lasting jumps, averaged points.

Spikes are rows far above the curve, from which the loss comes back; they are left out. A jump is
a change of level that stays; what came before it says little about where the run will end.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.numerics.power_law import projected
from scaling_cli.vocabulary.errors import DataError

MAD = 1.4826  # sd of a normal distribution over its median absolute deviation
FEW_TO_DESPIKE = 200  # rows: below, a spike cannot be told from the curve
ROUNDS, LOW, ALONG, FAR_OUT, BEND = 4, 0.35, 40, 3.0, 7  # of the search for spikes
LEAST_SPIKE = 0.005  # in ln loss: what is less harms no fit
EXPONENTS = np.geomspace(0.05, 2.0, 16)  # of its baseline
FEW_TO_JUMP = 24
MANY = 100_000  # rows of a curve that is long
SURE = 8.0  # sd of a difference of medians that a jump must have
LEAST_JUMP = 0.01  # in ln loss
BINS, FEWEST_BINS = 48, 16
WANTED_NOISE = 0.005  # of ln loss, of an averaged point
MOST_COUNTED = 20  # rows of a point: more make it no surer, since the law is not that right


@dataclass(frozen=True)
class Jump:
    """A change of level that stayed.

    Parameters
    ----------
    row : int
        First row after it.
    x : float
        Where that row lies.
    size : float
        Change of ln loss.
    """

    row: int
    x: float
    size: float


@dataclass(frozen=True)
class Averaged:
    """Points that stand for the rows of a curve.

    Parameters
    ----------
    x, loss : array, shape (m,)
        Means of x and, after clipping, of ln loss (here its exponential).
    weight : array, shape (m,)
        Relative precision, 1 for one row.
    rows : int array, shape (m,)
        How many rows each point stands for.
    """

    x: np.ndarray
    loss: np.ndarray
    weight: np.ndarray
    rows: np.ndarray


def checked(x: ArrayLike, loss: ArrayLike, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve as float arrays.

    Raises
    ------
    DataError
        If it is no curve: x must increase from above zero, losses be positive, and there must be
        enough of them.
    """
    place, measured = np.asarray(x, float), np.asarray(loss, float)
    if place.shape != measured.shape or place.ndim != 1:
        raise DataError(
            f"a curve needs as many losses as steps, not {measured.shape} and {place.shape}."
        )
    if len(place) < fewest:
        raise DataError(f"{len(place)} points are too few to extrapolate; {fewest} are needed.")
    if not np.isfinite(place).all() or (np.diff(place) <= 0).any() or place[0] <= 0:
        raise DataError("steps or tokens must be positive numbers that increase.")
    good = np.isfinite(measured) & (measured > 0)
    if not good.all():
        raise DataError(f"the loss at {place[~good][0]:g} is not a positive number.")
    return place, measured


def noise_of(loss: np.ndarray) -> float:
    """Return the noise of single rows in ln loss: 1.4826 MAD of second differences / sqrt 6.

    Second differences of a smooth curve vanish; those of white noise have six times its variance.
    """
    if len(loss) < 4:
        return 0.0
    bends = np.diff(np.log(loss), 2)
    return float(MAD * np.median(np.abs(bends)) / np.sqrt(6.0))


def spikes(x: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Return which rows are spikes, shape (n,): far above a curve through the lower rows.

    One-sided: nothing below the curve is left out. Curves of less than 200 rows are not searched.
    Up to four rounds: the 35 % quantile of ln loss in 40 stretches of ln x, a smooth curve
    through these, and out go the rows above it by the median of all plus three standard
    deviations (and 0.5 %), estimated from the lower half.
    """
    kept = np.ones(len(x), bool)
    if len(x) < FEW_TO_DESPIKE:
        return ~kept
    noise = noise_of(loss)
    for _ in range(ROUNDS):
        above = np.log(loss) - baseline(x, loss, kept)
        middle = np.median(above[kept])
        lower = above[kept & (above < middle)]
        if not len(lower):
            break
        sd = max(MAD * float(np.median(middle - lower)), noise)
        still = kept & (above <= middle + max(FAR_OUT * sd, LEAST_SPIKE))
        if still.sum() == kept.sum():
            break
        kept = still
    return ~kept


def baseline(x: np.ndarray, loss: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return ln of a smooth curve through low quantiles of the kept rows, at all rows.

    A power law with a floor, and what a running median over a sixth of the curve finds above or
    below it: a schedule bends the curve, and a bend is no spike.
    """
    x_kept, loss_kept = x[kept], loss[kept]
    parts = stretches(x_kept, ALONG)
    where = np.array([np.mean(x_kept[rows]) for rows in parts])
    low = np.array([np.quantile(loss_kept[rows], LOW) for rows in parts])
    law = _power_law(where / x[-1], low)
    off = np.pad(np.log(low / law(where / x[-1])), BEND // 2, mode="edge")
    bend = np.median(np.lib.stride_tricks.sliding_window_view(off, BEND), axis=1)
    return np.log(law(x / x[-1])) + np.interp(np.log(x), np.log(where), bend)


def _power_law(x: np.ndarray, loss: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return E + A x^-alpha of the least relative squares that is positive, else the median."""
    level, slope, off = projected(EXPONENTS, np.log(x), loss, loss**-2.0, rising=False)
    best = int(np.argmin(np.where((level >= 0) & (slope > 0), off, np.inf)))
    if level[best] < 0 or slope[best] <= 0:
        return lambda at: np.full(len(at), np.median(loss))
    return lambda at: level[best] + slope[best] * at ** -EXPONENTS[best]


def stretches(x: np.ndarray, count: int) -> list[slice]:
    """Return the rows of stretches of equal length in ln x, those that hold any."""
    edges = np.geomspace(x[0], x[-1], count + 1)
    cuts = np.searchsorted(x, edges[1:-1], side="right")
    ends = np.unique(np.concatenate([[0], cuts, [len(x)]]))
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def jump(x: np.ndarray, loss: np.ndarray, first: int = 0, fewest: int = 0) -> Jump | None:
    """Return the largest change of level that stayed, if there is a sure one.

    At each row the median ln loss of a window behind is compared with that of a window before;
    what the curve does anyway, seen in the windows to both sides, is taken off. The largest
    difference counts if it is large, many standard deviations, comes within three rows, and is
    still there at the end: a curve through the rows on both sides,
    ln L = a + b ln x + c (ln x)^2 + size * [after], must have it. Rows before `first` are not
    looked at, and a jump with fewer than `fewest` rows after it does not count.
    """
    x, loss = x[first:], loss[first:]
    n = len(x)
    window = max(4, min(n // 12, 40))
    if n < max(FEW_TO_JUMP, 4 * window + 2):
        return None
    y, noise = np.log(loss), noise_of(loss)
    middles = _medians(y, window)
    step = middles[window:] - middles[:-window]  # at rows window .. n - window
    inner = slice(window, len(step) - window)
    usual = 0.5 * (step[: -2 * window] + step[2 * window :])
    size = step[inner] - usual
    at = int(np.argmax(np.abs(size)))
    row = at + 2 * window
    sd = max(MAD * float(np.median(np.abs(size - np.median(size)))), noise * np.sqrt(3.0 / window))
    least = max(LEAST_JUMP, SURE * sd)
    if abs(size[at]) < least:
        return None
    row += _sharpest(y, row, window)
    lasting, sudden = _lasting(x, y, row), _sudden(y, row, window)
    if min(lasting * np.sign(size[at]), sudden * np.sign(size[at])) < 0.5 * abs(size[at]):
        return None
    return None if n - row < fewest else Jump(first + row, float(x[row]), float(lasting))


def _medians(y: np.ndarray, window: int) -> np.ndarray:
    """Return the medians of all windows of so many rows, an even number."""
    if len(y) < MANY:
        return np.median(np.lib.stride_tricks.sliding_window_view(y, window), axis=1)
    from scipy.ndimage import rank_filter  # it takes a tenth of the time and of the memory

    half, inner = window // 2, slice(window // 2, len(y) - window // 2 + 1)
    low, high = (rank_filter(y, rank, size=window)[inner] for rank in (half - 1, half))
    return (low + high) / 2


def _sharpest(y: np.ndarray, row: int, window: int) -> int:
    """Return by how many rows to move a jump: two levels, least absolute deviations from both."""
    half, first = max(2, window // 2), max(0, row - window)
    near = y[first : row + window]
    moves = range(-half, half + 1)

    def left(move: int) -> float:
        parts = near[: row - first + move], near[row - first + move :]
        return sum(float(np.abs(part - np.median(part)).sum()) for part in parts)

    return min(moves, key=left)


def _sudden(y: np.ndarray, row: int, window: int) -> float:
    """Return the change over three rows at a jump, less what three rows around it change by."""
    near = y[max(0, row - window) : row + window]
    changes = near[3:] - near[:-3]
    middle = min(row, window)
    at = changes[max(0, middle - 4) : middle + 2]
    usual = float(np.median(changes))
    return float(at[np.argmax(np.abs(at - usual))]) - usual


def _lasting(x: np.ndarray, y: np.ndarray, row: int) -> float:
    """Return the change of level at a row, in a curve through the rows on both sides of it."""
    t = np.log(x / x[row])
    after = (np.arange(len(x)) >= row).astype(float)
    design = np.stack([np.ones_like(t), t, t**2, after], axis=1)
    weight = np.ones_like(t)
    solved = np.zeros(4)
    for _ in range(5):  # towards least absolute deviations: a spike has no say
        root = np.sqrt(weight)
        solved, *_ = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)
        off = np.abs(y - design @ solved)
        weight = 1.0 / np.maximum(off, max(float(np.median(off)), np.finfo(float).tiny))
    return float(solved[3])


def averaged(x: np.ndarray, loss: np.ndarray, *, bins: int | None = None) -> Averaged:
    """Return points spaced evenly in ln x, each the mean of its rows after a clip at 4 MAD.

    Parameters
    ----------
    bins : int, optional
        Default: 48, fewer where a point would be noisier than 0.5 %, 16 at least.
    """
    if bins is None:
        noise = noise_of(loss)
        fit_in = BINS if noise == 0 else int(len(x) / (noise / WANTED_NOISE) ** 2)
        bins = min(BINS, max(FEWEST_BINS, fit_in))
    log_loss, log_x, points = np.log(loss), np.log(x), []
    for rows in stretches(x, bins):
        values = log_loss[rows]
        near = np.ones(len(values), bool)
        if len(values) > 2:
            off = np.abs(values - np.median(values))
            near = off <= 4 * MAD * np.median(off) + 1e-12 * np.abs(values).max()
        points.append((log_x[rows][near].mean(), values[near].mean(), float(near.sum())))
    place, level, count = np.array(points).T
    weight = np.sqrt(np.minimum(count, MOST_COUNTED))
    return Averaged(np.exp(place), np.exp(level), weight, count.astype(int))
