"""Laws whose best size at a compute has no closed form: it is searched, for all draws at once."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Derived, Law, Value
from scaling_cli.vocabulary.quantities import C

USUAL = 120.0  # FLOP per squared parameter at twenty tokens each: where a search begins
FARTHEST = np.log(1e6)  # of ln N on either side of that
PLACES = 241  # of ln N in the first look; the least of them is then closed in on
GOLDEN = (np.sqrt(5) - 1) / 2
STEPS = 60  # of golden section: to rounding


def around(budget: np.ndarray) -> np.ndarray:
    """Return ln N about which sizes of a budget are looked for."""
    return np.log(budget / USUAL) / 2


def least(
    loss: Callable[[np.ndarray], np.ndarray],
    bottom: np.ndarray,
    top: np.ndarray,
    *,
    capped: bool = False,
) -> np.ndarray:
    """Return the place of least loss: the least of many, then golden section beside it.

    Parameters
    ----------
    loss : callable
        Of places, of the shape of the ends or with an axis before it.
    bottom, top : array
        The ends, of one shape.
    capped : bool
        Whether the top itself may be the answer.

    Returns
    -------
    array
        NaN where the least lies at an end.
    """

    def known(places: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            value = np.asarray(loss(places), float)
        return np.where(np.isnan(value), np.inf, value)

    shares = np.linspace(0, 1, PLACES).reshape(-1, *[1] * top.ndim)
    places = bottom + shares * (top - bottom)
    first = np.argmin(known(places), axis=0)
    lost = (first == 0) | ((first == PLACES - 1) & (not capped))
    step = (top - bottom) / (PLACES - 1)
    middle = np.take_along_axis(places, first[None], axis=0)[0]
    low, high = middle - step, np.minimum(middle + step, top)
    for _ in range(STEPS):
        inner, outer = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        nearer = known(inner) <= known(outer)
        low, high = np.where(nearer, low, inner), np.where(nearer, outer, high)
    return np.where(lost, np.nan, (low + high) / 2)


class Planned(Law):
    """Base of laws of a size and data, and other inputs, without a closed form of the optimum."""

    @classmethod
    def derived_quantities(cls) -> dict[str, Derived]:
        """Return the derived quantities: those declared, and the optimum at a compute."""
        declared = super().derived_quantities()
        if cls.size_and_data() is None:
            return declared
        own, spent = cls.inputs(), cls.size_and_data() or ()
        asked = {C.symbol: C, **{s: q for s, q in own.items() if s not in spent}}
        best = [(own[s], f"{own[s].meaning} of least loss at a compute") for s in spent]
        best.append((cls.output(), f"least {cls.output().meaning} at a compute"))
        found = {
            f"optimal_{q.column}": Derived(f"optimal_{q.column}", told, asked, q)
            for q, told in best
        }
        return {**found, **declared}

    def derive(self, name: str, **inputs: Value) -> Value:
        """Evaluate a derived quantity by name."""
        wanted = self.derived_quantities().get(name)
        if wanted is None or hasattr(self, name):
            return super().derive(name, **inputs)
        best = self.least_loss(**inputs)
        value = self(**best) if wanted.output == self.output() else best[wanted.output.symbol]
        return float(value) if np.ndim(value) == 0 else value

    def least_loss(self, **asked: Value) -> dict[str, Any]:
        """Return the inputs of least loss at a compute, the others held."""
        size = (self.size_and_data() or ("",))[0]
        held: Mapping[str, Any] = {s: v for s, v in asked.items() if s != C.symbol}
        parts = [asked[C.symbol], *held.values(), *self.values().values()]
        shape = np.broadcast_shapes(*map(np.shape, parts))
        budget = np.broadcast_to(np.asarray(asked[C.symbol], float), shape)

        def at(places: np.ndarray) -> dict[str, Any]:
            return self.spending(budget, **held, **{size: np.exp(places)})

        middle = around(budget)
        place = least(lambda p: self(**at(p)), middle - FARTHEST, middle + FARTHEST)
        return at(place)
