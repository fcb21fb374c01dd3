"""The best split of a compute between size and data, and how flat the loss is around it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scaling_cli.laws._law import Law, Role
from scaling_cli.numerics.quantiles import central

SHARES = (0.001, 0.005)  # of the loss, within which a size is as good as the best
FARTHEST = np.log(1e4)  # of ln N on either side of the optimum
STEPS = 60  # of bisection: to rounding


def optimal_size(law: Law, compute: float, held: Mapping[str, float] | None = None) -> float | None:
    """Return N* of a law at a compute, inputs that do not grow held; None where it has none."""
    sizes = optimal_sizes(law, compute, held)
    return None if sizes is None or np.isnan(sizes) else float(sizes)


def optimal_sizes(
    law: Law, compute: float, held: Mapping[str, float] | None = None
) -> np.ndarray | None:
    """Return N* at a compute, of the shape of the law's parameters, such as draws of them.

    NaN where the law has no optimum (a term is absent); None where it declares none. `held` are
    inputs that do not grow.
    """
    with np.errstate(all="ignore"):
        best = law.optimum(compute, **(held or {})) if law.size_and_data() else None
        if best is None:
            return None
        sizes = np.asarray(best[law.symbol_of(Role.SIZE) or ""], float)
    shape = np.broadcast_shapes(*(np.shape(value) for value in law.values().values()))
    return np.broadcast_to(np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan), shape)


def optimal_range(
    law: Law,
    draws: Mapping[str, np.ndarray] | None,
    compute: float,
    level: float,
    held: Mapping[str, float] | None = None,
) -> tuple[float, float] | None:
    """Return between which sizes N* at a compute lies, each draw having its own.

    A prior keeps draws sane, so the law may lie beside them: their range, together with the same
    laid about N* of the law.

    Parameters
    ----------
    law : Law
    draws : mapping of parameter to array, shape (draws,)
    compute : float
        In FLOP.
    level : float
        Share of the draws in their own range.
    held : mapping of symbol to float, optional
        Inputs that do not grow.

    Returns
    -------
    (low, high) or None
        None without draws, and where the law or some of them have no optimum.
    """
    own = optimal_size(law, compute, held)
    drawn = optimal_sizes(type(law)(**draws), compute, held) if draws else None
    return None if own is None or drawn is None else about(own, drawn, level)


def about(own: float, drawn: np.ndarray, level: float) -> tuple[float, float] | None:
    """Return the range of draws, together with the same laid about the law's own number.

    None where some draws have no such number.
    """
    if np.isnan(drawn).any():
        return None
    (low, high), middle = central(drawn, level), float(np.median(drawn))
    return min(low, low * own / middle), max(high, high * own / middle)


def on_slice(law: Law, sizes: np.ndarray, compute: float | np.ndarray, **held: float) -> np.ndarray:
    """Return the law's output at these sizes with exactly this compute."""
    size = law.symbol_of(Role.SIZE) or ""
    return np.asarray(law(**law.spending(compute, **{size: sizes}, **held)), float)


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
    others = {s: v for s, v in held.items() if s not in law.growing()}
    best = float((law.optimum(compute, **held) or {})[law.symbol_of(Role.SIZE) or ""])
    return valley(lambda sizes: on_slice(law, sizes, compute, **others), best, shares)


def valley(
    loss: Callable[[np.ndarray], np.ndarray], best: float, shares: Sequence[float] = SHARES
) -> dict[float, tuple[float, float]]:
    """Return, by share, the sizes between which a loss of sizes lies within it of the least."""

    def beside(moved: np.ndarray) -> np.ndarray:
        return loss(best * np.exp(moved))

    wanted = float(beside(np.zeros(1))[0]) * (1 + np.asarray(shares, float))
    sides = np.array([[-1.0], [1.0]])
    near, far = np.zeros((2, len(wanted))), np.full((2, len(wanted)), FARTHEST)
    endless = beside(sides * far) <= wanted
    for _ in range(STEPS):
        middle = (near + far) / 2
        inside = beside(sides * middle) <= wanted
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    ends = best * np.where(endless, [[0.0], [np.inf]], np.exp(sides * near))
    return {s: (float(a), float(b)) for s, a, b in zip(shares, *ends, strict=True)}
