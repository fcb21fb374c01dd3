"""The bare optimum: refuse what cannot be fitted, search from many starts, say how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.engine import chunks, priors
from scaling_cli.engine.executors import SERIAL, Executor
from scaling_cli.engine.problem import Frame, Problem, Solution
from scaling_cli.engine.solve import solve
from scaling_cli.laws._law import WHOLE, Law
from scaling_cli.runs.points import Points
from scaling_cli.search.minimum import agreeing, finished, search, vanishing
from scaling_cli.vocabulary.errors import DataError, FitError, UsageError, some
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

DEAD_TERM = 1e-7  # a parameter that moves ln loss by less than this per e-fold is at its bound
ILL_CONDITIONED = 1e10  # of the diagonally scaled Hessian; sqrt is the loss of digits
FLAT = 1e-9  # range of ln output below which all outputs are one number
COLLINEAR = 1e-3  # 1 - R^2 of one log input on the others below which they move as one


@dataclass(frozen=True)
class Optimum:
    """The best minimum found.

    Parameters
    ----------
    u : array, shape (k,)
        Searched coordinates.
    law : Law
        The fitted law.
    value : float
        Minimised sum, in the objective's own terms.
    status : Status
    at_bound : tuple of str
        Parameters whose term has vanished.
    diagnostics : mapping
        starts, agree (share of converged starts in the best minimum), basins, gradient_norm,
        condition, iterations; endless (parameters in which the sum falls on without a minimum),
        beyond (share by which it does, where they leave the floats).
    """

    u: np.ndarray
    law: Law
    value: float
    status: Status
    at_bound: tuple[str, ...]
    diagnostics: Mapping[str, Any]


def make_problem(
    points: Points,
    law: type[Law],
    objective: Objective,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    *,
    prior: priors.Priors | None = None,
) -> Problem:
    """Return the optimisation problem of fitting `law` to `points`.

    The scale of priors is provisional until `settle` has found it.

    Raises
    ------
    DataError
        If an input or output is outside its domain, or shares do not sum to one.
    UsageError
        If `fix` or `tie` names a parameter that the law does not have, holds one at a value
        outside its domain (zero is a term that is absent), or leaves nothing to fit; or if a
        prior cannot be read.
    """
    _refuse_numbers(points, law)
    fix, tie = dict(fix or {}), dict(tie or {})
    for name in (*fix, *tie, *tie.values()):
        law.parameter(name)
    for follower, leader in tie.items():
        if follower == leader or leader in tie or follower in fix:
            raise UsageError(f"cannot tie {follower} to {leader}: tie or fix each only once.")
    _refuse_values(law, fix)
    if len(fix) + len(tie) == len(law.parameters()):
        raise UsageError(
            f"every parameter of {laws.name_of(law)} is held; there is nothing to fit."
        )
    framed, weight = Frame.of(law, fix, tie), points.weights()
    if tangled := law.tangled(framed.names):
        raise UsageError(
            f"{some(tangled)} cannot be told apart: only a combination of them counts in "
            f"{laws.name_of(law)}.",
            hint=f"Leave one out, or hold it with --fix. Inputs are {', '.join(law.inputs())}; "
            "every other name is a parameter.",
        )
    penalty = priors.penalty(law, prior, {**fix, **tie}, weight, len(framed.names))
    inputs = {s: np.asarray(points.inputs[s], float) for s in law.inputs()}
    output = np.asarray(points.output, float)
    return Problem(law, inputs, output, weight, objective, framed, penalty)


def _refuse_numbers(points: Points, law: type[Law]) -> None:
    quantities = {**law.inputs(), law.output().symbol: law.output()}
    columns = {**points.inputs, law.output().symbol: points.output}
    for symbol, quantity in quantities.items():
        values = np.asarray(columns[symbol], float)
        for i in np.flatnonzero(~quantity.domain.holds(values)).tolist():
            raise DataError(
                f"{quantity.meaning} ({symbol}) of run {points.runs[i]} is {values[i]:g}; "
                f"it must be {quantity.domain.rule}.",
                hint="Correct it, or leave the run out with --where.",
            )
    total = law.total(points.inputs)
    for i in np.flatnonzero(np.abs(total - 1) > WHOLE).tolist():
        raise DataError(
            f"{', '.join(law.shares())} of run {points.runs[i]} sum to {total[i]:.4g}; shares must "
            "sum to one.",
            hint="Correct them, or leave the run out with --where.",
        )


def _refuse_values(law: type[Law], fix: Mapping[str, float]) -> None:
    for name, value in fix.items():
        positive = law.parameters()[name].positive
        if not np.isfinite(value) or (positive and value < 0):
            wanted = "finite and not negative" if positive else "finite"
            raise UsageError(f"cannot hold {name} at {value:g}: it must be {wanted}.")


def refuse(points: Points, problem: Problem) -> None:
    """Raise if no fit of these points can be used.

    Raises
    ------
    FitError
        Too few distinct configurations, an output that never changes, an input with too few
        levels, inputs that move as one.
    """
    needed = len(problem.frame.names) + 1
    spreads = problem.law.spreads(problem.inputs)
    columns = np.stack(list(spreads.values()), axis=1)
    distinct = len(np.unique(columns, axis=0))
    if distinct < needed:
        raise FitError(
            f"{distinct} distinct configurations cannot determine the {needed - 1} free parameters "
            f"of {laws.name_of(problem.law)}; at least {needed} are needed.",
            hint="Add runs at other sizes or token counts, or hold parameters with --fix E=1.7 or "
            "--tie.",
        )
    if np.ptp(np.log(problem.output)) < FLAT:
        quantity = problem.law.output()
        raise FitError(
            f"{quantity.meaning} ({quantity.symbol}) is {problem.output[0]:.6g} in all "
            f"{len(problem.output)} points: nothing shows how it depends on "
            f"{' and '.join(problem.inputs)}.",
            hint="Check the column it was read from (--target, --map), or add runs that differ.",
        )
    _refuse_levels(problem, spreads)
    _refuse_collinear(points, problem, columns)


def _refuse_levels(problem: Problem, spreads: Mapping[str, np.ndarray]) -> None:
    floor = any(p.linear and n in problem.frame.names for n, p in problem.law.parameters().items())
    for symbol, column in spreads.items():
        needed = 3 if floor and symbol in problem.law.growing() else 2
        levels = len(np.unique(np.round(column, 6)))
        if levels < needed:
            quantity = problem.law.inputs()[symbol]
            raise FitError(
                f"{quantity.meaning} ({symbol}) takes only {levels} distinct "
                f"{'value' if levels == 1 else 'values'}; {laws.name_of(problem.law)} needs "
                f"at least {needed} to tell its exponent from its coefficient.",
                hint=f"Add runs that vary {symbol}, or use a law without it.",
            )


def _refuse_collinear(points: Points, problem: Problem, columns: np.ndarray) -> None:
    if columns.shape[1] < 2 or problem.frame.names == ():
        return
    unexplained = collinearity(columns)
    if unexplained < COLLINEAR:
        symbols = " and ".join(problem.inputs)
        raise FitError(
            f"{symbols} move as one in these {len(points)} points (squared correlation of their "
            f"logarithms {1 - unexplained:.6f}): their effects cannot be told apart.",
            hint="Add runs with other ratios of tokens to parameters (isoFLOP or over-trained "
            "runs), or fit power_law in one variable (--law power_law --map x=flops)."
            if problem.law.size_and_data()
            else "Add runs in which one of them differs and the others stay.",
        )


def collinearity(columns: np.ndarray) -> float:
    """Return the smallest share of a log input's variance that the others leave unexplained."""
    centred, shares = columns - columns.mean(axis=0), []
    for j, own in enumerate(centred.T):
        others = np.delete(centred, j, axis=1)
        fitted = others @ np.linalg.lstsq(others, own, rcond=None)[0]
        shares.append(float(np.sum((own - fitted) ** 2) / np.sum(own**2)))
    return min(shares)


