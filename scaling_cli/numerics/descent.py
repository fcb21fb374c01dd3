"""Projected gradient descent by differences, for a few values and a loss without derivatives."""

from collections.abc import Callable

import numpy as np

DIFFERENCE = 1e-4  # of values of order one, for derivatives
MOST_STEPS, SMALLEST_STEP = 200, 1e-9
STILL = 1e-7  # of the loss: a step that gains less is the last


def descend(
    loss: Callable[[np.ndarray], float],
    project: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
) -> np.ndarray:
    """Return where projected gradient descent with a falling loss ends.

    Parameters
    ----------
    loss : function of array, shape (k,), to float
        Of values of order one.
    project : function of array to array
        Onto the closed convex set that is allowed.
    start : array, shape (k,)
    """
    z = project(start)
    value, size = loss(z), 1.0
    for _ in range(MOST_STEPS):
        gradient = _gradient(loss, z)
        while size > SMALLEST_STEP:
            trial = project(z - size * gradient)
            lower = loss(trial)
            if lower < value - 1e-4 * float(gradient @ (z - trial)):
                break
            size /= 3
        else:
            break
        gained, z, value = value - lower, trial, lower
        size *= 4
        if gained < STILL * value:
            break
    return z


def _gradient(loss: Callable[[np.ndarray], float], z: np.ndarray) -> np.ndarray:
    """Return central differences, one-sided where a value would turn negative."""
    gradient = np.zeros(len(z))
    for i, step in enumerate(DIFFERENCE * np.eye(len(z))):
        below = z - step if z[i] >= DIFFERENCE else z
        gradient[i] = (loss(z + step) - loss(below)) / (z[i] + DIFFERENCE - below[i])
    return gradient
