"""How to split a compute between size and data: where the law's best is, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import near_optimal, optimal_range
from scaling_cli.vocabulary.quantities import C

Ends = tuple[float, float]


@dataclass(frozen=True)
class Split:
    """The best size and data at one compute, by the law alone.

    Parameters
    ----------
    compute : float
        In FLOP.
    best : mapping of symbol to float
        Size and data of least loss.
    interval : mapping of symbol to (low, high), or None
        Where these lie by `optimal_range` of the fit's draws, at the prediction's level.
    near : mapping of share to mapping of symbol to (low, high)
        Between which sizes, and which data then, the loss is within this share of the least. An
        end is 0 or infinite where it stays within it for a factor of 1e4.
    """

    compute: float
    best: Mapping[str, float]
    interval: Mapping[str, Ends] | None
    near: Mapping[float, Mapping[str, Ends]]

    def to_record(self) -> dict[str, Any]:
        """Return it as `scaling predict --json` prints it."""
        return {
            "C": self.compute,
            **self.best,
            **{f"{s}_interval": self.interval and list(self.interval[s]) for s in self.best},
            "near_optimal": [
                {"loss_within": share, **{s: list(ends) for s, ends in of.items()}}
                for share, of in self.near.items()
            ],
        }


def split(
    law: Law,
    draws: Mapping[str, np.ndarray] | None,
    point: Mapping[str, float],
    compute: float,
    level: float,
) -> Split:
    """Return the split of which `point`, the law's inputs, is the best at this compute."""
    size, data = law.size_and_data() or ("", "")
    held = {s: v for s, v in point.items() if s not in (size, data)}

    def both(ends: Ends) -> dict[str, Ends]:
        """Return the ends of size with those of data, which falls as size grows."""
        low, high = (_data(law, compute, {**held, size: end}, data) for end in reversed(ends))
        return {size: ends, data: (low, high)}

    near = near_optimal(law, compute, held)
    ends = optimal_range(law, draws, compute, level, held)
    interval = None if ends is None else both(ends)
    best = {s: float(point[s]) for s in (size, data)}
    return Split(compute, best, interval, {share: both(ends) for share, ends in near.items()})


def _data(law: Law, compute: float, known: Mapping[str, float], data: str) -> float:
    size = next(s for s in law.size_and_data() or () if s != data)
    if known[size] in (0.0, np.inf):
        return np.inf if known[size] == 0.0 else 0.0
    return float(law.spending(compute, **known)[data])


def splits(
    law: Law,
    draws: Mapping[str, np.ndarray] | None,
    columns: Mapping[str, np.ndarray],
    given: Mapping[str, Any],
    level: float,
) -> tuple[Split, ...]:
    """Return one per point where compute alone was given, and nothing where more was.

    Parameters
    ----------
    columns : mapping of symbol to array, shape (points,)
        The law's inputs, completed.
    given : mapping
        What was given, by symbol.
    """
    spent = law.size_and_data()
    if not spent or C.symbol not in given or C.symbol in law.inputs() or set(spent) & set(given):
        return ()
    typed = np.broadcast_to(np.asarray(given[C.symbol], float), columns[spent[0]].shape)
    points = ({s: float(v[i]) for s, v in columns.items()} for i in range(len(columns[spent[0]])))
    return tuple(
        split(law, draws, point, compute, level)
        for point, compute in zip(points, typed.tolist(), strict=True)
    )
