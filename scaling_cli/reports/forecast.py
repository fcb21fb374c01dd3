"""Forecasts of running jobs: the end, how sure, what it rests on, and the doubts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.forecasting.direction import LIMITED
from scaling_cli.forecasting.future import CONSTANT
from scaling_cli.forecasting.job import TRAINING
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.reports.curve_fit import shortened

if TYPE_CHECKING:
    from scaling_cli.forecasting.following import Update

LONGEST = 160  # of a schedule's text
MOST_REPORTS = 3  # runs that are told in full; more become a table
MOST_CHECKS = 8
SHOWN = 20  # runs in the table of the first screen
LEAST_SHARE = 0.005
LEAST_P = 0.01


def blocks(of: Forecast | Forecasts | Mapping[str, Any], *, full: bool = False) -> list[Block]:
    """Return what `scaling forecast` prints, of forecasts or of the record of them."""
    if isinstance(of, Forecast):
        return _run(of.to_dict(), full=full)
    record = of.to_dict() if isinstance(of, Forecasts) else of
    runs, parts = record["runs"], list(_stop(record))
    if record.get("stop") and not full:
        parts += [*_read(runs), *_doubts(runs, full=full)]
    elif len(runs) > MOST_REPORTS:
        read = [] if full else _read(runs)
        parts += [_table(runs, full=full), *read, *_doubts(runs, full=full)]
    else:
        parts += [part for item in runs for part in _run(item, full=full)]
    left = _fitted.left_out(record.get("left_out") or (), full=full)
    parts += [Labelled("left out", left), Labelled("reading", record.get("notes") or ())]
    for run, item in record.get("against", {}).items():
        parts += _watch(run, item)
    return [*parts, *_fitted.ending(record.get("file"))]


def _run(item: Mapping[str, Any], *, full: bool) -> list[Block]:
    known, siblings = item["schedule"], item["siblings"]
    beside = [f"{len(siblings)}: {', '.join(siblings)}"] if siblings else []
    beside += [f"not used: {left['run']}: {left['reason']}" for left in item["left_out"]]
    how = known["why"] if known["source"] == "given" else f"{known['source']}: {known['why']}"
    schedule = [shortened(known["text"], LONGEST, " (--json)"), how]
    several = bool(item["scenarios"])
    return [
        Text([*_reaches(item), _seen(item)]),
        scenarios(item),
        Labelled("headline" if several else "forecast", _forecast(item, full=full)),
        Labelled("schedule", schedule[1:] if several else schedule),
        Labelled("siblings", beside),
        backtests(item) if full else _briefly_tested(item),
        Labelled("levels", _levels(item)),
        Notes("info", [f"INFO {text}" for text in item["notes"]]) if full else _read([item])[0],
        Notes("warn", item["warnings"]),
    ]


def _read(runs: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return how what was asked was read, where that is not what a reader expects."""
    of = _numbers.grouped((text, r["run"]) for r in runs for text in r["notes"] if _matters(text))
    many = len(runs) > 1
    told = [f"{', '.join(_numbers.some(names, 2))}: {t}" if many else t for t, names in of.items()]
    return [Notes("info", told)]


def _matters(note: str) -> bool:
    return note.startswith(TRAINING) or LIMITED in note


def _loss(item: Mapping[str, Any]) -> str:
    """Return the column that is forecast."""
    return item.get("target") or "loss"


def _briefly_tested(item: Mapping[str, Any]) -> Block:
    """Return in a line how the end of what is logged was forecast from earlier parts of it."""
    told = [
        f"{_numbers.percent(b['cut'])} of it, off by {_numbers.percent(b['error'], sign=True)}"
        for b in item["backtests"]
    ]
    said = f"the end of what is logged, forecast from the first {'; '.join(told)}"
    return Labelled("backtest", [said] if told else [])


def place(item: Mapping[str, Any], x: float) -> str:
    """Return a place along a run: `step 12k`, `token 1.2T`."""
    return f"{item['unit'][:-1]} {_numbers.quantity(x)}"


