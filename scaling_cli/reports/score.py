"""Kept forecasts beside the runs: whether they came true, and how often such ranges hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text

Record = Mapping[str, Any]
SHOWN = 10  # runs on the first screen
FEW = 5  # forecasts: below so many a record says little


def blocks(score: Record, *, full: bool = False) -> list[Block]:
    """Return what `scaling score` prints."""
    scored, made = score["scored"], score["forecasts"]
    left = _fitted.left_out(score["left_out"], full=full)
    return [
        Text([_verdict(score)]),
        _runs(scored, several=len(made) > 1, full=full),
        Labelled("moved", list(_moved(scored))),
        Labelled("record", [line for told in score["record"] for line in _record(told)]),
        Labelled("no run yet", _numbers.listed(_waiting(score), 3, full=full)),
        Labelled("made", _numbers.listed([_made(m) for m in made], 3, full=full)),
        Labelled("left out", left if full else left[:2]),
        Notes("warn", list(_doubts(score))),
    ]


def _verdict(score: Record) -> str:
    scored = score["scored"]
    judged = [s for s in scored if s["inside"] is not None]
    error = sum(abs(s["error"]) for s in scored) / len(scored)
    off = f"off by {_numbers.percent(error)}{' on average' if len(scored) > 1 else ''}"
    if not judged:
        return f"{_numbers.count(len(scored), 'run')}, {off}; the forecast had no range"
    held = sum(s["inside"] for s in judged)
    if len(judged) == 1:
        one = judged[0]
        way = "too high" if one["error"] > 0 else "too low"
        said = "it came true" if held else "it did not come true"
        inside = "inside" if held else "outside"
        return f"{said}: {one['run']} is {inside} its {_level(judged)} range, {off}, {way}"
    said = {0: "none came true", len(judged): "all came true"}.get(held, f"{held} came true")
    return f"{said}: {held} of {len(judged)} runs inside their {_level(judged)} range, {off}"


def _level(scored: Sequence[Record]) -> str:
    levels = {s["level"] for s in scored}
    return _numbers.level(levels.pop()) if len(levels) == 1 else "nominal"


def _runs(scored: Sequence[Record], *, several: bool, full: bool) -> Table:
    symbols = dict.fromkeys(symbol for s in scored for symbol in s["inputs"])
    measured = {s["target"] for s in scored}
    column = measured.pop() if len(measured) == 1 else "measured"
    worst = sorted(scored, key=lambda s: -abs(s["sds"] or 0.0))
    columns = [
        ("run", "^", lambda s: s["run"]),
        ("forecast of", "<", lambda s: s["forecast"] if several and full else ""),
        *((symbol, ">", _input(symbol)) for symbol in symbols),
        ("forecast", ">", lambda s: _numbers.value(s["predicted"])),
        (f"{_level(scored)} range", "<", lambda s: _ends(s["new_run"])),
        (column, ">", lambda s: _numbers.value(s["measured"])),
        ("error", ">", lambda s: _numbers.percent(s["error"], sign=True)),
        ("sds", ">", lambda s: "" if s["sds"] is None else f"{s['sds']:+.1f}"),
        ("inside", "<", lambda s: {None: "-", True: "yes", False: "NO"}[s["inside"]]),
    ]
    return Table.of(worst, columns, limit=None if full else SHOWN)


def _input(symbol: str) -> Any:
    def told(s: Record) -> str:
        value = s["inputs"].get(symbol)
        return "" if value is None else _numbers.quantity(value, symbol)

    return told


def _ends(ends: Sequence[float] | None) -> str:
    return "" if ends is None else _numbers.interval(ends)


def _moved(scored: Sequence[Record]) -> Iterator[str]:
    moved = [s["run"] for s in scored if s["asked"] is not None]
    if moved:
        yield (
            f"{', '.join(_numbers.some(moved, 3))}: near the point that was asked for, not at it; "
            "the law says what that changes"
        )


def _record(told: Record) -> Iterator[str]:
    """Yield how many ranges held, what right ones would have, and on which side they erred."""
    if told["runs"] < 2:
        return
    low, high = told["expected"]
    level, ends = _numbers.level(told["level"]), [_numbers.share(v) for v in told["interval"]]
    right = f"{low}" if low == high else f"{low} to {high}"
    yield (
        f"{told['held']} of {told['runs']} nominal {level} ranges held; of right ones {right} "
        f"would. Such ranges hold {' to '.join(ends)} of runs"
    )
    side = "high" if told["bias"] > 0 else "low"
    spread = "" if told["rms_sds"] is None else f"; errors are {told['rms_sds']:.1f} sds (1: right)"
    yield f"{_numbers.percent(abs(told['bias']))} too {side} on average{spread}"


def _waiting(score: Record) -> list[str]:
    several = len(score["forecasts"]) > 1
    return [
        _numbers.pieces(
            ", ".join(_said(k, v) for k, v in w["what"].items() if k != "unit"),
            w["reason"] if w["reason"] != "no run yet" else "",
            w["forecast"] if several else "",
        )
        for w in score["waiting"]
    ]


def _said(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{name} = {_numbers.quantity(value, name)}"


def _made(made: Record) -> str:
    by = f"by {made['fit']}" if made["fit"] else ""
    return _numbers.pieces(made["file"], " ".join(t for t in (by, _on(made)) if t))


def _on(made: Record) -> str:
    return f"on {made['date'][:10]}" if made["date"] else ""


def _doubts(score: Record) -> Iterator[str]:
    """Yield that ranges are too narrow or too wide, and that runs of one fit err together."""
    for told in score["record"]:
        if told["held"] < told["expected"][0]:
            yield (
                f"fewer ranges held than of right ones would: plan with wider ones (errors are "
                f"{told['rms_sds']:.1f} times their sd)."
            )
        elif told["runs"] > FEW and told["forecasts"] < FEW:
            yield (
                f"{told['runs']} runs, but {_numbers.count(told['forecasts'], 'forecast')}: what "
                "one fit is off by, all its runs are off by."
            )
