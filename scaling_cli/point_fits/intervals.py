"""One number, and how sure each method is of it: delta, profile, bootstrap, posterior, backtest.

A fit holds its points, so nothing else is read. All methods but the backtested range measure noise
under a law taken as true; only the last adds the drift that held-back runs have shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import NOISE_STRATA, noise, read_inputs
from scaling_cli.artefacts.fit import Fit
from scaling_cli.engine.problem import Problem
from scaling_cli.point_fits.certainty import delta, profiles
from scaling_cli.point_fits.certainty.draws import noise_at
from scaling_cli.point_fits.certainty.posterior import Posterior, sample
from scaling_cli.point_fits.certainty.profiles import Profile
from scaling_cli.point_fits.certainty.resampling import (
    Plan,
    Resamples,
    clusters,
    resample,
    undetermined,
)
from scaling_cli.point_fits.recompute import points_of
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, log_predictions, make_problem, sensitivity, settle
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.jsonfile import nulls, stamped

METHODS = ("delta", "profile", "bootstrap", "nuts", "backtested")
NEAR = ("delta", "bootstrap")  # methods that look no farther than the optimum
QUICK = ("delta", "profile", "bootstrap", "backtested")
RESAMPLES = 1000  # where the fit was made without any
PARAMETER, DERIVED, MEAN, NEW = "parameter", "derived", "mean curve", "new run"


@dataclass(frozen=True)
class Interval:
    """One interval of one number by one method.

    Parameters
    ----------
    of : str
        A parameter, a derived quantity, or the output's symbol.
    inputs : mapping of symbol to float
        Where, in SI units; empty for a parameter.
    method : str
        One of METHODS.
    kind : str
        `parameter`, `derived`, `mean curve` (where the law's curve lies) or `new run` (where one
        more run would land).
    value, low, high : float or None
        None where the method gives no interval; an end may be 0 or infinite.
    level : float
    """

    of: str
    inputs: Mapping[str, float]
    method: str
    kind: str
    value: float
    low: float | None
    high: float | None
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return vars(self) | {"inputs": dict(self.inputs)}


@dataclass(frozen=True)
class Comparison:
    """The intervals of several methods side by side, and what they rest on.

    Parameters
    ----------
    intervals : sequence of Interval
    profiles : sequence of Profile
    notes : sequence of str
        How each method was run, and reasons for doubt.
    fit, law : str
        Name of the fit, of its law.
    level : float
        Nominal coverage.
    """

    intervals: Sequence[Interval]
    profiles: Sequence[Profile]
    notes: Sequence[str]
    fit: str = ""
    law: str = ""
    level: float = 0.9

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling profile --json` prints."""
        record = {
            "fit": self.fit,
            "law": self.law,
            "level": self.level,
            "intervals": [interval.to_dict() for interval in self.intervals],
            "profiles": [profile.to_dict() for profile in self.profiles],
            "notes": list(self.notes),
        }
        return nulls(stamped(record))


def intervals(
    fit: Fit,
    of: str | Sequence[str] | None = None,
    *,
    methods: Sequence[str] = QUICK,
    level: float = 0.9,
    **inputs: Any,
) -> Comparison:
    """Return intervals of parameters, derived quantities or predictions, by several methods.

    Parameters
    ----------
    fit : Fit
        Computed here; its points are embedded or at hand.
    of : str or sequence of str, optional
        Names of parameters, of derived quantities (with their input: C=1e24), or `loss` (the law's
        output) with the law's inputs (N=7e9, D=1e12). Default: the loss if inputs are given, else
        every parameter that was searched.
    methods : sequence of {"delta", "profile", "bootstrap", "nuts", "backtested"}
        `backtested` is the range that `predict` gives, and exists for the loss only. `nuts` needs
        the extra `posterior` and about ten seconds.
    level : float
        Nominal coverage.
    **inputs : float, str or array
        As for `Fit.predict`.

    Raises
    ------
    UsageError
        If a name, a method or an input is unknown or missing.
    DataError
        If the fit's points are not at hand, or nothing was optimised in it.
    """
    check_level(level)
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise UsageError(
            f"there is no method {unknown[0]!r}.", hint=f"Methods: {', '.join(METHODS)}."
        )
    work = _Work(fit, _points(fit), level)
    targets = list(_targets(fit, of, inputs))
    found = [
        one
        for target in targets
        for method in dict.fromkeys(methods)
        for one in _by_method(work, method, *target)
    ]
    notes, law = work.notes(methods, found), laws.name_of(fit.law)
    return Comparison(found, work.profiles, notes, fit.name, law, level)


def _points(fit: Fit) -> Points:
    if fit.origin.get("kind") == "published":
        raise DataError(
            "this fit holds published numbers: they are not the minimum of an objective here.",
            hint="Fit the points yourself with 'scaling fit'.",
        )
    points = points_of(fit)
    if points is None:
        raise DataError(
            "the points of this fit are not at hand.",
            hint="Fit again where they are: 'scaling fit ... -o fit.json'.",
        )
    return points


