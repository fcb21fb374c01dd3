"""`backtest`: hold the largest runs back, refit, score the forecast that would have been made."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.backtest import Backtest, ScoredCut, Skipped
from scaling_cli.engine import executors
from scaling_cli.engine.executors import Executor
from scaling_cli.engine.priors import Given
from scaling_cli.ingest._points import with_law
from scaling_cli.laws._law import Law
from scaling_cli.point_fits import fitting
from scaling_cli.point_fits.cuts import Cuts, along, axis_symbol, checked, fewest_training
from scaling_cli.point_fits.fitted import Company, Fitted, Resampling
from scaling_cli.point_fits.held_out import hold_out
from scaling_cli.runs.direction import Direction
from scaling_cli.runs.points import Points, straddled
from scaling_cli.search.optimum import make_problem, refuse, settle
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from scaling_cli.runs.table import Runs


def backtest(
    data: "Points | Runs | pd.DataFrame | str | os.PathLike[str]",
    *,
    law: str | type[Law] = "chinchilla",
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
    best_of: str | None = None,
    rising: bool = False,
    limit: float | None = None,
    objective: Objective | str | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    weights: "str | ArrayLike | None" = None,
    prior: Mapping[str, Given] | None = None,
    on: str = "compute",
    cuts: Cuts = None,
    level: float = 0.9,
    seed: int = 0,
    alone: bool = False,
    command: str = "",
    executor: str | Executor = executors.SERIAL_NAME,
) -> Backtest:
    """Hold the largest runs back, refit the law to the rest, and score its forecast of them.

    Parameters
    ----------
    data, law, target, where, at, best_of, rising, limit, objective, fix, tie, weights, prior, alone
        As in `fit`. The noise that scales priors is estimated once, from all points.
    on : {"compute", "params", "tokens"}
        The axis along which runs are large. For laws of one input, compute is that input.
    cuts : int, sequence of float, "rolling" or None
        A number of cuts, evenly spaced in the logarithm of the axis; the largest values to be
        fitted; or each level of the axis in turn, forecast from everything below it. Default:
        the cuts that every fit is tested by.
    level : float
        Nominal coverage of the intervals.
    seed : int
        Of all random numbers.
    command : str
        Command line that asked, stored in the result.
    executor : str or Executor
        Where refits run, as in `fit`; it does not change them.

    Returns
    -------
    Backtest
        Cuts by rising size of what was fitted. A cut's intervals are those that a prediction
        from its fitted part alone would carry.

    Raises
    ------
    UsageError
        If the axis, the cuts, the level or an option of the fit cannot be used.
    DataError
        If the data cannot be read or contradict themselves.
    FitError
        If the points give no usable fit, or no cut leaves enough of them.
    """
    check_level(level)
    resampling = Resampling(seed=seed)  # refuses a seed that cannot be one
    minimised = Objective.of(objective)
    data, law_class = with_law(data, law)
    symbol, wanted = axis_symbol(law_class, on), checked(cuts)
    chosen = {"target": target, "where": where, "at": at, "best_of": best_of}
    direction = Direction(rising, limit, minimised.space)
    points, origin = fitting.as_points(
        data, law_class, **chosen, weights=weights, direction=direction
    )
    problem = make_problem(points, law_class, minimised, fix, tie, prior=prior)
    refuse(points, problem)
    with executors.opened(executor) as opened:
        fitted = Fitted(
            points, *settle(problem, seed=seed), resampling, level, opened, Company(alone)
        )
        tested = hold_out(fitted, symbol, wanted)
    if not tested.cuts:
        raise _nothing_left(fitted, tested.skipped)
    return Backtest(
        law=laws.name_of(law_class),
        on=on,
        axis=symbol,
        level=level,
        objective=minimised,
        n_points=len(points),
        cuts=tuple(tested.cuts),
        skipped=tuple(tested.skipped),
        left_out=points.left_out,
        data=fitting.describe(points, law_class, embedded=False) | origin,
        selection={
            **chosen,
            **direction.to_dict(),
            **fitting.held(fix, tie, weights, prior),
            "seed": seed,
            "cuts": cuts,
            "alone": alone,
        },
        notes=(
            *_straddling(points, along(law_class, points.inputs, symbol), tested.cuts),
            *_turned(points),
            *_thinned(fitted),
        ),
        command=command,
    )


def _nothing_left(fitted: Fitted, skipped: Sequence[Skipped]) -> FitError:
    name, k, n = laws.name_of(fitted.law), len(fitted.u), len(fitted.points)
    fewest = fewest_training(k)
    largest = sorted(skipped, key=lambda s: s.train_max)[-2:]
    reasons = "; ".join(dict.fromkeys(s.reason for s in largest)) or "all runs lie at one level"
    return FitError(
        f"no cut of these {n} points can be tested: each needs at least {fewest} points to fit "
        f"({name} with {k} free parameters) and larger ones to forecast. Of {len(skipped)} cuts "
        f"tried, the largest: {reasons}.",
        hint="Add smaller runs, give other --cuts, or hold parameters with --fix or --tie.",
    )


def _turned(points: Points) -> Iterator[str]:
    """Say what errors are of if not of the target."""
    if points.turned is not None:
        yield f"errors and ranges are those of {points.turned}."


def _thinned(fitted: Fitted) -> Iterator[str]:
    """Say what was tested if not all points."""
    tested, count = len(fitted.questioned.points), len(fitted.points)
    if tested < count:
        yield f"a table of {count} points is tested on {tested} of them, thinned in order of size."


def _straddling(points: Points, values: np.ndarray, scored: Sequence[ScoredCut]) -> tuple[str, ...]:
    """Say where a run has rows on both sides of a cut: its end is forecast from its beginning."""
    both = straddled(points.runs, values, [(cut.train_max, cut.held_out) for cut in scored])
    if not both:
        return ()
    return (
        f"in {both} of {len(scored)} cuts a run has rows on both sides: its later rows are "
        "forecast with its earlier ones fitted. With --at final every run is on one side.",
    )
