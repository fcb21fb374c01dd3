"""What moves the answer: other corners, fewer small runs, a few influential runs left out.

All variations are refitted in one call of the engine. Predictions are compared at the headline,
never raw coefficients, which drift along flat directions without meaning anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli.engine.solve import Problem, corner_of, parameters
from scaling_cli.law import Law
from scaling_cli.optimum import Optimum, log_predictions, refits, sensitivity
from scaling_cli.points import Points, scale

REACH = 10.0  # the headline lies this factor beyond the largest run
FEW = 0.02  # share of the points that counts as "a few runs"
SMALLEST_FEW = 2


@dataclass(frozen=True)
class Variation:
    """One refit under another choice.

    Parameters
    ----------
    name : str
        What was changed, for people.
    kind : {"objective", "filter", "influence"}
    removed : tuple of str
        Runs left out.
    exponents : mapping
        Nonlinear parameters after the refit.
    shift : float
        Change of ln prediction at the headline.
    """

    name: str
    kind: str
    removed: tuple[str, ...]
    exponents: Mapping[str, float]
    shift: float


def headline(law: Law, points: Points) -> dict[str, float]:
    """Return the inputs of the headline prediction: 10x beyond the largest run.

    At the law's own optimum for 10x the largest compute where it has one; else every input of
    the largest run grows by the same factor.
    """
    axis, values = scale(points.inputs)
    target = REACH * float(np.max(values))
    names = law.derived_quantities()
    if axis == "C" and {"optimal_params", "optimal_tokens"} <= set(names):
        size = next(s for s in points.inputs if s != "D")
        from_law = {
            s: float(law.derive(names_, C=target))
            for s, names_ in ((size, "optimal_params"), ("D", "optimal_tokens"))
        }
        if all(np.isfinite(v) and v > 0 for v in from_law.values()):
            return from_law
    largest = int(np.argmax(values))
    factor = REACH ** (1 / len(points.inputs))
    return {s: float(v[largest]) * factor for s, v in points.inputs.items()}


def exponent_names(law: type[Law]) -> list[str]:
    """Return the parameters that are neither linear nor scales: those without a unit."""
    return [n for n, p in law.parameters().items() if not p.linear and p.unit == "1"]


def variations(points: Points, problem: Problem, optimum: Optimum) -> list[Variation]:
    """Refit under other choices and report how far the answer moves."""
    plans = [
        *_corners(problem),
        *_smallest(points, problem),
        *_influential(problem, optimum),
    ]
    if not plans:
        return []
    weights = [mask.astype(float) for _, _, mask, _ in plans]
    u, value = refits(problem, optimum.u[None], weights, [corner for *_, corner in plans])
    at = {s: np.array([v]) for s, v in headline(optimum.law, points).items()}
    base = log_predictions(problem, optimum.u, at)[0, 0]
    fitted = parameters(problem, u)
    found = []
    for i, (name, kind, mask, _) in enumerate(plans):
        if not np.isfinite(value[i]):
            continue
        removed = tuple(dict.fromkeys(str(points.runs[j]) for j in np.flatnonzero(~mask).tolist()))
        exponents = {n: float(fitted[n][i]) for n in exponent_names(problem.law)}
        shift = float(log_predictions(problem, u[i], at)[0, 0] - base)
        found.append(Variation(name, kind, removed, exponents, shift))
    return found


def _own_corner(problem: Problem) -> float:
    return 1e-6 if problem.objective.name == "lad" else corner_of(problem.objective)


def _corners(problem: Problem) -> list[tuple[str, str, np.ndarray, float]]:
    everything = np.ones(len(problem.output), bool)
    choices = {"huber 1e-4": 1e-4, "huber 1e-3": 1e-3, "huber 1e-2": 1e-2, "least squares": np.inf}
    own = _own_corner(problem)
    return [
        (name, "objective", everything, corner) for name, corner in choices.items() if corner != own
    ]


def _smallest(points: Points, problem: Problem) -> list[tuple[str, str, np.ndarray, float]]:
    _, values = scale(points.inputs)
    kept = values > np.quantile(values, 0.25)
    if np.sum(kept) < len(problem.frame.names) + 3:
        return []
    return [("without the smallest quarter", "filter", kept, _own_corner(problem))]


def _influential(problem: Problem, optimum: Optimum) -> list[tuple[str, str, np.ndarray, float]]:
    """Plan to leave out the few runs that push each exponent most, up and down."""
    n, k = len(problem.output), len(optimum.u)
    few = max(SMALLEST_FEW, int(np.ceil(FEW * n)))
    if n - few < k + 2:
        return []
    influence = _influence(problem, optimum)
    plans, seen = [], set()
    for j, name in enumerate(problem.frame.names):
        if name not in exponent_names(problem.law):
            continue
        order = np.argsort(influence[:, j])
        for chosen in (order[:few], order[-few:]):
            rows = tuple(sorted(int(i) for i in chosen))
            if rows not in seen:
                seen.add(rows)
                mask = np.ones(n, bool)
                mask[list(rows)] = False
                plans.append((f"without the {few} that push {name} most", "influence", mask,
                              _own_corner(problem)))  # fmt: skip
    return plans


def _influence(problem: Problem, optimum: Optimum) -> np.ndarray:
    """Return the one-step change of u when a point is removed, shape (n, k).

    Log residuals clipped at three robust sds stand in for Huber's arms, on which influence
    would not depend on the size of the residual at all.
    """
    J = sensitivity(problem, optimum.u, problem.inputs)
    r = log_predictions(problem, optimum.u, problem.inputs)[0] - np.log(problem.output)
    bread = np.linalg.pinv(J.T @ J, hermitian=True)
    leverage = np.einsum("ij,jk,ik->i", J, bread, J)
    limit = 3 * 1.4826 * np.median(np.abs(r))
    clipped = np.clip(r, -limit, limit) if limit > 0 else r
    return (J @ bread) * (clipped / np.maximum(1 - leverage, 1 / len(r)))[:, None]


def largest_move(found: Sequence[Variation], law: Law, kind: str) -> tuple[Variation, str] | None:
    """Return the variation of a kind that changes an exponent by the largest share, and which."""
    best: tuple[float, Variation, str] | None = None
    for variation in found:
        if variation.kind != kind:
            continue
        for name, value in variation.exponents.items():
            share = abs(value / law.values()[name] - 1)
            if best is None or share > best[0]:
                best = (share, variation, name)
    return None if best is None else (best[1], best[2])
