"""Runs that might be done: a grid about those there are and beyond, with what each costs."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError

FACTOR = 2**0.5  # between neighbours of the grid
MOST = 1500  # candidates: the grid is coarser where there would be more
BEYOND = 2.0  # below the smallest run, and beyond the ratios there are
CHEAPEST = 3e-3  # share of a budget: smaller first runs tell little
DEAREST = 1 / 3  # share of a budget that a first run may take
RATIOS = (1 / 8, 8.0)  # times the target's tokens per parameter, of first runs
SETTINGS = 8  # of inputs that do not grow
Columns = Mapping[str, np.ndarray]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Candidates:
    """Runs that might be done.

    Parameters
    ----------
    inputs : mapping of symbol to array, shape (m,)
    costs : array, shape (m,)
    """

    inputs: Columns
    costs: np.ndarray

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.costs)

    def take(self, rows: np.ndarray | list[int]) -> "Candidates":
        """Return some."""
        return Candidates({s: v[rows] for s, v in self.inputs.items()}, self.costs[rows])


def costs_of(law: type[Law], inputs: Columns) -> np.ndarray:
    """Return what runs cost: compute by the law, else the product of what grows.

    Raises
    ------
    UsageError
        If nothing grows.
    """
    if not law.growing():
        raise UsageError(
            "this law has no input that grows, and so does not say what a run costs.",
            hint="Give --candidates FILE with a column cost.",
        )
    return np.asarray(law.along(inputs), float)


def about(law: type[Law], runs: Columns, target: Mapping[str, float], budget: float) -> Candidates:
    """Return runs about those there are and towards the target, none dearer than the budget."""
    spent = law.size_and_data()
    reach = {s: _towards(runs[s], target[s]) for s in law.growing()}
    if spent is None:
        return _affordable(law, reach, _settings(law, runs, target), budget)
    size, data = spent
    ratios = np.append(np.asarray(runs[data]) / runs[size], target[data] / target[size])
    ends = float(ratios.min()) / BEYOND, float(ratios.max()) * BEYOND
    found = _affordable(law, reach, _settings(law, runs, target), budget)
    own = found.inputs[data] / found.inputs[size]
    inside = (own >= ends[0] * 0.999) & (own <= ends[1] * 1.001)
    return found.take(np.flatnonzero(inside))


def first(law: type[Law], target: Mapping[str, float], budget: float) -> Candidates:
    """Return first runs, where there are none: shares of the budget, about the target's ratio.

    Raises
    ------
    UsageError
        If the law has no size and data: nothing says where runs may lie.
    """
    spent = law.size_and_data()
    if spent is None:
        raise UsageError(
            "without runs, this law does not say where the first may lie.",
            hint="Give --candidates FILE, or a fit of runs.",
        )
    size, data = spent
    ratio = target[data] / target[size]
    lowest, highest = (ratio * times for times in RATIOS)
    held = {s: np.array([v]) for s, v in target.items() if s not in spent}
    sizes = [
        np.sqrt(budget * share / (6 * of)) for share, of in ((CHEAPEST, highest), (DEAREST, lowest))
    ]
    reach = {size: (sizes[0], min(sizes[1], target[size]))}
    reach[data] = sizes[0] * lowest, sizes[1] * highest
    found = _affordable(law, reach, held, budget * DEAREST)
    own = found.inputs[data] / found.inputs[size]
    inside = (own >= lowest * 0.99) & (own <= highest * 1.01)
    dear = found.costs >= budget * CHEAPEST
    whole = (found.inputs[size] >= 1) & (found.inputs[data] >= 1)
    return found.take(np.flatnonzero(inside & dear & whole))


def _towards(values: np.ndarray, target: float) -> Ends:
    """Return from where to where an input may go: below the smallest, up to the target."""
    low, high = float(np.min(values)), float(np.max(values))
    return min(low / BEYOND, target), max(high, target)


def _settings(law: type[Law], runs: Columns, target: Mapping[str, float]) -> Columns:
    """Return the combinations of what does not grow: some that were run, and the target's."""
    held = [s for s in law.inputs() if s not in law.growing()]
    if not held:
        return {}
    rows = np.unique(np.stack([np.asarray(runs[s], float) for s in held], axis=1), axis=0)
    kept = rows[np.unique(np.linspace(0, len(rows) - 1, SETTINGS).round().astype(int))]
    every = np.unique(np.concatenate([kept, [[target[s] for s in held]]]), axis=0)
    return dict(zip(held, every.T, strict=True))


def _affordable(
    law: type[Law], reach: Mapping[str, Ends], settings: Columns, budget: float
) -> Candidates:
    """Return every combination that the budget buys, coarser where there would be very many."""
    factor = FACTOR
    while True:
        levels = [levels_of(*ends, factor, whole=True) for ends in reach.values()]
        count = np.prod([len(v) for v in levels]) * max(1, len(next(iter(settings.values()), ())))
        if count <= MOST:
            break
        factor *= FACTOR
    held = list(zip(*settings.values(), strict=True)) or [()]
    rows = [(*grown, *own) for grown in itertools.product(*levels) for own in held]
    symbols = [*reach, *settings]
    table = np.array(rows, float).reshape(-1, len(symbols))
    columns = {s: table[:, symbols.index(s)] for s in law.inputs()}
    costs = costs_of(law, columns)
    return Candidates(columns, costs).take(np.flatnonzero(costs <= budget))


def levels_of(low: float, high: float, factor: float, *, whole: bool = False) -> np.ndarray:
    """Return steps of a factor from the highest down, in two digits."""
    count = int(np.floor(np.log(high / low) / np.log(factor) + 1e-9)) + 1
    levels = high / factor ** np.arange(count)
    return np.unique([float(f"{v:.2g}") for v in levels] if whole else levels)
