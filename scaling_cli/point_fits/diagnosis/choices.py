"""What moves the answer: other objectives, fewer runs, equal exponents, another way of counting.

Answers are compared where they are used, never as raw coefficients, which drift along flat
directions without meaning anything: the prediction at the headline, and N* at its compute. All
refits that share the inputs go through one call of the engine, and reuse its executable: a tie
is a frame of the same shape in which one coordinate moves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scaling_cli.engine.problem import Problem, corner_of, frame, parameters, to_free
from scaling_cli.engine.solve import Solution, solve
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Domain, Law
from scaling_cli.runs.points import Points
from scaling_cli.search.minimum import FEW_POINTS
from scaling_cli.search.optimum import (
    Optimum,
    in_range,
    log_predictions,
    objective_value,
    sensitivity,
)
from scaling_cli.vocabulary.quantities import Role

# Of a refit, beside the fit: another choice may have another minimum.
OTHER_STARTS, MORE_STARTS = 3, 15
REACH = 10.0  # the headline lies this factor beyond the largest run
SPARE = 3  # points beyond the parameters that a filter must leave
EXTREMES = 0.1  # share of the points at either end of tokens per parameter that a filter drops
LAD_CORNER = 1e-6  # Huber's corner that stands for absolute values
CORNERS = {"huber 1e-4": 1e-4, "huber 1e-3": 1e-3, "huber 1e-2": 1e-2, "least squares": np.inf}


@dataclass(frozen=True)
class Target:
    """Where answers are compared.

    Parameters
    ----------
    inputs : mapping of symbol to float
        Of the headline prediction.
    compute : float or None
        Where N* is compared; None where the law has no optimum.
    place : str
        The headline in words, after "at": `10x`.
    """

    inputs: Mapping[str, float]
    compute: float | None
    place: str = f"{REACH:.0f}x"

    def columns(self) -> dict[str, np.ndarray]:
        """Return the headline's inputs as arrays of one point."""
        return {s: np.array([v]) for s, v in self.inputs.items()}


@dataclass(frozen=True)
class Fitted:
    """A fit that is questioned: what was fitted, how it ended, where answers are compared."""

    points: Points
    problem: Problem
    optimum: Optimum
    target: Target


@dataclass(frozen=True)
class Plan:
    """One refit to make.

    Parameters
    ----------
    name : str
        What is changed, for people.
    kind : str
    kept : array of bool, shape (n,)
    corner : float
        Of Huber's loss; infinite for least squares.
    held : mapping of parameter to float
        Searched parameters held at a value.
    """

    name: str
    kind: str
    kept: np.ndarray
    corner: float
    held: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Variation:
    """One refit under another choice.

    Parameters
    ----------
    name : str
        What was changed, for people.
    kind : {"objective", "filter", "tie", "convention", "run", "few runs", "floor"}
    removed : tuple of str
        Runs left out.
    exponents : mapping
        Nonlinear parameters after the refit.
    shift : float
        Change of ln prediction at the headline.
    optimum_shift : float or None
        Change of ln N* at the headline's compute; None where the law has no optimum.
    value : float
        The minimised sum.
    """

    name: str
    kind: str
    removed: tuple[str, ...]
    exponents: Mapping[str, float]
    shift: float
    optimum_shift: float | None = None
    value: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; N* as the factor by which it changes."""
        moved = self.optimum_shift
        return {
            "name": self.name,
            "kind": self.kind,
            "removed": list(self.removed),
            "exponents": dict(self.exponents),
            "headline_shift": self.shift,
            "optimum_factor": None if moved is None else float(np.exp(moved)),
        }


def headline(law: Law, points: Points) -> dict[str, float]:
    """Return the inputs of the headline prediction: 10x beyond the largest run.

    At the law's own optimum for 10x the largest compute where it has one; else what grows in the
    largest run grows by the same factor. What does not grow is that of the largest run; where
    nothing does, the headline is the run of least output.
    """
    along = law.along(points.inputs)
    run = np.argmax(along) if law.growing() else np.argmin(points.output)
    own = {s: float(points.inputs[s][run]) for s in law.inputs()}
    best = law.optimum(REACH * float(np.max(along)), **own) if law.size_and_data() else None
    if best is not None and all(np.isfinite(best[s]) and best[s] > 0 for s in law.growing()):
        return {s: float(v) for s, v in best.items()}
    return law.reached(own, REACH)


def target(law: Law, points: Points) -> Target:
    """Return where answers are compared."""
    inputs = headline(law, points)
    if not law.growing():
        return Target(inputs, None, "the best run")
    compute = REACH * float(np.max(law.along(points.inputs)))
    there = own_optimal_size(law, compute, inputs)
    return Target(inputs, None if there is None else compute)


def own_optimal_size(
    law: Law, compute: float, held: Mapping[str, float] | None = None
) -> float | None:
    """Return N* of a law at a compute, inputs that do not grow held; None where it has none."""
    best = law.optimum(compute, **(held or {})) if law.size_and_data() else None
    size = np.nan if best is None else float(best[law.symbol_of(Role.SIZE) or ""])
    return size if np.isfinite(size) and size > 0 else None


def optimal_size(
    law: type[Law],
    values: Mapping[str, np.ndarray],
    compute: float,
    held: Mapping[str, float] | None = None,
) -> np.ndarray | None:
    """Return N* at a compute for arrays of parameters, shape (m,).

    NaN where a law has no optimum (a term is absent); None where the law declares none. `held`
    are inputs that do not grow.
    """
    size, best = law.symbol_of(Role.SIZE), None
    with np.errstate(all="ignore"):
        if law.size_and_data():
            best = law(**values).optimum(compute, **(held or {}))
        if best is None or size is None:
            return None
        found = np.asarray(best[size], float)
    shape = np.shape(next(iter(values.values())))
    return np.broadcast_to(np.where(np.isfinite(found) & (found > 0), found, np.nan), shape)


def exponent_names(law: type[Law]) -> list[str]:
    """Return the parameters that are neither linear nor scales: those without a unit."""
    return [n for n, p in law.parameters().items() if not p.linear and p.unit == "1"]


def own_corner(problem: Problem) -> float:
    """Return the corner of the fit's own objective."""
    return LAD_CORNER if problem.objective.name == "lad" else corner_of(problem.objective)


