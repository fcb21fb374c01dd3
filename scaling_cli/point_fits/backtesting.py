"""`backtest`: hold the largest runs back, refit, and score the forecast that would have been made.

Every cut is treated as if its runs were all there is: refitted, tested by cuts of its own for the
drift, and given the joint draws that a prediction's interval is made of. What is held back never
enters its own forecast.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Uncertainty, intervals
from scaling_cli.artefacts.backtest import Backtest, Forecasts, ScoredCut, Skipped, joined
from scaling_cli.engine import chunks, executors
from scaling_cli.engine.executors import Executor
from scaling_cli.engine.priors import Given, as_text
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Law
from scaling_cli.point_fits import fitting
from scaling_cli.point_fits.certainty import companion, uncertainty
from scaling_cli.point_fits.certainty.draws import DRAWS, Draws, least_squares, noise_at
from scaling_cli.point_fits.certainty.uncertainty import OTHER_STARTS, Cut, fewest_training
from scaling_cli.point_fits.cuts import Cuts, Split, along, axis_symbol, checked, splits
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.runs.direction import Direction
from scaling_cli.runs.points import Points, straddled
from scaling_cli.search.optimum import make_problem, refits, refuse, settle
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from scaling_cli.runs.table import Runs

# With more cuts than share these at DRAWS each, every cut gets fewer, and the result says so.
DRAWS_IN_ALL = 20_000
FEWEST_DRAWS = 100
FORECASTS_AT_ONCE = 256


@dataclass(frozen=True)
class Part:
    """What is fitted at one cut, and the cuts inside it that its drift is learned from."""

    split: Split
    points: Points
    problem: Problem
    inner: Sequence[np.ndarray]  # rows of `points`

    def weights(self) -> list[np.ndarray]:
        """Return weights over the whole table, shape (n,): of this part, then of each inner cut."""
        rows = np.flatnonzero(self.split.train)
        fitted = [rows, *(rows[mask] for mask in self.inner)]
        return [np.isin(np.arange(len(self.split.train)), kept).astype(float) for kept in fitted]


def backtest(
    data: "Points | Runs | pd.DataFrame | str | os.PathLike[str]",
    *,
    law: str = "chinchilla",
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
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
    command: str = "",
    executor: str | Executor = executors.SERIAL_NAME,
) -> Backtest:
    """Hold the largest runs back, refit the law to the rest, and score its forecast of them.

    Parameters
    ----------
    data, law, target, where, at, rising, limit, objective, fix, tie, weights, prior
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
        from its fitted part alone would carry, the drift learned inside that part included.

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
    law_class, minimised = laws.get(law), Objective.of(objective)
    symbol, wanted = axis_symbol(law_class, on), checked(cuts)
    chosen = {"target": target, "where": where, "at": at}
    direction = Direction(rising, limit, minimised.space)
    points, origin = fitting.as_points(
        data, law_class, **chosen, weights=weights, direction=direction
    )
    problem = make_problem(points, law_class, minimised, fix, tie, prior=prior)
    refuse(points, problem)
    with executors.opened(executor) as opened:
        fitted = Fitted(points, *settle(problem, seed=seed), resampling, level, opened)
        scored, skipped = _scored(fitted, symbol, wanted)
    return Backtest(
        law=law,
        on=on,
        axis=symbol,
        level=level,
        objective=minimised,
        n_points=len(points),
        cuts=tuple(scored),
        skipped=tuple(skipped),
        left_out=points.left_out,
        data=fitting.describe(points, law_class, embedded=False) | origin,
        selection={
            **chosen,
            **direction.to_dict(),
            "fix": dict(fix or {}),
            "tie": dict(tie or {}),
            "weight": fitting.weight_name(weights),
            "prior": as_text(prior),
            "seed": seed,
            "cuts": cuts,
        },
        notes=(
            *_straddling(points, along(law_class, points.inputs, symbol), scored),
            *_drawn(scored, points),
        ),
        command=command,
    )


def _scored(fitted: Fitted, symbol: str, cuts: Cuts) -> tuple[list[ScoredCut], list[Skipped]]:
    values = along(type(fitted.law), fitted.points.inputs, symbol)
    fewest = fewest_training(len(fitted.u))
    used, skipped = splits(values, cuts, symbol, fewest)
    parts, refused = _parts(fitted, used)
    if not parts:
        raise _nothing_left(fitted, fewest, [*skipped, *refused])
    refitted, stuck = _refitted(fitted, parts)
    certain = _uncertainties(fitted, refitted)
    scored = [
        _cut(fitted, values, part, *learned)
        for part, learned in zip(refitted, certain, strict=True)
    ]
    return scored, sorted([*skipped, *refused, *stuck], key=lambda s: s.train_max)


