"""Quantiles with NumPy alone: of the normal distribution, of Student's t, of draws."""

from math import inf
from statistics import NormalDist

import numpy as np


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


def central(values: np.ndarray, level: float) -> list[float]:
    """Return between which two values the central share `level` of draws lies."""
    return np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()


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
