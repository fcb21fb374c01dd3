"""Do a few runs decide? Every run left out in turn, and the few that push each exponent most.

Small tables are refitted without each run. In large ones a one-step estimate picks the runs to
refit without, so what is reported is always a refit, never the estimate.
"""

from collections.abc import Sequence

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.point_fits.diagnosis.choices import Plan, Variation, exponent_names, planned
from scaling_cli.point_fits.fitted import Fitted

MOST_RUNS = 64  # with more, runs are screened before they are left out
SCREENED = 4  # refitted for the headline, and as many for the exponents
FEW = 0.02  # share of the points that counts as "a few runs"
SMALLEST_FEW = 2
MAD_TO_SD = 1.4826  # of the normal
CLIPPED = 3.0  # robust sds beyond which the influence of a residual no longer grows


def plans(fitted: Fitted) -> list[Plan]:
    """Return the refits that leave out single runs, and a few points at once."""
    steps = one_step(fitted)
    return [*_single(fitted, steps), *_few(fitted, steps)]


def _single(fitted: Fitted, steps: np.ndarray) -> list[Plan]:
    names, member = np.unique(np.asarray(fitted.points.runs), return_inverse=True)
    left_out = np.arange(len(names))
    if len(names) > MOST_RUNS:
        by_run = np.zeros((len(names), steps.shape[1]))
        np.add.at(by_run, member, steps)
        left_out = _screened(fitted, by_run)
    enough = len(fitted.u) + 1
    return [
        planned(fitted, f"without {names[i]}", "run", member != i)
        for i in left_out.tolist()
        if np.sum(member != i) >= enough
    ]


def _screened(fitted: Fitted, by_run: np.ndarray) -> np.ndarray:
    """Return the runs that move the headline or an exponent most, by the one-step estimate."""
    problem, exponents = fitted.problem, exponent_names(fitted.problem.law)
    at = problem.sensitivity(fitted.u, fitted.target.columns())[0]
    columns = [i for i, n in enumerate(problem.frame.names) if n in exponents]
    largest = np.max(np.abs(by_run[:, columns]), axis=1, initial=0.0)
    scores = (np.abs(by_run @ at), largest)
    first = [np.argsort(-score, kind="stable")[:SCREENED] for score in scores]
    return np.unique(np.concatenate(first))


def _few(fitted: Fitted, steps: np.ndarray) -> list[Plan]:
    """Plan to leave out the few points that push each exponent most, up and down."""
    n, k = steps.shape
    few = max(SMALLEST_FEW, int(np.ceil(FEW * n)))
    if n - few < k + 2:
        return []
    by_rows: dict[tuple[int, ...], Plan] = {}
    for j, name in enumerate(fitted.problem.frame.names):
        if name not in exponent_names(fitted.problem.law):
            continue
        order = np.argsort(steps[:, j])
        for pushing in (order[:few], order[-few:]):
            kept = ~np.isin(np.arange(n), pushing)
            plan = planned(fitted, f"without the {few} that push {name} most", "few runs", kept)
            by_rows.setdefault(tuple(np.flatnonzero(~kept).tolist()), plan)
    return list(by_rows.values())


def one_step(fitted: Fitted) -> np.ndarray:
    """Return the one-step change of u when a point is removed, shape (n, k).

    Log residuals clipped at three robust sds stand in for Huber's arms, on which influence
    would not depend on the size of the residual at all.
    """
    root = np.sqrt(fitted.problem.weight)
    J, r = fitted.slopes * root[:, None], fitted.misses * root
    bread = np.linalg.pinv(J.T @ J, hermitian=True)
    leverage = np.einsum("ij,jk,ik->i", J, bread, J)
    limit = CLIPPED * MAD_TO_SD * np.median(np.abs(r))
    clipped = np.clip(r, -limit, limit) if limit > 0 else r
    return (J @ bread) * (clipped / np.maximum(1 - leverage, 1 / len(r)))[:, None]


def largest_move(made: Sequence[Variation], law: Law) -> tuple[Variation, str] | None:
    """Return the variation that changes an exponent by the largest share, and which exponent."""
    moves = [
        (abs(value / law.values()[name] - 1), variation, name)
        for variation in made
        for name, value in variation.exponents.items()
    ]
    return max(moves, key=lambda move: move[0])[1:] if moves else None
