"""`sc.compare`: two recipes or more, by their fits or by the groups of a table of runs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._prediction import by_symbol, completed, read_inputs, taken
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws import name_of
from scaling_cli.laws.logarithm import Logarithm
from scaling_cli.laws.power_law import PowerLaw
from scaling_cli.planning.comparison import Pair
from scaling_cli.point_fits.together import chosen, together
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError, some
from scaling_cli.vocabulary.outcomes import Level, Touches
from scaling_cli.vocabulary.quantities import C as COMPUTE
from scaling_cli.vocabulary.quantities import recognise

MOST_GROUPS = 20  # values of a column beyond which it names runs, not recipes
X = "x"  # input of power_law


def compare(
    *things: Any,
    by: str | None = None,
    axis: str | None = None,
    first: str | None = None,
    shared: str | None = None,
    level: float = 0.9,
    fitting: Mapping[str, Any] | None = None,
    **inputs: Any,
) -> Answer:
    """Compare recipes: who is ahead where, by how much compute or data, until where.

    Parameters
    ----------
    *things : Fit, path or name; or what `read` understands
        Two fits or more; with `by`, runs.
    by : str, optional
        The column whose values are the recipes: each is fitted by itself.
    axis : str, optional
        With `by`: the column that the loss is a law of (hours, flops), not N and D: a power law,
        or a straight line of its logarithm where that is as near to the runs for what it takes.
    first : str, optional
        The recipe that the others are set against. Default: that of most runs, else the one that
        comes first.
    shared : {"exponents", "factors", "separate", "auto"} or parameters, optional
        What recipes have in common, fitted to the runs of all at once: the exponents; everything
        but two factors, of what a parameter and a token count for; parameters by name (`alpha,E`);
        or what forecasts the dearest runs best when they are held back.
    level : float
        Nominal coverage of the intervals.
    fitting : mapping, optional
        With `by`: options of `sc.fit`.
    **inputs : float, str or array
        Where they are compared, as in `predict`. Default: within the runs, at the largest, beyond.

    Returns
    -------
    Answer
        The second recipe against the first; of several, `comparisons` has each against the first.

    Raises
    ------
    UsageError
        If there are not two, or they are not of the same inputs.
    DataError
        If the column names no groups.
    """
    check_level(level)
    groupless, beside = 0, None
    if by is None:
        fits = _fits(things)
    else:
        fits, beside, groupless = _groups(things, by, axis, dict(fitting or {}))
    if len(fits) < 2:
        raise UsageError("a comparison needs two.", hint="scaling compare a.json b.json")
    fits = _led(fits, first)
    if axis:
        inputs = {X if _same(name, axis) else name: value for name, value in inputs.items()}
    way, tried = (None, []) if shared is None else chosen(fits, shared)
    common = way.shared if way else ()
    fits = together(fits, common)
    one, *others = fits.items()
    told = [
        {
            **_compared(one, other, level, inputs, common),
            "beside": beside and beside.crossing(one[0], other[0], level),
        }
        for other in others
    ]
    return Answer(
        {
            **told[0],
            "level": level,
            "called": {X: axis} if axis else {},
            "by": by,
            "groupless": groupless,
            "shared": way and {**vars(way), "tried": [vars(v) for v in tried]},
            "comparisons": told if len(told) > 1 else [],
        },
        "compare",
        fits,
    )


def pairs_of(answer: Answer) -> tuple[str, dict[str, Pair]]:
    """Return the first recipe's name and every other against it, as a comparison had them.

    What is neither size nor data is held as it stands where losses were compared.
    """
    (name, first), *others = answer.made.items()
    spent = first.law.size_and_data() or tuple(first.law.inputs())
    at = answer["at"][0]["inputs"] if answer["at"] else {}
    held = {s: v for s, v in at.items() if s in first.law.inputs() and s not in spent}
    shared = (answer["shared"] or {}).get("shared", ())
    return name, {n: Pair(first, fit, held, answer["level"], shared) for n, fit in others}


def _fits(things: Sequence[Any]) -> dict[str, Fit]:
    named = [(kinds.name_of(thing), kinds.load(thing, Fit)) for thing in things]
    names = [name for name, _ in named]
    return {
        name if names.count(name) == 1 else f"{name} ({i})": fit
        for i, (name, fit) in enumerate(named, 1)
    }


def _same(name: str, axis: str) -> bool:
    """Say whether an input is the axis: by its name, or as the same quantity."""
    own = recognise(axis)
    return name == axis or (own is not None and (name == own.symbol or recognise(name) is own))


def _led(fits: dict[str, Fit], first: str | None) -> dict[str, Fit]:
    """Return fits, one of them first.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if first is None:
        return fits
    if first not in fits:
        raise UsageError(f"there is no recipe {first!r}.", hint=f"Recipes: {some([*fits])}.")
    return {first: fits[first], **fits}


