"""The points that a call of `fit` means: given, or read and selected, and weighted."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scaling_cli import laws
from scaling_cli.laws._law import Law
from scaling_cli.numerics.frontier import undercutting
from scaling_cli.runs.direction import Direction, directed
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.outcomes import LeftOut

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
BEST_OF = ("config", "frontier")
Weights: TypeAlias = "str | ArrayLike | None"


def with_law(data: Any, law: str | type[Law]) -> tuple[Any, type[Law]]:
    """Return data, read if need be, and the law: a formula may name any of their columns.

    Raises
    ------
    UsageError
        If there is no such law.
    """
    if isinstance(data, Points):
        return data, laws.get(law, tuple(data.inputs))
    from scaling_cli import ingest
    from scaling_cli.runs.view import View

    laws.get(law) if isinstance(law, str) and law.isidentifier() else None  # before files are read
    runs = ingest.as_runs(data)
    view = View.of(runs)
    return runs, laws.get(law, {*view.original_names(), *view.names()})


def read_for(data: Any) -> Any:
    """Return data, read if need be."""
    if isinstance(data, Points):
        return data
    from scaling_cli import ingest

    return ingest.as_runs(data)


def names_in(data: Any) -> list[str]:
    """Return the inputs of points, or the columns of runs as their files call them."""
    if isinstance(data, Points):
        return list(data.inputs)
    from scaling_cli.runs.view import View

    return View.of(data).original_names()


def known_inputs(data: Any, law: type[Law]) -> bool:
    """Say whether all inputs of a law are known of points or runs, of some at least."""
    if isinstance(data, Points):
        return set(law.inputs()) <= set(data.inputs)
    from scaling_cli.runs.view import View

    view = View.of(data)
    names = (view.called(quantity) for quantity in law.inputs().values())
    return all(name is not None and not view.missing(name).all() for name in names)


def as_points(
    data: Any,
    law: type[Law],
    *,
    target: str | None,
    where: str | None,
    at: str,
    best_of: str | None = None,
    weights: Weights,
    direction: Direction,
) -> tuple[Points, dict[str, Any]]:
    """Return the points to fit, reading and selecting as needed, and where they come from."""
    if isinstance(data, Points):
        if where is not None or target is not None or at != "final":
            raise UsageError(
                "target, where and at select from runs; these points are already selected."
            )
        given = directed(weighted(data, weights), law, direction)
        return best(given, best_of, law), {"sources": []}
    from scaling_cli import ingest
    from scaling_cli.runs import selection  # reading costs pyarrow; points do not need it
    from scaling_cli.runs.pruning import refuse_unused

    runs = ingest.as_runs(data)
    refuse_unused(runs, law)
    if weights is not None and not isinstance(weights, str):
        raise UsageError("numbers as weights go with Points; of runs, name a column.")
    chosen = selection.select(runs, law, target=target, where=where, at=at, weight=weights)
    return best(directed(chosen, law, direction), best_of, law), runs.provenance(target)


def best(points: Points, of: str | None, law: type[Law]) -> Points:
    """Return the best point of each configuration: runs of equal inputs, as a random search has.

    Or those of the frontier: no other reached as low an output with as little of the law's axis.

    Raises
    ------
    UsageError
        If the best of something else is asked for, or nothing of the law grows.
    """
    if of is None:
        return points
    if of not in BEST_OF:
        raise UsageError(f"the best can be taken of {', '.join(BEST_OF)}, not of {of!r}.")
    if of == "frontier":
        return _frontier(points, law)
    columns = np.stack([np.asarray(v, float) for v in points.inputs.values()], axis=1)
    cell, sizes = np.unique(columns, axis=0, return_inverse=True, return_counts=True)[1:]
    order = np.lexsort((points.output, cell.ravel()))
    first = order[np.append(True, np.diff(cell.ravel()[order]) != 0)]
    kept = np.isin(np.arange(len(points)), first)
    left = [
        LeftOut(str(points.runs[i]), f"not the best of {sizes[cell.ravel()[i]]} runs of its inputs")
        for i in np.flatnonzero(~kept).tolist()
    ]
    told = (
        f"the best of each of {len(sizes)} configurations is fitted, of {sizes.min()} to "
        f"{sizes.max()} runs (median {np.median(sizes):g}): what is predicted is the best of as "
        "many tries, not one run."
    )
    chosen = points.take(kept)
    return replace(chosen, left_out=[*points.left_out, *left], notes=[*points.notes, told])


def _frontier(points: Points, law: type[Law]) -> Points:
    """Return the points that no other dominates, and say of every other one that does."""
    axis = law.axis()
    if not axis:
        hint = "--best-of config takes the best of equal inputs."
        raise UsageError("nothing of this law grows, so it has no frontier.", hint=hint)
    by = undercutting(law.along(points.inputs), np.asarray(points.output, float), points.runs)
    kept = by == np.arange(len(points))
    left = [
        LeftOut(
            str(points.runs[i]), f"dominated by {points.runs[by[i]]}: lower, with as little {axis}"
        )
        for i in np.flatnonzero(~kept).tolist()
    ]
    told = (
        f"the frontier is fitted: {int(kept.sum())} of {len(points)} points, of which none has "
        f"another as low with as little {axis}. What is predicted is the best of many, not one run."
    )
    chosen = points.take(kept)
    return replace(chosen, left_out=[*points.left_out, *left], notes=[*points.notes, told])


def weighted(points: Points, weights: Weights) -> Points:
    """Return points with these weights; those of weight zero are left out.

    Raises
    ------
    UsageError
        If they are a name, not one number per point, negative, not finite, or all zero.
    """
    if weights is None:
        return points
    if isinstance(weights, str):
        message = f"these points have no column {weights!r}: they are already selected."
        raise UsageError(message, hint="Give one number per point.")
    values = np.asarray(weights, float)
    if values.shape != (len(points),):
        raise UsageError(f"{len(points)} points need as many weights, not {values.shape}.")
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0))).tolist()
    if bad:
        raise UsageError(
            f"the weight of run {points.runs[bad[0]]} is {values[bad[0]]:g}; it must be a number, "
            "not negative."
        )
    if not np.any(values):
        raise UsageError("all weights are zero: nothing is left to fit.")
    dropped = dict.fromkeys(str(points.runs[i]) for i in np.flatnonzero(values == 0).tolist())
    left = [*points.left_out, *(LeftOut(run, "weight is 0") for run in dropped)]
    return replace(points, weight=values, left_out=left).take(values > 0)


def weight_name(weights: Weights) -> str | None:
    """Return the column of the weights, for the record; numbers are in the points themselves."""
    return weights if isinstance(weights, str) else None
