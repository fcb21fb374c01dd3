"""The page of forecasts of running jobs."""

from collections.abc import Iterator

from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports import forecast as report
from scaling_cli.reports._blocks import Block, Labelled, Notes, Text
from scaling_cli.reports.page import _parts
from scaling_cli.reports.page._page import Number, Origin, Page, Picture

MOST = 20  # runs that are told one by one


def of(forecasts: Forecasts, name: str) -> Page:
    """Return the page of forecasts."""
    runs = forecasts.runs
    pictures, why = _parts.pictures(forecasts, *_wanted(forecasts))
    who = runs[0].run if len(runs) == 1 else _numbers.count(len(runs), "running job")
    warned = [f"{_who(f, runs)}{text}" for f in runs for text in f.warnings]
    return Page(
        title=f"Where {who} will end",
        what=forecasts.what,
        name=name,
        answer=[line for f in runs[:MOST] for line in _answer(f)],
        careful=[Notes("warn", warned), Text([] if warned else ["Nothing was noticed."])],
        backtest=[part for f in runs[:MOST] for part in _tested(f, runs)],
        assumed=[*_assumed(forecasts)],
        exact=report.blocks(forecasts, full=True),
        left_out=[Labelled("runs", _fitted.left_out(_left(forecasts), full=True) or ["none"])],
        numbers=[number for f in runs[:MOST] for number in _numbers_of(f, runs)],
        command=[*_parts.commands(forecasts.command, name)],
        pictures=pictures,
        without_pictures=why,
        facts={
            "warnings": [{"code": "forecast", "level": "warn", "message": w} for w in warned],
            "left_out": [vars(item) for item in _left(forecasts)],
        },
    )


def _left(forecasts: Forecasts) -> list:
    return [*forecasts.left_out, *(item for f in forecasts.runs for item in f.left_out)]


def _who(forecast: Forecast, runs: tuple[Forecast, ...]) -> str:
    return "" if len(runs) == 1 else f"{forecast.run}: "


def _answer(f: Forecast) -> Iterator[str]:
    """Yield where a run will end, for whoever reads one sentence."""
    value, low, high = _numbers.deserved(f.value, *f.interval)
    target, share = f.target or "loss", _numbers.share(f.now / f.until)
    yield (
        f"{f.run}, which has done {share} of its way, should end at a {target} of about {value}; "
        f"with a probability of {_numbers.level(f.level)} between {low} and {high}"
        f"{'' if f.valid else ' (this range does not hold: see below)'}."
    )
    if f.scenarios:
        yield "What its learning rate will do is not known: the range holds every way that it may."
    elif f.schedule.assumed:
        yield f"That assumes a schedule that nobody stated: {f.schedule.text}."


def _wanted(forecasts: Forecasts) -> Iterator[Picture]:
    for kind, title, text in (
        ("forecast", "From now to the end", "The expected loss, dashed, with its range as a band."),
    ):
        runs = "; ".join(
            f"{f.run} from {_numbers.value(f.seen.loss)} to {_numbers.value(f.value)}"
            for f in forecasts.runs[:3]
        )
        yield Picture(kind, title, f"{text} {runs}.", None)


def _tested(f: Forecast, runs: tuple[Forecast, ...]) -> Iterator[Block]:
    made = report.backtests(f.to_dict())
    if not f.backtests:
        yield Text([f"{_who(f, runs)}UNTESTED: too little is logged to forecast its own end."])
    else:
        yield Labelled(f.run, []) if len(runs) == 1 else Text([f.run])
        yield made


def _assumed(forecasts: Forecasts) -> Iterator[Block]:
    yield Text(["That the run goes on as it is set up: no restart, no other data, no spike."])
    yield Labelled(
        "schedule",
        [f"{f.run}: {f.schedule.text} ({f.schedule.known}: {f.schedule.why})" for f in forecasts],
    )
    yield from (report.scenarios(f.to_dict()) for f in forecasts.runs[:MOST])


def _numbers_of(f: Forecast, runs: tuple[Forecast, ...]) -> Iterator[Number]:
    who, target, ends = _who(f, runs), f.target or "loss", f.interval
    how = Origin.ASSUMED if f.schedule.known in ("assumed", "siblings") else Origin.READ
    how = Origin.DECLARED if f.schedule.known == "given" else how
    yield Number(f"{who}{target} at the end", f.value, Origin.COMPUTED, f.method, "", ends, f.level)
    one = f"{who}one logged value there"
    yield Number(one, f.value, Origin.COMPUTED, "noise of a row", "", f.one_value, f.level)
    yield Number(f"{who}end, {f.unit}", f.until, how, f"the schedule is {f.schedule.known}")
    yield Number(f"{who}now, {f.unit}", f.now, Origin.READ, "the last row")
    yield Number(f"{who}{target} now", f.seen.loss, Origin.COMPUTED, "mean of the last rows")
    yield Number(f"{who}points", float(f.seen.points), Origin.READ, "the log")
    yield Number(f"{who}noise of a row", 100 * f.noise, Origin.COMPUTED, "residuals", "%")
    for name, value in f.parameters.items():
        yield Number(f"{who}{name}", value, Origin.COMPUTED, "the law of the curve")
    for s in f.scenarios:
        why = f"if the rate {s.name}, with weight {s.weight:.2g}"
        yield Number(f"{who}{target}", s.value, Origin.ASSUMED, why, "", s.interval, f.level)
    for past in f.backtests:
        why = f"its end, forecast from the first {100 * past.cut:.0f} %"
        yield Number(f"{who}error", 100 * past.error, Origin.COMPUTED, why, "%")
