"""A law fitted to points: what every question to a fit is put to.

Questions are answered where the answers are used: at the headline, beyond the largest run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from scaling_cli.engine.executors import SERIAL, Executor
from scaling_cli.engine.problem import Problem
from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import optimal_size
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, refits
from scaling_cli.vocabulary.arguments import check_count
from scaling_cli.vocabulary.errors import UsageError

KINDS = ("pairs", "wild")
CLUSTERS = ("run", "config")
REACH = 10.0  # the headline lies this factor beyond the largest run
ASKED_OF_CHOSEN = 12_000  # the same, beyond which they are questioned on a part of the table
MOST_OF_CHOSEN = 4000  # points x parameters, beyond which draws of chosen laws are one step
MANY = 20_000  # points, beyond which a fit is questioned on every so manieth of them


@dataclass(frozen=True)
class Resampling:
    """How resamples are drawn, and what else is random.

    Parameters
    ----------
    count : int
    kind : {"pairs", "wild"}
        Clusters drawn with replacement; or the inputs as they are and every cluster's residuals,
        made as large as those of points that were not fitted (HC3), added with a random sign.
    cluster : {"run", "config"}
        Rows of a run stay together; or also runs at the same inputs.
    seed : int
        Of all random numbers.
    """

    count: int = 1000
    kind: str = "pairs"
    cluster: str = "run"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        check_count("bootstrap", self.count)
        check_count("seed", self.seed)
        if self.kind not in KINDS:
            raise UsageError(f"the kind of bootstrap must be pairs or wild, not {self.kind!r}.")
        if self.cluster not in CLUSTERS:
            raise UsageError(f"what is resampled must be run or config, not {self.cluster!r}.")


@dataclass(frozen=True)
class Company:
    """Which laws are fitted beside a law.

    Parameters
    ----------
    alone : bool
        Forecasts are those of the law alone, not the mean of several.
    laws : mapping of law to weight, optional
        Laws that were chosen, of the same inputs or fewer. Default: those that the law names.
    width : mapping of {"drift", "noise"} to float, optional
        What runs that were held back say of the width of intervals: the drift per decade, and by
        how much they scatter more than those that were fitted. Default: what real tables say.
    """

    alone: bool = False
    laws: Mapping[str, float] | None = None
    width: Mapping[str, float] | None = None

    @classmethod
    def of(cls, selection: Mapping[str, Any]) -> "Company":
        """Return that of a stored fit."""
        return cls(bool(selection.get("alone")), **(selection.get("beside") or {}))


LAWS_OWN = Company()


@dataclass(frozen=True)
class Target:
    """Where answers are compared.

    Parameters
    ----------
    inputs : mapping of symbol to float
        Of the headline prediction.
    compute : float or None
        Where N* is compared; None where the law has no optimum.
    place : str
        The headline in words, after "at": `10x`.
    """

    inputs: Mapping[str, float]
    compute: float | None
    place: str = f"{REACH:.0f}x"

    def columns(self) -> dict[str, np.ndarray]:
        """Return the headline's inputs as arrays of one point."""
        return {s: np.array([v]) for s, v in self.inputs.items()}


