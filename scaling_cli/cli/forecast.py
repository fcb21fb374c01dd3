"""Forecast where a running job will end, with an interval, and watch it."""

from dataclasses import dataclass
from time import sleep as _sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal, result_style

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaling_cli.forecasting.following import Band, Update
    from scaling_cli.forecasting.job import Job
    from scaling_cli.forecasting.record import Forecasts
    from scaling_cli.runs import Runs

EXAMPLE = """
scaling forecast run.csv --until 24000 --schedule cosine:peak=3e-4,warmup=2000,steps=24000
scaling forecast run.csv --until '1.5T tokens' --siblings 'finished/*.csv' -o forecast.png
scaling forecast run.csv --json > forecast.json && scaling forecast run.csv --against forecast.json
"""
ORDER = 42
QUIET = 10  # looks at an unchanged log after which a run within one row of its end has ended

RunSources = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Logs of running jobs: files, folders, globs, a store, or -.",
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="STEP|TOKENS",
        help="Where they end: 24000, 24k, '1.5T tokens'; steps, unless it says tokens or is 1e9 "
        "or more. Default: the end of the schedule.",
    ),
]
ScheduleText = Annotated[
    str | None,
    typer.Option(
        "--schedule",
        metavar="TEXT",
        help="The learning rate of the whole run: FAMILY:option=value,... ('scaling schedule').",
    ),
]
Siblings = Annotated[
    list[str] | None,
    typer.Option(metavar="SRC", help="Finished runs on the same data; they inform the forecast."),
]
CurveFitFile = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="FILE|NAME",
        help="A fit of loss curves: what it predicts under the run's schedule is one sibling.",
        autocompletion=options.complete_fit,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="law; families: learning curves over the area under the learning rate, or over steps "
        "where none is known; power: a power law in steps, which sees no rate.",
    ),
]
Combine = Annotated[
    str,
    typer.Option(
        metavar="HOW", help="Weights of families: stack, average (Bayesian, by BIC) or equal."
    ),
]
UniqueTokens = Annotated[
    str | None,
    typer.Option(metavar="U", help="Distinct training tokens: too many passes are warned about."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE",
        help="The figure as .png, .svg or .pdf, or the forecast as .json.",
    ),
]  # fmt: skip
Threshold = Annotated[
    float | None,
    typer.Option(
        "--levels",
        metavar="NATS",
        help="Add the levels of anticipation: from where forecasts can be believed, and where no "
        "more than this is left to gain.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A stored forecast (--json): exit 1 if the losses logged since have left its band.",
    ),
]
Follow = Annotated[
    bool,
    typer.Option(
        "--follow",
        help="Forecast again as the log grows; exit 1 when it leaves the band of the first "
        "forecast (or of --against).",
    ),
]
Every = Annotated[
    float, typer.Option(metavar="SECONDS", help="How often --follow looks at the log.")
]
Patience = Annotated[
    int, typer.Option(metavar="K", help="Checks outside the band in a row that count as leaving.")
]