def own_sum(problem: Problem, law: Law) -> float:
    """Return the sum that refits minimise, at a law."""
    objective = problem.objective
    if objective.name == "lad":
        objective = replace(objective, name="huber", delta=LAD_CORNER)
    return objective_value(replace(problem, objective=objective), law)


def choices(fitted: Fitted) -> list[Plan]:
    """Return the other choices that could have been made: corners, and two filters."""
    own = own_corner(fitted.problem)
    everything = np.ones(len(fitted.points), bool)
    corners = [
        Plan(name, "objective", everything, corner)
        for name, corner in CORNERS.items()
        if corner != own
    ]
    return [*corners, *_filters(fitted)]


def _filters(fitted: Fitted) -> list[Plan]:
    inputs = fitted.points.inputs
    law = fitted.problem.law
    values, spent = law.along(inputs), law.size_and_data()
    masks = {"without the smallest quarter": values > np.quantile(values, 0.25)}
    if spent is not None:
        ratio = np.asarray(inputs[spent[1]]) / np.asarray(inputs[spent[0]])
        low, high = np.quantile(ratio, [EXTREMES, 1 - EXTREMES])
        masks["without the extremes of tokens per parameter"] = (ratio >= low) & (ratio <= high)
    enough = len(fitted.optimum.u) + SPARE
    return [
        Plan(name, "filter", kept, own_corner(fitted.problem))
        for name, kept in masks.items()
        if enough <= np.sum(kept) < len(kept)
    ]


def refit(fitted: Fitted, plans: Sequence[Plan]) -> list[Variation | None]:
    """Carry out plans in one call of the engine; None for a refit that did not converge."""
    if not plans:
        return []
    own = _others(fitted.problem)
    begins = [
        _begin(fitted, _others(fitted.problem, p.kept) if p.kind == "filter" else own, p.held)
        for p in plans
    ]
    counts = [len(begin) for begin in begins]
    lanes = [plan for plan, count in zip(plans, counts, strict=True) for _ in range(count)]
    solution = solve(
        fitted.problem,
        np.concatenate(begins),
        weight=np.stack([np.where(p.kept, fitted.problem.weight, 0.0) for p in lanes]),
        corner=np.array([p.corner for p in lanes]),
        frozen=np.array([[n in p.held for n in fitted.problem.frame.names] for p in lanes]),
    )
    value = _ended(fitted.problem, solution)
    ends = np.cumsum(counts).tolist()
    best = [e - c + int(np.argmin(value[e - c : e])) for e, c in zip(ends, counts, strict=True)]
    found = described(fitted, plans, solution.u[best], value[best])
    return [v if np.isfinite(v.value) and np.isfinite(v.shift) else None for v in found]


def _others(problem: Problem, kept: np.ndarray | None = None) -> np.ndarray:
    """Return starts beside the fit, of these points, shape (starts, k): few have many basins."""
    if kept is not None:
        problem = replace(problem, weight=np.where(kept, problem.weight, 0.0))
    few = len(problem.output) <= FEW_POINTS
    return starts(problem)[: MORE_STARTS if few else OTHER_STARTS]


def _begin(fitted: Fitted, others: np.ndarray, held: Mapping[str, float]) -> np.ndarray:
    """Return starts, shape (starts, k): the fit and others, or all with a parameter held elsewhere.

    There is one more then: the fit slides along the valley as far as the parameter itself, not
    its logarithm, moves.
    """
    u, names = fitted.optimum.u, fitted.problem.frame.names
    begin = np.concatenate([u[None], others])
    for name, value in held.items():
        column, own = names.index(name), fitted.optimum.law.values()[name]
        positive = fitted.problem.law.parameters()[name].domain is Domain.POSITIVE
        far = (value - own) / own if positive else value - own
        along = slid(fitted, np.eye(len(u))[column], u[column] + far)
        begin = np.concatenate([along[None], begin])
        begin[:, column] = float(to_free(fitted.problem.law, name, value))
    return begin


