"""Starts for laws that are straight in logarithms: least squares, and a robust line."""

from collections.abc import Iterator, Mapping
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


def plane(inputs: Mapping[str, Any], y: Any) -> tuple[float, ...]:
    """Return (c, exponents...) of y = c prod(x_i^exponent_i) by least squares in logarithms.

    Parameters
    ----------
    inputs : mapping of arrays, shape (n,)
        Positive.
    y : array, shape (n,)
        Positive.
    """
    log_x = np.stack([np.log(np.asarray(x, float)) for x in inputs.values()], axis=1)
    log_y = np.log(np.asarray(y, float))
    middle = log_x.mean(axis=0)  # about the middle the constant and the slopes do not mix
    exponents = np.linalg.lstsq(log_x - middle, log_y - log_y.mean(), rcond=None)[0]
    with np.errstate(over="ignore"):  # an infinite start is left out later
        constant = float(np.exp(log_y.mean() - middle @ exponents))
    return constant, *(float(e) for e in exponents)
