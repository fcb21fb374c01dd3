"""Forecast where a running job will end, with an interval, and watch it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import drawable, writable, write
from scaling_cli.plots import SUFFIXES

if TYPE_CHECKING:
    from scaling_cli.artefacts.forecast import Forecasts
    from scaling_cli.plots import _forecast
    from scaling_cli.runs.table import Runs

EXAMPLE = """
scaling forecast run.csv --schedule cosine:peak=3e-4,warmup=2000,steps=24000
scaling forecast run.csv --until '1.5T tokens' --siblings 'finished/*.csv'
scaling forecast run.csv --until 24000 --target-loss 2.5
scaling forecast 'sweep/*.csv' --until 24000 --stop
scaling forecast run.csv -o forecast.json
scaling forecast run.csv --against forecast.json
"""
ORDER = 42
RECORD = ".json"


@dataclass(frozen=True)
class Jobs:
    """The running jobs."""

    sources: list[str] = options.argument(
        "RUN...", "Logs of running jobs: files, folders, globs, a store, or -.", default=MISSING
    )


@dataclass(frozen=True)
class Forecasting:
    """How a forecast is made."""

    until: str | None = options.option(
        "STEP|TOKENS",
        "Where they end: 24000, 24k, '1.5T tokens'; a bare number counts what the run is logged "
        "over. Default: the end of the schedule.",
    )
    schedule: str | None = options.option(
        "TEXT", "The learning rate of the whole run: FAMILY:option=value,... ('scaling schedule')."
    )
    siblings: list[str] | None = options.option(
        "SRC", "Finished runs on the same data; they inform the forecast."
    )
    fit: str | None = options.option(
        "FILE|NAME",
        "A fit of loss curves: what it predicts under the run's schedule is one sibling.",
        complete=options.complete(options.FITS),
    )
    level: float = options.level()
    method: str = options.option(
        "NAME",
        "law; families: learning curves over the area under the learning rate, or over "
        "steps where none is known; power: a power law in steps, which sees no rate; ensemble: "
        "the mean of that and of the slope of late.",
        default="law",
    )
    combine: str = options.option(
        "HOW", "Weights of families: stack, average (Bayesian, by BIC) or equal.", default="stack"
    )
    families: list[str] | None = options.option(
        "NAME,...",
        "Which families of learning curves ('scaling laws' lists them); --method is then families.",
        read=options.Read(lambda texts: [n for t in texts for n in t.split(",") if n], True),
    )
    target: str | None = options.target()
    rising: bool = options.option(
        "", "What is forecast should rise, as an accuracy does.", "--rising", default=False
    )
    limit: str | None = options.option(
        "X", "What it never passes: with --rising 1, or 100 for percentages; else 0."
    )
    target_loss: str | None = options.option(
        "L",
        "A level: when it is reached is told, as a step, in tokens and in hours where the log has "
        "a time, and how likely never.",
    )
    unique_tokens: str | None = options.option(
        "U", "Distinct training tokens: too many passes are warned about."
    )
    threshold: float | None = options.option(
        "NATS",
        "Add the levels of anticipation: from where forecasts can be believed, and where "
        "no more than this is left to gain.",
        "--levels",
    )


@dataclass(frozen=True)
class Stopping:
    """Of several runs, which to stop."""

    stop: bool = options.option(
        "",
        "The runs are candidates of which the best is wanted: how likely each ends best, which to "
        "stop now, and what that saves.",
        "--stop",
        default=False,
    )
    risk: float = options.option(
        "P", "With --stop: how likely the best may be among those that are stopped.", default=0.1
    )


@dataclass(frozen=True)
class Watching:
    """What the runs are held against, and where the forecast goes."""

    against: str | None = options.option(
        "FILE", "A stored forecast (--json): exit 1 if the losses logged since have left its band."
    )
    follow: bool = options.option(
        "",
        "Forecast again as the log grows; exit 1 when it leaves the band of the first "
        "forecast (or of --against).",
        "--follow",
        default=False,
    )
    every: float = options.option("SECONDS", "How often --follow looks at the log.", default=30.0)
    patience: int = options.option(
        "K", "Checks outside the band in a row that count as leaving.", default=3
    )
    draw: bool = options.option(
        "", "Draw it in the terminal too (the extra `term`).", "--draw", default=False
    )
    output: str | None = options.output(
        "The figure as .png, .svg or .pdf, or the forecast as .json."
    )


@options.command
def forecast(
    *,
    jobs: Jobs,
    how: Forecasting,
    stopping: Stopping,
    watching: Watching,
    reading: options.Reading,
    asking: options.Telling,
) -> None:
    """Forecast where a running job will end, with an interval, and watch it.

    The schedule is the first of: --schedule, the column of that name, what the logged learning
    rate follows, the shape of siblings. Where they do not tell what is to come, the ends under what
    may come are printed, then what holds them all.
    """
    from scaling_cli import forecasting
    from scaling_cli.verbs import forecast as verb
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.jsonfile import write_json

    path = writable(watching.output, "a forecast", (*SUFFIXES, RECORD))
    verb.check_patience(watching.patience)
    if watching.follow and path is not None:
        raise UsageError("--follow writes no file.", hint="Leave -o out, or --follow.")
    if watching.against is not None and path is not None and not _is_record(path):
        raise UsageError("--against writes .json, no figure.", hint="Leave --against out for one.")
    if watching.draw:
        drawable(json=asking.json)
        if watching.follow or watching.against is not None:
            raise UsageError("--draw draws a forecast: leave --follow and --against out.")
    kin = reading.read(how.siblings, asking) if how.siblings else ()
    asked = {**vars(how), "siblings": kin}
    if stopping.stop and (watching.follow or watching.against is not None):
        raise UsageError("--stop compares runs as they are now: leave --follow and --against out.")
    if not stopping.stop and asking.typed(stopping):
        raise UsageError("--risk needs --stop.")
    if watching.follow:
        _follow(jobs.sources, asked, watching, reading, asking)
        return
    runs = reading.read(jobs.sources, asking)
    if watching.against is None:
        made = forecasting.forecast(runs, **asked, **vars(stopping))
        record = made.to_dict() | ({} if path is None else {"file": path})
        if path is not None and not _is_record(path):
            _draw(path, made, runs, kin, how.target)
        else:
            write(lambda path: write_json(path, record), path)
        _print(record, asking)
        if watching.draw:
            asking.terminal.write(f"\n{_letters(_table(made, runs, kin, how.target))}")
    else:
        watched = verb.watch(runs, watching.against, patience=watching.patience, **asked)
        write(lambda path: write_json(path, watched.to_dict()), path)
        _print(watched.to_dict(), asking)
        _end(watched.left, asking)


def _follow(
    sources: Sequence[str],
    asked: Mapping[str, Any],
    watching: Watching,
    reading: options.Reading,
    asking: options.Asking,
) -> None:
    """Forecast as the log grows, a line each, until the run ends or leaves the band."""
    from scaling_cli.reports import forecast as forecast_report
    from scaling_cli.verbs import forecast as verb
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.jsonfile import nulls

    if len(sources) != 1 or not watching.every > 0:
        raise UsageError("--follow takes one log and a positive --every.")
    updates = verb.follow(
        sources[0],
        against=watching.against,
        every=watching.every,
        patience=watching.patience,
        read=lambda: reading.read(sources, asking),
        **asked,
    )
    for update in updates:
        line = json.dumps(nulls(update.to_dict()), allow_nan=False) + "\n"
        asking.terminal.write(line if asking.json else forecast_report.line(update))
        if update.watch.left:
            _end([update.job.run], asking)


def _print(record: dict[str, Any], asking: options.Telling) -> None:
    from scaling_cli.reports import forecast as forecast_report

    asking.result(record, lambda: forecast_report.blocks(record, full=asking.full))


def _is_record(path: str) -> bool:
    return path.lower().endswith(RECORD)


def _draw(
    path: str, made: "Forecasts", runs: "Runs", kin: "Runs | tuple[()]", target: str | None
) -> None:
    from scaling_cli import plots
    from scaling_cli.plots import _forecast

    plots.save(plots.drawn(_forecast, _table(made, runs, kin, target)), path)


def _letters(table: "_forecast.Table") -> str:
    from scaling_cli.plots import _term

    return _term.ends(table)


def _table(
    made: "Forecasts", runs: "Runs", kin: "Runs | tuple[()]", target: str | None
) -> "_forecast.Table":
    from scaling_cli.forecasting.job import jobs_of, siblings_target
    from scaling_cli.plots import _forecast

    jobs = jobs_of(runs, target=target)[0]
    beside = [] if isinstance(kin, tuple) else jobs_of(kin, target=siblings_target(jobs, target))[0]
    return _forecast.table(made, jobs, beside)


def _end(left: Sequence[str], asking: options.Asking) -> None:
    """End with 1 if a run has left its band."""
    if left:
        asking.terminal.complain(
            f"error: {', '.join(left)}: the loss has left the band of the forecast."
        )
        raise typer.Exit(1)
