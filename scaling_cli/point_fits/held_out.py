"""What was held back, and how it was forecast: the largest runs hidden, the rest fitted.

Every cut is treated as if its runs were all there is: the law and those beside it are refitted, and
given the joint draws that a prediction's interval is made of. What is held back never enters its
own forecast. `fit` and `backtest` print the same numbers for the same cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Uncertainty, band
from scaling_cli.artefacts.backtest import Forecasts, ScoredCut, Skipped, joined
from scaling_cli.engine import chunks
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty.companion import Companion, beside, companions
from scaling_cli.point_fits.certainty.draws import Draws, Shaken, least_squares, noise_at, refitted
from scaling_cli.point_fits.certainty.uncertainty import combine
from scaling_cli.point_fits.cuts import Cuts, Split, along, fewest_training, splits
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import refits, refuse
from scaling_cli.vocabulary.errors import FitError

OTHER_STARTS = 3  # beside the optimum of all points: a cut may lie in another basin
DRAWS = 200  # of each cut: the 5 % quantile of 200 draws is known to 9 % of their half-width
FORECASTS_AT_ONCE = 256


@dataclass(frozen=True)
class Part:
    """What is fitted at one cut."""

    split: Split
    points: Points
    problem: Problem
    u: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def weights(self) -> np.ndarray:
        """Weights over the whole table, shape (n,): zero for what is held back."""
        return self.split.train.astype(float)


@dataclass(frozen=True)
class HeldOut:
    """Forecasts of what was hidden.

    Parameters
    ----------
    cuts : sequence of ScoredCut
        By rising size of what was fitted.
    splits : sequence of Split
        Theirs.
    skipped : sequence of Skipped
    companions : sequence of Companion
        The laws beside, fitted to all points and then to those of each cut.
    """

    cuts: Sequence[ScoredCut]
    splits: Sequence[Split]
    skipped: Sequence[Skipped]
    companions: Sequence[Companion]


def hold_out(fitted: Fitted, symbol: str, cuts: Cuts = None) -> HeldOut:
    """Hide the largest runs along an axis at several cuts, and forecast them from the rest."""
    fitted = fitted.questioned
    if not symbol:
        return HeldOut((), (), (), _companions(fitted, []))
    values = along(type(fitted.law), fitted.points.inputs, symbol)
    used, skipped = splits(values, cuts, symbol, fewest_training(len(fitted.u)))
    parts, refused = _parts(fitted, used)
    ended, stuck = _refitted(fitted, parts)
    others = _companions(fitted, ended)
    sure = _uncertainties(fitted, ended, others)
    if lost := [part for part, own in zip(ended, sure, strict=True) if not len(own.sigma)]:
        stuck += [Skipped(part.split.at, "none of its draws has an end") for part in lost]
        ended = [part for part, own in zip(ended, sure, strict=True) if len(own.sigma)]
        others = _companions(fitted, ended)
        sure = [own for own in sure if len(own.sigma)]
    scored = [_cut(fitted, values, *each) for each in zip(ended, sure, strict=True)]
    return HeldOut(
        scored,
        [part.split for part in ended],
        sorted([*skipped, *refused, *stuck], key=lambda s: s.train_max),
        others,
    )


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
        parts.append(Part(split, own, inside))
    return parts, refused


def _refitted(fitted: Fitted, parts: Sequence[Part]) -> tuple[list[Part], list[Skipped]]:
    """Refit every part, all side by side."""
    if not parts:
        return [], []
    others = 0 if fitted.company.width and fitted.large else OTHER_STARTS
    begin = np.stack([fitted.u, *starts(fitted.problem)[:others]])
    weights = [part.weights for part in parts]
    u, value = refits(fitted.problem, begin, weights, executor=fitted.executor)
    each = list(zip(parts, u, np.isfinite(value), strict=True))
    stuck = [
        Skipped(part.split.at, "the refit did not converge") for part, _, good in each if not good
    ]
    return [replace(part, u=own) for part, own, good in each if good], stuck


def _companions(fitted: Fitted, parts: Sequence[Part]) -> list[Companion]:
    everything = np.ones(len(fitted.points))
    rows = [everything, *(part.weights for part in parts)]
    return companions(fitted.problem, rows, fitted.company)


def _uncertainties(
    fitted: Fitted, parts: Sequence[Part], others: Sequence[Companion]
) -> list[Uncertainty]:
    """Return what each part's intervals are made of."""
    problem, seed = fitted.problem, fitted.resampling.seed
    batches = [
        _PartDraws(
            problem,
            fitted.u,
            part.split.train,
            Draws(part.problem, part.u, noise_at(part.problem, part.u), seed, fitted.draws(DRAWS)),
        )
        for part in parts
    ]
    made = []
    every = refitted(batches, fitted.executor, large=fitted.large)
    for row, (batch, ends) in enumerate(zip(batches, every, strict=True)):
        part = parts[row]
        draws, sigmas = batch.part.kept(ends, chunks.cut(batch))
        (law,) = part.problem.laws(part.u[None])
        near = beside(others, row + 1)
        own, width = part.problem, fitted.company.width
        made.append(combine(own, law, draws, sigmas, beside=near, tested=True, width=width))
    return made