@dataclass(frozen=True)
class _Refitted:
    """A part with its refits: the part itself, then its inner cuts.

    `companions` are the companion law's, in the same order; none where there is no companion.
    """

    part: Part
    u: np.ndarray
    value: np.ndarray
    companions: Sequence[Law | None]

    @property
    def companion(self) -> Law | None:
        """The companion fitted to the whole part."""
        return self.companions[0]

    def inner(self) -> list[Cut]:
        """Score the cuts inside the part that could be refitted."""
        part = self.part
        others = self.companions[1:] if self.companion else [None] * len(part.inner)
        rows = zip(self.u[1:], self.value[1:], part.inner, others, strict=True)
        return [
            uncertainty.score(part.points, part.problem, u, mask, ~mask, companion=other)
            for u, value, mask, other in rows
            if np.isfinite(value)
        ]


def _parts(fitted: Fitted, used: Sequence[Split]) -> tuple[list[Part], list[Skipped]]:
    """Return what each cut fits; a part that no fit could be made of is refused with the reason."""
    parts, refused, problem = [], [], fitted.problem
    for split in used:
        own = fitted.points.take(split.train)
        inside = replace(
            problem,
            inputs={s: v[split.train] for s, v in problem.inputs.items()},
            output=problem.output[split.train],
            weight=problem.weight[split.train],
        )
        try:
            refuse(own, inside)
        except FitError as error:
            refused.append(Skipped(split.at, error.message.rstrip(".")))
            continue
        parts.append(Part(split, own, inside, uncertainty.cuts_by_share(inside)))
    return parts, refused


def _refitted(fitted: Fitted, parts: Sequence[Part]) -> tuple[list[_Refitted], list[Skipped]]:
    """Refit every part and every cut inside it, all side by side."""
    problem, weights = fitted.problem, [part.weights() for part in parts]
    begin = np.stack([fitted.u, *starts(problem)[:OTHER_STARTS]])
    every = [row for rows in weights for row in rows]
    u, value = refits(problem, begin, every, executor=fitted.executor)
    companions = companion.of_parts(problem, [part.problem for part in parts], weights)
    ended, stuck, first = [], [], 0
    for part in parts:
        own = slice(first, first + 1 + len(part.inner))
        first = own.stop
        if np.isfinite(value[own.start]):
            ended.append(_Refitted(part, u[own], value[own], companions[own]))
        else:
            stuck.append(Skipped(part.split.at, "the refit did not converge"))
    if not ended:
        raise FitError(
            f"no refit of {laws.name_of(problem.law)} to a part of these points converged.",
            hint="Hold parameters with --fix or --tie.",
        )
    return ended, stuck


def _nothing_left(fitted: Fitted, fewest: int, skipped: Sequence[Skipped]) -> FitError:
    name, k, n = laws.name_of(fitted.law), len(fitted.u), len(fitted.points)
    largest = sorted(skipped, key=lambda s: s.train_max)[-2:]
    reasons = "; ".join(dict.fromkeys(s.reason for s in largest)) or "all runs lie at one level"
    return FitError(
        f"no cut of these {n} points can be tested: each needs at least {fewest} points to fit "
        f"({name} with {k} free parameters) and larger ones to forecast. Of {len(skipped)} cuts "
        f"tried, the largest: {reasons}.",
        hint="Add smaller runs, give other --cuts, or hold parameters with --fix or --tie.",
    )


def _uncertainties(fitted: Fitted, refitted: Sequence[_Refitted]) -> list[tuple[Uncertainty, int]]:
    """Return what each part's intervals are made of, and how many inner cuts taught the drift."""
    problem, count, seed = fitted.problem, draws_each(len(refitted)), fitted.resampling.seed
    sigmas = [noise_at(r.part.problem, r.u[0]) for r in refitted]
    batches = [
        _PartDraws(problem, r.part.split.train, Draws(r.part.problem, r.u[0], sigma, seed, count))
        for r, sigma in zip(refitted, sigmas, strict=True)
    ]
    ended = chunks.run(batches, fitted.executor)
    learned = []
    for r, sigma, batch, ends in zip(refitted, sigmas, batches, ended, strict=True):
        inner, (draws, each) = r.inner(), batch.part.kept(ends, chunks.cut(batch))
        certain = uncertainty.combine(
            r.part.problem, inner, draws, each, sigma, companion=r.companion
        )
        learned.append((certain, len(inner)))
    return learned


