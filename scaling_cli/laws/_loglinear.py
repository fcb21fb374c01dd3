"""Starts for laws that are straight lines in logarithms: least squares and robust lines."""

from collections.abc import Iterator
from typing import Any

import numpy as np

SMALLEST_EXPONENT = 1e-3  # a rising or flat cloud still needs a start with a falling line


def line(x: Any, y: Any) -> Iterator[tuple[float, float]]:
    """Yield (xc, exponent) of y = (xc/x)^exponent: least squares, then the median slope.

    Parameters
    ----------
    x, y : arrays, shape (n,)
        Positive; n >= 2 with at least two distinct x.
    """
    log_x, log_y = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    slope = np.polyfit(log_x - log_x.mean(), log_y, 1)[0]
    steps, rises = np.subtract.outer(log_x, log_x), np.subtract.outer(log_y, log_y)
    robust = np.median(rises[steps > 0] / steps[steps > 0])
    for exponent in (max(-slope, SMALLEST_EXPONENT), max(-robust, SMALLEST_EXPONENT)):
        with np.errstate(over="ignore"):  # of a flat cloud: an infinite start is left out later
            yield float(np.exp(np.median(log_x + log_y / exponent))), float(exponent)