def _seen(item: Mapping[str, Any]) -> str:
    seen, unit = item["seen"], item["unit"]
    here = seen["step"] if unit == "steps" else seen["tokens"]
    way = " of ".join(_numbers.quantity(x) for x in (here, item["until"]))
    both = seen["step"] is not None and seen["tokens"] is not None
    constant = item["schedule"]["verdict"] == CONSTANT
    return _numbers.pieces(
        item["run"],
        f"{way} {unit}, {_numbers.share(here / item['until'])}",
        f"{_numbers.quantity(seen['tokens'])} tokens" if both else "",
        f"{_loss(item)} {_numbers.value(seen['loss'])} (mean of the last rows)",
        "learning rate constant so far" if constant else "",
    )


def _stop(record: Mapping[str, Any]) -> Iterator[Block]:
    """Yield which runs to stop, what that saves and risks, and how likely each is the best."""
    told = record.get("stop")
    if told is None:
        return
    by_name = {r["run"]: r for r in record["runs"]}
    stopped = [c["run"] for c in told["candidates"] if c["stop"]]
    best = told["candidates"][0]
    yield Text([_to_stop(told, stopped)])
    level = _numbers.level(record["runs"][0]["level"])
    columns = [
        ("run", "^", lambda c: c["run"]),
        ("best", ">", lambda c: f"{c['p_best']:.2f}"),
        ("now", "<", lambda c: "STOP" if c["stop"] else "" if c["left"] else "ended"),
        ("seen", ">", lambda c: _of_run(by_name, c, lambda r: _numbers.share(_done(r)))),
        ("forecast", ">", lambda c: _of_run(by_name, c, lambda r: _ends(r)[0])),
        (level, "<", lambda c: _of_run(by_name, c, lambda r: _ends(r)[1])),
        ("saves", ">", lambda c: _numbers.share(c["share"]) if c["stop"] else ""),
    ]
    yield Table.of(told["candidates"], columns, limit=SHOWN)
    yield Text(
        [
            f"{best['run']} is the likeliest; going on with what is left costs "
            f"{told['regret']:.2g} on average. Ends are drawn together: half of the "
            "variance of errors is taken to be common to all."
        ]
        if stopped
        else []
    )


def _to_stop(told: Mapping[str, Any], stopped: Sequence[str]) -> str:
    number = len(told["candidates"])
    if not stopped:
        return f"stop none of {number}: each may still be the best (risk {told['risk']:g})"
    return (
        f"stop {len(stopped)} of {number}: {', '.join(_numbers.some(stopped, 2))}; that saves "
        f"{_numbers.share(told['saved'])} of the {told['by']} left to run, and the best is among "
        f"them with probability {_unlikely(told['p_stopped'])}"
    )


def _unlikely(p: float) -> str:
    """Write a probability: draws tell none below a hundredth."""
    return f"{p:.2f}" if p >= LEAST_P else f"below {LEAST_P}"


def _of_run(
    runs: Mapping[str, Any], candidate: Mapping[str, Any], say: Callable[[Any], str]
) -> str:
    return say(runs[candidate["run"]]) if candidate["run"] in runs else ""


def _done(item: Mapping[str, Any]) -> float:
    seen = item["seen"]
    return (seen["step"] if item["unit"] == "steps" else seen["tokens"]) / item["until"]


