"""A power law with an asymptote by projection: for each exponent the rest is in closed form."""

import numpy as np


def projected(
    exponents: np.ndarray, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, *, rising: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return asymptote, amplitude and weighted squared error of y = E + A x^-alpha at each alpha.

    The amplitude is zero where it would have the wrong sign. ln x may be infinite.

    Parameters
    ----------
    exponents : array, shape (k,)
    log_x, y, weight : array, shape (n,)
    rising : bool
        Whether the amplitude is negative.
    """
    column = np.exp(-exponents[:, None] * log_x)
    middle, mean = np.average(column, axis=1, weights=weight), np.average(y, weights=weight)
    off = column - middle[:, None]
    slope = (off * weight) @ (y - mean) / np.sum(weight * off**2, axis=1)
    slope = np.minimum(slope, 0.0) if rising else np.maximum(slope, 0.0)
    level = mean - slope * middle
    error = np.sum(weight * (y - level[:, None] - slope[:, None] * column) ** 2, axis=1)
    return level, slope, error