@dataclass(frozen=True)
class _Work:
    """What several targets and methods share; each part is computed when it is first needed."""

    fit: Fit
    points: Points
    level: float
    profiles: list[Profile] = field(default_factory=list)

    @cached_property
    def settled(self) -> tuple[Problem, Optimum]:
        """The problem and its optimum, found again."""
        chosen = self.fit.selection
        problem = make_problem(
            self.points,
            type(self.fit.law),
            self.fit.objective,
            chosen.get("fix"),
            chosen.get("tie"),
            prior=chosen.get("prior"),
        )
        return settle(problem, seed=chosen.get("seed", 0))

    @cached_property
    def clusters(self) -> list[str]:
        """What is resampled together."""
        return clusters(self.points, self.fit.selection.get("cluster", "run"))

    @cached_property
    def curved(self) -> delta.Curvature:
        """Covariances at the optimum."""
        problem, optimum = self.settled
        return delta.curvature(problem, optimum.u, self.clusters)

    @cached_property
    def sigma(self) -> float:
        """Sd of ln output of one run."""
        problem, optimum = self.settled
        return noise_at(problem, optimum.u)

    @cached_property
    def resampled(self) -> Resamples:
        """The bootstrap as the fit was made with it."""
        chosen = self.fit.selection
        plan = Plan(
            chosen.get("bootstrap") or RESAMPLES,
            chosen.get("bootstrap_kind", "pairs"),
            chosen.get("cluster", "run"),
            chosen.get("seed", 0),
        )
        return resample(self.points, *self.settled, plan)

    @cached_property
    def posterior(self) -> Posterior:
        """Draws by NUTS."""
        return sample(*self.settled, seed=self.fit.selection.get("seed", 0))

    def notes(self, methods: Sequence[str], given: Sequence[Interval]) -> list[str]:
        """Return how each method was run, and reasons for doubt."""
        own = {
            "delta": lambda: f"delta: {delta.METHOD}",
            "profile": lambda: f"profile: {profiles.METHOD}; rows taken as independent",
            "bootstrap": lambda: f"bootstrap: {self.resampled.method}",
            "nuts": self._about_posterior,
            "backtested": lambda: "backtested: the range of 'scaling predict', drift included",
        }
        found = [own[method]() for method in dict.fromkeys(methods)]
        if any(method != "backtested" for method in methods):
            found.append(
                "delta, profile, bootstrap and nuts measure noise and take the law as true; on "
                "held-out larger runs such intervals hold about half of what they promise."
            )
        empty = [self.left_open(o.kind, o.of, o.inputs) for o in given if o.low is None]
        told = [f"{n}: {why}" for left in empty for n, why in left.items()]
        found += [f"'-' stands for no interval. {why}." for why in dict.fromkeys(told)]
        edge = self.settled[1].at_bound if self.profiles else ()
        if edge:
            found.append(
                f"{', '.join(edge)} ran to the edge of its domain: profiles of others "
                "may be too short."
            )
        found += [one.doubt() for one in self.profiles if one.unsure]
        if any(one.lower > LOWER for one in self.profiles):
            found.append("a profile found a lower objective than the fit: fit again.")
        return found

    def left_open(self, kind: str, name: str, at: Mapping[str, float]) -> dict[str, str]:
        """Return the parameters that the data leave open and a target hangs on, with reasons."""
        if kind == DERIVED:
            return delta.undetermined_in(*self.settled, name, at)
        found = undetermined(*self.settled) if kind == PARAMETER else {}
        return {name: found[name]} if name in found else {}

    def _about_posterior(self) -> str:
        sure = "" if self.posterior.converged else "NOT CONVERGED, no interval is given: "
        return f"nuts: {sure}{self.posterior.summary()}"


LOWER = 0.05  # of tau / 2: it moves the ends by less than 1 %
_Target = tuple[str, str, Mapping[str, float]]  # kind, name, inputs


def _targets(
    fit: Fit, of: str | Sequence[str] | None, inputs: Mapping[str, Any]
) -> Iterator[_Target]:
    """Yield what intervals are asked for.

    Raises
    ------
    UsageError
        If a name is unknown, or its inputs are missing.
    """
    held = {**(fit.selection.get("fix") or {}), **(fit.selection.get("tie") or {})}
    searched = [name for name in fit.parameters if name not in held]
    output, derived = fit.law.output().symbol, fit.law.derived_quantities()
    default = [output] if inputs else searched
    for name in default if of is None else [of] if isinstance(of, str) else of:
        if name in fit.parameters:
            yield PARAMETER, name, {}
        elif name in ("loss", output):
            columns = read_inputs(fit.law, inputs)
            for i in range(len(next(iter(columns.values())))):
                yield MEAN, output, {s: float(v[i]) for s, v in columns.items()}
        elif name in derived:
            yield DERIVED, name, _derived_inputs(fit, name, inputs)
        else:
            known = [*fit.parameters, "loss", *derived]
            raise UsageError(
                f"law {laws.name_of(fit.law)} has no {name!r}.",
                hint=f"It has {', '.join(known)}.",
            )