def slid(fitted: Fitted, direction: np.ndarray, to: float) -> np.ndarray:
    """Return where direction @ u = to at least cost to the fit, to second order, shape (k,).

    A start for refits under that constraint: moving one coordinate alone leaves the valley.
    """
    u = fitted.optimum.u
    J = sensitivity(fitted.problem, u, fitted.problem.inputs)
    J = J * np.sqrt(fitted.problem.weight)[:, None]
    free = np.linalg.pinv(J.T @ J, hermitian=True) @ direction
    reach = direction @ free
    step = free / reach if reach > 0 else direction / (direction @ direction)
    return u + (to - direction @ u) * step


def _ended(problem: Problem, solution: Solution) -> np.ndarray:
    """Return the sum of each lane that ended within the doubles; infinite for the others."""
    good = solution.converged & np.isfinite(solution.value) & in_range(problem, solution.u)
    return np.where(good, solution.value, np.inf)


def described(
    fitted: Fitted, plans: Sequence[Plan], u: np.ndarray, value: np.ndarray
) -> list[Variation]:
    """Return what refits that ended at u, shape (plans, k), say."""
    problem, at = fitted.problem, fitted.target
    values = parameters(problem, u)
    base = float(np.log(np.asarray(fitted.optimum.law(**at.columns()), float)[0]))
    shifts = log_predictions(problem, u, at.columns())[:, 0] - base
    moved = _optimum_shifts(fitted.optimum.law, values, at)
    found = []
    for i, plan in enumerate(plans):
        out = np.flatnonzero(~plan.kept).tolist()
        found.append(
            Variation(
                name=plan.name,
                kind=plan.kind,
                removed=tuple(dict.fromkeys(str(fitted.points.runs[j]) for j in out)),
                exponents={n: float(values[n][i]) for n in exponent_names(problem.law)},
                shift=float(shifts[i]),
                optimum_shift=moved[i],
                value=float(value[i]),
            )
        )
    return found


def _optimum_shifts(law: Law, after: Mapping[str, np.ndarray], at: Target) -> list[float | None]:
    """Return the changes of ln N*, None where there is none to compare."""
    none: list[float | None] = [None] * len(next(iter(after.values())))
    if at.compute is None:
        return none
    new = optimal_size(type(law), after, at.compute, at.inputs)
    old = own_optimal_size(law, at.compute, at.inputs)
    if new is None or old is None:
        return none
    shifts = np.log(new / old)
    return [float(x) if np.isfinite(x) else None for x in shifts]


Named = tuple[str, Variation | None]  # what was refitted, and the refit if it converged


def tied(fitted: Fitted) -> list[Named]:
    """Refit with each pair of twin exponents held equal; empty where none is searched freely."""
    problem = fitted.problem
    names, rows = problem.frame.names, list(problem.law.parameters())
    found: list[Named] = []
    for name, declared in problem.law.parameters().items():
        twin = declared.twin
        if twin is None or name not in names or twin not in names:
            continue
        matrix = problem.frame.matrix.copy()
        matrix[rows.index(name)] = matrix[rows.index(twin)]
        follower, leader = names.index(name), names.index(twin)
        apart = np.eye(len(names))[follower] - np.eye(len(names))[leader]
        begin = _alike(fitted, follower, leader, slid(fitted, apart, 0.0))
        frozen = np.zeros(begin.shape, bool)
        frozen[:, follower] = True
        changed = replace(problem, frame=replace(problem.frame, matrix=matrix))
        plan = Plan(
            f"{name} = {twin}", "tie", np.ones(len(fitted.points), bool), own_corner(problem)
        )
        best = best_of(changed, begin, frozen)
        if best is None:
            found.append((plan.name, None))
        else:
            found.append((plan.name, described(replace(fitted, problem=changed), [plan], *best)[0]))
    return found


def _alike(fitted: Fitted, follower: int, leader: int, along: np.ndarray) -> np.ndarray:
    """Return starts of a tie: the slide, the fit and others with either's value, and its own."""
    problem, names = fitted.problem, fitted.problem.frame.names
    begin = np.concatenate([fitted.optimum.u[None], _others(problem)])
    one, other = begin.copy(), begin.copy()
    one[:, follower], other[:, leader] = begin[:, leader], begin[:, follower]
    found = [along[None], one, other]
    if len(names) == len(problem.law.parameters()):
        tie = frame(problem.law, {}, {names[follower]: names[leader]})
        led = [names[leader] if i == follower else name for i, name in enumerate(names)]
        own = _others(replace(problem, frame=tie))
        found.append(own[:, [tie.names.index(name) for name in led]])
    return np.concatenate(found)


def best_of(
    problem: Problem, begin: np.ndarray, frozen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the coordinates (1, k) and the sum (1,) of the best of several starts."""
    solution = solve(problem, begin, corner=np.full(len(begin), own_corner(problem)), frozen=frozen)
    value = _ended(problem, solution)
    best = [int(np.argmin(value))]
    return (solution.u[best], value[best]) if np.isfinite(value[best[0]]) else None
