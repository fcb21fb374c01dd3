"""One number, and how sure each method is of it: delta, profile, bootstrap, posterior, backtest.

A fit holds its points, so nothing else is read. All methods but the backtested range measure noise
under a law taken as true; only the last adds a drift beyond the data and the laws beside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import NOISE_STRATA, noise, read_inputs, taken
from scaling_cli.artefacts.fit import Fit
from scaling_cli.numerics.quantiles import central
from scaling_cli.point_fits.certainty import delta, profiles
from scaling_cli.point_fits.certainty.draws import noise_at
from scaling_cli.point_fits.certainty.posterior import Posterior, sample
from scaling_cli.point_fits.certainty.profiles import Profile
from scaling_cli.point_fits.certainty.resampling import Resamples, resample, undetermined
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.recompute import points_of
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, settle
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.jsonfile import nulls, stamped
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.quantities import L
from scaling_cli.vocabulary.shown import Shown

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


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
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
    target : str
        What the law's output is called here; empty where it is the output itself.
    """

    report = "profile"

    intervals: Sequence[Interval]
    profiles: Sequence[Profile]
    notes: Sequence[str]
    fit: str = ""
    law: str = ""
    level: float = 0.9
    target: str = ""

    def __repr__(self) -> str:
        """Return the intervals, a line."""
        told = (
            f"{i.of} by {i.method} {i.low:.4g} to {i.high:.4g}"
            for i in self.intervals
            if i.low is not None and i.high is not None
        )
        return f"<Comparison {'; '.join(told)}>"

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
    methods: str | Sequence[str] = QUICK,
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
    methods : sequence of {"delta", "profile", "bootstrap", "nuts", "backtested"}, or one of them
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
    methods = [methods] if isinstance(methods, str) else methods
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise UsageError(
            f"there is no method {unknown[0]!r}.", hint=f"Methods: {', '.join(METHODS)}."
        )
    work = _Work(fit, _points(fit), level)
    targets = list(_targets(fit, of, inputs))
    given = [
        interval
        for target in targets
        for method in dict.fromkeys(methods)
        for interval in _by_method(work, method, *target)
    ]
    notes, law = work.notes(methods, given), laws.name_of(fit.law)
    if fit.turned is None:
        return Comparison(given, work.profiles, notes, fit.name, law, level)
    told = [_of_target(fit, fit.turned, interval) for interval in given]
    return Comparison(told, work.profiles, notes, fit.name, law, level, fit.turned.target)