def _derived_inputs(fit: Fit, name: str, inputs: Mapping[str, Any]) -> dict[str, float]:
    wanted = list(fit.law.derived_quantities()[name].inputs)
    missing = [symbol for symbol in wanted if symbol not in inputs]
    if missing:
        raise UsageError(f"{name} needs {', '.join(missing)}.")
    return {symbol: float(inputs[symbol]) for symbol in wanted}


def _by_method(
    work: _Work, method: str, kind: str, name: str, at: Mapping[str, float]
) -> list[Interval]:
    """Return the intervals that a method has for a target; a method may have none."""
    functions = (_delta, _profile, _bootstrap, _nuts, _backtested)
    value = _value(work.fit, kind, name, at)
    if method in NEAR and work.left_open(kind, name, at):
        return [Interval(name, at, method, kind, value, None, None, work.level)]
    ends = functions[METHODS.index(method)](work, kind, name, at)  # in the order of METHODS
    return [
        Interval(name, at, method, of, value, low, high, work.level)
        for of, (low, high) in ends.items()
    ]


_Ends = dict[str, tuple[float | None, float | None]]  # by kind


def _value(fit: Fit, kind: str, name: str, at: Mapping[str, float]) -> float:
    if kind == PARAMETER:
        return fit.parameters[name]
    return float(fit.law(**at) if kind == MEAN else fit.law.derive(name, **at))


def _delta(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    problem, optimum = work.settled
    if kind == PARAMETER:
        found = delta.of_parameters(problem, optimum.u, work.curved, work.level).get(name)
        return {kind: (float(found["low"]), float(found["high"])) if found else (None, None)}
    if kind == DERIVED:
        gradient = delta.gradient_of_derived(problem, optimum.u, name, at)
        centre = float(np.log(optimum.law.derive(name, **at)))
    else:
        points = {s: np.array([v]) for s, v in at.items()}
        gradient = sensitivity(problem, optimum.u, points)
        centre = float(log_predictions(problem, optimum.u, points)[0, 0])
    half = float(work.curved.half_width(gradient, work.level)[0])
    return _with_new_run(work, kind, centre, (half, half))


def _profile(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    if kind == DERIVED:
        return {}
    if kind == PARAMETER:
        found = profiles.of_parameter(*work.settled, work.clusters, name, work.level)
        ends: _Ends = {kind: (found.low, found.high)}
    else:
        found = profiles.of_prediction(*work.settled, work.clusters, at, work.level)
        centre = float(np.log(found.estimate))
        sides = (centre - float(np.log(found.low)), float(np.log(found.high)) - centre)
        ends = _with_new_run(work, kind, centre, sides)
    work.profiles.append(found)
    return ends


def _with_new_run(work: _Work, kind: str, centre: float, sides: tuple[float, float]) -> _Ends:
    """Return exp(centre -+ sides), and for a prediction the same with a run's noise added."""
    found: _Ends = {kind: (float(np.exp(centre - sides[0])), float(np.exp(centre + sides[1])))}
    if kind == MEAN:
        noise_half = delta.student(work.level, work.curved.degrees) * work.sigma
        below, above = (float(np.hypot(side, noise_half)) for side in sides)
        found[NEW] = float(np.exp(centre - below)), float(np.exp(centre + above))
    return found


def _bootstrap(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    draws = work.resampled.draws
    count = len(next(iter(draws.values())))
    if not count:
        return {kind: (None, None)}
    return _percentiles(work, (kind, name, at), draws, noise(np.full(count, work.sigma)))


def _nuts(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    if not work.posterior.converged:
        return {kind: (None, None)}
    sampled = work.posterior
    generator = np.random.default_rng(work.fit.selection.get("seed", 0))
    errors = sampled.noise(generator, NOISE_STRATA)
    return _percentiles(work, (kind, name, at), sampled.draws, errors)


def _percentiles(
    work: _Work, target: _Target, draws: Mapping[str, np.ndarray], errors: np.ndarray
) -> _Ends:
    """Return percentiles of a target over draws; errors are NOISE_STRATA for each draw."""
    kind, name, at = target
    share = [(1 - work.level) / 2, (1 + work.level) / 2]
    if kind == PARAMETER:
        low, high = np.quantile(draws[name], share)
        return {kind: (float(low), float(high))}
    law = type(work.fit.law)(**draws)
    values = law(**at) if kind == MEAN else law.derive(name, **at)
    logs = np.log(np.broadcast_to(np.asarray(values, float), np.shape(draws[next(iter(draws))])))
    ends = {kind: np.quantile(logs, share)}
    if kind == MEAN:
        ends[NEW] = np.quantile(np.repeat(logs, NOISE_STRATA) + errors, share)
    return {of: (float(np.exp(low)), float(np.exp(high))) for of, (low, high) in ends.items()}


def _backtested(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    del name
    if kind != MEAN or work.fit.uncertainty is None:
        return {}
    (point,) = work.fit.predict(level=work.level, **at).to_dicts()
    return {MEAN: tuple(point["mean"]), NEW: tuple(point["new_run"])}
