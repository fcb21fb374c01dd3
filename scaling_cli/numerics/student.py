"""Quantiles of Student's t with NumPy alone."""

import numpy as np


def student(share: float, freedom: int) -> float:
    """Return the quantile of Student's t above 1/2, to rounding: bisection of its closed form."""
    low, high = 0.0, np.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _student_share(angle, freedom) < share else (low, angle)
    return float(np.sqrt(freedom) * np.tan((low + high) / 2))


def _student_share(angle: float, freedom: int) -> float:
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
