"""Which runs are held back to choose a law: the largest along cost, and along what grows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.point_fits.cuts import along
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import FitError

SHARES = (0.1, 0.2, 0.35, 0.5)  # of the runs, held back along cost
OF_AXES = SHARES[:-1]  # the same along what grows: forecasts reach less far there
FEWEST, LEAST_SHARE, MOST_SHARE = 8, 0.05, 0.6  # of the runs: a single one may be met by luck
ONE_LEVEL = 0.05  # in ln of an axis: levels that lie nearer are held back together


@dataclass(frozen=True)
class Cut:
    """A cut along an axis.

    Parameters
    ----------
    axis : str
    at : float
        Nothing above it is fitted.
    train : array of bool, shape (n,)
        Rows that are fitted; the others are held back.
    """

    axis: str
    at: float
    train: np.ndarray


def cuts_of(points: Points, law: type[Law], there: Mapping[str, Any] | None) -> list[Cut]:
    """Return the cuts along cost and along every axis that grows.

    Where it is known which points are asked for: along the axes on which they leave the runs; along
    one alone if they leave them on one alone.

    Raises
    ------
    FitError
        If the runs allow none.
    """
    cost, grows = law.axis(), law.growing()
    values = {axis: along(law, points.inputs, axis) for axis in dict.fromkeys([cost, *grows])}
    if there is not None:
        left = [a for a, v in values.items() if np.max(along(law, there, a)) > np.max(v)]
        own = [axis for axis in left if axis in grows]
        values = {a: values[a] for a in (own if len(own) == 1 else left or values)}
    shares = {axis: SHARES if axis == cost else OF_AXES for axis in values}
    cuts = [cut for axis, v in values.items() for cut in _along(axis, v, shares[axis])]
    if cuts:
        return cuts
    raise FitError(
        f"{len(points)} points are too few to choose a law by: a cut along "
        f"{', '.join(values)} has to hold back {FEWEST} or more, and to leave "
        f"{1 - MOST_SHARE:.0%} or more.",
        hint="Name a law: --law chinchilla.",
    )


def _along(axis: str, values: np.ndarray, shares: Sequence[float]) -> Iterator[Cut]:
    """Yield the cuts along an axis that lie nearest to the shares, between its levels."""
    logs, count = np.log(values), len(values)
    ordered = np.sort(logs)
    edges = ordered[:-1][np.diff(ordered) > ONE_LEVEL]  # the largest value of each level but one
    held = count - np.searchsorted(ordered, edges, side="right")
    least = max(FEWEST, LEAST_SHARE * count)
    usable = (held >= least) & (held <= MOST_SHARE * count)
    edges, held = edges[usable], held[usable]
    if not len(edges):
        return
    nearest = (int(np.argmin(np.abs(np.log(held / (share * count))))) for share in shares)
    for place in dict.fromkeys(nearest):
        train = logs <= edges[place]
        yield Cut(axis, float(np.max(values[train])), train)
