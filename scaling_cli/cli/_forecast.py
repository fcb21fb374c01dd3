"""What the command `forecast` does: once, against a stored forecast, or as the log grows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import sleep
from typing import Any

import typer

from scaling_cli.artefacts.forecast import Forecasts
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.following import Band, Update, compare, follow
from scaling_cli.forecasting.job import Job, jobs_of, one_job, siblings_target
from scaling_cli.reports import forecast as forecast_report
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.jsonfile import nulls, stamped, write_json

QUIET = 10  # looks at an unchanged log after which a run within one row of its end has ended


@dataclass(frozen=True)
class Asked:
    """One call of the command: what to read, how, and what to do with it."""

    sources: list[str]
    siblings: list[str]
    how: dict[str, Any]
    target: str | None
    terminal: Terminal
    options: dict[str, Any]
    full: bool = False

    def read(self, sources: list[str]) -> Runs:
        return read(sources, self.terminal, **self.how)

    @cached_property
    def kin(self) -> Runs | tuple[()]:
        """The siblings, read once: they are finished."""
        return self.read(self.siblings) if self.siblings else ()

    def forecast(self, runs: Any) -> Forecasts:
        return forecast(runs, siblings=self.kin, target=self.target, **self.options)

    def once(self, path: str | None) -> None:
        """Forecast, write what was asked for, print."""
        runs = self.read(self.sources)
        found = self.forecast(runs)
        record = found.to_dict()
        if path is not None:
            record["file"] = path
            self._write(path, found, record, runs)
        self.terminal.result(lambda: forecast_report.blocks(record, full=self.full), record)

    def _write(self, path: str, found: Forecasts, record: dict[str, Any], runs: Runs) -> None:
        if path.lower().endswith(".json"):
            write_json(path, record)
            return
        from scaling_cli import plots
        from scaling_cli.plots import _forecast

        jobs, kin = jobs_of(runs, target=self.target)[0], []
        if isinstance(self.kin, Runs):
            kin = jobs_of(self.kin, target=siblings_target(jobs, self.target))[0]
        plots.save(plots.drawn(_forecast, _forecast.table(found, jobs, kin)), path)

    def compare(self, against: str, patience: int, path: str | None) -> None:
        """Compare the runs with a stored forecast; forecast anew those that go on."""
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
        found = (self.forecast(going) if going else Forecasts(())).to_dict()
        record = found | {"against": {run: watch.to_dict() for run, watch in watched.items()}}
        if path is not None:
            write_json(path, record)
        self.terminal.result(lambda: forecast_report.blocks(record, full=self.full), record)
        _end({run: watch.left for run, watch in watched.items()})

    def follow(self, against: str | None, every: float, patience: int) -> None:
        """Forecast as the log grows, a line each, until the run ends or leaves the band."""
        if len(self.sources) != 1 or not every > 0:
            raise UsageError("--follow takes one log and a positive --every.")
        first = self._job(self.target)
        band = None if against is None else _band(against, first.run)
        # One loss all along: which one has more points may change as the log grows.
        target = self.target or (band.target if band is not None else "") or first.target
        updates = follow(
            lambda: self._job(target),
            lambda job: self.forecast([job])[0],
            _watcher(self.sources[0], every),
            band=band,
            patience=patience,
        )
        for update in updates:
            write = _line if self.terminal.json else forecast_report.line
            self.terminal.write(write(update))
            if update.watch.left:
                _end({update.job.run: True})

    def _job(self, target: str | None) -> Job:
        return one_job(self.read(self.sources), target=target)


def _band(path: str, run: str) -> Band:
    """Return the band of a run in a stored forecast."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise DataError(f"cannot read the forecast: {error.strerror}.", file=path) from error
    except ValueError as error:
        raise DataError("this is no JSON.", file=path) from error
    return Band.read(record, run, file=path)


def _line(update: Update) -> str:
    """Return an update as one line of JSON."""
    record = stamped(
        {
            "run": update.job.run,
            "runs": [] if update.forecast is None else [update.forecast.to_dict()],
            "against": {update.job.run: update.watch.to_dict(update.told)},
            "ended": update.ended,
        }
    )
    return json.dumps(nulls(record), allow_nan=False) + "\n"


def _watcher(path: str, every: float) -> Callable[[], bool]:
    """Return a function that waits until a file has another size or time, or is long quiet."""
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
            sleep(every)
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