def optimise(problem: Problem, *, seed: int = 0) -> Optimum:
    """Search from variable-projection and random starts; return the best minimum.

    Raises
    ------
    FitError
        If no start converges.
    """
    lanes, polished, sliding, beyond = search(problem, seed)
    u, values = polished.u[0], problem.parameters(polished.u)
    law = problem.law(**{name: float(v[0]) for name, v in values.items()})
    hessian = polished.irls[0] if problem.objective.name == "lad" else polished.hessian[0]
    moves = zip(problem.frame.names, np.max(np.abs(problem.sensitivity(u)), axis=0), strict=True)
    at_bound = tuple(dict.fromkeys((*(name for name, m in moves if m < DEAD_TERM), *sliding)))
    condition, converged = _condition(hessian), int(np.sum(lanes.converged))
    # A polish that does not end, with nothing sliding: the valley is flat to the last digits.
    flat = condition > ILL_CONDITIONED or not polished.converged[0]
    status = Status.ILL_CONDITIONED if flat else Status.CONVERGED
    diagnostics = {
        "starts": len(lanes.value),
        "converged": converged,
        "agree": float(np.sum(agreeing(problem, lanes)) / max(1, converged)),
        "basins": _basins(lanes),
        "gradient_norm": float(np.max(np.abs(polished.gradient[0]))),
        "condition": condition,
        "iterations": int(np.sum(lanes.iterations)),
        "at_bound": list(at_bound),
        "endless": [name for name in sliding if name not in vanishing(problem)],
        "beyond": beyond,
    }
    status, value = Status.AT_BOUND if at_bound else status, problem.value(law)
    return Optimum(u, law, value, status, at_bound, diagnostics)


