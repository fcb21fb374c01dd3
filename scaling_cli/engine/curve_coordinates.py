"""Where a curve law is searched: its free coordinates, under NumPy and JAX alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.laws._law import namespace

# What a path tells of its points, and of the drops of the rate.
AT_POINTS = ("step", "area", "params", "functional")
AT_DROPS = ("gap", "rate", "drop_step", "drop_area")


def coordinates(law: CurveLaw, scales: Mapping[str, float]) -> np.ndarray:
    """Return the free coordinates of a law: logarithms, of coefficients at the scales."""
    free = {name: float(type(law).parameters()[name].free(v)) for name, v in law.values().items()}
    for name, shift in _shifts(type(law), law.values(), scales).items():
        free[name] -= float(shift)
    return np.array(list(free.values()))


def law_at(law: type[CurveLaw], u: Any, scales: Mapping[str, float]) -> CurveLaw:
    """Return the law at free coordinates (NumPy or JAX)."""
    xp, values = namespace(u), {}
    for (name, declared), v in zip(law.parameters().items(), u, strict=True):
        values[name] = xp.exp(v) if declared.positive else v
    for name, shift in _shifts(law, values, scales).items():
        values[name] = values[name] * xp.exp(shift)
    return law(**({n: float(v) for n, v in values.items()} if xp is np else values))


def _shifts(
    law: type[CurveLaw], values: Mapping[str, Any], scales: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how far ln of each coefficient lies above its coordinate."""
    log = namespace(*scales.values()).log
    return {
        name: sum(
            a.times * (values[a.exponent] if a.exponent else 1.0) * log(scales[a.input])
            for a in p.absorbs
        )
        for name, p in law.parameters().items()
        if p.absorbs
    }
