"""The lower frontier of points: who undercuts whom."""

from collections.abc import Sequence

import numpy as np

PLANNED = 0.02  # how nearly compute that was planned to be equal is
ROUNDED = 1e-9


def undercutting(along: np.ndarray, output: np.ndarray, runs: Sequence[str]) -> np.ndarray:
    """Return for each point the lowest one that costs as little; itself on the frontier.

    Of one row a run, costs within PLANNED are one; rows along runs differ by less than that.

    Parameters
    ----------
    along, output : array, shape (n,)
    runs : sequence of str, length n
    """
    within = 1 + (PLANNED if len(set(runs)) == len(runs) else ROUNDED)
    order = np.lexsort((output, along))
    cost, value = along[order], output[order]
    lower = np.append(True, value[1:] < np.minimum.accumulate(value)[:-1])
    lowest = np.maximum.accumulate(np.where(lower, np.arange(len(order)), 0))
    lead = lowest[np.searchsorted(cost, cost * within, side="right") - 1]
    equal = (value[lead] == value) & (cost <= cost[lead] * within)
    by = np.empty(len(order), int)
    by[order] = np.where(equal, order, order[lead])
    return by
