"""Quantiles with NumPy alone: of the normal distribution, of Student's t, of draws."""

from math import erf, inf
from statistics import NormalDist

import numpy as np

_ERF = np.vectorize(erf, otypes=[float])


def quantile(level: float, freedom: float = inf) -> float:
    """Return the half-width of Student's t interval that holds a share `level`, for an sd of one.

    The normal distribution's with infinite freedom. To rounding: bisection of its closed form.
    """
    share = (1 + level) / 2
    if freedom == inf:
        return NormalDist().inv_cdf(share)
    low, high = 0.0, np.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _below(angle, int(freedom)) < share else (low, angle)
    return float(np.sqrt(freedom) * np.tan((low + high) / 2))


def mixture_quantile(
    share: float, weight: np.ndarray, centre: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Return below what mixtures of k normal distributions lie with probability `share`.

    To rounding, by bisection between the lowest and the highest of their own quantiles.

    Parameters
    ----------
    weight : array, shape (k,)
        Adds up to one.
    centre, sd : array, shape (k, n)
    """
    each = centre + NormalDist().inv_cdf(share) * sd
    low, high = each.min(axis=0), each.max(axis=0)
    if len(weight) == 1:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        below = weight @ _ERF((middle - centre) / (sd * np.sqrt(2.0)))
        short = (1 + below) / 2 < share
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return (low + high) / 2


def central(values: np.ndarray, level: float) -> list[float]:
    """Return between which two values the central share `level` of draws lies."""
    return np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()


def central_about(own: float, drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Return the central range of draws, together with the same laid about the law's own number.

    Of what is positive, give and take logarithms. One of both is too narrow where runs are few: of
    80 simulated pairs of recipes with 15 runs each and 1 % of noise, the second alone held 76 to
    83 % where 90 is nominal, both 88 to 91. Numbers may be infinite: quantiles are draws then, not
    means of two, and a range that cannot be moved is widened to the number.
    """
    ends = np.array([(1 - level) / 2, 0.5, (1 + level) / 2])
    if np.isfinite(drawn).all():
        low, middle, high = np.quantile(drawn, ends).tolist()
    elif np.isnan(drawn).any():
        return np.nan, np.nan
    else:
        nearest = np.round(ends * (len(drawn) - 1)).astype(int)
        low, middle, high = np.sort(drawn)[nearest].tolist()
    if not (np.isfinite(own) and np.isfinite(middle)):
        return min(low, own), max(high, own)
    return min(low, low + own - middle), max(high, high + own - middle)


def _below(angle: float, freedom: int) -> float:
    """Return P(T <= sqrt(freedom) tan(angle)) (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    sine, cosine = np.sin(angle), np.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for j in range(1 + odd, freedom, 2):
        total += term
        term *= j / (j + 1) * cosine**2
    inside = (angle + sine * total) * 2 / np.pi if odd else sine * total
    return float((1 + inside) / 2)
