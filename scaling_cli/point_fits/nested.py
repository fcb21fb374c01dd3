"""A law through the parameters of groups: asymptotes of asymptotes, with the errors of each.

The parameters of groups are measured as well as their draws say, and together where they were
fitted together. So a law through them is fitted by least squares under that covariance, and once
more to every draw of all groups: what the groups leave open, the law through them leaves open too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_cli.artefacts._prediction import DRIFT_BARE, Uncertainty, edges
from scaling_cli.artefacts._record import versions
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty.resampling import intervals
from scaling_cli.point_fits.fitting import derived, describe
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, refuse, settle
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import parse_number

MOST = 400  # draws that the law is fitted to again
SIGMA = 0.6826894921370859  # the share of a normal within one sd
EXACT = 1e-9  # of a parameter: an sd below this is rounding


@dataclass(frozen=True)
class Measured:
    """A parameter of every group: where the group lies, what it is, and its draws.

    Parameters
    ----------
    at : array, shape (groups,)
    value : array, shape (groups,)
    draws : array, shape (draws, groups)
    together : bool
        Whether draw i of one group belongs to draw i of the others.
    """

    at: np.ndarray
    value: np.ndarray
    draws: np.ndarray
    together: bool

    @classmethod
    def of(cls, groups: Mapping[str, Fit], parameter: str, *, together: bool) -> "Measured":
        """Return a parameter of groups that are called by numbers.

        Raises
        ------
        UsageError
            If a group is called by no number.
        """
        known = [fit.uncertainty for fit in groups.values() if fit.uncertainty is not None]
        sure = [np.asarray(own.draws[parameter]) for own in known]
        if not together:  # fits of one seed share random numbers: as they stand they go together
            mixed = [np.random.default_rng(i) for i in range(len(sure))]
            sure = [own.permutation(drawn) for own, drawn in zip(mixed, sure, strict=True)]
        count = min(MOST, *(len(own) for own in sure))
        return cls(
            np.array([_number(name, parameter) for name in groups]),
            np.array([fit.parameters[parameter] for fit in groups.values()]),
            np.stack([own[:count] for own in sure], axis=1),
            together,
        )

    @cached_property
    def sd(self) -> np.ndarray:
        """Half the width of the middle 68 % of draws; what rounding leaves where they are one."""
        ends = np.quantile(self.draws, [(1 - SIGMA) / 2, (1 + SIGMA) / 2], axis=0)
        return np.maximum((ends[1] - ends[0]) / 2, EXACT * np.abs(self.value))

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the parameters, shape (groups, groups)."""
        apart = np.eye(len(self.at))
        moves = np.ptp(self.draws, axis=0) > 0
        if self.together and moves.all():
            apart = np.corrcoef(self.draws, rowvar=False)
        return apart * np.outer(self.sd, self.sd)

    @cached_property
    def whitened(self) -> np.ndarray:
        """What turns residuals into independent ones of unit variance."""
        return np.linalg.inv(np.linalg.cholesky(self.covariance))


def through(
    groups: Mapping[str, Fit], by: str, parameter: str, law: type[Law], *, together: bool
) -> Fit:
    """Return a law of one parameter over the groups, which are called by numbers.

    Parameters
    ----------
    groups : mapping of str to Fit
    by : str
        The column of the groups.
    parameter : str
    law : type[Law]
        Of one input: where the groups lie.
    together : bool
        Whether draws of the groups belong together.

    Raises
    ------
    UsageError
        If a group is called by no number, or the law has other inputs.
    FitError
        If there are too few groups for the law.
    """
    if len(law.inputs()) != 1:
        raise UsageError(
            f"a law through {parameter} has one input, {by}; {law.called()} has "
            f"{', '.join(law.inputs())}.",
            hint="Take a law of one variable: power_law, or a formula such as 'E + A/x**alpha'.",
        )
    measured = Measured.of(groups, parameter, together=together)
    weight = 1 / measured.sd**2
    inputs = {next(iter(law.inputs())): measured.at}
    points = Points(inputs, measured.value, list(groups), weight=weight / weight.mean())
    minimised = Objective("l2", space="linear")
    problem = make_problem(points, law, minimised)
    refuse(points, problem)
    begun = settle(problem)[1]
    own, chi2 = _fitted(begun.law, measured, measured.value)
    drawn = [_fitted(own, measured, values)[0].values() for values in measured.draws]
    draws = {name: np.array([one[name] for one in drawn]) for name in law.parameters()}
    freedom = len(points) - len(law.parameters())
    return Fit(
        own,
        status=begun.status,
        objective=minimised,
        value=chi2,
        n_points=len(points),
        data={**describe(points, law), "sources": [], "target": parameter},
        intervals=intervals(draws, 0.9, "draws of the groups"),
        uncertainty=_uncertainty(own, points, draws, freedom),
        derived=derived(own, points),
        diagnostics={"sd": measured.sd.tolist()},
        selection={"through": parameter, "by": by, "level": 0.9},
        origin={"kind": "computed"},
        versions=versions(),
    )


def _uncertainty(
    law: Law, points: Points, draws: Mapping[str, np.ndarray], freedom: int
) -> Uncertainty:
    """Return what its intervals are made of; a new group scatters as the fitted ones do."""
    misses = np.log(np.asarray(law(**points.inputs)) / points.output)
    scatter = float(np.sqrt(np.sum(misses**2) / max(freedom, 1)))
    count = len(next(iter(draws.values())))
    return Uncertainty(
        method=f"{count} draws of the groups, the law fitted to each",
        tested=False,
        drift=DRIFT_BARE,
        largest=edges(type(law), points.inputs),
        sigma=np.full(count, scatter),
        draws=draws,
    )


def _number(name: str, parameter: str) -> float:
    try:
        return parse_number(name)
    except UsageError:
        told = f"a law through {parameter} needs groups that are numbers; {name!r} is none."
        raise UsageError(told, hint="Group by what grows: --by params.") from None


def _fitted(start: Law, measured: Measured, values: np.ndarray) -> tuple[Law, float]:
    """Return the law of least squares under the groups' covariance, and the sum."""
    from scipy.optimize import least_squares

    kind, declared = type(start), start.parameters()
    symbol = next(iter(kind.inputs()))

    def law(u: np.ndarray) -> Law:
        return kind(**{n: float(p.at(x)) for (n, p), x in zip(declared.items(), u, strict=True)})

    def misses(u: np.ndarray) -> np.ndarray:
        return measured.whitened @ (np.asarray(law(u)(**{symbol: measured.at})) - values)

    begin = np.array([float(p.free(getattr(start, n))) for n, p in declared.items()])
    end = least_squares(misses, begin, x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12)
    return law(end.x), float(2 * end.cost)