def _reaches(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield when the level that was asked for is reached, and how likely never."""
    told = item.get("reaches")
    if told is None:
        return
    level = f"{_loss(item)} {told['loss']:g}"
    if told["already"] is not None:
        yield f"{item['run']} has reached {level}, at {place(item, told['already'])}"
        return
    never, end = told["never"], place(item, item["until"])
    at = told["step"] or told["tokens"]
    if at["value"] is None:
        yield f"{item['run']} does not reach {level} by {end}: probability {never:.2f}"
    else:
        where = place(item, at["value"])
        missed = f"; never by {end}: probability {never:.2f}" if never >= LEAST_SHARE else ""
        yield f"{item['run']} reaches {level} at {where}, {_between(item, at)}{missed}"
        yield from _when(item, told)
    ways = [f"{w['name']}: {_by_way(item, w)}" for w in told["ways"]]
    if ways:
        yield f"if the rate {'; '.join(ways)}"


def _between(item: Mapping[str, Any], at: Mapping[str, Any]) -> str:
    low, high = (None if x is None else _numbers.quantity(x) for x in at["interval"])
    level = _numbers.level(item["level"])
    return f"{level} between {low} and {'never' if high is None else high}"


def _when(item: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tokens, and the time from the last row on."""
    tokens, seconds, parts = told["tokens"], told["seconds"], []
    if item["unit"] == "steps" and tokens is not None:
        parts.append(f"after {_numbers.quantity(tokens['value'])} tokens")
    if seconds is not None:
        low, high = map(_duration, seconds["interval"])
        date = "" if told["date"] is None else f", on {told['date']}"
        parts.append(f"in {_duration(seconds['value'])} ({low} .. {high}){date}")
    if parts:
        yield ", ".join(parts)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def _by_way(item: Mapping[str, Any], way: Mapping[str, Any]) -> str:
    return "never" if way["value"] is None else place(item, way["value"])


def _ends(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return a value and its interval with the digits that they deserve."""
    value, low, high = _numbers.deserved(item["value"], *item["interval"])
    return value, f"{low} .. {high}"


def _forecast(item: Mapping[str, Any], *, full: bool) -> list[str]:
    several, known = bool(item["scenarios"]), item["schedule"]
    (value, ends), level = _ends(item), _numbers.level(item["level"])
    all_of = "; these by their weight, --schedule narrows it" if several else ""
    assumed = ", schedule assumed" if known["assumed"] and not several else ""
    invalid = "" if item["valid"] else ", which does not hold: see the warnings"
    lines = [
        f"{value} in {ends} ({level}{all_of}) at {place(item, item['until'])}{assumed}{invalid}"
    ]
    one = _numbers.interval(item["one_value"])
    exact, held = map(_numbers.value, (item["value"], item["constant_rate"]))
    if full:
        told = _numbers.interval(item["interval"])
        lines += [
            f"{exact}, {level} interval {told} of the expected {_loss(item)}, {one} of one value",
            f"method: {item['method']}; {_numbers.count(item['seen']['points'], 'point')}; noise "
            f"of one row {_numbers.percent(item['noise'])}",
        ]
    if (item["decay_share"] or 0.0) >= LEAST_SHARE and held != exact:
        lines.append(
            f"{_numbers.share(item['decay_share'])} of the change to come is the decay of the "
            f"learning rate; a rate that stays learns more meanwhile and ends at a {_loss(item)} "
            f"of {held}"
        )
    if item["epochs"] is not None:
        lines.append(f"{item['epochs']:.2f} passes over the data at the end")
    return lines


def scenarios(item: Mapping[str, Any]) -> Table:
    """Return where the run ends under each schedule that it may have."""
    columns = [
        ("", "^", lambda s: s["name"]),
        (_loss(item), ">", lambda s: _ends(s)[0]),
        (_numbers.level(item["level"]), "<", lambda s: _ends(s)[1]),
        ("weight", ">", lambda s: _numbers.share(s["weight"])),
    ]
    title = "what comes next is not known; if the learning rate"
    return Table.of(item["scenarios"], columns, title)


def backtests(item: Mapping[str, Any]) -> Table:
    """Return how the end of what is logged was forecast from earlier parts of it."""
    columns = [
        ("fitted to", ">", lambda b: _numbers.percent(b["cut"])),
        ("forecast", ">", lambda b: _numbers.value(b["predicted"])),
        ("logged", ">", lambda b: _numbers.value(b["measured"])),
        ("error", ">", lambda b: _numbers.percent(b["error"], sign=True)),
    ]
    return Table.of(item["backtests"], columns, "backtest (the end of what is logged)")


def _levels(item: Mapping[str, Any]) -> list[str]:
    """Return from where a forecast can be believed, by the rules of anticipation."""
    levels = item["levels"]
    if levels is None:
        return []

    def at(name: str) -> str:
        return "not yet" if levels[name] is None else place(item, levels[name])

    expected = "" if levels["forecast"] is None else f", expected at {at('forecast')}"
    return [
        f"working (the asymptote has settled): {at('working')}; prediction (and can be): "
        f"{at('prediction')}",
        f"convergence ({levels['threshold']:g} left to gain): {at('convergence')}{expected}",
    ]


def _table(runs: Sequence[Mapping[str, Any]], *, full: bool) -> Table:
    level, ends = _numbers.level(runs[0]["level"]), {place(r, r["until"]) for r in runs}
    losses = {_loss(r) for r in runs}
    loss = "loss" if len(losses) > 1 else next(iter(losses))
    more = [
        (f"{level} one value", "<", lambda r: _numbers.interval(r["one_value"])),
        ("schedule", "<", lambda r: r["schedule"]["source"]),
    ]
    columns = [
        ("run", "^", lambda r: r["run"]),
        ("seen", "<", lambda r: place(r, r["seen"]["step"] or r["seen"]["tokens"])),
        ("of", "<", lambda r: _loss(r) if len(losses) > 1 else ""),
        (loss, ">", lambda r: _numbers.value(r["seen"]["loss"])),
        ("until", "<", lambda r: place(r, r["until"]) if len(ends) > 1 else ""),
        ("forecast", ">", lambda r: _numbers.value(r["value"])),
        (level, "<", lambda r: _numbers.interval(r["interval"])),
        *(more if full else ()),
        ("", "<", lambda r: "" if r["valid"] else "not valid"),
    ]
    title = f"until {next(iter(ends))}" if len(ends) == 1 else ""
    return Table.of(runs, columns, title, limit=None if full else SHOWN)


def _doubts(runs: Sequence[Mapping[str, Any]], *, full: bool) -> list[Block]:
    """Return the warnings of several runs; on the first screen equal ones in one line."""
    if full:
        return [Notes("warn", [f"{r['run']}: {text}" for r in runs for text in r["warnings"]])]
    of = _numbers.grouped((text, r["run"]) for r in runs for text in r["warnings"])
    told = [f"{', '.join(_numbers.some(names, 2))}: {text}" for text, names in of.items()]
    return [Notes("warn", _numbers.listed(told, 4, full=False))]


def _watch(run: str, watch: Mapping[str, Any]) -> list[Block]:
    """Return how a run compares with the band of an earlier forecast."""
    checks = watch["checks"]
    if not checks:
        return [Labelled("against", [f"{run}: too little is logged since."])]
    outside = sum(not check["inside"] for check in checks)
    verdict = "left the band" if watch["left"] else "in the band"
    if not watch["left"] and watch["outside"]:
        verdict = f"{watch['outside']} in a row outside, {watch['patience']} count as leaving"
    said = f"{run}: {verdict}; {len(checks) - outside} of {len(checks)} checks inside"
    columns = [
        ("at", ">", lambda c: _numbers.quantity(c["at"])),
        ("rows", ">", lambda c: str(c["rows"])),
        ("measured", ">", lambda c: _numbers.value(c["measured"])),
        ("band", "<", lambda c: _numbers.interval([c["low"], c["high"]])),
        ("inside", "<", lambda c: "yes" if c["inside"] else "NO"),
    ]
    return [Labelled("against", [said]), Table.of(checks[-MOST_CHECKS:], columns)]


def line(update: "Update") -> str:
    """Return one line about a log that has grown."""
    job, watch = update.job, update.watch
    head = f"{job.run}  {job.unit[:-1]} {_numbers.quantity(job.now)}  {job.noun} {job.level():.4f}"
    if update.forecast is not None:
        low, high = update.forecast.interval
        head += (
            f"  expected {update.forecast.value:.4f} [{low:.4f}, {high:.4f}] at "
            f"{_numbers.quantity(update.forecast.until)}"
        )
    inside = f"  {watch.outside} outside in a row" if watch.outside else "  in the band"
    state = "  LEFT THE BAND" if watch.left else inside
    return f"{head}{state}{'  ended' if update.ended else ''}\n"