@dataclass(frozen=True)
class Beside:
    """The fits by the law of one variable that recipes are not compared by.

    Parameters
    ----------
    fits : mapping of recipe to Fit
    worse : float
        By how much its BIC, of all recipes together, is above that of the law that is taken.
    """

    fits: Mapping[str, Fit]
    worse: float

    def crossing(self, first: str, second: str, level: float) -> dict[str, Any]:
        """Return where two recipes cross by this law."""
        pair = Pair(self.fits[first], self.fits[second], {}, level)
        law = name_of(pair.first.law)
        return {"law": law, "worse": self.worse, "crossing": pair.crossing()}


def _nearer(fits: Mapping[str, Fit], lines: Mapping[str, Fit]) -> tuple[dict[str, Fit], Beside]:
    """Return the fits of the law with the lower BIC over all recipes, and the others."""
    every = [dict(fits), dict(lines)]
    told = [_bic(own.values()) for own in every]
    best = int(np.argmin(told))
    return every[best], Beside(every[1 - best], abs(told[1] - told[0]))


def _bic(fits: Iterable[Fit]) -> float:
    """Return the Bayesian information criterion of laws of groups of runs, their noise shared."""
    every = [(fit.law, fit.points()) for fit in fits]
    misses = [np.log(np.asarray(law(**p.inputs)) / p.output) for law, p in every]
    count, free = sum(map(len, misses)), sum(len(law.parameters()) for law, _ in every)
    squares = float(np.sum(np.concatenate(misses) ** 2))
    return count * np.log(squares / count) + free * np.log(count)


def _groups(
    things: Sequence[Any], by: str, axis: str | None, fitting: dict[str, Any]
) -> tuple[dict[str, Fit], Beside | None, int]:
    """Fit every group of runs by itself, most runs first; count the runs of none.

    Along an axis by a power law and by a straight line of its logarithm, where no law is asked for.

    Raises
    ------
    DataError
        If the column is not there, or has one value or very many.
    """
    from scaling_cli import ingest

    given = things[0] if len(things) == 1 else list(things)
    runs = ingest.read(*things, map={X: axis}) if axis else ingest.as_runs(given)
    if by not in runs.runs.column_names:
        own = [n for n in runs.runs.column_names if n != "rows" and not n.endswith("_convention")]
        hint = f"Columns that say something of a run: {some(own, MOST_GROUPS)}."
        raise DataError(f"there is no column {by!r}.", hint=hint)
    values = [v for v in runs.runs.column(by).to_pylist() if v is not None]
    groups = sorted(dict.fromkeys(values), key=lambda v: -values.count(v))
    if not 2 <= len(groups) <= MOST_GROUPS:
        raise DataError(
            f"column {by!r} has {len(groups)} values: it names no recipes to compare.",
            hint="Name the column of recipes: --by optimizer.",
        )
    rows = [(value, f"{by} == {_literal(value)}") for value in groups]
    groupless = runs.runs.num_rows - len(values)
    if not axis or "law" in fitting:
        return _fitted(runs, rows, by, fitting), None, groupless
    fits = _fitted(runs, rows, by, {**fitting, "law": PowerLaw})
    if any(fit.turned for fit in fits.values()):
        return fits, None, groupless
    return *_nearer(fits, _fitted(runs, rows, by, {**fitting, "law": Logarithm})), groupless


