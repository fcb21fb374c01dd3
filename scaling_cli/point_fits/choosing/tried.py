"""Laws that are tried: fitted to all runs, and to what every cut leaves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.solve import prepared
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty.companion import fitted, problem_of
from scaling_cli.point_fits.choosing.cuts import Cut
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import DEAD_TERM, refuse
from scaling_cli.vocabulary.errors import FitError, ScalingError
from scaling_cli.vocabulary.progress import counted

SPARE = 2  # points beyond the parameters that every cut must leave
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Tried:
    """A law on all points and on what each cut leaves, and what it forecast there.

    Parameters
    ----------
    whole : Law
        Fitted to all points.
    misses : sequence of array
        Of each cut: ln forecast - ln measured of what was held back; infinite without a fit.
    ahead : array
        Ln of its forecasts where laws are compared.
    near : array, shape (n,)
        Ln of it at the points, less ln of what was measured.
    edge : sequence of str
        Parameters whose term has vanished, a floor aside.
    """

    whole: Law
    misses: Sequence[np.ndarray]
    ahead: np.ndarray
    near: np.ndarray
    edge: Sequence[str]

    @property
    def law(self) -> type[Law]:
        """Its law."""
        return type(self.whole)

    @property
    def name(self) -> str:
        """The name of its law."""
        return laws.name_of(self.whole)

    def errors(self) -> np.ndarray:
        """Return the root mean square of its misses at each cut; infinite where one is none."""
        told = np.array([np.sqrt(np.mean(np.square(own))) for own in self.misses])
        return np.where(np.isfinite(told), told, np.inf)


def try_all(
    problem: Problem,
    points: Points,
    known: Collection[type[Law]],
    cuts: Sequence[Cut],
    ahead: Columns,
) -> tuple[list[Tried], dict[str, str]]:
    """Return every law that the points can hold, and by name why the others were not fitted."""
    ready, unfit, tried = [], {}, []
    least = min(int(np.sum(cut.train)) for cut in cuts)
    for law in known:
        own = problem_of(problem, law)
        try:
            _refuse_few(law, least)
            refuse(points, own)
            ready.append(own)
        except ScalingError as error:
            unfit[laws.name_of(law)] = error.message.rstrip(".")
    with prepared(ready):
        for own in counted(ready):
            made = _tried(own, cuts, ahead)
            if made is None:
                unfit[laws.name_of(own.law)] = "no fit of it has an end"
            else:
                tried.append(made)
    return tried, unfit


def _refuse_few(law: type[Law], least: int) -> None:
    if least < len(law.parameters()) + SPARE:
        raise FitError(f"{least} points at a cut are too few for {len(law.parameters())}")


def _tried(problem: Problem, cuts: Sequence[Cut], ahead: Columns) -> Tried | None:
    rows = [np.ones(len(problem.output)), *(cut.train.astype(float) for cut in cuts)]
    whole, *parts = fitted(problem, rows)
    if whole is None:
        return None
    logs = np.log(problem.output)
    nothing = np.full(len(logs), np.inf)
    misses = [
        (nothing if part is None else _logs(part, problem.inputs) - logs)[~cut.train]
        for part, cut in zip(parts, cuts, strict=True)
    ]
    near = _logs(whole, problem.inputs) - logs
    return Tried(whole, misses, _logs(whole, ahead), near, _edge(problem, whole))


def _edge(problem: Problem, law: Law) -> list[str]:
    """Return the parameters whose term has vanished; a floor may."""
    names, declared = problem.frame.names, problem.law.parameters()
    u = np.array([float(declared[name].free(law.values()[name])) for name in names])
    moves = np.max(np.abs(problem.sensitivity(u)), axis=0)
    still = [name for name, move in zip(names, moves, strict=True) if move < DEAD_TERM]
    return [name for name in still if name != law.floor()]


def _logs(law: Law, inputs: Columns) -> np.ndarray:
    """Return ln of a law's output; not a number where it has none."""
    own = {symbol: inputs[symbol] for symbol in law.inputs()}
    with np.errstate(all="ignore"):
        return np.log(np.asarray(law(**own), float))