def forecast(
    *,
    sources: RunSources,
    until: Until = None,
    schedule: ScheduleText = None,
    siblings: Siblings = None,
    fit: CurveFitFile = None,
    level: options.ConfidenceLevel = 0.9,
    method: Method = "law",
    combine: Combine = "stack",
    target: options.Target = None,
    unique_tokens: UniqueTokens = None,
    threshold: Threshold = None,
    against: Against = None,
    follow: Follow = False,
    every: Every = 30.0,
    patience: Patience = 3,
    output: Output = None,
    mapped: options.Map = None,
    constants: options.Set = None,
    meta: options.Meta = None,
    name: options.Name = None,
    format: options.Format = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Forecast where a running job will end, with an interval, and watch it.

    The schedule is the first of: --schedule, the column of that name, what the logged learning
    rate follows, the shape of siblings; without any, three scenarios are printed side by side and
    the headline is marked as assumed.
    """
    del debug
    from scaling_cli.errors import UsageError

    terminal = Terminal(json=json, quiet=quiet)
    how = {"mapped": mapped, "constants": constants, "meta": meta, "name": name, "format": format}
    asked = _Asked(
        sources, siblings or [], how, target, terminal,
        {"until": until, "schedule": schedule, "level": level, "method": method,
         "unique_tokens": _unique(unique_tokens), "fit": _fit(fit), "threshold": threshold,
         "combine": combine},
    )  # fmt: skip
    path = _writable(output)
    if patience < 1:
        raise UsageError(f"--patience must be 1 or more, not {patience}.")
    if follow:
        _refuse_file(path)
        asked.follow(against, every, patience)
    elif against is not None:
        _refuse_figure(path)
        asked.compare(against, patience, path)
    else:
        asked.once(path)


def _unique(text: str | None) -> float | None:
    from scaling_cli.errors import UsageError
    from scaling_cli.quantities import U, parse_number

    value = None if text is None else parse_number(text, U)
    if value is not None and not value > 0:
        raise UsageError(f"--unique-tokens must be positive, not {text}.")
    return value


def _fit(path: str | None) -> Any:
    """Return the stored fit of loss curves."""
    if path is None:
        return None
    from scaling_cli.reference import resolve_curves

    return resolve_curves(path)


def _writable(path: str | None) -> str | None:
    from pathlib import Path

    from scaling_cli import plots
    from scaling_cli.cli._output import writable
    from scaling_cli.errors import UsageError

    if path is not None and Path(path).suffix.lower() not in (*plots.SUFFIXES, ".json"):
        raise UsageError(
            f"cannot write {path}: it is neither a figure nor .json.",
            hint=f"Use a name that ends in {', '.join((*plots.SUFFIXES, '.json'))}.",
        )
    return writable(path)


def _refuse_file(path: str | None) -> None:
    from scaling_cli.errors import UsageError

    if path is not None:
        raise UsageError("--follow writes no file.", hint="Leave -o out, or --follow.")


def _refuse_figure(path: str | None) -> None:
    from scaling_cli.errors import UsageError

    if path is not None and not path.lower().endswith(".json"):
        raise UsageError("--against writes .json, no figure.", hint="Leave --against out for one.")


@dataclass(frozen=True)
class _Asked:
    """One call of the command: what to read, how, and what to do with it."""

    sources: list[str]
    siblings: list[str]
    how: dict[str, Any]
    target: str | None
    terminal: Terminal
    options: dict[str, Any]

    def read(self, sources: list[str]) -> "Runs":
        from scaling_cli.cli._reading import read

        return read(sources, self.terminal, **self.how)

    def forecast(self, runs: Any) -> "Forecasts":
        from scaling_cli.forecasting import forecast

        kin = self.read(self.siblings) if self.siblings else ()
        return forecast(runs, siblings=kin, target=self.target, **self.options)

    def once(self, path: str | None) -> None:
        """Forecast, write what was asked for, print."""
        from scaling_cli.cli import _render_forecast

        runs = self.read(self.sources)
        found = self.forecast(runs)
        record = found.to_dict()
        if path is not None:
            record["file"] = path
            self._write(path, found, record, runs)
        self.terminal.result(lambda: _render_forecast.report(record, style=result_style()), record)

    def _write(self, path: str, found: "Forecasts", record: dict[str, Any], runs: "Runs") -> None:
        if path.lower().endswith(".json"):
            from scaling_cli.jsonfile import write_json

            write_json(path, record)
            return
        from scaling_cli import plots
        from scaling_cli.forecasting.reading import jobs_of, siblings_target

        jobs = jobs_of(runs, target=self.target)[0]
        same = siblings_target(jobs, self.target) if self.siblings else None
        kin = jobs_of(self.read(self.siblings), target=same)[0] if self.siblings else []
        from scaling_cli.plots import _forecast

        plots.save(plots.drawn(_forecast, _forecast.table(found, jobs, kin)), path)

    def compare(self, against: str, patience: int, path: str | None) -> None:
        """Compare the runs with a stored forecast; forecast anew those that go on."""
        from scaling_cli.cli import _render_forecast
        from scaling_cli.errors import DataError
        from scaling_cli.forecasting.following import compare
        from scaling_cli.forecasting.reading import jobs_of

        runs = self.read(self.sources)
        jobs, left = jobs_of(runs, target=self.target)
        if not jobs:
            raise DataError(f"{left[0].reason}" if left else "there is no run.")
        watched, going = {}, []
        for one in jobs:
            band = _band(against, one.run)
            # A log that has grown may by now be read by another column.
            again = jobs_of(runs, target=self.target or band.target or None)[0]
            job = next((j for j in again if j.run == one.run), one)
            watched[job.run] = compare(band, job, patience)
            going += [] if job.reached(band.until) else [job]
        found = self.forecast(going).to_dict() if going else {"schema_version": 1, "runs": []}
        record = found | {"against": {run: watch.to_dict() for run, watch in watched.items()}}
        if path is not None:
            from scaling_cli.jsonfile import write_json

            write_json(path, record)
        self.terminal.result(lambda: _render_forecast.report(record, style=result_style()), record)
        _end({run: watch.left for run, watch in watched.items()})

    def follow(self, against: str | None, every: float, patience: int) -> None:
        """Forecast as the log grows, a line each, until the run ends or leaves the band."""
        from scaling_cli.cli import _render_forecast
        from scaling_cli.errors import UsageError
        from scaling_cli.forecasting.following import follow

        if len(self.sources) != 1 or not every > 0:
            raise UsageError("--follow takes one log and a positive --every.")
        first = self._job(self.target)
        band = None if against is None else _band(against, first.run)
        # One loss all along: which one has more points may change as the log grows.
        target = self.target or (band.target if band is not None else "") or first.target
        updates = follow(
            lambda: self._job(target), lambda job: self.forecast([job])[0],
            _watcher(self.sources[0], every), band=band, patience=patience,
        )  # fmt: skip
        for update in updates:
            write = _line if self.terminal.json else _render_forecast.line
            self.terminal.write(write(update))
            if update.watch.left:
                _end({update.job.run: True})

    def _job(self, target: str | None) -> "Job":
        from scaling_cli.forecasting.reading import one_job

        return one_job(self.read(self.sources), target=target)


def _band(path: str, run: str) -> "Band":
    import json as json_module
    from pathlib import Path

    from scaling_cli.errors import DataError
    from scaling_cli.forecasting.following import Band

    try:
        record = json_module.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise DataError(f"cannot read the forecast: {error.strerror}.", file=path) from error
    except ValueError as error:
        raise DataError("this is no JSON.", file=path) from error
    return Band.read(record, run, file=path)


def _line(update: "Update") -> str:
    """Return an update as one line of JSON."""
    import json as json_module

    from scaling_cli.jsonfile import nulls

    record = {
        "schema_version": 1,
        "run": update.job.run,
        "runs": [] if update.forecast is None else [update.forecast.to_dict()],
        "against": {update.job.run: update.watch.to_dict(update.told)},
        "ended": update.ended,
    }
    return json_module.dumps(nulls(record), allow_nan=False) + "\n"


def _watcher(path: str, every: float) -> "Callable[[], bool]":
    """Return a function that waits until a file has another size or time, or is long quiet."""
    from pathlib import Path

    from scaling_cli.errors import UsageError

    if not Path(path).is_file():
        raise UsageError(f"--follow takes a file; {path} is none.")

    def state() -> tuple[int, int] | None:
        try:
            found = Path(path).stat()
        except FileNotFoundError:  # it may be moved aside and written anew
            return None
        return found.st_size, found.st_mtime_ns

    seen = [state()]

    def wait() -> bool:
        for _ in range(QUIET):
            _sleep(every)
            now = state()
            if now != seen[0]:
                seen[0] = now
                return True
        return False

    return wait


def _end(left: dict[str, bool]) -> None:
    """End with 1 if a run has left its band."""
    out = [run for run, is_left in left.items() if is_left]
    if out:
        Terminal().complain(f"error: {', '.join(out)}: the loss has left the band of the forecast.")
        raise typer.Exit(1)
