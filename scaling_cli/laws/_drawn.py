"""Laws of many parameters, whose search begins at random places about where fits tend to lie."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from scaling_cli.laws._planned import Planned

DRAWN, KEPT = 256, 24  # places that are looked at, and the best of them, where searches begin


class Drawn(Planned):
    """Base of these laws.

    They are read at the middle of stated levels, and drawn about the middle of the data: `moved`
    takes a place from the one to the other.
    """

    about: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Mean and sd of every free coordinate: of the logarithm, of a positive parameter."""
    middles: ClassVar[Mapping[str, float]] = {}
    """Where the law is read, by input."""

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield the best of many places, best first."""
        generator, declared = np.random.default_rng(0), cls.parameters()
        scale = {"floor": float(np.min(output)), "range": float(np.ptp(output))}
        away = {
            s: float(np.median(np.log(inputs[s]))) - np.log(middle)
            for s, middle in cls.middles.items()
        }
        ranked = []
        for _ in range(DRAWN):
            drawn = {n: at + sd * generator.standard_normal() for n, (at, sd) in cls.about.items()}
            place = cls.moved({n: float(declared[n].at(x)) for n, x in drawn.items()}, away, scale)
            with np.errstate(all="ignore"):
                told = np.log(np.asarray(cls(**place)(**inputs), float) / np.asarray(output, float))
            cost = float(np.sum(np.square(told)))
            ranked.append((cost if np.isfinite(cost) else np.inf, place))
        ranked.sort(key=lambda pair: pair[0])
        yield from (place for cost, place in ranked[:KEPT] if np.isfinite(cost))

    @classmethod
    def moved(
        cls, place: dict[str, float], away: Mapping[str, float], scale: Mapping[str, float]
    ) -> dict[str, float]:
        """Return a place about the data as one about the levels where the law is read.

        Parameters
        ----------
        place : mapping of parameter to float
            A floor is a share of the least output here, a coefficient one of its range.
        away : mapping of input to float
            Ln of the data's middle over the law's.
        scale : mapping of {"floor", "range"} to float
            The least output, and how far outputs lie apart.
        """
        raise NotImplementedError
