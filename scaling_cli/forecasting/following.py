"""A run against the band that a forecast gave it: once, or again and again while its log grows."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting.despiking import WANTED_NOISE
from scaling_cli.forecasting.job import Diverged, Job
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.jsonfile import stamped

PATIENCE = 3  # checks outside in a row that count as leaving the band
MOST_ROWS = 100  # averaged in one check
CLIPPED_FROM = 4
QUIET = 10  # looks at an unchanged log after which a run within one row of its end has ended


@dataclass(frozen=True)
class Check:
    """A mean of logged losses beside the band.

    Parameters
    ----------
    at : float
        The last of the rows.
    rows : int
    measured, low, high : float
        The band is wider than the interval by the noise that the mean still has.
    inside : bool
    """

    at: float
    rows: int
    measured: float
    low: float
    high: float
    inside: bool


@dataclass(frozen=True)
class Watch:
    """All checks of a run so far.

    Parameters
    ----------
    checks : tuple of Check
    outside : int
        Checks outside in a row: the longest such row if it reached the patience, else the last.
    patience : int
    """

    checks: tuple[Check, ...]
    outside: int
    patience: int

    @property
    def left(self) -> bool:
        """Whether the run has left the band."""
        return self.outside >= self.patience

    def to_dict(self, told: int = 0) -> dict[str, Any]:
        """Return the record that `--json` prints, without the checks told before."""
        record: dict[str, Any] = asdict(self)
        return record | {"checks": list(record["checks"][told:]), "left": self.left}


def compare(forecast: Forecast, job: Job, patience: int = PATIENCE) -> Watch:
    """Compare what was logged since a forecast with its forecast.

    Rows are averaged until their noise is below half a per cent, in order of the log, so that
    the same log gives the same checks however often it is looked at.

    Raises
    ------
    UsageError
        If the axes or the losses differ.
    """
    if forecast.unit != job.unit:
        raise UsageError(f"the forecast runs over {forecast.unit}, the log over {job.unit}.")
    if forecast.target and job.target and forecast.target != job.target:
        raise UsageError(
            f"the forecast is of {forecast.target}, what is read from the log is {job.target}.",
            hint=f"Read it as well: --target {forecast.target}.",
        )
    rows = np.flatnonzero((job.x > forecast.now) & (job.x <= forecast.until))
    size = _averaged(forecast)
    whole = len(rows) // size
    checks = [_check(forecast, job, part) for part in rows[: whole * size].reshape(whole, size)]
    outside = longest = 0
    for check in checks:
        outside = 0 if check.inside else outside + 1
        longest = max(longest, outside)
    return Watch(tuple(checks), longest if longest >= patience else outside, patience)


def at_end(forecast: Forecast, job: Job) -> tuple[Check, float] | None:
    """Compare the last rows before the place that was forecast, and what was expected of them.

    None before they are logged.
    """
    rows = np.flatnonzero((job.x > forecast.now) & (job.x <= forecast.until))
    if not job.reached(forecast.until) or not len(rows):
        return None
    last = rows[-_averaged(forecast) :]
    expected = np.interp(job.x[last].mean(), forecast.path.x, forecast.path.loss)
    return _check(forecast, job, last), float(expected)


def _averaged(forecast: Forecast) -> int:
    """Return how many rows are averaged: until their noise is below half a per cent."""
    return int(np.clip(np.ceil((forecast.noise / WANTED_NOISE) ** 2), 1, MOST_ROWS))


def _check(forecast: Forecast, job: Job, rows: np.ndarray) -> Check:
    path, losses, clipped = forecast.path, job.loss[rows], len(rows) >= CLIPPED_FROM
    measured = float(np.median(losses) if clipped else losses.mean())
    middle = float(job.x[rows].mean())
    low, high = (float(np.interp(middle, path.x, edge)) for edge in (path.low, path.high))
    # The median of a normal sample has pi/2 times the variance of its mean.
    noise = forecast.noise * np.sqrt((np.pi / 2 if clipped else 1.0) / len(rows))
    wide = float(np.hypot(np.log(high / low) / 2, quantile(forecast.level) * noise))
    centre = np.sqrt(low * high)
    low, high = float(centre * np.exp(-wide)), float(centre * np.exp(wide))
    return Check(float(job.x[rows[-1]]), len(rows), measured, low, high, low <= measured <= high)


@dataclass(frozen=True)
class Update:
    """What there is to say when a log has grown.

    Parameters
    ----------
    job : Job
    forecast : Forecast or None
        The new one; None where the run has ended.
    watch : Watch
        Against the first forecast.
    ended : bool
    told : int
        How many of the checks an earlier update held.
    """

    job: Job
    forecast: Forecast | None
    watch: Watch
    ended: bool
    told: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling forecast --follow --json` prints as one line."""
        run, runs = self.job.run, [self.forecast.to_dict()] if self.forecast else []
        against = {run: self.watch.to_dict(self.told)}
        return stamped({"run": run, "runs": runs, "against": against, "ended": self.ended})


def watcher(path: str, every: float) -> Callable[[], bool]:
    """Return a function that waits until a file has another size or time, or is long quiet.

    Raises
    ------
    UsageError
        If it is no file.
    """
    if not Path(path).is_file():
        raise UsageError(f"--follow takes a file; {path} is none.")

    def state() -> tuple[int, int] | None:
        try:
            there = Path(path).stat()
        except FileNotFoundError:  # it may be moved aside and written anew
            return None
        return there.st_size, there.st_mtime_ns

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


def follow(
    load: Callable[[], Job],
    predict: Callable[[Job], Forecast],
    wait: Callable[[], bool],
    *,
    against: Forecast | None = None,
    patience: int = PATIENCE,
) -> Iterator[Update]:
    """Yield an update whenever a log has grown, until the run ends or leaves the band.

    Parameters
    ----------
    load : function
        Reads the job.
    predict : function
        Forecasts it.
    wait : function
        Returns True as soon as the log has changed, False when it has been quiet for long.
    against : Forecast, optional
        What to compare with. Default: that of the first forecast.
    patience : int

    Raises
    ------
    DataError
        If the run diverged, or cannot be read `patience` times in a row.
    """
    failed, last, told = 0, None, 0
    while True:
        try:
            job = load()
        except Diverged:
            raise
        except DataError:
            failed += 1
            if failed >= patience:
                raise
            wait()
            continue
        failed = 0
        if last is None or job.now > last:
            last = job.now
            ended = against is not None and job.reached(against.until)
            forecast = None if ended else predict(job)
            against = against or forecast or predict(job)
            update = Update(job, forecast, compare(against, job, patience), ended, told)
            told = len(update.watch.checks)
            yield update
            if ended or update.watch.left:
                return
        if not wait() and against is not None and job.now + job.gap > against.until:
            yield Update(job, None, compare(against, job, patience), ended=True, told=told)
            return
