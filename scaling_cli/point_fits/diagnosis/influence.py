"""Do a few runs decide? Every run left out in turn, and the few that push each exponent most.

Small tables are refitted without each run. In large ones a one-step estimate picks the runs to
refit without, so what is reported is always a refit, never the estimate.
"""

from collections.abc import Sequence

import numpy as np

from scaling_cli.engine.problem import Problem
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.diagnosis.choices import (
    Fitted,
    Plan,
    Variation,
    exponent_names,
    own_corner,
)
from scaling_cli.search.optimum import Optimum, log_predictions, sensitivity

MOST_RUNS = 64  # with more, runs are screened before they are left out
SCREENED = 4  # refitted for the headline, and as many for the exponents
FEW = 0.02  # share of the points that counts as "a few runs"
SMALLEST_FEW = 2
MAD_TO_SD = 1.4826  # of the normal
CLIPPED = 3.0  # robust sds beyond which the influence of a residual no longer grows


def plans(fitted: Fitted) -> list[Plan]:
    """Return the refits that leave out single runs, and a few points at once."""
    steps = one_step(fitted.problem, fitted.optimum)
    return [*_single(fitted, steps), *_few(fitted, steps)]


def _single(fitted: Fitted, steps: np.ndarray) -> list[Plan]:
    names, member = np.unique(np.asarray(fitted.points.runs), return_inverse=True)
    chosen = np.arange(len(names))
    if len(names) > MOST_RUNS:
        chosen = _screened(fitted, _summed(steps, member, len(names)))
    enough = len(fitted.optimum.u) + 1
    return [
        Plan(f"without {names[i]}", "run", member != i, own_corner(fitted.problem))
        for i in chosen.tolist()
        if np.sum(member != i) >= enough
    ]


def _summed(steps: np.ndarray, member: np.ndarray, count: int) -> np.ndarray:
    """Return the one-step change when all points of a run are removed, shape (runs, k)."""
    total = np.zeros((count, steps.shape[1]))
    np.add.at(total, member, steps)
    return total


def _screened(fitted: Fitted, by_run: np.ndarray) -> np.ndarray:
    """Return the runs that move the headline or an exponent most, by the one-step estimate."""
    problem = fitted.problem
    at = sensitivity(problem, fitted.optimum.u, fitted.target.columns())[0]
    columns = [i for i, n in enumerate(problem.frame.names) if n in exponent_names(problem.law)]
    exponents = np.max(np.abs(by_run[:, columns]), axis=1, initial=0.0)
    scores = (np.abs(by_run @ at), exponents)
    first = [np.argsort(-score, kind="stable")[:SCREENED] for score in scores]
    return np.unique(np.concatenate(first))


def _few(fitted: Fitted, steps: np.ndarray) -> list[Plan]:
    """Plan to leave out the few points that push each exponent most, up and down."""
    problem = fitted.problem
    n, k = steps.shape
    few = max(SMALLEST_FEW, int(np.ceil(FEW * n)))
    if n - few < k + 2:
        return []
    found: dict[tuple[int, ...], Plan] = {}
    for j, name in enumerate(problem.frame.names):
        if name not in exponent_names(problem.law):
            continue
        order = np.argsort(steps[:, j])
        for chosen in (order[:few], order[-few:]):
            rows = tuple(sorted(int(i) for i in chosen))
            kept = ~np.isin(np.arange(n), rows)
            title = f"without the {few} that push {name} most"
            found.setdefault(rows, Plan(title, "few runs", kept, own_corner(problem)))
    return list(found.values())


def one_step(problem: Problem, optimum: Optimum) -> np.ndarray:
    """Return the one-step change of u when a point is removed, shape (n, k).

    Log residuals clipped at three robust sds stand in for Huber's arms, on which influence
    would not depend on the size of the residual at all.
    """
    root = np.sqrt(problem.weight)
    J = sensitivity(problem, optimum.u, problem.inputs) * root[:, None]
    r = log_predictions(problem, optimum.u, problem.inputs)[0] - np.log(problem.output)
    r = r * root
    bread = np.linalg.pinv(J.T @ J, hermitian=True)
    leverage = np.einsum("ij,jk,ik->i", J, bread, J)
    limit = CLIPPED * MAD_TO_SD * np.median(np.abs(r))
    clipped = np.clip(r, -limit, limit) if limit > 0 else r
    return (J @ bread) * (clipped / np.maximum(1 - leverage, 1 / len(r)))[:, None]


def largest_move(found: Sequence[Variation], law: Law) -> tuple[Variation, str] | None:
    """Return the variation that changes an exponent by the largest share, and which exponent."""
    best: tuple[float, Variation, str] | None = None
    for variation in found:
        for name, value in variation.exponents.items():
            share = abs(value / law.values()[name] - 1)
            if best is None or share > best[0]:
                best = (share, variation, name)
    return None if best is None else (best[1], best[2])
