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

from scaling_cli.engine.problem import Frame, Problem, Solution
from scaling_cli.engine.solve import solve
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import optimal_size, optimal_sizes
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.search.minimum import FEW_POINTS
from scaling_cli.vocabulary.quantities import Role

# Of a refit, beside the fit: another choice may have another minimum.
OTHER_STARTS, MORE_STARTS = 3, 15
SPARE = 3  # points beyond the parameters that a filter must leave
EXTREMES = 0.1  # share of the points at either end of tokens per parameter that a filter drops
SHARP = 1e-6  # Huber's corner that stands for absolute values
CORNERS = {"huber 1e-4": 1e-4, "huber 1e-3": 1e-3, "huber 1e-2": 1e-2, "least squares": np.inf}


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


def exponent_names(law: type[Law]) -> list[str]:
    """Return the parameters that are neither linear nor scales: those without a unit."""
    return [n for n, p in law.parameters().items() if not p.linear and p.unit == "1"]


def own_corner(problem: Problem) -> float:
    """Return the corner of the fit's own objective."""
    return problem.smooth(SHARP).corner


def own_sum(problem: Problem, law: Law) -> float:
    """Return the sum that refits minimise, at a law."""
    return problem.smooth(SHARP).value(law)


def planned(
    fitted: Fitted,
    name: str,
    kind: str,
    kept: np.ndarray | None = None,
    held: Mapping[str, float] | None = None,
) -> Plan:
    """Return a plan with the fit's own objective, of all points where none are named."""
    kept = np.ones(len(fitted.points), bool) if kept is None else kept
    return Plan(name, kind, kept, own_corner(fitted.problem), held or {})


def choices(fitted: Fitted) -> list[Plan]:
    """Return the other choices that could have been made: corners, and two filters."""
    own = own_corner(fitted.problem)
    corners = [
        replace(planned(fitted, name, "objective"), corner=corner)
        for name, corner in CORNERS.items()
        if corner != own
    ]
    inputs, law = fitted.points.inputs, fitted.law
    values, spent = law.along(inputs), law.size_and_data()
    masks = {"without the smallest quarter": values > np.quantile(values, 0.25)}
    if spent is not None:
        ratio = np.asarray(inputs[spent[1]]) / np.asarray(inputs[spent[0]])
        low, high = np.quantile(ratio, [EXTREMES, 1 - EXTREMES])
        masks["without the extremes of tokens per parameter"] = (ratio >= low) & (ratio <= high)
    enough = len(fitted.u) + SPARE
    usable = {name: kept for name, kept in masks.items() if enough <= np.sum(kept) < len(kept)}
    return [*corners, *(planned(fitted, name, "filter", kept) for name, kept in usable.items())]


def refit(fitted: Fitted, plans: Sequence[Plan]) -> list[Variation | None]:
    """Carry out plans in one call of the engine; None for a refit that did not converge."""
    if not plans:
        return []
    problem, own = fitted.problem, _others(fitted.problem)
    begins = [
        _begin(fitted, _others(problem, p.kept) if p.kind == "filter" else own, p.held)
        for p in plans
    ]
    counts = [len(begin) for begin in begins]
    lanes = [plan for plan, count in zip(plans, counts, strict=True) for _ in range(count)]
    solution = solve(
        problem,
        np.concatenate(begins),
        weight=np.stack([np.where(p.kept, problem.weight, 0.0) for p in lanes]),
        corner=np.array([p.corner for p in lanes]),
        frozen=np.array([[n in p.held for n in problem.frame.names] for p in lanes]),
    )
    value, ends = _ended(problem, solution), np.cumsum(counts).tolist()
    best = [e - c + int(np.argmin(value[e - c : e])) for e, c in zip(ends, counts, strict=True)]
    made = _described(fitted, plans, solution.u[best], value[best])
    return [v if np.isfinite(v.value) and np.isfinite(v.shift) else None for v in made]


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
    u, names = fitted.u, fitted.problem.frame.names
    begin = np.concatenate([u[None], others])
    for name, value in held.items():
        column, own = names.index(name), fitted.law.values()[name]
        positive = fitted.law.parameters()[name].positive
        far = (value - own) / own if positive else value - own
        along = slid(fitted, np.eye(len(u))[column], u[column] + far)
        begin = np.concatenate([along[None], begin])
        begin[:, column] = float(fitted.problem.law.parameters()[name].free(value))
    return begin


def slid(fitted: Fitted, direction: np.ndarray, to: float) -> np.ndarray:
    """Return where direction @ u = to at least cost to the fit, to second order, shape (k,).

    A start for refits under that constraint: moving one coordinate alone leaves the valley.
    """
    J = fitted.slopes * np.sqrt(fitted.problem.weight)[:, None]
    free = np.linalg.pinv(J.T @ J, hermitian=True) @ direction
    reach = direction @ free
    step = free / reach if reach > 0 else direction / (direction @ direction)
    return fitted.u + (to - direction @ fitted.u) * step


def _ended(problem: Problem, solution: Solution) -> np.ndarray:
    """Return the sum of each lane that ended within the doubles; infinite for the others."""
    good = solution.converged & np.isfinite(solution.value) & problem.in_range(solution.u)
    return np.where(good, solution.value, np.inf)


