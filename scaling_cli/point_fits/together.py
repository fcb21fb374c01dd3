"""Recipes fitted together: with exponents in common, or everything but two factors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._grouped import Grouped, grouped, mark
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty.draws import noise_at, parameter_draws
from scaling_cli.point_fits.certainty.resampling import intervals
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.fitting import derived
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, settle
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.outcomes import Touches

HELD_BACK = 0.25  # of the runs of a recipe, the dearest
NEAR = 1.1  # of the least error: what has more in common is then as good, and says more
FEWEST = 8  # runs of a recipe of which some can be held back


@dataclass(frozen=True)
class Variant:
    """One way to have parameters in common, and how it forecasts runs that it has not seen.

    Parameters
    ----------
    name : {"separate", "exponents", "factors"} or the parameters
    shared : tuple of str
    error : float or None
        Root mean square of ln loss over the dearest runs of all recipes, fitted to the others.
    """

    name: str
    shared: tuple[str, ...]
    error: float | None = None


def variants(law: type[Law]) -> list[Variant]:
    """Return the ways to have parameters in common: none, the exponents, all but amplitudes.

    A law without amplitudes has the first alone.

    With all but the amplitudes of sizes and data in common, recipes differ by factors alone:
    rho_N parameters count as one, rho_D tokens.
    """
    declared = law.parameters()
    exponents = {a.exponent for p in declared.values() for a in p.absorbs if a.exponent}
    scaled = {name for name, p in declared.items() if p.absorbs}
    powers = tuple(name for name in declared if name in exponents)
    rest = tuple(name for name in declared if name not in scaled)
    ways = [Variant("separate", ()), Variant("exponents", powers), Variant("factors", rest)]
    return ways if scaled else ways[:1]


def variant(law: type[Law], asked: str) -> Variant:
    """Return the way that is asked for: by name, or by the parameters in common.

    Raises
    ------
    UsageError
        If a parameter is none of the law's.
    """
    known = {v.name: v for v in variants(law)}
    way = known.get(asked) or _named(law, asked, known)
    if set(way.shared) >= set(law.parameters()):
        raise UsageError(
            f"with {', '.join(way.shared)} in common nothing is left that recipes differ by.",
            hint="Share fewer, or --shared separate.",
        )
    return way


def _named(law: type[Law], asked: str, known: Collection[str]) -> Variant:
    """Return the way to have parameters in common that are named."""
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        if name not in law.parameters():
            ways = f"{', '.join(known)}, auto or parameters ({', '.join(law.parameters())})"
            raise UsageError(f"the law has no parameter {name!r}.", hint=f"Share {ways}.")
    return Variant(",".join(names), tuple(names))


def chosen(fits: Mapping[str, Fit], asked: str) -> tuple[Variant, list[Variant]]:
    """Return the way to go on with, and all that were tried, each with its error on runs held back.

    `auto` is the one with most in common whose error is within a tenth of the least.

    Raises
    ------
    UsageError
        If recipes have too few runs for `auto`.
    """
    law = type(next(iter(fits.values())).law)
    tried = [_tested(fits, v) for v in variants(law)]
    if asked != "auto":
        one = _tested(fits, variant(law, asked))
        return one, [v for v in tried if v.name != one.name] + [one]
    known = [v for v in tried if v.error is not None]
    if not known:
        raise UsageError(
            f"--shared auto needs {FEWEST} runs of every recipe, of which some are held back.",
            hint="Say which: --shared exponents.",
        )
    least = min(v.error or 0.0 for v in known)
    near = [v for v in known if (v.error or 0.0) <= NEAR * least]
    return max(near, key=lambda v: len(v.shared)), tried


def together(fits: Mapping[str, Fit], shared: Sequence[str]) -> dict[str, Fit]:
    """Return the fits again, fitted at once with these parameters in common.

    Their draws belong together: one of each is of one set of resampled runs.
    """
    return at_once(fits, shared)[0] if shared else dict(fits)


def at_once(fits: Mapping[str, Fit], shared: Sequence[str]) -> tuple[dict[str, Fit], Optimum]:
    """Return the fits with these parameters in common, and where the search for all ended.

    Of a fit by itself stays what is said of its data; its tests were those of another law.
    """
    first = next(iter(fits.values()))
    fitted = _fitted([fit.points() for fit in fits.values()], first, shared)
    draws, _ = parameter_draws(fitted, noise_at(fitted.problem, fitted.u))
    law = fitted.law
    if not isinstance(law, Grouped):
        raise TypeError("a law of several recipes was fitted")
    again = {}
    for i, (name, fit) in enumerate(fits.items()):
        own, sure = law.of(i, law.values()), fit.alone().uncertainty
        drawn = {n: np.asarray(v) for n, v in law.of(i, draws).values().items()}
        every = [v.size for v in drawn.values()] if sure is not None else [0]
        count = min(every if sure is None else [*every, len(sure.sigma)])
        cut = {parameter: v[:count] for parameter, v in drawn.items()}
        uncertainty = sure and replace(sure, draws=cut, sigma=sure.sigma[:count], beside=())
        again[name] = replace(
            fit.alone(),
            law=own,
            value=None,
            status=fitted.optimum.status,
            uncertainty=uncertainty,
            intervals=intervals(cut, float(fit.selection.get("level", 0.9)), "joint draws"),
            derived=derived(own, fit.points()),
            backtest=None,
            checks=fit.concerning({Touches.DATA}),
        )
    return again, fitted.optimum


def factors(one: Law, other: Law) -> dict[str, np.ndarray]:
    """Return what one parameter, or token, of the second recipe counts for in the first.

    Of laws with their exponents in common: rho = (A_1/A_2)^(1/alpha), by input.
    """
    told = {}
    for name, parameter in one.parameters().items():
        for absorbed in parameter.absorbs:
            if absorbed.exponent and not absorbed.inverse and absorbed.input in one.inputs():
                ratio = np.asarray(getattr(one, name)) / getattr(other, name)
                power = absorbed.times * np.asarray(getattr(one, absorbed.exponent))
                told[absorbed.input] = ratio ** (1 / power)
    return told


def _tested(fits: Mapping[str, Fit], one: Variant) -> Variant:
    """Return a way with its error on the dearest runs of all recipes."""
    first, every = next(iter(fits.values())), [fit.points() for fit in fits.values()]
    if min(map(len, every)) < FEWEST:
        return one
    order = [np.argsort(first.law.along(p.inputs), kind="stable") for p in every]
    cuts = [len(o) - max(1, round(HELD_BACK * len(o))) for o in order]
    parts = zip(every, order, cuts, strict=True)
    kept, held = zip(*((p.take(o[:n]), p.take(o[n:])) for p, o, n in parts), strict=True)
    laws = _laws(list(kept), first, one.shared)
    misses = [np.log(law(**p.inputs) / p.output) for law, p in zip(laws, held, strict=True)]
    return replace(one, error=float(np.sqrt(np.mean(np.concatenate(misses) ** 2))))


def _laws(every: Sequence[Points], first: Fit, shared: Collection[str]) -> list[Law]:
    """Return the law of each recipe, fitted with these parameters in common."""
    if not shared:
        kind = type(first.law)
        return [settle(make_problem(p, kind, first.objective))[1].law for p in every]
    law = _fitted(every, first, shared).law
    values = law.values()
    return [law.of(i, values) for i in range(len(every))] if isinstance(law, Grouped) else []


def _fitted(every: Sequence[Points], first: Fit, shared: Collection[str]) -> Fitted:
    """Return the fit of all recipes at once."""
    kind = type(first.law)
    apart = [settle(make_problem(p, kind, first.objective))[1].law for p in every]
    points = _joined(every)
    problem = make_problem(points, grouped(apart, frozenset(shared)), first.objective)
    return Fitted(points, *settle(problem), Resampling())


def _joined(every: Sequence[Points]) -> Points:
    """Return the points of all recipes, each with the mark of its own."""
    whose = np.repeat(np.arange(len(every)), [len(p) for p in every])
    inputs = {s: np.concatenate([p.inputs[s] for p in every]) for s in every[0].inputs}
    inputs |= {mark(i): (whose == i).astype(float) for i in range(1, len(every))}
    runs = [f"{i}/{run}" for i, p in enumerate(every) for run in p.runs]
    return Points(inputs, np.concatenate([p.output for p in every]), runs)