@dataclass(frozen=True)
class _PartDraws:
    """Joint draws of a part, fitted over the whole table.

    What the part does not hold has weight zero there, so that parts of every size share one
    executable. Of one chunk, the numbers are those of `draws.parameter_draws` on the part
    alone.
    """

    whole: Problem
    train: np.ndarray  # rows of the table that the part holds, shape (n,)
    part: Draws

    @property
    def problem(self) -> Problem:
        return least_squares(self.whole)

    def __len__(self) -> int:
        return len(self.part)

    def lanes(self, chunk: chunks.Chunk) -> dict[str, np.ndarray]:
        given = self.part.lanes(chunk)
        output = np.tile(self.whole.output, (len(chunk), 1))
        output[:, self.train] = given["output"]
        weight = np.zeros_like(output)
        weight[:, self.train] = self.part.measured.weight
        return given | {"output": output, "weight": weight}


def draws_each(cuts: int) -> int:
    """Return how many draws the intervals of each cut are made of: those of a fit, or fewer."""
    return int(np.clip(DRAWS_IN_ALL // cuts, FEWEST_DRAWS, DRAWS))


def _cut(
    fitted: Fitted,
    values: np.ndarray,
    refit: _Refitted,
    certain: Uncertainty,
    learned_from: int,
) -> ScoredCut:
    points, problem, split, u = fitted.points, fitted.problem, refit.part.split, refit.u[0]
    (law,) = problem.laws(u[None])
    train_max = float(np.max(values[split.train]))
    reach, tested = values / train_max, np.flatnonzero(split.test)
    forecasts = joined(
        _forecasts(points.take(rows), law, certain, fitted.level, reach[rows])
        for rows in np.split(tested, range(FORECASTS_AT_ONCE, len(tested), FORECASTS_AT_ONCE))
    )
    rows = split.train, split.test
    misses = uncertainty.score(points, problem, u, *rows, companion=refit.companion)
    return ScoredCut(
        train_max=train_max,
        n_train=misses.n_train,
        n_test=misses.n_test,
        factor=float(np.max(forecasts.reach)),
        drift=misses.drift,
        drift_learned=certain.drift,
        learned_from=learned_from,
        parameters=law.values(),
        held_out=misses.held_out,
        forecasts=forecasts,
        **forecasts.score(),
    )


def _forecasts(
    held: Points, law: Law, certain: Uncertainty, level: float, reach: np.ndarray
) -> Forecasts:
    """Forecast held-back points as a prediction from a stored fit would."""
    inputs = {s: np.asarray(held.inputs[s], float) for s in law.inputs()}
    value = np.asarray(law(**inputs), float)
    _, (low, high), _ = intervals(law, certain, inputs, value, level)
    alone = replace(certain, drift=0.0, companion=None)
    _, (law_low, law_high), _ = intervals(law, alone, inputs, value, level)
    return Forecasts(
        runs=held.runs,
        reach=reach,
        measured=np.asarray(held.output, float),
        predicted=value,
        low=low,
        high=high,
        law_low=law_low,
        law_high=law_high,
    )


def _drawn(scored: Sequence[ScoredCut], points: Points) -> Iterator[str]:
    """Say where cuts have fewer draws than a fit, and what errors are of if not of the target."""
    count = draws_each(len(scored))
    if count != DRAWS:
        yield f"intervals are made of {count} draws a cut, not the {DRAWS} of a fit."
    if points.turned is not None:
        yield f"errors and ranges are those of {points.turned}."


def _straddling(points: Points, values: np.ndarray, scored: Sequence[ScoredCut]) -> tuple[str, ...]:
    """Say where a run has rows on both sides of a cut: its end is forecast from its beginning."""
    both = straddled(points.runs, values, [(cut.train_max, cut.held_out) for cut in scored])
    if not both:
        return ()
    return (
        f"in {both} of {len(scored)} cuts a run has rows on both sides: its later rows are "
        "forecast with its earlier ones fitted. With --at final every run is on one side.",
    )
