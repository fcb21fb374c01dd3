"""Which way a target goes: a loss falls as runs grow, an accuracy rises, a law can only fall.

What rises towards a limit is fitted as its distance from that limit, and what reaches below zero
as what it is above a floor far below; both are said, stored, and turned back in every answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, FitError, UsageError, some
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.quantities import L

FEWEST = 6  # points below which ranks show no direction
RISES = 0.5  # rank correlation with the axis from which a target rises
AGAINST = 0.3  # rank correlation with an input of the other sign that leaves it open
_PERCENT = re.compile(r"acc|pass|percent|pct|%|bleu|rouge|score|\bem\b|f1|win", re.IGNORECASE)


@dataclass(frozen=True)
class Direction:
    """What was asked about the way a target goes.

    Parameters
    ----------
    rising : bool
        Whether it rises as runs grow.
    limit : float, optional
        What it rises to at most. Default: 1 of what lies between 0 and 1, 100 of percentages, 0
        of what lies below zero.
    space : {"log", "linear"}
        Of the residuals: only linear ones allow values of zero and less.
    """

    rising: bool = False
    limit: float | None = None
    space: str = "log"

    def __post_init__(self) -> None:
        """Refuse a limit of what falls.

        Raises
        ------
        UsageError
            If there is one, or it is no number.
        """
        if self.limit is None:
            return
        if not self.rising:
            raise UsageError(
                "--limit is what a rising target cannot pass.", hint="Give --rising with it."
            )
        if not np.isfinite(self.limit):
            raise UsageError(f"--limit must be a number, not {self.limit!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked, as the selection of a fit holds it."""
        return {"rising": True, "limit": self.limit} if self.rising else {}


def directed(points: Points, law: type[Law], asked: Direction) -> Points:
    """Return points as a law can be fitted to them; refuse a target that goes the other way.

    Parameters
    ----------
    points : Points
        As measured.
    law : type[Law]
        Laws of a loss fall with everything that grows; of the others nothing is asked.
    asked : Direction

    Raises
    ------
    FitError
        If the target rises and nobody said so, or falls and somebody did.
    DataError
        If it reaches its limit, or is not positive where logarithms are fitted.
    UsageError
        If no limit is known.
    """
    if law.output() is not L:
        if asked.rising:
            told = f"--rising is for laws of a loss; {laws.name_of(law)} gives "
            raise UsageError(f"{told}{law.output().meaning}.")
        _refuse_backwards(points, law)
        return points
    ranks = correlations(points, law)
    goes = way(ranks)
    if goes > 0 and not asked.rising and not law.rises:
        raise _rises(points, law, ranks)
    if goes < 0 and asked.rising:
        told = f"{points.target} falls {_with(ranks)}; --rising is for what rises."
        raise FitError(told, hint="Leave --rising out.")
    if asked.rising:
        return _below_limit(points, asked.limit)
    if np.all(np.asarray(points.output) > 0):
        return points
    return _lifted(points, law, asked.space)


def _refuse_backwards(points: Points, law: type[Law]) -> None:
    """Refuse a target that goes the other way with an input than the law does.

    Raises
    ------
    FitError
    """
    if len(points) < FEWEST or np.ptp(points.output) == 0:
        return
    for symbol, sign in law.moves.items():
        rank = spearman(np.asarray(points.inputs[symbol], float), np.asarray(points.output))
        if sign * rank > -RISES:
            continue
        there, here = ("rises", "falls") if rank > 0 else ("falls", "rises")
        told = f"{points.target} {there} with {symbol} ({rank:+.2f}, by rank correlation)"
        others = [n for n in laws.names() if laws.get(n).moves.get(symbol) == -sign]
        raise FitError(
            f"{told}; {laws.name_of(law)} {here}.",
            hint=f"Fit --law {' or '.join(others)}, or what is left to one in a column of its own.",
        )


def correlations(points: Points, law: type[Law]) -> dict[str, float]:
    """Return the rank correlation of the output with what grows, and with the law's axis."""
    columns = {s: points.inputs[s] for s in law.growing()} | {law.axis(): law.along(points.inputs)}
    known = {s: v for s, v in columns.items() if s and np.ptp(v) > 0}
    if len(points) < FEWEST or np.ptp(points.output) == 0:
        return {}
    return {s: spearman(np.asarray(v, float), np.asarray(points.output)) for s, v in known.items()}


