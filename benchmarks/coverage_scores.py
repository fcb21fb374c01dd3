"""Scores of intervals on hidden runs: coverage and width, every family with the same weight."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.certainty.uncertainty import Cut, learned

BINS = ((1.5, 5.0), (5.0, 20.0), (20.0, 100.0), (100.0, np.inf))
EVERYTHING = (0.0, np.inf)
# What the constants of the drift may be, when they are chosen without one family.
MEDIANS = (0.015, 0.02, 0.0225, 0.025, 0.0275, 0.03, 0.035)
LOG_SDS = (0.3, 0.5, 0.7)
LEAST_COVERED, LEAST_IN_BIN = 0.88, 0.86


@dataclass(frozen=True)
class Forecast:
    """All that was hidden at one cut of one table; arrays of shape (scored runs,), in ln loss.

    Parameters
    ----------
    n : int
        Runs that were fitted.
    reach : array
        Compute over the largest fitted compute.
    error : array
        Forecast of the law minus measured.
    shift : array
        Centre of the interval minus forecast of the law.
    below, above : array
        How far the interval of the mean curve reaches from the forecast, without drift.
    noise : (float, float)
        What a run's own noise adds below and above, in quadrature.
    learned, guide : float
        Drift per decade: the product's, and by the recipe of the guide.
    cuts : sequence of Cut
        Backtests among the fitted runs that the product learned from.
    """

    family: str
    table: str
    cut: float
    n: int
    reach: np.ndarray
    error: np.ndarray
    shift: np.ndarray
    below: np.ndarray
    above: np.ndarray
    noise: tuple[float, float]
    learned: float
    guide: float
    cuts: Sequence[Cut]

    def sides(self, per_decade: float, share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Return how far the interval reaches below and above the law's forecast."""
        added = NORMAL_90 * per_decade * np.maximum(0.0, np.log10(self.reach))
        shift = share * self.shift
        below = np.maximum(np.hypot(self.below, added), shift)
        above = np.maximum(np.hypot(self.above, added), -shift)
        return np.hypot(below, self.noise[0]) - shift, np.hypot(above, self.noise[1]) + shift


Rule = Callable[[Forecast], tuple[np.ndarray, np.ndarray]]


def product(one: Forecast) -> tuple[np.ndarray, np.ndarray]:
    """The interval that `scaling predict` prints."""
    return one.sides(one.learned)


def no_drift(one: Forecast) -> tuple[np.ndarray, np.ndarray]:
    """The law by itself: what resampling supports."""
    return one.sides(0.0, share=0.0)


def guide(one: Forecast) -> tuple[np.ndarray, np.ndarray]:
    """Largest drift of any cut, at least 1 % (2 % with fewer than three), about the law alone."""
    return one.sides(one.guide, share=0.0)


def with_prior(median: float, log_sd: float) -> Rule:
    """Return the product's rule with other constants of the prior of the drift."""
    return lambda one: one.sides(learned(one.cuts, median=median, log_sd=log_sd))


@dataclass(frozen=True)
class Score:
    """Scored runs as flat arrays of shape (runs,)."""

    family: np.ndarray
    weight: np.ndarray
    reach: np.ndarray
    inside: np.ndarray
    half_width: np.ndarray
    error: np.ndarray

    def take(self, low: float, high: float) -> "Score":
        """Return the runs in one bin of reach, weighted anew by `weights`."""
        return self.rows((self.reach >= low) & (self.reach < high))

    def rows(self, rows: np.ndarray) -> "Score":
        """Return the runs at these rows."""
        return Score(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def covered(self) -> float:
        """Share inside, weighted."""
        return float(np.sum(self.weight * self.inside) / np.sum(self.weight))

    def median(self, values: np.ndarray) -> float:
        """Weighted median."""
        order = np.argsort(values)
        share = np.cumsum(self.weight[order]) / np.sum(self.weight)
        return float(values[order][np.searchsorted(share, 0.5)])


def scored(forecasts: Sequence[Forecast], rule: Rule, low: float, high: float) -> Score:
    """Score a rule on the runs of one bin of reach.

    A run weighs 1 / (scored runs of its cut x cuts of its table x tables of its family): runs of
    one cut are nearly one observation, and no large table dominates.
    """
    columns: list[tuple] = []
    for one in forecasts:
        below, above = rule(one)
        inside = (one.error <= below) & (-one.error <= above)
        rows = np.flatnonzero((one.reach >= low) & (one.reach < high))
        columns += [
            (
                one.family,
                (one.family, one.table, one.cut),
                one.reach[i],
                inside[i],
                (below[i] + above[i]) / 2,
                one.error[i],
            )
            for i in rows.tolist()
        ]
    family, key, reach, inside, half_width, error = zip(*columns, strict=True)
    return Score(
        np.array(family),
        _weights(key),
        np.array(reach),
        np.array(inside),
        np.array(half_width),
        np.array(error),
    )


def _weights(keys: Sequence[tuple[str, str, float]]) -> np.ndarray:
    families = {k[0] for k in keys}
    tables = {f: len({k[1] for k in keys if k[0] == f}) for f in families}
    cuts = {t: len({k[2] for k in keys if k[:2] == t}) for t in {k[:2] for k in keys}}
    runs = {key: keys.count(key) for key in set(keys)}
    return np.array([1 / (tables[k[0]] * cuts[k[:2]] * runs[k]) for k in keys]) / len(families)


def interval_score(forecasts: Sequence[Forecast], rule: Rule) -> float:
    """Return the geometric mean over tables of the mean interval score: lower is better.

    Of one run: width + 20 x what is missed, the proper score of a 90 % interval (Gneiting 2007).
    """
    tables: dict[str, dict[str, list[float]]] = {}
    for one in forecasts:
        below, above = rule(one)
        missed = np.maximum(0, one.error - below) + np.maximum(0, -one.error - above)
        score = float(np.mean(below + above + 20 * missed))
        tables.setdefault(one.family, {}).setdefault(one.table, []).append(score)
    return float(
        np.exp(
            np.mean(
                [
                    np.mean([np.log(np.mean(cuts)) for cuts in family.values()])
                    for family in tables.values()
                ]
            )
        )
    )


def good_enough(forecasts: Sequence[Forecast], rule: Rule) -> bool:
    """Say whether a rule covers what is asked for, pooled and in every bin up to 100x."""
    if scored(forecasts, rule, *EVERYTHING).covered() < LEAST_COVERED:
        return False
    return all(scored(forecasts, rule, *b).covered() >= LEAST_IN_BIN for b in BINS[:3])


def held_out(forecasts: Sequence[Forecast]) -> tuple[dict[str, tuple[float, float]], Rule]:
    """Choose the constants without each family in turn: the choice, and the rule that follows it.

    Of those that cover enough on the other families, the one of the best interval score there.
    """
    choices = list(itertools.product(MEDIANS, LOG_SDS))
    chosen: dict[str, tuple[float, float]] = {}
    for family in dict.fromkeys(one.family for one in forecasts):
        others = [one for one in forecasts if one.family != family]
        enough = [c for c in choices if good_enough(others, with_prior(*c))] or choices
        chosen[family] = min(enough, key=lambda c: interval_score(others, with_prior(*c)))
    return chosen, lambda one: with_prior(*chosen[one.family])(one)
