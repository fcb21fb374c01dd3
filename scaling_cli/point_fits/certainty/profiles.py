"""The profile of the objective: how far one number can move before the data object.

For every value of a parameter, or of the prediction at given inputs, all other parameters are
fitted again. The interval holds the values whose objective lies above the least by no more than
t^2 tau / 2, t a quantile of Student's t: the likelihood ratio of an M-estimator (Ronchetti 1982),
exact for a law that is linear and fitted by least squares under normal noise. It assumes
independent points, and that the law holds. Both ends are searched again from many starts with the
value held. Where that still leads lower, or another term slides on without end (collinear inputs, a
term that the data do not show), the profile says that the interval may be too short.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli.engine.problem import Problem, Solution
from scaling_cli.engine.solve import solve
from scaling_cli.engine.starts import starts
from scaling_cli.numerics.profile import FARTHEST, STEPS, Target, end, sweep
from scaling_cli.point_fits.certainty.delta import Curvature, curvature, student
from scaling_cli.point_fits.certainty.resampling import SMOOTHED_MEDIAN
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.search import optimum as search
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.objective import Turned

METHOD = "profile of the objective (likelihood ratio scaled to the residuals' scatter, Student's t)"
STIFF = 30.0  # curvature of the pull over that of the profile: an aim is missed by a thirtieth
FAINT_SD = 0.1  # taken for the sd of a coordinate that does nothing at the optimum
LARGEST = 700.0  # the logarithm of a coefficient that a float still holds
SIDES = {"lower": -1, "upper": 1}  # the ends, and where they lie
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

    def turned_back(self, turned: Turned) -> "Profile":
        """Return the profile of a target of which something else was fitted."""
        low, high = turned.ends((self.low, self.high))
        along = slice(None, None, int(turned.sign))  # what rises is written from its other end
        other = {"lower": "upper", "upper": "lower"} if turned.sign < 0 else {}
        return replace(
            self,
            estimate=turned.back(self.estimate),
            low=low,
            high=high,
            value=turned.back(self.value)[along],
            rise=self.rise[along],
            unsure=tuple(other.get(end, end) for end in self.unsure),
        )

    def doubt(self) -> str:
        """Say which ends may lie farther out, and what to do."""
        ends = " and ".join(self.unsure)
        return (
            f"WARN the profile of {self.of} may be too short at its {ends} end: with the value "
            "held there, other parameters slide on without a minimum. Read it as open there, or "
            "hold one of them with --fix."
        )


@dataclass(frozen=True)
class _Pulled:
    """One number of a fit, and how it is pulled: the part of `Target` that differs by its kind."""

    of: str
    inputs: Mapping[str, float]
    gradient: np.ndarray  # (k,)
    pull: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    reached: Callable[[np.ndarray], np.ndarray]
    search: Callable[[float, float], tuple[np.ndarray, bool]]
    back: Callable[..., np.ndarray] = np.exp
    """From the coordinate to the number."""


def of_parameter(fitted: Fitted, name: str) -> Profile:
    """Return the profile of a parameter.

    Raises
    ------
    UsageError
        If the law has no such parameter, or it is held.
    """
    names = list(fitted.law.parameters())
    fitted.law.parameter(name)
    gradient = fitted.problem.frame.matrix[names.index(name)]
    if not np.any(gradient):
        raise UsageError(f"{name} is held at a value: there is nothing to profile.")
    fitted = _with_slopes(fitted)
    problem, curved = fitted.problem, curvature(fitted)
    leader = int(np.argmax(gradient))
    # A follower is pulled through the parameter that is searched: priors have no other place.
    place = names.index(problem.frame.names[leader])
    dead = not curved.determines(gradient)
    variance = FAINT_SD**2 if dead else float(curved.variance(gradient[None])[0])
    stiffness = STIFF * problem.noise_scale(fitted.u) / variance

    def pull(aims: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, precision = _penalties(problem, len(aims))
        own = precision[:, place].copy()
        precision[:, place] = own + stiffness
        mean[:, place] = (own * mean[:, place] + stiffness * aims) / precision[:, place]
        return _ended(solve(problem, begin, prior_mean=mean, prior_precision=precision))

    pulled = _Pulled(
        of=name,
        inputs={},
        gradient=gradient,
        pull=pull,
        reached=lambda ends: ends[:, leader],
        search=lambda _, at: _with_value(problem, leader, at),
    )
    positive = fitted.law.parameters()[name].positive
    return _profile(fitted, curved, pulled if positive else replace(pulled, back=np.asarray))


def of_prediction(fitted: Fitted, inputs: Mapping[str, float]) -> Profile:
    """Return the profile of the mean curve at one point of the law's inputs."""
    fitted = _with_slopes(fitted)
    problem, u = fitted.problem, fitted.u
    at = {s: np.array([float(inputs[s])]) for s in problem.law.inputs()}
    gradient = problem.sensitivity(u, at)[0]
    curved = curvature(fitted)
    curve = problem.noise_scale(u) / float(curved.variance(gradient[None])[0])
    centre = float(problem.log_predictions(u, at)[0, 0])
    longer = replace(
        problem,
        inputs={s: np.append(v, at[s]) for s, v in problem.inputs.items()},
        output=np.append(problem.output, np.exp(centre)),
        weight=np.append(problem.weight, curve),
    )

    def pulled_by(aims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = np.repeat(longer.output[None], len(aims), axis=0)
        weight = np.repeat(longer.weight[None], len(aims), axis=0)
        output[:, -1] = np.exp(aims)
        # Of a residual, per unit of ln prediction.
        unit = 1.0 if problem.objective.space == "log" else output[:, -1]
        far = np.abs(aims - centre) * unit / (INSIDE * problem.smallest_corner)
        weight[:, -1] = curve * np.maximum(STIFF, far) / unit**2
        return output, weight

    def pull(aims: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output, weight = pulled_by(aims)
        return _ended(solve(longer, begin, output=output, weight=weight))

    def searched(aim: float, _: float) -> tuple[np.ndarray, bool]:
        output, weight = pulled_by(np.array([aim]))
        return _searched(replace(longer, output=output[0], weight=weight[0]))

    pulled = _Pulled(
        of=problem.law.output().symbol,
        inputs={s: float(v[0]) for s, v in at.items()},
        gradient=gradient,
        pull=pull,
        reached=lambda ends: problem.log_predictions(ends, at)[:, 0],
        search=searched,
    )
    return _profile(fitted, curved, pulled)


def _with_slopes(fitted: Fitted) -> Fitted:
    """Return a fit that has slopes everywhere (least absolute deviations have kinks)."""
    problem = fitted.problem.smooth(SMOOTHED_MEDIAN)
    if problem is fitted.problem:
        return fitted
    u = solve(problem, fitted.u[None]).u[0]
    return replace(fitted, problem=problem, optimum=replace(fitted.optimum, u=u))


def _with_value(problem: Problem, column: int, value: float) -> tuple[np.ndarray, bool]:
    """Return where a search ends, (m, k), with one searched coordinate held; see `_searched`."""
    if len(problem.frame.names) == 1:
        return np.zeros((0, 1)), True
    held = problem.frame.without(column, value)
    ended, minimum = _searched(replace(problem, frame=held))
    return np.insert(ended, column, value, axis=1), minimum


def _searched(problem: Problem) -> tuple[np.ndarray, bool]:
    """Return where a search from many starts ends, (m, k), and whether that is a minimum."""
    try:
        optimum = search.optimise(problem)
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
    mean, precision = problem.penalty.at(np.full(lanes, problem.smallest_corner))
    return np.broadcast_to(mean, shape).copy(), precision.copy()


def _profile(fitted: Fitted, curved: Curvature, pulled: _Pulled) -> Profile:
    problem, u, gradient, back = fitted.problem, fitted.u, pulled.gradient, pulled.back
    half = float(curved.half_width(gradient[None], fitted.level)[0])
    along = curved.classic @ gradient
    if not curved.determines(gradient):  # nothing is known of how far to look, and nothing follows
        half, along = FARTHEST, gradient
    tau, least = problem.noise_scale(u), _values(problem, u[None])[0]
    target = Target(
        u=u,
        others=starts(problem),
        at=float(pulled.reached(u[None])[0]),
        step=min(half, FARTHEST / STEPS[-1]),
        along=along / (gradient @ along),
        pull=pulled.pull,
        reached=pulled.reached,
        rise=lambda ends: 2 * (_values(problem, ends) - least) / tau,
        search=pulled.search,
    )
    threshold = student(fitted.level, curved.degrees) ** 2
    curve = sweep(target, threshold)
    ends = {name: end(target, curve, side, threshold) for name, side in SIDES.items()}
    low, high = (float(back(where)) for where, _ in ends.values())
    good = np.flatnonzero(np.isfinite(curve.total))
    order = good[np.argsort(curve.at[good])]
    return Profile(
        of=pulled.of,
        inputs=pulled.inputs,
        estimate=float(back(target.at)),
        low=low,
        high=high,
        level=fitted.level,
        value=back(curve.at[order]),
        rise=curve.rise[order],
        threshold=threshold,
        lower=-float(np.min(curve.rise[order], initial=0.0)),
        unsure=tuple(name for name, (_, sure) in ends.items() if not sure),
    )


def _values(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return the objective, shape (m,), at searched coordinates (m, k)."""
    return np.array([problem.value(law) for law in problem.laws(u)])
