"""Which law: those whose inputs the data have, ranked by their forecasts of held-back runs.

Runs are held back along cost and along every axis that grows, for a law that forecasts dearer runs
best may forecast larger ones worst. What predicts is the equal mean of the laws near the best: the
best of many on few cuts is best in part by luck.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.ingest._points import as_points, known_inputs, names_in, read_for
from scaling_cli.laws._law import Law
from scaling_cli.point_fits import fitting
from scaling_cli.point_fits.choosing.cuts import cuts_of
from scaling_cli.point_fits.choosing.ranking import ranked
from scaling_cli.point_fits.choosing.tried import try_all
from scaling_cli.point_fits.choosing.width import width_of
from scaling_cli.runs.direction import Direction
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError, some
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import L

REACH = 10.0  # beyond the largest run: where laws are compared if nobody says where
LINEAR = Objective("huber", 0.01, "linear")  # of a target that reaches below zero
SAID = 20  # columns in a message
OF_ONE_LAW = ("fix", "tie", "prior", "alone")


@dataclass(frozen=True)
class Asked:
    """What laws are tried on.

    Parameters
    ----------
    points : Points
        With the inputs of all of them.
    widest : type[Law]
        The law of most inputs, with those of the others too.
    known : sequence of type[Law]
        Those that can be tried.
    objective : Objective
    """

    points: Points
    widest: type[Law]
    known: Collection[type[Law]]
    objective: Objective

    def problem(self) -> Problem:
        """Return the problem of fitting the widest law."""
        inputs = {s: np.asarray(self.points.inputs[s], float) for s in self.widest.inputs()}
        output, framed = np.asarray(self.points.output, float), Frame.of(self.widest, {}, {})
        weight = self.points.weights()
        return Problem(self.widest, inputs, output, weight, self.objective, framed)

    def ahead(self, there: Mapping[str, Any] | None) -> Mapping[str, np.ndarray]:
        """Return where laws are compared: the points that are asked for, else beyond the runs."""
        law, inputs = self.widest, self.points.inputs
        if there is not None:
            return {s: np.asarray(there[s], float) for s in law.inputs()}
        largest = int(np.argmax(law.along(inputs)))
        far = law.reached({s: float(inputs[s][largest]) for s in law.inputs()}, REACH)
        return {s: np.array([value]) for s, value in far.items()}


def fit(data: Any, *, there: Mapping[str, Any] | None = None, **options: Any) -> Fit:
    """Fit the law that forecasts held-back runs best, beside the others that are near it.

    Parameters
    ----------
    data : Points, Runs, DataFrame or path
    there : mapping of symbol to array, optional
        Where forecasts are wanted: cuts are then made along the axes on which they leave the runs.
    **options
        As `fitting.fit` takes them, but for what belongs to one law.

    Raises
    ------
    UsageError
        If something of one law is asked for, or no law takes the columns of these runs.
    FitError
        If no law can be told from another, or none is usable.
    """
    for name in OF_ONE_LAW:
        if options.get(name):
            raise UsageError(
                f"--{name} is of one law, and --law auto tries several.",
                hint=f"Leave --{name} out, or name the law.",
            )
    data = read_for(data)
    asked = _asked(data, options)
    problem = asked.problem()
    cuts = cuts_of(asked.points, asked.widest, there)
    tried, unfit = try_all(problem, asked.points, asked.known, cuts, asked.ahead(there))
    choice, members = ranked(tried, cuts, unfit)
    named, *others = members
    weights, width = {one.name: 1.0 for one in others}, width_of(members, problem, cuts)
    beside = {"laws": weights, "width": width}
    own = {**options, "objective": asked.objective, "beside": beside}
    return replace(fitting.fit(data, law=named.name, **own), choice=choice)


def _asked(data: Any, options: Mapping[str, Any]) -> Asked:
    """Return the laws whose inputs the data have, and the points for all of them."""
    known = [law for law in _of_losses() if known_inputs(data, law)]
    if not known:
        columns = some(names_in(data), SAID)
        raise UsageError(
            f"no law in the catalogue takes the columns of these runs: {columns}.",
            hint="'scaling laws' lists them; --map params=COLUMN says what a column is.",
        )
    most = max(len(law.inputs()) for law in known)
    known = [law for law in known if len(law.inputs()) >= max(min(2, most), most - 1)]
    widest = _with_inputs(known)
    given, rising = options.get("objective"), bool(options.get("rising"))
    direction = Direction(
        rising, options.get("limit"), "linear" if given is None else Objective.of(given).space
    )
    chosen = {name: options.get(name) for name in ("target", "where", "best_of", "weights")}
    points, _ = as_points(
        data, widest, at=options.get("at", "final"), **chosen, direction=direction
    )
    lifted = given is None and points.turned is not None and not rising
    return Asked(points, widest, known, LINEAR if lifted else Objective.of(given))


def _of_losses() -> Iterator[type[Law]]:
    every = map(laws.get, laws.names())
    return (law for law in every if law.output() is L)


def _with_inputs(known: Collection[type[Law]]) -> type[Law]:
    """Return the law of most inputs, with those of the others: it selects the points of all."""
    widest = max(known, key=lambda law: (len(law.inputs()), -len(law.parameters())))
    others = {s: q for law in known for s, q in law.inputs().items()}
    every = {**widest.inputs(), **others}
    if every.keys() == widest.inputs().keys():
        return widest
    body = {"inputs": classmethod(lambda _: dict(every)), "__module__": widest.__module__}
    return type(widest.__name__, (widest,), body)
