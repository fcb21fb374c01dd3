"""Numbers that several kinds of things have in common, and where each comes from."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling_cli.reports.page._page import Number, Origin
from scaling_cli.vocabulary.quantities import BY_SYMBOL

# What may have been typed: its key in the selection, and the option.
OPTIONS = {
    "level": ("--level", "coverage of intervals"),
    "seed": ("--seed", "seed of everything random"),
    "bootstrap": ("--bootstrap", "resamples"),
    "delta": ("--delta", "corner of the Huber loss"),
    "limit": ("--limit", "what the target cannot pass"),
    "prior_strength": ("--prior-strength", "weight of the weak priors"),
}


def options(selection: Mapping[str, Any], command: str) -> Iterator[Number]:
    """Yield the settings: declared where the command line has them, else assumed."""
    typed = {word.partition("=")[0] for word in _words(command)}
    for key, (option, meaning) in OPTIONS.items():
        value = selection.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            said = option in typed
            origin = Origin.DECLARED if said else Origin.ASSUMED
            why = option if said else f"the default; {option} sets another"
            yield Number(meaning, float(value), origin, why)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def ranges(data: Mapping[str, Any], units: Mapping[str, str]) -> Iterator[Number]:
    """Yield the ends of every range that was read."""
    where, counted = _where(data), data.get("conventions") or {}
    for symbol, (low, high) in (data.get("ranges") or {}).items():
        quantity = BY_SYMBOL.get(symbol)
        meaning = quantity.meaning if quantity else symbol
        computed = symbol == "C" and counted.get("C", "6ND") == "6ND"
        origin = Origin.COMPUTED if computed else Origin.READ
        why = "6 x parameters x tokens of each run" if computed else where
        for word, end in (("smallest", low), ("largest", high)):
            yield Number(f"{word} {symbol} ({meaning})", end, origin, why, units.get(symbol, ""))


def _where(data: Mapping[str, Any]) -> str:
    sources = data.get("sources") or ()
    if not sources:
        return "the data"
    paths = [str(s["path"]) if isinstance(s, Mapping) else str(s) for s in sources]
    return paths[0] if len(paths) == 1 else f"{len(paths)} files (digests below)"


def counts(points: int, left: int, data: Mapping[str, Any]) -> Iterator[Number]:
    """Yield how many points were fitted, and how many runs were left out."""
    yield Number("points", float(points), Origin.READ, _where(data))
    yield Number("left out", float(left), Origin.READ, "listed above with reasons")


def parameters(
    values: Mapping[str, float],
    intervals: Mapping[str, Mapping[str, Any]],
    units: Mapping[str, str],
    held: Mapping[str, Any],
    published: bool = False,
) -> Iterator[Number]:
    """Yield the parameters: computed by the fit, declared where they were held or published."""
    for name, value in values.items():
        span = intervals.get(name) or {}
        ends = (span.get("low"), span.get("high")) if span else None
        origin, why = Origin.COMPUTED, str(span.get("method") or "the fit")
        if name in held:
            origin, why, ends = Origin.DECLARED, f"--fix {name}=", None
        elif published:
            origin, why = Origin.DECLARED, "the source that is cited"
        yield Number(name, value, origin, why, units.get(name, ""), ends, span.get("level"))


def cuts(backtest: Sequence[Mapping[str, Any]], axis: str) -> Iterator[Number]:
    """Yield how each cut of a backtest did."""
    for cut in backtest:
        reach = cut.get("factor")
        name = f"error of held-back runs, {axis} up to x{reach:.3g}" if reach else "error"
        why = f"fitted to {cut['n_train']}, tested on {cut['n_test']}"
        share = cut.get("mare")
        yield Number(name, None if share is None else 100 * share, Origin.COMPUTED, why, "%")
        if cut.get("coverage") is not None:
            inside = 100 * cut["coverage"]
            yield Number(f"  of them inside, x{reach:.3g}", inside, Origin.COMPUTED, why, "%")


def digests(data: Mapping[str, Any]) -> list[str]:
    """Return the digest of the data, and of every file."""
    own = [f"data sha256 {data['sha256']}"] if data.get("sha256") else []
    files = [s for s in data.get("sources") or () if isinstance(s, Mapping)]
    return [*own, *(f"{s.get('path')} sha256 {s.get('sha256')}" for s in files)]