def _of_target(fit: Fit, turned: Turned, interval: Interval) -> Interval:
    """Return an interval of a target of which something else was fitted.

    Of a derived quantity the loss that it was asked at is the target's, and so is its output where
    that is a loss.
    """
    symbol, derived = fit.law.output().symbol, fit.law.derived_quantities()
    at = {s: turned.back(v) if s == symbol else v for s, v in interval.inputs.items()}
    output = derived[interval.of].output.symbol if interval.of in derived else interval.of
    if output != symbol:
        return replace(interval, inputs=at)
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        low, high = turned.ends((low, high))
    return replace(interval, inputs=at, value=turned.back(interval.value), low=low, high=high)


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
    def fitted(self) -> Fitted:
        """The fit made again as it was asked for, but for the level."""
        asked, law = self.fit.selection, type(self.fit.law)
        held, prior = (asked.get("fix"), asked.get("tie")), asked.get("prior")
        problem = make_problem(self.points, law, self.fit.objective, *held, prior=prior)
        resampling = Resampling(
            asked.get("bootstrap") or RESAMPLES,
            asked.get("bootstrap_kind", "pairs"),
            asked.get("cluster", "run"),
            asked.get("seed", 0),
        )
        settled = settle(problem, seed=resampling.seed)
        return Fitted(self.points, *settled, resampling, self.level)

    @cached_property
    def curved(self) -> delta.Curvature:
        """Covariances at the optimum."""
        return delta.curvature(self.fitted)

    @cached_property
    def sigma(self) -> float:
        """Sd of ln output of one run."""
        return noise_at(self.fitted.problem, self.fitted.u)

    @cached_property
    def resampled(self) -> Resamples:
        """The bootstrap as the fit was made with it."""
        return resample(self.fitted)

    @cached_property
    def posterior(self) -> Posterior:
        """Draws by NUTS."""
        return sample(self.fitted)

    def notes(self, methods: Sequence[str], given: Sequence[Interval]) -> list[str]:
        """Return how each method was run, and reasons for doubt."""
        own = {
            "delta": lambda: f"delta: {delta.METHOD}",
            "profile": lambda: f"profile: {profiles.METHOD}; rows taken as independent",
            "bootstrap": lambda: f"bootstrap: {self.resampled.method}",
            "nuts": self._about_posterior,
            "backtested": lambda: "backtested: the range of 'scaling predict', drift included",
        }
        notes = [own[method]() for method in dict.fromkeys(methods)]
        if any(method != "backtested" for method in methods):
            notes.append(
                "delta, profile, bootstrap and nuts measure noise and take the law as true; on "
                "held-out larger runs such intervals hold about half of what they promise."
            )
        empty = [self.left_open(o.kind, o.of, o.inputs) for o in given if o.low is None]
        told = [f"{n}: {why}" for left in empty for n, why in left.items()]
        notes += [f"'-' stands for no interval. {why}." for why in dict.fromkeys(told)]
        edge = self.fitted.optimum.at_bound if self.profiles else ()
        if edge:
            notes.append(
                f"{', '.join(edge)} ran to the edge of its domain: profiles of others "
                "may be too short."
            )
        notes += [profile.doubt() for profile in self.profiles if profile.unsure]
        if any(profile.lower > LOWER for profile in self.profiles):
            notes.append("a profile found a lower objective than the fit: fit again.")
        return notes

    def left_open(self, kind: str, name: str, at: Mapping[str, float]) -> dict[str, str]:
        """Return the parameters that the data leave open and a target hangs on, with reasons."""
        if kind == DERIVED:
            return delta.undetermined_in(self.fitted, name, at)
        if kind != PARAMETER:
            return {}
        reasons = undetermined(self.fitted.problem, self.fitted.optimum)
        return {name: reasons[name]} if name in reasons else {}

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
    output, derived = fit.law.output(), fit.law.derived_quantities()
    default = [output.symbol] if inputs else searched
    for name in default if of is None else [of] if isinstance(of, str) else of:
        if name in fit.parameters:
            yield PARAMETER, name, {}
        elif name in (output.symbol, output.column, L.column):
            apart = (
                fit.law.asked().keys() - taken(fit.law).keys()
            )  # what only derived quantities take
            columns = read_inputs(fit.law, {s: v for s, v in inputs.items() if s not in apart})
            for i in range(len(next(iter(columns.values())))):
                yield MEAN, output.symbol, {s: float(v[i]) for s, v in columns.items()}
        elif name in derived:
            yield DERIVED, name, _derived_inputs(fit, name, inputs)
        else:
            known = [*fit.parameters, output.column, *derived]
            raise UsageError(
                f"law {laws.name_of(fit.law)} has no {name!r}.",
                hint=f"It has {', '.join(known)}.",
            )


def _derived_inputs(fit: Fit, name: str, inputs: Mapping[str, Any]) -> dict[str, float]:
    wanted = list(fit.law.derived_quantities()[name].inputs)
    missing = [symbol for symbol in wanted if symbol not in inputs]
    if missing:
        raise UsageError(f"{name} needs {', '.join(missing)}.")
    given = {symbol: float(inputs[symbol]) for symbol in wanted}
    at, output = dict(given), fit.law.output()
    if fit.turned is not None and output.symbol in at:
        at[output.symbol] = float(fit.turned.forth(at[output.symbol]))
    there = all(output.domain.holds(v) for s, v in at.items() if s == output.symbol)
    value = float(fit.law.derive(name, **at)) if there else np.nan
    if not (np.isfinite(value) and value > 0):
        told = ", ".join(f"{_called(fit, s)} = {number:g}" for s, number in given.items())
        raise UsageError(f"by this law there is no {name} at {told}.")
    return at


def _called(fit: Fit, symbol: str) -> str:
    """Return a symbol, or the target of which something else was fitted."""
    turned = fit.turned
    return symbol if turned is None or symbol != fit.law.output().symbol else turned.target


def _by_method(
    work: _Work, method: str, kind: str, name: str, at: Mapping[str, float]
) -> list[Interval]:
    """Return the intervals that a method has for a target; a method may have none."""
    value = _value(work.fit, kind, name, at)
    if method in NEAR and work.left_open(kind, name, at):
        return [Interval(name, at, method, kind, value, None, None, work.level)]
    functions = {
        "delta": _delta,
        "profile": _profile,
        "bootstrap": _bootstrap,
        "nuts": _nuts,
        "backtested": _backtested,
    }
    return [
        Interval(name, at, method, of, value, low, high, work.level)
        for of, (low, high) in functions[method](work, kind, name, at).items()
    ]


