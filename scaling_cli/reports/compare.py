"""A comparison: losses side by side, what one saves, where they cross, what moved."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling_cli.reports import _checks, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.vocabulary.quantities import factor

Record = Mapping[str, Any]
CLEAR = 6.0  # of BIC, from which on one law is strongly preferred (Kass and Raftery 1995)
LONGEST = 8  # letters of a name that heads a column
SURE = 0.9  # of being better, from which on it is said so


def blocks(compared: Record, *, full: bool = False) -> list[Block]:
    """Return what `scaling compare` prints."""
    shared = {name: compared[name] for name in ("called", "level")}
    pairs = [{**pair, **shared} for pair in compared["comparisons"] or [compared]]
    told = [block for pair in pairs for block in _pair(pair, compared["level"], full=full)]
    return [*told, *_common(compared), Notes("warn", list(_groupless(compared)))]


def _common(compared: Record) -> list[Block]:
    """Return what recipes have in common, and how the ways forecast runs held back."""
    way = compared["shared"]
    if way is None:
        return []
    known = [v for v in way["tried"] if v["error"] is not None]
    tests = [f"{v['name']} {_numbers.percent(v['error'])}" for v in known]
    names = ", ".join(way["shared"]) or "nothing"
    lines = [f"in common: {names} ({way['name']})"]
    lines += [f"error on the dearest quarter of runs, held back: {', '.join(tests)}"] * bool(tests)
    return [Labelled("shared", lines)]


def _groupless(compared: Record) -> Iterator[str]:
    if compared["groupless"]:
        yield f"{compared['groupless']} runs have no {compared['by']}: they are in no recipe"


def _called(pair: Record, symbol: str) -> str:
    """Return what a symbol is called: that of the column where the input of a law is any."""
    return pair["called"].get(symbol, symbol)


def _pair(pair: Record, level: float, *, full: bool) -> list[Block]:
    return [
        _losses(pair, level),
        Labelled("saves", list(_saves(pair, level))),
        Labelled("crossing", list(_crossings(pair, level))),
        Labelled("moved", list(_moved(pair, full=full))),
        Labelled("factors", list(_factors(pair, level))),
        Labelled("pairs", list(_paired(pair, level))),
        Text([_rests(pair)]),
        Notes("warn", list(_doubts(pair, full=full))),
    ]


def _losses(pair: Record, level: float) -> Table:
    symbols = list(pair["at"][0]["inputs"])
    names = pair["first"], pair["second"]
    title = f"{names[1]} less {names[0]}"
    if max(map(len, names)) > LONGEST:
        title = f"the second ({names[1]}) less the first ({names[0]})"
        names = "first", "second"
    columns = [
        *((_called(pair, s), ">", _input(s)) for s in symbols),
        (names[0], ">", lambda a: _numbers.value(a["first"])),
        (names[1], ">", lambda a: _numbers.value(a["second"])),
        ("change", ">", lambda a: f"{a['difference']:+.4f}"),
        (_numbers.level(level), "<", lambda a: _ends(a["interval"])),
        ("better", "<", lambda a: _better(names, a["p_better"])),
    ]
    return Table.of(pair["at"], columns, f"{pair['target']}: {title}")


def _input(symbol: str) -> Any:
    return lambda a: _numbers.quantity(a["inputs"][symbol], symbol)


def _ends(ends: Sequence[float] | None) -> str:
    return "" if ends is None else " .. ".join(f"{v:+.4f}" for v in ends)


def _better(names: tuple[str, str], p: float | None) -> str:
    """Say who is better, with what probability; with a question mark below SURE."""
    if p is None:
        return ""
    name, share = (names[1], p) if p >= 0.5 else (names[0], 1 - p)
    return f"{name}{'' if share >= SURE else '?'} ({share:.2f})"


def _saves(pair: Record, level: float) -> Iterator[str]:
    """Yield by what factor the first needs more, at each scale, and how that goes on."""
    for told in pair["multiplier"]:
        at = _numbers.quantity(told["at"], told["axis"])
        axis = _called(pair, told["axis"])
        yield f"{axis} {_times(told, level)} where {pair['second']} has {at}"
    for told, at in zip(pair["data_multiplier"], pair["at"], strict=False):
        size = next(s for s in at["inputs"] if s != told["axis"])
        where = f"{size} = {_numbers.quantity(at['inputs'][size], size)}"
        data = _numbers.quantity(told["at"], told["axis"])
        yield f"{told['axis']} {_times(told, level)} at {where}, {told['axis']} = {data}"
    axes = [told[0]["axis"] for told in (pair["multiplier"], pair["data_multiplier"]) if told]
    for axis, trend in zip(axes, (pair["trend"], pair["data_trend"]), strict=False):
        if trend:
            yield f"the factor of {_called(pair, axis)} {_trend(pair, trend)}"


def _trend(pair: Record, trend: Record) -> str:
    ends, with_ = trend["interval"], _called(pair, trend["with"])
    range_ = "" if ends is None else f" ({ends[0]:+.3f} .. {ends[1]:+.3f})"
    open_ = ends is not None and ends[0] <= 0 <= ends[1]
    way = "grows" if trend["exponent"] > 0 else "shrinks"
    told = "neither grows nor shrinks for certain" if open_ else way
    return f"{told} with {with_}: exponent {trend['exponent']:+.3f}{range_}"


def _times(told: Record, level: float) -> str:
    own = "for ever more" if told["value"] is None else f"x{told['value']:.3g}"
    ends = told["interval"]
    if ends is None:
        return own
    low, high = ("never" if v is None else f"{v:.3g}" for v in ends)
    return f"{own} ({low} .. {high}, {_numbers.level(level)})"


def _crossings(pair: Record, level: float) -> Iterator[str]:
    """Yield where two cross, and where by the other law of one variable if that is as near."""
    if pair["crossing"]:
        yield _crossing(pair, pair["crossing"], level)
    beside = pair["beside"]
    if beside and beside["worse"] < CLEAR:
        law, other = pair["law"], beside["law"]
        told = _crossing(pair, beside["crossing"], level)
        yield f"the runs hardly tell {law} from {other}; by {other} {told}"


def _crossing(pair: Record, told: Record, level: float) -> str:
    axis, ahead = told["axis"], pair.get(told["ahead_after"] or "", "")
    if told["value"] is None:
        stays = f"{ahead} stays ahead" if ahead else "nobody is ahead"
        first = f"none up to a million times the largest run; {stays}"
    else:
        at = f"{_called(pair, axis)} = {_numbers.quantity(told['value'], axis)}"
        again = told["again"]
        until = "" if again is None else f", until {_numbers.quantity(again, axis)}"
        first = f"at {at}; {ahead} is ahead beyond{until}"
    if told["interval"] is None:
        return first
    if not told["share"]:
        return f"{first}; no draw crosses"
    low, high = ("never" if v is None else _numbers.quantity(v, axis) for v in told["interval"])
    crossed = f"{_numbers.share(told['share'])} of the draws cross"
    return f"{first} ({low} .. {high}, {_numbers.level(level)}; {crossed})"


def _moved(pair: Record, *, full: bool) -> Iterator[str]:
    for told in pair["moved"]:
        if told["interval"] is None or not (told["moved"] or full):
            continue
        low, high = (f"{v:+.3g}" for v in told["interval"])
        what = told["parameter"] + (" (as its term amid the runs)" if told["as"] != "value" else "")
        yield f"{what} {told['first']:.3g} to {told['second']:.3g} ({low} .. {high})"
    known = [told for told in pair["moved"] if told["interval"]]
    if known and not full and not any(told["moved"] for told in known):
        yield "no parameter by more than its noise; the losses above may differ all the same"


def _factors(pair: Record, level: float) -> Iterator[str]:
    """Yield what a parameter, or a token, of the second counts for in the first."""
    for told in pair["factors"]:
        told_of = f"{told['input']} of {pair['second']} counts for {told['value']:.3g}"
        ends = told["interval"]
        range_ = ends and f" ({ends[0]:.3g} .. {ends[1]:.3g}, {_numbers.level(level)})"
        yield f"{told_of} of {pair['first']}{range_ or ''}"


def _paired(pair: Record, level: float) -> Iterator[str]:
    told = pair["paired"]
    if told:
        yield (
            f"{told['n']} runs of the same inputs: {told['difference']:+.4f} on average "
            f"({_ends(told['interval'])}, {_numbers.level(level)})"
        )


def _rests(pair: Record) -> str:
    split = ", each recipe at its own best split" if pair["data_multiplier"] else ""
    return (
        f"factors and crossings by {pair['law']} alone{split}; "
        "differences by the forecasts, as wide as the draws of both and what laws part in them."
    )


def _doubts(pair: Record, *, full: bool) -> Iterator[str]:
    far = [f for at in pair["at"] for f in at["extrapolation"].values()]
    if far and max(far) > 100:
        yield f"the farthest point lies {factor(max(far))} beyond the runs of a recipe"
    told = pair["warnings"]
    for warning in told if full else told[: _checks.GRAVEST]:
        short = warning["message"] if full else _checks.first_sentence(warning["message"])
        yield f"{warning['fit']}: {short}"
