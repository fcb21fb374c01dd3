"""What is known of a law before a run: joint draws of its parameters, and how they spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_cli.artefacts.fit import Fit
from scaling_cli.engine.problem import Problem
from scaling_cli.laws._law import Law, Parameter
from scaling_cli.point_fits.certainty.draws import (
    NOISE_PRIOR_SD,
    prior_of,
    relative,
)
from scaling_cli.point_fits.recompute import points_of
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem
from scaling_cli.vocabulary.objective import Objective

FEW = 8  # draws whose slopes are taken: more change the choice of runs no more
WIDE = 10.0  # sd of a coordinate that has no prior: a factor of e^10
TERM = 0.7  # sd of ln of a published term amid the candidates: a factor of two
DRAWS = 500
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Known:
    """Joint draws of a law, and what they rest on.

    Parameters
    ----------
    problem : Problem
        The runs that were fitted; one point without any.
    u : array, shape (s, k)
        Draws in searched coordinates.
    sigma : array, shape (s,)
        Noise of a run in ln output, of each draw.
    measured : bool
        Whether the problem's runs were measured.
    sds : array, shape (k,), optional
        Of published numbers as a prior: of each coordinate, of an amplitude that of its term.
    """

    problem: Problem
    u: np.ndarray
    sigma: np.ndarray
    measured: bool
    sds: np.ndarray | None = None

    @property
    def law(self) -> type[Law]:
        """The law."""
        return self.problem.law

    @property
    def noise(self) -> float:
        """Root mean square of the draws' noise."""
        return float(np.sqrt(np.mean(self.sigma**2)))

    @cached_property
    def precision(self) -> np.ndarray:
        """Return the law's weak priors in searched coordinates, shape (k, k)."""
        matrix = self.problem.frame.matrix
        own = (matrix.T * prior_of(self.problem)[1]) @ matrix
        return own + np.eye(len(own)) / WIDE**2

    def logs(self, inputs: Columns) -> np.ndarray:
        """Return ln output of every draw at points, shape (s, points)."""
        with np.errstate(all="ignore"):
            return self.problem.log_predictions(self.u, inputs)

    def few(self, target: Columns) -> list[int]:
        """Return draws that stand for all: evenly chosen in the order of their forecasts."""
        order = np.argsort(np.sum(self.logs(target), axis=1))
        shares = (np.arange(FEW) + 0.5) / FEW
        return order[(shares * len(order)).astype(int)].tolist()

    def covariance(self, rows: Sequence[int]) -> np.ndarray:
        """Return the covariance of the coordinates about each of these draws, (rows, k, k)."""
        if self.sds is not None:
            return np.stack([self._prior(self.u[i]) for i in rows])
        if not self.measured:
            spread = np.atleast_2d(np.cov(self.u.T))
            return np.repeat(spread[None], len(rows), axis=0)
        return np.stack([self._about(self.u[i]) for i in rows])

    def _about(self, u: np.ndarray) -> np.ndarray:
        slopes, weight = self.problem.sensitivity(u), relative(self.problem.weight)
        told = (slopes.T * weight) @ slopes / self.noise**2
        return np.linalg.inv(self.precision + told)

    def _prior(self, u: np.ndarray) -> np.ndarray:
        """Return the covariance of published numbers: amplitudes move with their exponents."""
        names = self.problem.frame.names
        root = np.diag(self.sds if self.sds is not None else np.ones(len(names)))
        for row, column, log in _carried(self.problem):
            root[row] += log * np.exp(u[column]) * root[column]
        return root @ root.T

    def slopes(self, rows: Sequence[int], inputs: Columns) -> np.ndarray:
        """Return d ln output / d coordinate at points, by the law at draws: (rows, points, k)."""
        return np.stack([self.problem.sensitivity(self.u[i], inputs) for i in rows])


def of_fit(fit: Fit) -> Known:
    """Return what a fit knows: by its runs if they are at hand, else by its draws alone.

    The answer is in what was fitted.
    """
    sure, points = fit.uncertainty, points_of(fit)
    if sure is None:
        raise ValueError("a fit without draws knows no more than its numbers")
    chosen = fit.selection
    if points is None:
        problem = _of_one(fit.law, {s: np.array([v[1]]) for s, v in _ranges(fit).items()})
    else:
        asked = (chosen.get("fix"), chosen.get("tie"))
        problem = make_problem(
            points, type(fit.law), fit.objective, *asked, prior=chosen.get("prior")
        )
    declared = fit.law.parameters()
    with np.errstate(divide="ignore"):
        columns = [declared[n].free(np.asarray(sure.draws[n])) for n in problem.frame.names]
    u = np.stack(columns, axis=1)
    usable = np.isfinite(u).all(axis=1)
    return Known(problem, u[usable], np.asarray(sure.sigma)[usable], points is not None)


def _ranges(fit: Fit) -> dict[str, list[float]]:
    ranges = fit.data.get("ranges") or {}
    return {s: ranges.get(s, [1.0, 1.0]) for s in fit.law.inputs()}


def of_numbers(law: Law, amid: Columns, seed: int = 0) -> Known:
    """Return what published numbers say of other runs, which lie about a point `amid`.

    A prior: exponents and floor as loose as the law's own weak priors, terms within a factor of
    two.
    """
    problem = _of_one(law, amid)
    declared = law.parameters()
    sds = np.array([_loose(declared[n], law.values()[n]) for n in problem.frame.names])
    middle = np.array([float(declared[n].free(law.values()[n])) for n in problem.frame.names])
    normal = np.random.default_rng(seed).standard_normal((DRAWS, len(sds)))
    u = middle + sds * normal
    for row, column, log in _carried(problem):
        u[:, row] += log * (np.exp(u[:, column]) - np.exp(middle[column]))
    return Known(problem, u, np.full(DRAWS, NOISE_PRIOR_SD), False, sds)


def _loose(parameter: Parameter, value: float) -> float:
    if parameter.prior is not None:
        return parameter.prior.log_sd
    return TERM if parameter.positive else max(0.3, abs(value) / 2)


def _of_one(law: Law, point: Columns) -> Problem:
    """Return a problem of one point that the law goes through."""
    points = Points(dict(point), np.asarray(law(**point), float), ["none"])
    return make_problem(points, type(law), Objective.of("l2"))


def _carried(problem: Problem) -> list[tuple[int, int, float]]:
    """Return (amplitude, its exponent, what its logarithm moves by with it) at the one point."""
    names, declared = problem.frame.names, problem.law.parameters()
    return [
        (i, names.index(a.exponent), a.times * float(np.log(problem.inputs[a.input][0])))
        for i, name in enumerate(names)
        for a in declared[name].absorbs
        if a.exponent in names and not a.inverse and a.input in problem.inputs
    ]
