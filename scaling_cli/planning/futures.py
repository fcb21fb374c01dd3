"""The proposed runs, simulated: truths drawn from what is known, runs of them, refits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scaling_cli.artefacts._prediction import middle
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.solve import solve
from scaling_cli.planning.known import Known
from scaling_cli.point_fits.certainty import companion
from scaling_cli.point_fits.certainty.draws import Draws, least_squares, prior_of
from scaling_cli.point_fits.fitted import LAWS_OWN, Company

FUTURES = 300  # of them: the 90 % range of errors is known to 6 %
OF_LAWS = 60  # of these, to see how far the laws part afterwards
ITERATIONS = 150
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Futures:
    """Proposed runs with outputs of many truths.

    Parameters
    ----------
    known : Known
    runs : mapping of symbol to array, shape (m,)
    target : mapping of symbol to array, shape (1,)
    seed : int
    """

    known: Known
    runs: Columns
    target: Columns
    seed: int = 0

    @cached_property
    def rows(self) -> np.ndarray:
        """Return the draws that are truths, shape (f,)."""
        count = len(self.known.u)
        return np.arange(count)[:: max(1, count // FUTURES)][:FUTURES]

    @cached_property
    def outputs(self) -> np.ndarray:
        """Return what was measured and what would be, shape (f, n + m)."""
        known, random = self.known, np.random.default_rng(self.seed)
        with np.errstate(all="ignore"):
            logs = known.problem.log_predictions(known.u[self.rows], self.runs)
        noise = known.sigma[self.rows, None] * random.standard_normal(logs.shape)
        new = np.exp(logs + noise)
        if not known.measured:
            return new
        base = self._draws.base().output
        return np.concatenate([np.repeat(base, len(new), axis=0), new], axis=1)

    @property
    def _draws(self) -> Draws:
        known = self.known
        return Draws(known.problem, np.median(known.u, axis=0), known.noise, self.seed)

    @cached_property
    def joint(self) -> Problem:
        """Return the problem of all runs, with the outputs of the first truth."""
        own = self.known.problem
        inputs = {s: np.asarray(v, float) for s, v in self.runs.items()}
        weight = np.full(len(next(iter(inputs.values()))), np.mean(own.weight))
        if self.known.measured:
            inputs = {s: np.concatenate([own.inputs[s], v]) for s, v in inputs.items()}
            weight = np.concatenate([own.weight, weight])
        return replace(own, inputs=inputs, weight=weight, output=np.median(self.outputs, axis=0))

    def errors(self) -> np.ndarray:
        """Return ln forecast - ln truth at the target, of the futures whose refit has an end."""
        centre, precision = prior_of(self.joint)
        count, weight = len(self.rows), np.mean(self.joint.weight)
        ends = solve(
            least_squares(self.joint),
            self.known.u[self.rows],
            output=self.outputs,
            prior_mean=np.repeat(centre[None], count, axis=0),
            prior_precision=np.repeat((precision * weight * self.known.noise**2)[None], count, 0),
        )
        truth = self.known.logs(self.target)[self.rows, 0]
        told = self.joint.log_predictions(ends.u, self.target)[:, 0] - truth
        return told[ends.converged & np.isfinite(told)]

    def apart(self, company: Company = LAWS_OWN) -> tuple[float, float]:
        """Return how far the laws' forecasts part in ln output, before and on average afterwards.

        Before as by the same refits: NaN where nothing was measured.
        """
        few = self.outputs[:: max(1, len(self.rows) // OF_LAWS)]
        after = self._apart(self.joint, few, company)
        if not self.known.measured:
            return np.nan, after
        base = self._draws.base().output
        return self._apart(self.known.problem, base, company), after

    def _apart(self, problem: Problem, outputs: np.ndarray, company: Company) -> float:
        """Return the mean distance between the forecasts of laws fitted to outputs (f, n).

        By the objective of the fit: one that is robust may hardly see a single new run.
        """
        middling = np.exp(np.mean(np.log(outputs), axis=0))
        own = replace(problem.smooth(), output=middling, penalty=None)
        begin = np.median(self.known.u, axis=0)
        every = [(own, 1.0, begin)]
        for other, weight in companion.problems(own, company):
            (law,) = companion.fitted(other, [np.ones(len(own.output))])
            if law is not None:
                values, declared = law.values(), other.law.parameters()
                at = np.array([float(declared[n].free(values[n])) for n in other.frame.names])
                every.append((other, weight, at))
        logs = np.stack([self._followed(of, u, outputs) for of, _, u in every])
        spread = middle(logs, np.array([weight for _, weight, _ in every])).spread
        return float(np.mean(spread[np.isfinite(spread)]))

    def _followed(self, problem: Problem, begin: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Return ln forecasts of a law refitted to outputs (f, n)."""
        lanes = np.repeat(begin[None], len(outputs), axis=0)
        ends = solve(problem, lanes, output=outputs, max_iterations=ITERATIONS)
        usable = np.isfinite(ends.value) & problem.in_range(ends.u)
        with np.errstate(all="ignore"):
            told = problem.log_predictions(ends.u, self.target)[:, 0]
        return np.where(usable, told, np.nan)
