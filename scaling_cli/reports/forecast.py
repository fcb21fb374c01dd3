"""Forecasts of running jobs as text: the end, how sure, what it rests on, and the doubts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style

if TYPE_CHECKING:
    from scaling_cli.forecasting.following import Update

LONGEST = 160  # of a schedule's text
MOST_REPORTS = 3  # runs that are told in full; more become a table
MOST_CHECKS = 8
LEAST_SHARE = 0.005


def report(record: Mapping[str, Any], *, style: Style) -> str:
    """Return everything `scaling forecast` prints.

    Parameters
    ----------
    record : mapping
        What `scaling forecast --json` prints.
    style : Style
        Of standard output.
    """
    runs, parts = record["runs"], []
    if len(runs) > MOST_REPORTS:
        parts += [_table(runs, style), _all_warnings(runs, style)]
    else:
        parts += [part for item in runs for part in _one(item, style)]
    if left := record.get("left_out"):
        lines = [f"{item['run']}: {item['reason']}" for item in left]
        parts.append(_layout.labelled("left out", "\n".join(lines), style=style))
    if notes := record.get("notes"):
        parts.append(_layout.labelled("reading", "\n".join(notes), style=style))
    parts += [_watch(run, item, style) for run, item in record.get("against", {}).items()]
    if "file" in record:
        parts.append(_layout.labelled("written", record["file"], style=style))
    return _layout.paragraphs(parts)


def _one(item: Mapping[str, Any], style: Style) -> list[str]:
    return [
        _layout.labelled("run", _seen(item), style=style),
        _layout.labelled("forecast", _forecast(item, style), style=style),
        _layout.labelled("schedule", _schedule(item, style), style=style),
        _scenarios(item, style),
        _siblings(item, style),
        _backtests(item, style),
        _levels(item, style),
        _notes(item, style),
    ]


def place(item: Mapping[str, Any], x: float) -> str:
    """Return a place along a run: `step 12k`, `token 1.2T`."""
    return f"{item['unit'][:-1]} {_layout.quantity(x)}"


def _seen(item: Mapping[str, Any]) -> str:
    seen = item["seen"]
    here = seen["step"] if item["unit"] == "steps" else seen["tokens"]
    tokens = (
        ""
        if seen["step"] is None or seen["tokens"] is None
        else (f", {_layout.quantity(seen['tokens'])} tokens")
    )
    noise = f"; noise of one row {_layout.percent(item['noise'])}"
    done = _layout.percent(here / item["until"])
    return (
        f"{item['run']}\nloss {_layout.value(seen['loss'])} at {place(item, here)}{tokens}, {done} "
        f"of the way; {_layout.count(seen['points'], 'point')}{noise}"
    )


def _forecast(item: Mapping[str, Any], style: Style) -> str:
    half = np.log(item["interval"][1] / item["interval"][0]) / 2
    head = style.paint(_layout.value(item["value"]), "bold")
    assumed = ", schedule assumed" if item["schedule"]["assumed"] else ""
    invalid = "" if item["valid"] else "; it does not hold, see the warnings"
    level = f"{100 * item['level']:g} %"
    lines = [
        f"{head} at {place(item, item['until'])}{assumed}",
        f"{level} interval {_layout.interval(item['interval'])} (+/-{_layout.percent(half)}) of "
        f"the expected loss{invalid}; {_layout.interval(item['one_value'])} of one logged value",
        f"method: {item['method']}",
    ]
    if (item["decay_share"] or 0.0) >= LEAST_SHARE:
        lines.append(
            f"{100 * item['decay_share']:.0f} % of the drop to come is the decay of the learning "
            f"rate; at the present rate the loss would be {_layout.value(item['constant_rate'])}"
        )
    if item["epochs"] is not None:
        lines.append(f"{item['epochs']:.2f} passes over the data at the end")
    return "\n".join(lines)


def _schedule(item: Mapping[str, Any], style: Style) -> str:
    known = item["schedule"]
    text = known["text"]
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]},... (--json)"
    word = style.paint("assumed", "bold", "yellow") if known["assumed"] else known["source"]
    return f"{shown}\n{word}: {known['why']}"


def _scenarios(item: Mapping[str, Any], style: Style) -> str:
    if not item["scenarios"]:
        return ""
    rows = [
        [
            s["name"],
            _layout.value(s["value"]),
            _layout.interval(s["interval"]),
            "headline" if s["headline"] else "",
        ]
        for s in item["scenarios"]
    ]
    head = ["if the learning rate is", "loss", f"{100 * item['level']:g} % interval", ""]
    table = _layout.table(head, rows, align="<><<", style=style)
    return _layout.block("scenarios", table, style=style)


def _siblings(item: Mapping[str, Any], style: Style) -> str:
    lines = [f"{len(item['siblings'])}: {', '.join(item['siblings'])}"] if item["siblings"] else []
    lines += [f"not used: {left['run']}: {left['reason']}" for left in item["left_out"]]
    return _layout.labelled("siblings", "\n".join(lines), style=style) if lines else ""


def _backtests(item: Mapping[str, Any], style: Style) -> str:
    if not item["backtests"]:
        return ""
    rows = [
        [
            _layout.percent(b["cut"]),
            _layout.value(b["predicted"]),
            _layout.value(b["measured"]),
            _layout.percent(b["error"], sign=True),
        ]
        for b in item["backtests"]
    ]
    head = ["fitted to", "forecast", "logged", "error"]
    table = _layout.table(head, rows, align=">>>>", style=style)
    return _layout.block("backtest (the end of what is logged)", table, style=style)


def _levels(item: Mapping[str, Any], style: Style) -> str:
    """Return from where a forecast can be believed, by the rules of anticipation."""
    levels = item["levels"]
    if levels is None:
        return ""

    def at(name: str) -> str:
        return "not yet" if levels[name] is None else place(item, levels[name])

    lines = [
        f"working (the asymptote has settled): {at('working')}; prediction (and can be): "
        f"{at('prediction')}",
        f"convergence ({levels['threshold']:g} left to gain): {at('convergence')}"
        + ("" if levels["forecast"] is None else f", expected at {at('forecast')}"),
    ]
    return _layout.labelled("levels", "\n".join(lines), style=style)


def _notes(item: Mapping[str, Any], style: Style) -> str:
    warn = style.paint("WARN", "yellow")
    lines = [f"{warn} {text}" for text in item["warnings"]]
    lines += [f"INFO {text}" for text in item["notes"]]
    return _layout.labelled("notes", "\n".join(lines), style=style) if lines else ""


def _table(runs: Sequence[Mapping[str, Any]], style: Style) -> str:
    rows = [
        [
            r["run"],
            place(r, r["seen"]["step"] or r["seen"]["tokens"]),
            _layout.value(r["seen"]["loss"]),
            place(r, r["until"]),
            _layout.value(r["value"]),
            _layout.interval(r["interval"]),
            _layout.interval(r["one_value"]),
            r["schedule"]["source"],
            "" if r["valid"] else "not valid",
        ]
        for r in runs
    ]
    level = f"{100 * runs[0]['level']:g} %"
    head = ["run", "seen", "loss", "until", "forecast", level, f"{level} one value", "schedule", ""]
    return _layout.table(head, rows, align="<<><><<<<", style=style)


def _all_warnings(runs: Sequence[Mapping[str, Any]], style: Style) -> str:
    warn = style.paint("WARN", "yellow")
    lines = [f"{warn} {r['run']}: {text}" for r in runs for text in r["warnings"]]
    return _layout.labelled("notes", "\n".join(lines), style=style) if lines else ""


def _watch(run: str, watch: Mapping[str, Any], style: Style) -> str:
    """Return how a run compares with the band of an earlier forecast."""
    checks = watch["checks"]
    if not checks:
        return _layout.labelled("against", f"{run}: too little is logged since.", style=style)
    outside = sum(not check["inside"] for check in checks)
    verdict = style.paint("left the band", "bold", "red") if watch["left"] else "in the band"
    if not watch["left"] and watch["outside"]:
        verdict = f"{watch['outside']} in a row outside, {watch['patience']} count as leaving"
    said = f"{run}: {verdict}; {len(checks) - outside} of {len(checks)} checks inside"
    rows = [
        [
            _layout.quantity(c["at"]),
            str(c["rows"]),
            _layout.value(c["measured"]),
            _layout.interval([c["low"], c["high"]]),
            "yes" if c["inside"] else "NO",
        ]
        for c in checks[-MOST_CHECKS:]
    ]
    head = ["at", "rows", "measured", "band", "inside"]
    table = _layout.table(head, rows, align=">>><<", style=style)
    return "\n".join([_layout.labelled("against", said, style=style), table])


def line(update: "Update") -> str:
    """Return one line about a log that has grown."""
    job, watch = update.job, update.watch
    head = f"{job.run}  {job.unit[:-1]} {_layout.quantity(job.now)}  loss {job.level():.4f}"
    if update.forecast is not None:
        low, high = update.forecast.interval
        head += (
            f"  expected {update.forecast.value:.4f} [{low:.4f}, {high:.4f}] at "
            f"{_layout.quantity(update.forecast.until)}"
        )
    inside = f"  {watch.outside} outside in a row" if watch.outside else "  in the band"
    state = "  LEFT THE BAND" if watch.left else inside
    return f"{head}{state}{'  ended' if update.ended else ''}\n"
