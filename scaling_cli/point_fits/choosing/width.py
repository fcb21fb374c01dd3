"""How wide the intervals of chosen laws are: what runs that were held back say."""

from collections.abc import Sequence

import numpy as np

from scaling_cli.artefacts._prediction import SPREAD, decades, edges
from scaling_cli.engine.problem import Problem
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.certainty.draws import noise, relative
from scaling_cli.point_fits.choosing.cuts import Cut
from scaling_cli.point_fits.choosing.tried import Tried

INSIDE = 0.9  # of what was held back
BEYOND = 0.02  # decades: rows that lie less far beyond say nothing of a drift


def width_of(members: Sequence[Tried], problem: Problem, cuts: Sequence[Cut]) -> dict[str, float]:
    """Return the drift per decade and the scatter that hold 90 % of what was held back.

    The drift is what rows beyond the fitted ones ask for after noise and the distance between the
    laws; where that does not do, for rows that lie beyond along no axis, they scatter more.
    """
    sigma = _noise(members, problem)
    told = [_held_rows(members, problem, i, cut) for i, cut in enumerate(cuts)]
    miss, spread, away = (np.concatenate(column) for column in zip(*told, strict=True))
    weight = np.concatenate([np.full(len(row[0]), 1 / len(row[0])) for row in told])
    rest = miss**2 - (SPREAD * spread) ** 2
    drift, beyond = 0.0, away > BEYOND
    if beyond.any():
        asked = _root(rest - (NORMAL_90 * sigma) ** 2)[beyond] / (NORMAL_90 * away[beyond])
        drift = _most(asked, weight[beyond])
    left = _most(_root(rest - (NORMAL_90 * drift * away) ** 2), weight)
    return {"drift": drift, "noise": max(1.0, left / (NORMAL_90 * sigma))}


def _root(square: np.ndarray) -> np.ndarray:
    """Return the root of what is left of a square; none where nothing is."""
    return np.sqrt(np.maximum(square, 0.0))


def _noise(members: Sequence[Tried], problem: Problem) -> float:
    """Return the sd of ln output of one run, by the law that is shown: as in its fit."""
    root, shown = np.sqrt(relative(problem.weight)), members[0]
    return noise(shown.near * root, len(shown.law.parameters()), problem.objective.name)


def _held_rows(
    members: Sequence[Tried], problem: Problem, i: int, cut: Cut
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, of rows held back: the miss of the mean, the spread of the laws, decades beyond."""
    misses = np.stack([one.misses[i] for one in members])
    inside, outside = (
        {s: v[rows] for s, v in problem.inputs.items()} for rows in (cut.train, ~cut.train)
    )
    away = decades(problem.law, outside, edges(problem.law, inside))
    return np.abs(np.mean(misses, axis=0)), np.ptp(misses, axis=0), away


def _most(values: np.ndarray, weight: np.ndarray) -> float:
    """Return the value that 90 % of the weight does not pass."""
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / np.sum(weight)
    return float(values[order][min(int(np.searchsorted(share, INSIDE)), len(values) - 1)])
