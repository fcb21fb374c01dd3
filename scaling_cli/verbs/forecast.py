"""`sc.watch` and `sc.follow`: whether a running job ends where a forecast says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.forecast import Forecasts
from scaling_cli.forecasting import following, forecast
from scaling_cli.forecasting.following import PATIENCE, Update, Watch
from scaling_cli.forecasting.job import Job, jobs_of, one_job
from scaling_cli.ingest import as_runs
from scaling_cli.vocabulary.errors import DataError, UsageError


@dataclass(frozen=True)
class Watched:
    """Runs against the bands of a stored forecast, and new forecasts of those that go on.

    Parameters
    ----------
    forecasts : Forecasts or None
        None where every run has ended.
    watches : mapping of run to Watch
    """

    forecasts: Forecasts | None
    watches: Mapping[str, Watch]

    @property
    def left(self) -> list[str]:
        """The runs whose loss has left its band."""
        return [run for run, watch in self.watches.items() if watch.left]

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling forecast --against --json` prints."""
        again = (self.forecasts or Forecasts(())).to_dict()
        return again | {"against": {run: watch.to_dict() for run, watch in self.watches.items()}}


def watch(
    data: Any,
    against: str,
    *,
    target: str | None = None,
    patience: int = PATIENCE,
    **options: Any,
) -> Watched:
    """Compare runs with a stored forecast; forecast anew those that go on.

    Parameters
    ----------
    data : whatever `read` understands
    against : path
        What `scaling forecast --json` wrote.
    target : str, optional
        Column of the loss.
    patience : int
        Checks outside the band in a row that count as leaving it.
    **options
        As in `forecast`.
    """
    check_patience(patience)
    runs = as_runs(data)
    jobs, left = jobs_of(runs, target=target)
    if not jobs:
        raise DataError(f"{left[0].reason}" if left else "there is no run.")
    stored, watches, going = kinds.load(against, Forecasts), {}, []
    for first in jobs:
        band = stored.about(first.run, file=against)
        # A log that has grown may by now be read by another column.
        again = jobs_of(runs, target=target or band.target or None)[0]
        job = next((j for j in again if j.run == first.run), first)
        watches[job.run] = following.compare(band, job, patience)
        going += [] if job.reached(band.until) else [job]
    return Watched(forecast(going, target=target, **options) if going else None, watches)


def check_patience(patience: int) -> None:
    """Refuse a patience that nothing could try.

    Raises
    ------
    UsageError
        If it is not 1 or more.
    """
    if patience < 1:
        raise UsageError(f"--patience must be 1 or more, not {patience}.")


def follow(
    path: str,
    *,
    against: str | None = None,
    every: float = 30.0,
    target: str | None = None,
    patience: int = PATIENCE,
    read: Callable[[], Any] | None = None,
    **options: Any,
) -> Iterator[Update]:
    """Forecast a run as its log grows, until it ends or leaves the band.

    Parameters
    ----------
    path : str
        Its log.
    against : path, optional
        A stored forecast; default, the first one made here.
    every : float
        Seconds between looks at the log.
    target, patience
        As in `watch`.
    read : function, optional
        How the log is read; default, `read(path)`.
    **options
        As in `forecast`.
    """
    check_patience(patience)

    def job(column: str | None) -> Job:
        return one_job(as_runs(path) if read is None else read(), target=column)

    first = job(target)
    band = None
    if against is not None:
        band = kinds.load(against, Forecasts).about(first.run, file=against)
    # One loss all along: which one has more points may change as the log grows.
    column = target or (band.target if band is not None else "") or first.target
    return following.follow(
        lambda: job(column),
        lambda now: forecast([now], target=target, **options)[0],
        following.watcher(path, every),
        against=band,
        patience=patience,
    )