def settle(problem: Problem, *, seed: int = 0) -> tuple[Problem, Optimum]:
    """Return the problem with the scale of its priors settled, and its optimum.

    tau, by which the priors' precision is multiplied, is estimated from the residuals of the fit
    without priors: with them, a prior that contradicts the data would raise the residuals, so
    look precise beside them, and win. Without priors this is `optimise`.

    Raises
    ------
    FitError
        As `optimise`.
    """
    if problem.penalty is None:
        return problem, optimise(problem, seed=seed)
    try:
        u = optimise(replace(problem, penalty=None), seed=seed).u
    except FitError:  # only the priors hold the parameters: their provisional scale finds some
        u = optimise(problem, seed=seed).u
    penalty = replace(problem.penalty, residuals=problem.residuals(u))
    settled = replace(problem, penalty=penalty)
    return settled, optimise(settled, seed=seed)


def _basins(lanes: Solution) -> list[float]:
    """Return the distinct minima, best first, at most five."""
    distinct: list[float] = []
    for value in np.sort(lanes.value[lanes.converged]).tolist():
        if not distinct or value > distinct[-1] * (1 + 1e-6):
            distinct.append(value)
    return distinct[:5]


def _condition(hessian: np.ndarray) -> float:
    """Return the condition number after scaling every parameter to unit curvature."""
    size = np.sqrt(np.abs(np.diagonal(hessian)))
    return float(np.linalg.cond(hessian / np.outer(size, size))) if np.all(size > 0) else np.inf


def _followed(problem: Problem, weight: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, float]:
    """Return where a refit ends that does not come to rest by itself: often at a bound."""
    own = replace(problem, weight=weight * problem.weight)
    try:
        ended, _ = finished(own, solve(own, begin[None]), 0)
    except FitError:
        return begin, np.inf
    return ended.u[0], float(ended.value[0])


def refits(
    problem: Problem,
    begin: np.ndarray,
    weights: Sequence[np.ndarray],
    corners: Sequence[float] | None = None,
    *,
    executor: Executor = SERIAL,
) -> tuple[np.ndarray, np.ndarray]:
    """Refit with fewer points or other corners, each from all of `begin`; return the best of each.

    Parameters
    ----------
    begin : array, shape (b, k)
        Starts tried for every variation.
    weights : sequence of array, shape (n,)
        One per variation, multiplying the points' own; zero leaves a point out.
    corners : sequence of float, optional
        Huber corner per variation.
    executor : Executor
        Where the refits run; it does not change them.

    Returns
    -------
    u : array, shape (variations, k)
    value : array, shape (variations,)
    """
    b, v = len(begin), len(weights)
    problem = problem.smooth(1e-6) if corners is None else problem
    corner = None if corners is None else np.asarray(corners, float)
    batch = chunks.Variations(problem, begin, np.asarray(weights, float), corner)
    (ends,) = chunks.run([batch], executor)
    usable = np.where(problem.in_range(ends.u), ends.reached(), np.inf)
    best = np.argmin(usable.reshape(v, b), axis=1) + b * np.arange(v)
    u, value = ends.u[best], usable[best]
    if corners is None:
        lowest = np.where(np.isfinite(ends.value), ends.value, np.inf).reshape(v, b)
        for i in np.flatnonzero(~np.isfinite(value)).tolist():
            lane = i * b + int(np.argmin(lowest[i]))
            u[i], value[i] = _followed(problem, batch.weights[i], ends.u[lane])
    return u, value
