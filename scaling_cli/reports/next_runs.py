"""The next runs: what they take off the range of a forecast, and what that rests on."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.vocabulary.quantities import factor

Record = Mapping[str, Any]
SHOWN = 6  # runs on the first screen
HELPS = 0.98  # of the half width: what leaves more is no help
INSIDE = 1.005  # factors below this are inside the data
PARTS = {
    "parameters": "the law's own",
    "noise": "noise of a run",
    "drift": "beyond the runs",
    "laws": "other laws",
}
WORDS = {
    "parameters": "the law's own uncertainty",
    "noise": "the noise of one run",
    "drift": "the distance beyond the runs",
    "laws": "the distance of other laws",
}


def blocks(told: Record, *, full: bool = False) -> list[Block]:
    """Return what `scaling next` prints."""
    return [
        Text([_answer(told)]),
        _table(told, full=full),
        Labelled("range", list(_parts(told))),
        Labelled("checked", list(_checked(told, full=full))),
        Labelled("budget", list(_others(told))),
        Labelled("assumes", list(told["assumptions"])),
        Text(list(told["notes"]) if full or not told["first"] else []),
        Notes("warn", list(_doubts(told))),
    ]


def _answer(told: Record) -> str:
    """Return the first line: how many runs, for what, take the range from where to where."""
    half, runs = told["half_width"], told["runs"]
    at = ", ".join(f"{s} = {_numbers.quantity(v, s)}" for s, v in told["at"].items())
    now = _numbers.either_side(half["before"])
    if not runs:
        return f"no run within {told['budget']:.3g} narrows the forecast at {at}: {now} stays."
    first = "first run" if told["first"] else "run"
    many = f"{_numbers.count(len(runs), first)} for {told['spent']:.3g}"
    then = _numbers.either_side(half["after"])
    before = f"{now} by published numbers" if told["first"] else now
    of = told["fitted_as"] or told["target"]
    return f"{many} take the forecast of {of} at {at} from {before} to {then}."


def _table(told: Record, *, full: bool) -> Table:
    symbols = list(told["at"])
    columns = [
        *((s, ">", _input(s)) for s in symbols),
        ("cost", ">", lambda r: f"{r['cost']:.3g}"),
        ("of budget", ">", lambda r: _share(r["cost"] / told["budget"])),
        ("range left", ">", lambda r: _numbers.share(r["left"])),
    ]
    note = "range left: of what runs can narrow (law and distance), by the criterion"
    limit = None if full else SHOWN
    return Table.of(told["runs"], columns, "", *([note] if told["runs"] else []), limit=limit)


def _share(of: float) -> str:
    return "< 0.1 %" if of < 1e-3 else f"{100 * of:.2g} %"


def _input(symbol: str) -> Any:
    return lambda r: _numbers.quantity(r["inputs"][symbol], symbol)


def _parts(told: Record) -> Iterator[str]:
    """Yield what the range is made of, before and after."""
    write = _ends if not told["first"] else lambda ends: _numbers.percent(ends["after"])
    kept = {n: ends for n, ends in told["parts"].items() if any(ends.values())}
    yield _numbers.pieces(*(f"{PARTS[name]} {write(ends)}" for name, ends in kept.items()))
    then = " after these runs" * told["first"]
    alone = told["if_law_holds"]
    less = alone["after"] < HELPS * told["half_width"]["after"]
    held = f"; {write(alone)} if {told['law']} holds" * less
    yield f"half widths of {_numbers.level(told['level'])} of new runs{then}{held}"


def _ends(ends: Mapping[str, float]) -> str:
    before, after = (_numbers.percent(ends[key]) for key in ("before", "after"))
    return before if before == after else f"{before} to {after}"


def _others(told: Record) -> Iterator[str]:
    """Yield what another budget would come to."""
    every = [
        f"{'a third of it' if other['times'] < 1 else 'three times as much'}: "
        f"{_numbers.either_side(other['half_width'])} ({_numbers.count(other['runs'], 'run')})"
        for other in told["other_budgets"]
    ]
    if every:
        yield _numbers.pieces(*every)


def _checked(told: Record, *, full: bool) -> Iterator[str]:
    """Yield what simulated futures say of the law's own range."""
    sim = told["simulated"]
    if sim is None:
        return
    after, criterion = (_numbers.share(sim[key] / sim["before"]) for key in ("after", "criterion"))
    yield (
        f"{sim['futures']} futures simulated and refitted: the law's own range shrinks to {after} "
        f"of itself, by the criterion alone to {criterion}"
    )
    if full:
        yield f"{_numbers.share(sim['inside'])} of the futures lie within the criterion's range"
        yield f"{sim['futures'] - sim['refitted']} of the refits have no end"


def _doubts(told: Record) -> Iterator[str]:
    """Yield where a careful person would stop."""
    half, parts, far = told["half_width"], told["parts"], told["extrapolation"]
    if told["runs"] and half["after"] > HELPS * half["before"]:
        most = max(parts, key=lambda name: parts[name]["after"])
        yield f"these runs hardly help: most of what stays is {WORDS[most]}"
    if far and max(far.values()) < INSIDE:
        yield "the target lies inside the runs: what is left there is mostly noise"
    cost = told["cost_of_target"]
    if cost is not None and cost <= told["budget"]:
        yield f"the target itself costs {cost:.3g}: the budget buys it, and it needs no forecast"
    beyond = {s: f for s, f in far.items() if f > 100}
    if beyond:
        told_far = ", ".join(f"{s} {factor(f)}" for s, f in beyond.items())
        yield f"the target lies far beyond the runs ({told_far}): no table tested a law so far"
