"""How flat the optimum is: the model sizes whose loss is as good as the best at one compute."""

from collections.abc import Mapping, Sequence

import numpy as np

from scaling_cli.law import Law
from scaling_cli.quantities import FLOPS_PER_PARAM_TOKEN
from scaling_cli.stability import OPTIMUM

SHARES = (0.001, 0.005)  # of the loss
FARTHEST = np.log(1e4)  # of ln N on either side of the optimum
STEPS = 60  # of bisection: to rounding


def near_optimal(
    law: Law, size: str, compute: float, shares: Sequence[float] = SHARES
) -> dict[float, tuple[float, float]]:
    """Return, by share, the sizes between which the loss lies within it of the least.

    Parameters
    ----------
    law : Law
        With an optimum of its size at a compute.
    size : str
        The law's symbol of the model size.
    compute : float
        6ND, in FLOP.
    shares : sequence of float

    Returns
    -------
    mapping of share to (smallest, largest)
        An end is 0 or infinite where the loss stays within the share for a factor of 1e4.
    """
    best = float(law.derive(OPTIMUM, C=compute))
    least = float(_loss(law, size, compute, np.array([best]))[0])
    wanted = least * (1 + np.asarray(shares, float))
    ends = [_edge(law, size, compute, best, wanted, side) for side in (-1.0, 1.0)]
    return {s: (float(a), float(b)) for s, a, b in zip(shares, *ends, strict=True)}


def _edge(
    law: Law, size: str, compute: float, best: float, wanted: np.ndarray, side: float
) -> np.ndarray:
    """Return where the loss reaches the wanted values on one side, shape (shares,)."""
    near, far = np.zeros(len(wanted)), np.full(len(wanted), FARTHEST)
    open_ = _loss(law, size, compute, best * np.exp(side * far)) <= wanted
    for _ in range(STEPS):
        middle = (near + far) / 2
        inside = _loss(law, size, compute, best * np.exp(side * middle)) <= wanted
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return np.where(open_, np.inf if side > 0 else 0.0, best * np.exp(side * near))


def _loss(law: Law, size: str, compute: float, sizes: np.ndarray) -> np.ndarray:
    inputs: Mapping[str, np.ndarray] = {
        size: sizes,
        "D": compute / (FLOPS_PER_PARAM_TOKEN * sizes),
    }
    return np.asarray(law(**inputs), float)
