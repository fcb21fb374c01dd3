"""How flat the optimum is: the model sizes whose loss is as good as the best at one compute."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.point_fits.diagnosis.choices import OPTIMUM
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN

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

    def loss(moved: np.ndarray) -> np.ndarray:
        return _loss(law, size, compute, best * np.exp(moved))

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


def _loss(law: Law, size: str, compute: float, sizes: np.ndarray) -> np.ndarray:
    inputs: Mapping[str, np.ndarray] = {
        size: sizes,
        "D": compute / (FLOPS_PER_PARAM_TOKEN * sizes),
    }
    return np.asarray(law(**inputs), float)
