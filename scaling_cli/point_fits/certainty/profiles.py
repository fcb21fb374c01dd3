"""The profile of the objective: how far one number can move before the data object.

For every value of a parameter, or of the prediction at given inputs, all other parameters are
fitted again. The interval holds the values whose objective lies above the least by no more than
t^2 tau / 2, t a quantile of Student's t: the likelihood ratio of an M-estimator (Ronchetti 1982),
exact for a law that is linear and fitted by least squares under normal noise. It assumes
independent points, and that the law holds. Both ends are searched again from many starts with the
value held. Where that still leads lower, or another term slides on without end (collinear inputs, a
term that the data do not show), the profile says that the interval may be too short.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import Frame, Problem, parameters
from scaling_cli.engine.solve import Solution, solve
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Domain
from scaling_cli.numerics.profile import FARTHEST, STEPS, Target, end, sweep
from scaling_cli.point_fits.certainty.delta import Curvature, curvature, student
from scaling_cli.point_fits.certainty.resampling import LAD_CORNER
from scaling_cli.search.optimum import (
    Optimum,
    log_predictions,
    noise_scale,
    objective_value,
    optimise,
    sensitivity,
    smallest_corner,
)
from scaling_cli.vocabulary.errors import FitError, UsageError

METHOD = "profile of the objective (likelihood ratio scaled to the residuals' scatter, Student's t)"
STIFF = 30.0  # curvature of the pull over that of the profile: an aim is missed by a thirtieth
FAINT_SD = 0.1  # taken for the sd of a coordinate that does nothing at the optimum
LARGEST = 700.0  # the logarithm of a coefficient that a float still holds
INSIDE = 0.25  # of Huber's corner: a pull must stay where it is quadratic


@dataclass(frozen=True)
class Profile:
    """One number's profile, in the papers' units.

    Parameters
    ----------
    of : str
        The parameter, or the output's symbol at `inputs`.
    inputs : mapping of symbol to float
    estimate, low, high : float
        An end that the data do not bound is 0 or infinite.
    level : float
    value : array, shape (m,)
        Values along the profile, rising.
    rise : array, shape (m,)
        Objective above its minimum in units of tau / 2, least at each value.
    threshold : float
        The rise at the ends: t^2.
    lower : float
        How far the objective fell below the optimum along the profile, in units of tau / 2; more
        than rounding says that the optimum was not the least.
    unsure : tuple of str
        Ends ("lower", "upper") beyond which there may be more.
    """

    of: str
    inputs: Mapping[str, float]
    estimate: float
    low: float
    high: float
    level: float
    value: np.ndarray
    rise: np.ndarray
    threshold: float
    lower: float
    unsure: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "of": self.of,
            "inputs": dict(self.inputs),
            "value": self.value.tolist(),
            "rise": self.rise.tolist(),
            "threshold": self.threshold,
            "unsure": list(self.unsure),
        }

    def doubt(self) -> str:
        """Say which ends may lie farther out, and what to do."""
        ends = " and ".join(self.unsure)
        return (
            f"WARN the profile of {self.of} may be too short at its {ends} end: with the value "
            "held there, other parameters slide on without a minimum. Read it as open there, or "
            "hold one of them with --fix."
        )


def of_parameter(
    problem: Problem, optimum: Optimum, clusters: Sequence[str], name: str, level: float
) -> Profile:
    """Return the profile of a parameter.

    Raises
    ------
    UsageError
        If the law has no such parameter, or it is held.
    """
    names = list(problem.law.parameters())
    if name not in names:
        raise UsageError(
            f"law {laws.name_of(problem.law)} has no parameter {name!r}.",
            hint=f"Its parameters: {', '.join(names)}.",
        )
    gradient = problem.frame.matrix[names.index(name)]
    if not np.any(gradient):
        raise UsageError(f"{name} is held at a value: there is nothing to profile.")
    problem, u = _smooth(problem, optimum)
    curved = curvature(problem, u, clusters)
    leader = int(np.argmax(gradient))
    # A follower is pulled through the parameter that is searched: priors have no other place.
    place = names.index(problem.frame.names[leader])
    dead = not curved.determines(gradient)
    variance = FAINT_SD**2 if dead else float(curved.variance(gradient[None])[0])
    stiffness = STIFF * noise_scale(problem, u) / variance

    def pull(aims: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, precision = _penalties(problem, len(aims))
        own = precision[:, place].copy()
        precision[:, place] = own + stiffness
        mean[:, place] = (own * mean[:, place] + stiffness * aims) / precision[:, place]
        return _ended(solve(problem, begin, prior_mean=mean, prior_precision=precision))

    target = _target(
        problem,
        u,
        curved,
        gradient,
        pull=pull,
        reached=lambda ends: ends[:, leader],
        level=level,
        search=lambda _, at: _with_value(problem, leader, at),
    )
    positive = problem.law.parameters()[name].domain is Domain.POSITIVE
    back = np.exp if positive else np.asarray
    return _profile(target, level, curved.degrees, of=name, inputs={}, back=back)


def of_prediction(
    problem: Problem,
    optimum: Optimum,
    clusters: Sequence[str],
    inputs: Mapping[str, float],
    level: float,
) -> Profile:
    """Return the profile of the mean curve at one point of the law's inputs."""
    problem, u = _smooth(problem, optimum)
    at = {s: np.array([float(inputs[s])]) for s in problem.law.inputs()}
    gradient = sensitivity(problem, u, at)[0]
    curved = curvature(problem, u, clusters)
    curve = noise_scale(problem, u) / float(curved.variance(gradient[None])[0])
    centre = float(log_predictions(problem, u, at)[0, 0])
    longer = replace(
        problem,
        inputs={s: np.append(v, at[s]) for s, v in problem.inputs.items()},
        output=np.append(problem.output, np.exp(centre)),
        weight=np.append(problem.weight, curve),
    )
    in_log = problem.objective.space == "log"

    def pulled_by(aims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = np.repeat(longer.output[None], len(aims), axis=0)
        weight = np.repeat(longer.weight[None], len(aims), axis=0)
        output[:, -1] = np.exp(aims)
        unit = 1.0 if in_log else output[:, -1]  # of a residual, per unit of ln prediction
        far = np.abs(aims - centre) * unit / (INSIDE * smallest_corner(problem))
        weight[:, -1] = curve * np.maximum(STIFF, far) / unit**2
        return output, weight

    def pull(aims: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output, weight = pulled_by(aims)
        return _ended(solve(longer, begin, output=output, weight=weight))

    def reached(ends: np.ndarray) -> np.ndarray:
        return log_predictions(problem, ends, at)[:, 0]

    def search(aim: float, found: float) -> tuple[np.ndarray, bool]:
        del found
        output, weight = pulled_by(np.array([aim]))
        return _searched(replace(longer, output=output[0], weight=weight[0]))

    target = _target(
        problem, u, curved, gradient, pull=pull, reached=reached, level=level, search=search
    )
    point = {s: float(v[0]) for s, v in at.items()}
    symbol = problem.law.output().symbol
    return _profile(target, level, curved.degrees, of=symbol, inputs=point, back=np.exp)


def _smooth(problem: Problem, optimum: Optimum) -> tuple[Problem, np.ndarray]:
    """Return a problem that has slopes everywhere (least absolute deviations have kinks)."""
    if problem.objective.name != "lad":
        return problem, optimum.u
    smooth = replace(problem, objective=replace(problem.objective, name="huber", delta=LAD_CORNER))
    return smooth, solve(smooth, optimum.u[None]).u[0]


def _with_value(problem: Problem, column: int, value: float) -> tuple[np.ndarray, bool]:
    """Return where a search ends, (m, k), with one searched coordinate held; see `_searched`."""
    frame = problem.frame
    if len(frame.names) == 1:
        return np.zeros((0, 1)), True
    offset = np.where(frame.matrix[:, column] != 0, value, frame.offset)
    names = tuple(n for i, n in enumerate(frame.names) if i != column)
    held = Frame(np.delete(frame.matrix, column, axis=1), offset, names)
    ended, minimum = _searched(replace(problem, frame=held))
    return np.insert(ended, column, value, axis=1), minimum


def _searched(problem: Problem) -> tuple[np.ndarray, bool]:
    """Return where a search from many starts ends, (m, k), and whether that is a minimum."""
    try:
        optimum = optimise(problem)
    except FitError:  # the value cannot be had, or only where nothing is finite
        return np.zeros((0, len(problem.frame.names))), False
    return optimum.u[None], not optimum.diagnostics["endless"]


def _ended(solution: Solution) -> tuple[np.ndarray, np.ndarray]:
    # A lane that slides on towards a bound has not converged, and is nearly as low as it gets. A
    # coefficient may be as small as it likes: its term is then absent.
    held = np.all(solution.u < LARGEST, axis=1) & np.isfinite(solution.value)
    return solution.u, np.where(held, solution.value, np.inf)


def _penalties(problem: Problem, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and precisions of the user's priors, each of shape (lanes, p), to change."""
    shape = (lanes, len(problem.frame.offset))
    if problem.penalty is None:
        return np.zeros(shape), np.zeros(shape)
    mean, precision = problem.penalty.at(np.full(lanes, smallest_corner(problem)))
    return np.broadcast_to(mean, shape).copy(), precision.copy()


def _target(
    problem: Problem,
    u: np.ndarray,
    curved: Curvature,
    gradient: np.ndarray,
    *,
    pull: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    reached: Callable[[np.ndarray], np.ndarray],
    search: Callable[[float, float], tuple[np.ndarray, bool]],
    level: float,
) -> Target:
    half, along = float(curved.half_width(gradient[None], level)[0]), curved.classic @ gradient
    if not curved.determines(gradient):  # nothing is known of how far to look, and nothing follows
        half, along = FARTHEST, gradient
    tau, least = noise_scale(problem, u), _values(problem, u[None])[0]

    def rise(ends: np.ndarray) -> np.ndarray:
        return 2 * (_values(problem, ends) - least) / tau

    return Target(
        u=u,
        others=starts(problem),
        at=float(reached(u[None])[0]),
        step=min(half, FARTHEST / STEPS[-1]),
        along=along / (gradient @ along),
        pull=pull,
        reached=reached,
        rise=rise,
        search=search,
    )


def _values(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return the objective, shape (m,), at searched coordinates (m, k)."""
    values = parameters(problem, u)
    laws_ = (problem.law(**{n: float(v[i]) for n, v in values.items()}) for i in range(len(u)))
    return np.array([objective_value(problem, law) for law in laws_])


def _profile(
    target: Target,
    level: float,
    degrees: int,
    *,
    of: str,
    inputs: Mapping[str, float],
    back: Callable[..., np.ndarray],
) -> Profile:
    threshold = student(level, degrees) ** 2
    curve = sweep(target, threshold)
    ends = [end(target, curve, side, threshold) for side in (-1, 1)]
    low, high = (float(back(where)) for where, _ in ends)
    sides = zip(("lower", "upper"), ends, strict=True)
    good = np.flatnonzero(np.isfinite(curve.total))
    order = good[np.argsort(curve.at[good])]
    return Profile(
        of=of,
        inputs=inputs,
        estimate=float(back(target.at)),
        low=low,
        high=high,
        level=level,
        value=back(curve.at[order]),
        rise=curve.rise[order],
        threshold=threshold,
        lower=-float(np.min(curve.rise[order], initial=0.0)),
        unsure=tuple(name for name, (_, sure) in sides if not sure),
    )