@dataclass(frozen=True)
class Fitted:
    """What was fitted, how it ended, and how questions to it are answered.

    Parameters
    ----------
    points : Points
    problem : Problem
        The scale of priors is settled.
    optimum : Optimum
    resampling : Resampling
    level : float
        Of intervals.
    executor : Executor
        Where refits run; it does not change them.
    company : Company
        The laws beside it.
    whole : Fitted, optional
        What this is a thinned table of.
    """

    points: Points
    problem: Problem
    optimum: Optimum
    resampling: Resampling = field(default_factory=Resampling)
    level: float = 0.9
    executor: Executor = SERIAL
    company: Company = LAWS_OWN
    whole: "Fitted | None" = None

    @property
    def u(self) -> np.ndarray:
        """Searched coordinates, shape (k,)."""
        return self.optimum.u

    @property
    def law(self) -> Law:
        """The fitted law."""
        return self.optimum.law

    @cached_property
    def target(self) -> Target:
        """Where answers are compared."""
        return self.whole.target if self.whole else target(self.law, self.points)

    @property
    def large(self) -> bool:
        """Whether the table, or what it was thinned from, is a large one.

        Of laws that were chosen, whose intervals are as wide as their choice says, sooner.
        """
        most = MANY if self.company.width is None else MOST_OF_CHOSEN / len(self.u)
        return self.whole is not None or len(self.points) > most

    def draws(self, count: int) -> int:
        """Return how many joint draws are made where so many are for a law that was named.

        Of chosen laws the choice says how wide intervals are: where refits are dear, a few do.
        """
        return count // 10 if self.company.width is not None and self.large else count

    @cached_property
    def questioned(self) -> "Fitted":
        """What backtests, rivals and other choices are asked of: a large table thinned, refitted.

        Every so manieth point in the order of size is kept, the largest among them; those of one
        size come in random order, so that what repeats in the table does not decide.
        """
        count, own = len(self.points), self.problem
        most = MANY if self.company.width is None else ASKED_OF_CHOSEN // len(self.u)
        if count <= most:
            return self
        size = self.law.along(self.points.inputs) if self.law.growing() else self.points.output
        ties = np.random.default_rng(self.resampling.seed).random(count)
        rows = np.sort(np.lexsort((ties, size))[:: count // -most])
        points, inputs = self.points.take(rows), {s: v[rows] for s, v in own.inputs.items()}
        output, weight = own.output[rows], own.weight[rows]
        problem = replace(own, inputs=inputs, output=output, weight=weight)
        (u,), _ = refits(problem, self.u[None], [np.ones(len(rows))])
        (law,) = problem.laws(u[None])
        optimum = replace(self.optimum, u=u, law=law, value=problem.value(law))
        return replace(self, points=points, problem=problem, optimum=optimum, whole=self)

    @cached_property
    def slopes(self) -> np.ndarray:
        """D ln prediction / d u at the points, shape (n, k)."""
        return self.problem.sensitivity(self.u)

    @cached_property
    def misses(self) -> np.ndarray:
        """Ln prediction - ln measured, shape (n,)."""
        return self.problem.log_misses(self.u)

    @cached_property
    def clusters(self) -> list[str]:
        """What is drawn together, of each point."""
        return clusters(self.points, self.resampling.cluster)


def clusters(points: Points, cluster: str) -> list[str]:
    """Return the cluster of each point: its run, or the runs that share inputs with it."""
    runs = [str(run) for run in points.runs]
    if cluster == "run":
        return runs
    columns = np.stack([np.asarray(v, float) for v in points.inputs.values()], axis=1)
    config = np.unique(columns, axis=0, return_inverse=True)[1].ravel()
    run = np.unique(runs, return_inverse=True)[1]
    label = np.arange(len(runs))
    while True:  # the smallest row that can be reached through shared runs and configurations
        before = label.copy()
        for group in (run, config):
            least = np.full(len(runs), len(runs))
            np.minimum.at(least, group, label)
            label = least[group]
        if np.array_equal(label, before):
            return [runs[i] for i in label.tolist()]


def headline(law: Law, points: Points) -> dict[str, float]:
    """Return the inputs of the headline prediction: 10x beyond the largest run.

    At the law's own optimum for 10x the largest compute where it has one; else what grows in the
    largest run grows by the same factor. What does not grow is that of the largest run; where
    nothing does, the headline is the run of least output.
    """
    along = law.along(points.inputs)
    run = np.argmax(along) if law.growing() else np.argmin(points.output)
    own = {s: float(points.inputs[s][run]) for s in law.inputs()}
    best = law.optimum(REACH * float(np.max(along)), **own) if law.size_and_data() else None
    if best is not None and all(np.isfinite(best[s]) and best[s] > 0 for s in law.growing()):
        return {s: float(v) for s, v in best.items()}
    return law.reached(own, REACH)


def target(law: Law, points: Points) -> Target:
    """Return where answers are compared."""
    inputs = headline(law, points)
    if not law.growing():
        return Target(inputs, None, "the best run")
    compute = REACH * float(np.max(law.along(points.inputs)))
    return Target(inputs, None if optimal_size(law, compute, inputs) is None else compute)
