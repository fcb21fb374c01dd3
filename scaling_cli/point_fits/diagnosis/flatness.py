"""How flat the optimum is: the model sizes whose loss is as good as the best at one compute."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.quantities import Role

SHARES = (0.001, 0.005)  # of the loss
FARTHEST = np.log(1e4)  # of ln N on either side of the optimum
STEPS = 60  # of bisection: to rounding


def near_optimal(
    law: Law, compute: float, held: Mapping[str, float], shares: Sequence[float] = SHARES
) -> dict[float, tuple[float, float]]:
    """Return, by share, the sizes between which the loss lies within it of the least.

    Parameters
    ----------
    law : Law
        With an optimum of its size at a compute.
    compute : float
        In FLOP.
    held : mapping of symbol to float
        Inputs that do not grow with compute.
    shares : sequence of float

    Returns
    -------
    mapping of share to (smallest, largest)
        An end is 0 or infinite where the loss stays within the share for a factor of 1e4.
    """
    size = law.symbol_of(Role.SIZE) or ""
    others = {s: v for s, v in held.items() if s not in law.growing()}
    best = float((law.optimum(compute, **held) or {})[size])

    def loss(moved: np.ndarray) -> np.ndarray:
        inputs = law.spending(compute, **{size: best * np.exp(moved)}, **others)
        return np.asarray(law(**inputs), float)

    wanted = float(loss(np.zeros(1))[0]) * (1 + np.asarray(shares, float))

    ends = [best * _edge(loss, wanted, side) for side in (-1.0, 1.0)]
    return {s: (float(a), float(b)) for s, a, b in zip(shares, *ends, strict=True)}


def _edge(loss: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray, side: float) -> np.ndarray:
    """Return the multiple of the optimum where the loss reaches the wanted values, on one side."""
    near, far = np.zeros(len(wanted)), np.full(len(wanted), FARTHEST)
    endless = loss(side * far) <= wanted
    for _ in range(STEPS):
        middle = (near + far) / 2
        inside = loss(side * middle) <= wanted
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return np.where(endless, np.inf if side > 0 else 0.0, np.exp(side * near))