def _fitted(
    runs: Any, rows: Sequence[tuple[Any, str]], by: str, options: Mapping[str, Any]
) -> dict[str, Fit]:
    """Fit runs of each recipe: its value, and which rows are its."""
    from scaling_cli.verbs.fit import fit

    others = {name: option for name, option in options.items() if name != "where"}
    kept = options.get("where")
    also = f" and ({kept})" if kept else ""
    fits = {}
    for value, own in rows:
        try:
            fits[str(value)] = fit(runs, where=f"{own}{also}", **others)
        except ScalingError as error:
            error.message = f"recipe {value} of {by}: {error.message}"
            raise
    return fits


def _literal(value: Any) -> str:
    quote = "'" if '"' in str(value) else '"'
    return repr(value) if isinstance(value, int | float | bool) else f"{quote}{value}{quote}"


def _compared(
    one: tuple[str, Fit],
    two: tuple[str, Fit],
    level: float,
    inputs: Mapping[str, Any],
    shared: Collection[str],
) -> dict[str, Any]:
    (name, first), (other, fit) = one, two
    given = _given(first, inputs)
    spent = first.law.size_and_data() or ()
    held = {
        s: float(np.ravel(v)[0])
        for s, v in given.items()
        if s in first.law.inputs() and s not in spent and first.law.size_and_data()
    }
    pair = Pair(first, fit, held, level, shared)
    points = _points(pair, given)
    scales = _scales(pair, given) if pair.axis else []
    return {
        "first": name,
        "second": other,
        "law": name_of(first.law),
        "target": first.target,
        "at": [pair.at(point) for point in points],
        "multiplier": [pair.multiplier(x) for x in scales],
        "data_multiplier": [pair.data_multiplier(p) for p in points] if spent else [],
        "trend": pair.trend(scales[0], scales[-1]) if len(scales) > 1 else None,
        "data_trend": pair.data_trend(points) if spent else None,
        "crossing": pair.crossing(),
        "moved": pair.moved(),
        "factors": pair.factors(),
        "paired": pair.paired(),
        "warnings": [
            {"fit": named, **told}
            for named, one in ((name, first), (other, fit))
            for told in _warnings(one)
        ],
    }


def _given(fit: Fit, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given by symbol.

    Raises
    ------
    UsageError
        If the law takes no such input.
    """
    known = taken(fit.law)
    given = by_symbol(known, inputs)
    for name in given:
        if name not in known:
            raise UsageError(
                f"{name_of(fit.law)} takes no {name}.", hint=f"Inputs: {', '.join(known)}."
            )
    return given


def _points(pair: Pair, given: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return where losses are compared: what was given, else best splits at the scales."""
    law = pair.first.law
    own = {s: v for s, v in given.items() if s in (*law.inputs(), COMPUTE.symbol)}
    asked = dict(own) if set(own) - set(pair.held) else None
    if asked is None:
        symbol = COMPUTE.symbol if law.size_and_data() else pair.axis
        asked = {**pair.held, symbol: pair.scales()}
    columns = read_inputs(law, completed(law, asked))
    count = len(next(iter(columns.values())))
    return [{s: float(v[i]) for s, v in columns.items()} for i in range(count)]


def _scales(pair: Pair, given: Mapping[str, Any]) -> list[float]:
    """Return where multipliers are told: at what was given, else where the runs are and beyond."""
    law = pair.first.law
    if set(given) - set(pair.held):
        along = [
            float(law.along({s: np.array(v) for s, v in p.items()})) for p in _points(pair, given)
        ]
        return sorted(set(along))
    return pair.scales()


def _warnings(fit: Fit) -> list[dict[str, str]]:
    told = fit.concerning({Touches.FORECAST, Touches.DATA})
    return [{"code": c.code, "message": c.message} for c in told if c.level is not Level.PASS]