def _described(
    fitted: Fitted, plans: Sequence[Plan], u: np.ndarray, value: np.ndarray
) -> list[Variation]:
    """Return what refits that ended at u, shape (plans, k), say."""
    problem, law, at, runs = fitted.problem, fitted.law, fitted.target, fitted.points.runs
    values = problem.parameters(u)
    base = float(np.log(np.asarray(law(**at.columns()), float)[0]))
    with np.errstate(invalid="ignore"):  # where a law has left what is positive, there is no shift
        shifts = problem.log_predictions(u, at.columns())[:, 0] - base
    sizes = old = None
    if at.compute is not None:
        sizes = optimal_sizes(problem.law(**values), at.compute, at.inputs)
        old = optimal_size(law, at.compute, at.inputs)
    moved = np.full(len(u), np.nan) if sizes is None or old is None else np.log(sizes / old)
    return [
        Variation(
            name=plan.name,
            kind=plan.kind,
            removed=tuple(dict.fromkeys(str(runs[j]) for j in np.flatnonzero(~plan.kept).tolist())),
            exponents={n: float(values[n][i]) for n in exponent_names(problem.law)},
            shift=float(shifts[i]),
            optimum_shift=float(moved[i]) if np.isfinite(moved[i]) else None,
            value=float(value[i]),
        )
        for i, plan in enumerate(plans)
    ]


Named = tuple[str, Variation | None]  # what was refitted, and the refit if it converged


def _alone(
    fitted: Fitted, plan: Plan, begin: np.ndarray, frozen: np.ndarray | None = None
) -> tuple[Variation, Law] | None:
    """Refit a changed problem from several starts; return what the best says, and its law."""
    problem = fitted.problem
    solution = solve(problem, begin, corner=np.full(len(begin), plan.corner), frozen=frozen)
    value = _ended(problem, solution)
    best = [int(np.argmin(value))]
    if not np.isfinite(value[best[0]]):
        return None
    (variation,) = _described(fitted, [plan], solution.u[best], value[best])
    return variation, problem.laws(solution.u[best])[0]


def tied(fitted: Fitted) -> list[Named]:
    """Refit with each pair of twin exponents held equal; empty where none is searched freely."""
    problem = fitted.problem
    names, rows = problem.frame.names, list(problem.law.parameters())
    refits: list[Named] = []
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
        plan = planned(fitted, f"{name} = {twin}", "tie")
        changed = replace(problem, frame=replace(problem.frame, matrix=matrix))
        made = _alone(replace(fitted, problem=changed), plan, begin, frozen)
        refits.append((plan.name, made and made[0]))
    return refits


def _alike(fitted: Fitted, follower: int, leader: int, along: np.ndarray) -> np.ndarray:
    """Return starts of a tie: the slide, the fit and others with either's value, and its own."""
    problem, names = fitted.problem, fitted.problem.frame.names
    begin = np.concatenate([fitted.u[None], _others(problem)])
    led, leading = begin.copy(), begin.copy()
    led[:, follower], leading[:, leader] = begin[:, leader], begin[:, follower]
    tries = [along[None], led, leading]
    if len(names) == len(problem.law.parameters()):
        tie = Frame.of(problem.law, {}, {names[follower]: names[leader]})
        places = [names[leader] if i == follower else name for i, name in enumerate(names)]
        own = _others(replace(problem, frame=tie))
        tries.append(own[:, [tie.names.index(name) for name in places]])
    return np.concatenate(tries)


def recounted(fitted: Fitted) -> list[Named]:
    """Refit with sizes counted in each other way the table has.

    Compared at the same model and tokens: its other count is interpolated in logarithms, and
    beyond the largest size continued with the slope of the two largest. N* is that of the
    compute which the other count gives the fit's own optimum.
    """
    problem = fitted.problem
    size = problem.law.symbol_of(Role.SIZE)
    refits: list[Named] = []
    if size is None:
        return refits
    for convention, sizes in fitted.points.counts.items():
        counted = replace(problem, inputs={**problem.inputs, size: np.asarray(sizes, float)})
        begin = np.concatenate([fitted.u[None], starts(counted)[:OTHER_STARTS]])
        plan = planned(fitted, f"{size} counted {convention}", "convention")
        made = _alone(replace(fitted, problem=counted), plan, begin)
        if made is not None:
            variation, law = made
            shift, moved = _recounted_shifts(fitted, size, sizes, law)
            made = replace(variation, shift=shift, optimum_shift=moved), law
        refits.append((plan.name, made and made[0]))
    return refits


def _recounted_shifts(
    fitted: Fitted, size: str, sizes: np.ndarray, other: Law
) -> tuple[float, float | None]:
    """Return the changes of ln prediction and of ln N* under a law fitted to other counts."""
    counted, own, at = fitted.points.inputs[size], fitted.law, fitted.target
    there = {**at.inputs, size: _counted_as(counted, sizes, at.inputs[size])}
    shift = float(np.log(other(**there) / own(**at.inputs)))
    best = None if at.compute is None else optimal_size(own, at.compute, at.inputs)
    if best is None or at.compute is None:
        return shift, None
    held = {s: v for s, v in at.inputs.items() if s not in own.growing()}
    same = _counted_as(counted, sizes, best)
    spent = own.compute(**own.spending(at.compute, **{size: best}, **held) | {size: same})
    moved = optimal_size(other, spent, at.inputs)
    return shift, None if moved is None else float(np.log(moved / same))


def _counted_as(counted: np.ndarray, sizes: np.ndarray, size: float) -> float:
    """Return what a size of the fitted count is in another count."""
    own, first = np.unique(np.log(counted), return_index=True)
    other, x = np.log(np.asarray(sizes, float))[first], np.log(size)
    if len(own) < 2:
        return float(np.exp(other[0] + x - own[0]))
    i = int(np.clip(np.searchsorted(own, x), 1, len(own) - 1))
    slope = (other[i] - other[i - 1]) / (own[i] - own[i - 1])
    return float(np.exp(other[i - 1] + slope * (x - own[i - 1])))