@dataclass(frozen=True)
class _PartDraws:
    """Joint draws of a part, fitted over the whole table.

    What the part does not hold has weight zero there, so that parts of every size share one
    executable. Of one chunk, the numbers are those of `draws.parameter_draws` on the part
    alone. They begin where all points are fitted: a part may end at a bound, far from its draws.
    """

    whole: Problem
    begin: np.ndarray
    train: np.ndarray  # rows of the table that the part holds, shape (n,)
    part: Draws

    @property
    def problem(self) -> Problem:
        return least_squares(self.whole)

    def __len__(self) -> int:
        return len(self.part)

    def few(self, count: int) -> "_PartDraws":
        return replace(self, part=self.part.few(count))

    def lanes(self, chunk: chunks.Chunk) -> dict[str, Any]:
        return self.given(self.part.shaken(chunk))

    def given(self, shaken: Shaken) -> dict[str, Any]:
        output = np.tile(self.whole.output, (len(shaken.output), 1))
        output[:, self.train] = shaken.output
        weight = np.zeros_like(output)
        weight[:, self.train] = self.part.measured.weight
        begin = np.repeat(self.begin[None], len(output), axis=0)
        return self.part.given(shaken) | {"starts": begin, "output": output, "weight": weight}


def _cut(fitted: Fitted, values: np.ndarray, part: Part, sure: Uncertainty) -> ScoredCut:
    points, train, test = fitted.points, part.split.train, part.split.test
    (law,) = part.problem.laws(part.u[None])
    train_max = float(np.max(values[train]))
    reach, tested = values / train_max, np.flatnonzero(test)
    forecasts = joined(
        _forecasts(points.take(rows), law, sure, fitted.level, reach[rows])
        for rows in np.split(tested, range(FORECASTS_AT_ONCE, len(tested), FORECASTS_AT_ONCE))
    )
    return ScoredCut(
        train_max=train_max,
        n_train=int(np.sum(train)),
        n_test=len(tested),
        factor=float(np.max(forecasts.reach)),
        parameters=law.values(),
        held_out=tuple(dict.fromkeys(forecasts.runs)),
        forecasts=forecasts,
        **forecasts.score(),
    )


def _forecasts(
    held: Points, law: Law, sure: Uncertainty, level: float, reach: np.ndarray
) -> Forecasts:
    """Forecast held-back points as a prediction from a stored fit would."""
    inputs = {s: np.asarray(held.inputs[s], float) for s in law.inputs()}
    printed = band(law, sure, inputs, level)
    bare = replace(sure, drift=0.0, widening=1.0, beside=())
    alone = band(law, bare, inputs, level)
    return Forecasts(
        runs=[str(run) for run in held.runs],
        reach=reach,
        measured=np.asarray(held.output, float),
        predicted=printed.forecast,
        low=printed.new_run[0],
        high=printed.new_run[1],
        value=alone.forecast,
        law_low=alone.new_run[0],
        law_high=alone.new_run[1],
    )