def way(ranks: Mapping[str, float]) -> int:
    """Return 1 for what rises, -1 for what falls, 0 where neither can be said."""
    if not ranks:
        return 0
    along = list(ranks.values())[-1]
    sign = int(np.sign(along))
    against = min(sign * rank for rank in ranks.values())
    return sign if abs(along) >= RISES and against > -AGAINST else 0


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return the rank correlation of two columns; ties share their mean rank."""
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def refuse_rising(target: str, axis: str, ranks: Sequence[float]) -> None:
    """Refuse a target whose least is its worst, where the least is taken for the best.

    Raises
    ------
    FitError
        If it rises with the axis by every one of these rank correlations.
    """
    if ranks and min(ranks) >= RISES:
        raise FitError(
            f"{target} rises with {axis} ({min(ranks):+.2f}, by rank correlation), and the least "
            "is taken for the best here.",
            hint="Fit a column that falls as runs get better: a loss, or of an accuracy what is "
            "left to its limit, written to a column of its own.",
        )


def _ranks(values: np.ndarray) -> np.ndarray:
    _, member, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[np.ravel(member)]


def _with(ranks: Mapping[str, float]) -> str:
    told = [f"{symbol} ({rank:+.2f})" for symbol, rank in ranks.items()]
    return f"with {' and '.join(told)}, by rank correlation"


def _rises(points: Points, law: type[Law], ranks: Mapping[str, float]) -> FitError:
    """Return the refusal of a target that rises, with the command that fits it."""
    told = f"{points.target} rises {_with(ranks)}; {laws.name_of(law)} can only fall."
    limit = _limit(points)
    if not points.measures_loss():
        number = "X, which it cannot pass," if limit is None else f"{limit:g}"
        hint = f"--rising --limit {number} fits what is left to the limit, and answers in "
        return FitError(told, hint=f"{hint}{points.target}.")
    unlike = [f"{name} has {len(set(v.tolist()))} values" for name, v in points.settings.items()]
    differ = f"They differ: {', '.join(unlike)}; fit one kind with --where. " if unlike else ""
    return FitError(
        f"{told} The losses of runs that are alike do not rise.",
        hint=f"{differ}Check which column it is (--target, --map).",
    )


def _limit(points: Points) -> float | None:
    """Return the limit that values and name of a target tell, or None."""
    most, least = float(np.max(points.output)), float(np.min(points.output))
    if most <= 0:
        return 0.0
    if least < 0 or most > 100:
        return None
    if most <= 1:
        return 1.0
    return 100.0 if _PERCENT.search(points.target) else None


def _below_limit(points: Points, given: float | None) -> Points:
    """Return the distances of a rising target from its limit."""
    limit = _limit(points) if given is None else given
    if limit is None:
        span = f"{np.min(points.output):g} to {np.max(points.output):g}"
        hint = "Such as --limit 1 of an accuracy, --limit 100 of a percentage."
        told = f"{points.target} ({span}) rises to a limit that is not known: give it with --limit."
        raise UsageError(told, hint=hint)
    turned = Turned(points.target, -1.0, limit)
    output = turned.forth(np.asarray(points.output, float))
    reached = [str(points.runs[i]) for i in np.flatnonzero(output <= 0).tolist()]
    if reached:
        raise DataError(
            f"{points.target} reaches its limit, {limit:g}, in {some(reached)}.",
            hint="Give a --limit above every value, or leave these runs out with --where.",
        )
    how = "" if given is not None else "; --limit gives another limit"
    return _as(points, turned, output, f"it rises{how}")


def _lifted(points: Points, law: type[Law], space: str) -> Points:
    """Return a target that reaches zero or less as what it is above a floor below it."""
    values = np.asarray(points.output, float)
    bad = np.flatnonzero(values <= 0)
    told = f"{points.target} is {values[bad[0]]:g} in {points.runs[bad[0]]}"
    more = f" and not positive in {len(bad) - 1} more" if len(bad) > 1 else ""
    if space != "linear":
        turn = " If it rises as runs grow, --rising --limit X."
        raise DataError(
            f"{told}{more}; residuals of {laws.name_of(law)} are taken of its logarithm.",
            hint=f"--space linear fits it as it is.{'' if points.measures_loss() else turn}",
        )
    range_ = float(np.ptp(values))
    floor = float(f"{(range_ or 1.0) - np.min(values):.2g}")
    turned = Turned(points.target, 1.0, floor if floor > -np.min(values) else range_ - values.min())
    return _as(points, turned, turned.forth(values), "it is not positive everywhere")


def _as(points: Points, turned: Turned, output: np.ndarray, why: str) -> Points:
    note = f"{turned.target} is fitted as {turned}, as {why}; answers are in {turned.target}."
    stored = turned.forth(turned.back(output))  # what a file of the target gives again
    return replace(points, output=stored, turned=turned, notes=[*points.notes, note])
