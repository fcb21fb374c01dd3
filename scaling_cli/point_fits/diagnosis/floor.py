"""The profile over the floor E: what the data say about it, and what the forecast owes to it.

E and the exponents trade places over any range of compute that can be paid for. So the fit is
repeated with E held at values around its interval: how little the objective rises, and how far
the forecast moves. A grid of refits among the other choices, where `certainty.profiles` searches
for the ends of an interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.engine.problem import Problem
from scaling_cli.numerics.quantiles import central
from scaling_cli.point_fits.diagnosis.choices import Plan, Variation, own_sum, planned
from scaling_cli.point_fits.fitted import Fitted

GRID = 9  # values: the interval in quarters, and half of its width on either side
BEYOND = 0.5
INSIDE = 1e-9  # relative: the ends of the interval are part of it


@dataclass(frozen=True)
class Profile:
    """Fits with the floor held; arrays have shape (values,).

    Parameters
    ----------
    parameter : str
    best : float
        The fitted value.
    low, high : float
        Its interval.
    values : array
        Where it was held.
    rise : array
        Share by which the minimised sum lies above the fit's.
    prediction : array
        Of the law at the headline.
    optimum_factor : array or None
        N* at the headline's compute over that of the fit.
    """

    parameter: str
    best: float
    low: float
    high: float
    values: np.ndarray
    rise: np.ndarray
    prediction: np.ndarray
    optimum_factor: np.ndarray | None

    def inside(self) -> np.ndarray:
        """Return which values lie in the interval, shape (values,)."""
        room = INSIDE * (self.high - self.low)
        return (self.values >= self.low - room) & (self.values <= self.high + room)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        factor = self.optimum_factor
        return {
            "parameter": self.parameter,
            "best": self.best,
            "interval": [self.low, self.high],
            "values": self.values.tolist(),
            "objective_rise": self.rise.tolist(),
            "prediction": self.prediction.tolist(),
            "optimum_factor": None if factor is None else factor.tolist(),
        }


def floor_name(problem: Problem) -> str | None:
    """Return the searched parameter that is a floor of the output, or None."""
    name = problem.law.floor()
    return name if name in problem.frame.names else None


def interval_of(name: str, draws: Sequence[Mapping[str, np.ndarray]], level: float) -> list[float]:
    """Return the percentile interval of a parameter in the first draws that are not empty."""
    return next((central(d[name], level) for d in draws if len(d.get(name, ()))), [])


def plans(fitted: Fitted, name: str, interval: Sequence[float]) -> list[Plan]:
    """Return one refit for each value at which the floor is held."""
    low, high = interval
    around = BEYOND * (high - low)
    values = np.linspace(low - around, high + around, GRID).tolist()
    return [
        planned(fitted, f"{name} = {value:.4g}", "floor", held={name: value})
        for value in values
        if value > 0
    ]


def profile(
    fitted: Fitted,
    name: str,
    interval: Sequence[float],
    made: Sequence[tuple[Plan, Variation]],
) -> Profile | None:
    """Return the profile from refits that converged; None without any."""
    if not made:
        return None
    law, refits = fitted.law, [variation for _, variation in made]
    base = float(np.asarray(law(**fitted.target.columns()), float)[0])
    known = [v.optimum_shift for v in refits if v.optimum_shift is not None]
    own = own_sum(fitted.problem, law)
    return Profile(
        parameter=name,
        best=law.values()[name],
        low=interval[0],
        high=interval[1],
        values=np.array([plan.held[name] for plan, _ in made]),
        rise=np.array([v.value for v in refits]) / own - 1 if own > 0 else np.zeros(len(made)),
        prediction=base * np.exp([v.shift for v in refits]),
        optimum_factor=np.exp(known) if len(known) == len(made) else None,
    )