_Ends = dict[str, tuple[float | None, float | None]]  # by kind


def _value(fit: Fit, kind: str, name: str, at: Mapping[str, float]) -> float:
    if kind == PARAMETER:
        return fit.parameters[name]
    return float(fit.law(**at) if kind == MEAN else fit.law.derive(name, **at))


def _delta(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    fitted = work.fitted
    if kind == PARAMETER:
        own = delta.of_parameters(fitted, work.curved).get(name)
        return {kind: (float(own["low"]), float(own["high"])) if own else (None, None)}
    if kind == DERIVED:
        gradient = delta.gradient_of_derived(fitted, name, at)
        centre = float(np.log(fitted.law.derive(name, **at)))
    else:
        points = {s: np.array([v]) for s, v in at.items()}
        gradient = fitted.problem.sensitivity(fitted.u, points)
        centre = float(fitted.problem.log_predictions(fitted.u, points)[0, 0])
    half = float(work.curved.half_width(gradient, work.level)[0])
    return _with_new_run(work, kind, centre, (half, half))


def _profile(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    if kind == DERIVED:
        return {}
    if kind == PARAMETER:
        profile = profiles.of_parameter(work.fitted, name)
        ends: _Ends = {kind: (profile.low, profile.high)}
    else:
        profile = profiles.of_prediction(work.fitted, at)
        low, centre, high = np.log([profile.low, profile.estimate, profile.high]).tolist()
        ends = _with_new_run(work, kind, centre, (centre - low, high - centre))
        turned = work.fit.turned
        profile = profile if turned is None else profile.turned_back(turned)
    work.profiles.append(profile)
    return ends


def _with_new_run(work: _Work, kind: str, centre: float, sides: tuple[float, float]) -> _Ends:
    """Return exp(centre -+ sides), and for a prediction the same with a run's noise added."""
    about = {kind: sides}
    if kind == MEAN:
        noise_half = delta.student(work.level, work.curved.degrees) * work.sigma
        about[NEW] = np.hypot(sides[0], noise_half), np.hypot(sides[1], noise_half)
    return {
        of: (float(np.exp(centre - below)), float(np.exp(centre + above)))
        for of, (below, above) in about.items()
    }


def _bootstrap(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    draws = work.resampled.draws
    count = len(next(iter(draws.values())))
    if not count:
        return {kind: (None, None)}
    return _percentiles(work, (kind, name, at), draws, noise(np.full(count, work.sigma)))


def _nuts(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    if not work.posterior.converged:
        return {kind: (None, None)}
    generator = np.random.default_rng(work.fitted.resampling.seed)
    errors = work.posterior.noise(generator, NOISE_STRATA)
    return _percentiles(work, (kind, name, at), work.posterior.draws, errors)


def _percentiles(
    work: _Work, target: _Target, draws: Mapping[str, np.ndarray], errors: np.ndarray
) -> _Ends:
    """Return percentiles of a target over draws; errors are NOISE_STRATA for each draw."""
    kind, name, at = target
    if kind == PARAMETER:
        low, high = central(draws[name], work.level)
        return {kind: (low, high)}
    law = type(work.fit.law)(**draws)
    values = law(**at) if kind == MEAN else law.derive(name, **at)
    with np.errstate(divide="ignore"):  # where a draw has no floor a loss may cost nothing
        logs = np.log(
            np.broadcast_to(np.asarray(values, float), np.shape(next(iter(draws.values()))))
        )
    ends = {kind: central(logs, work.level)}
    if kind == MEAN:
        ends[NEW] = central(np.repeat(logs, NOISE_STRATA) + errors, work.level)
    return {of: (float(np.exp(low)), float(np.exp(high))) for of, (low, high) in ends.items()}


def _backtested(work: _Work, kind: str, name: str, at: Mapping[str, float]) -> _Ends:
    del name
    if kind != MEAN or work.fit.uncertainty is None:
        return {}
    (point,) = work.fit.predict(level=work.level, **at).to_dicts()
    ends: _Ends = {MEAN: tuple(point["mean"]), NEW: tuple(point["new_run"])}
    if (turned := work.fit.turned) is None:
        return ends
    fitted = {of: sorted(turned.forth(end) for end in both) for of, both in ends.items()}
    return {of: (low, high) for of, (low, high) in fitted.items()}
