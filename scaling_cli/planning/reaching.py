"""Where a falling loss is at a goal: the least budget of a fit's best splits, or a multiplier."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Prediction
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.quantities import C

MIDDLE = 1e21  # FLOP; where the largest run of a fit is not known
DECADES = np.arange(-30, 13)  # of compute about that run
ROUNDS = 11  # each narrows the compute 32 times: to the last digit
FARTHEST = np.log(1e6)  # of a multiplier, beyond which a goal is never reached
STEPS = 60  # of bisection: to rounding
Inputs = Callable[[np.ndarray], Mapping[str, Any]]
Asked = Callable[[Prediction], np.ndarray]


def reaching(fit: Fit, value: float, inputs: Inputs, of: Asked, level: float = 0.9) -> float | None:
    """Return the least budget at which a prediction is this value of the target.

    Parameters
    ----------
    fit : Fit
    value : float
        Of the target.
    inputs : callable
        Gives the law's inputs at budgets, shape (n,); NaN where a budget buys none.
    of : callable
        Takes of a prediction what is to reach the value: the forecast, or an end of its range.
    level : float
        Nominal coverage of that range.

    Returns
    -------
    float or None
        In FLOP; None if no budget up to 12 decades beyond the data does.
    """
    rises = fit.turned is not None and fit.turned.sign < 0
    largest = (fit.data.get("ranges", {}).get(C.symbol) or [MIDDLE])[-1]
    logs = np.log(largest) + np.log(10) * DECADES
    for _ in range(ROUNDS):
        predicted = _where_there_are(fit, inputs(np.exp(logs)), of, level)
        reached = predicted >= value if rises else predicted <= value
        if not reached.any():
            return None
        first = max(1, int(np.argmax(reached)))
        logs = np.linspace(logs[first - 1], logs[first], 33)
    return float(np.exp(logs[-1]))


def reached(loss: Callable[[np.ndarray], np.ndarray], goal: np.ndarray) -> np.ndarray:
    """Return the ln of a multiplier at which a falling loss is at a goal; infinite: it never is."""
    low, high = np.full(np.shape(goal), -FARTHEST), np.full(np.shape(goal), FARTHEST)
    never, always = loss(high) > goal, loss(low) < goal
    for _ in range(STEPS):
        middle = (low + high) / 2
        above = loss(middle) > goal
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    told = np.where(never, np.inf, np.where(always, -np.inf, (low + high) / 2))
    return np.where(np.isnan(goal), np.nan, told)


def _where_there_are(fit: Fit, point: Mapping[str, Any], of: Asked, level: float) -> np.ndarray:
    """Return what is asked of the predictions at inputs, NaN where these are."""
    columns = np.broadcast_arrays(*(np.asarray(v, float) for v in point.values()))
    there = np.isfinite(columns).all(axis=0)
    predicted = np.full(there.shape, np.nan)
    if there.any():
        known: dict[str, Any] = {s: v[there] for s, v in zip(point, columns, strict=True)}
        predicted[there] = of(fit.predict(level=level, **known))
    return predicted
