"""A loss curve with its schedule: what laws of loss curves are fitted to."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.schedules._beginning import Beginning, begun, shared
from scaling_cli.schedules._path import Path
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import L

MOST_POINTS = 300  # of a curve that is fitted; more are averaged
FEWEST_POINTS = 5


@dataclass(frozen=True)
class Curve:
    """The losses of one run along its schedule.

    Parameters
    ----------
    run : str
    schedule : Schedule
        Over steps.
    step : int array, shape (n,)
        Increasing; steps of the schedule.
    loss : array, shape (n,)
        Positive, in `unit`.
    notes : sequence of str
        Where the schedule comes from, and what was assumed.
    params, batch_tokens : float, optional
        Of the run, where they are known: curves of one fit are of one model and batch size.
    unit : str
        Of the loss: nats/token, bits/token or bits/byte; `as given` where nothing says it.
    beginning : Beginning, optional
        Of a log that does not show the warm-up: what is assumed of it.
    """

    run: str
    schedule: Schedule
    step: np.ndarray
    loss: np.ndarray
    notes: tuple[str, ...] = ()
    params: float | None = None
    batch_tokens: float | None = None
    unit: str = L.unit
    beginning: Beginning | None = None

    def __post_init__(self) -> None:
        """Refuse what is no curve.

        Raises
        ------
        DataError
            If there are too few points, or steps or losses cannot be.
        """
        step, loss = np.asarray(self.step), np.asarray(self.loss, float)
        if step.shape != loss.shape or step.ndim != 1 or len(step) < FEWEST_POINTS:
            raise DataError(
                f"run {self.run!r}: a curve needs {FEWEST_POINTS} or more steps, each with a loss."
            )
        if (np.diff(step) <= 0).any() or step[0] < 0 or (step != np.floor(step)).any():
            raise DataError(f"run {self.run!r}: steps must be whole numbers that increase.")
        if not (np.isfinite(loss) & (loss > 0)).all():
            bad = int(step[~(np.isfinite(loss) & (loss > 0))][0])
            raise DataError(f"run {self.run!r}: the loss at step {bad} is not a positive number.")
        object.__setattr__(self, "step", step.astype(int))
        object.__setattr__(self, "loss", loss)

    def begun(self, beginning: Beginning) -> "Curve":
        """Return the curve with another warm-up before its log, where that does not show it."""
        schedule = begun(self.schedule, beginning)
        return replace(self, schedule=schedule, beginning=beginning)

    def path(self, warmup: str, unit: float) -> Path:
        """Return the path of the schedule at these steps; see `schedules._path`."""
        return Path.of(self.schedule, self.step, warmup=warmup, unit=unit, params=self.params)

    def thinned(self, most: int = MOST_POINTS) -> "Curve":
        """Return at most so many points: means of ln loss over stretches of equal length."""
        if len(self.step) <= most:
            return self
        edges = np.linspace(self.step[0], self.step[-1] + 1, most + 1)
        first = np.unique(np.searchsorted(self.step, edges[:-1]))
        size = np.diff(np.append(first, len(self.step)))
        step = np.add.reduceat(self.step.astype(float), first) / size
        loss = np.exp(np.add.reduceat(np.log(self.loss), first) / size)
        return replace(self, step=np.round(step).astype(int), loss=loss)


def siblings(curves: Sequence[Curve], stated: Iterable[tuple[str, float]] = ()) -> list[Curve]:
    """Return curves of one model: those whose logs do not show the warm-up share one.

    `stated` says by what, and where, it is known to end; see `shared`.
    """
    hidden = [curve for curve in curves if curve.beginning]
    settled = shared([c.beginning for c in hidden if c.beginning], stated)
    begun = {c.run: c.begun(b) for c, b in zip(hidden, settled, strict=True)}
    return [begun.get(curve.run, curve) for curve in curves]


def digest(curves: Sequence[Curve]) -> str:
    """Return the SHA-256 of curves: their schedules, steps and losses."""
    found = hashlib.sha256()
    for c in curves:
        found.update(c.schedule.text().encode())
        found.update(np.ascontiguousarray(c.step, "<i8").tobytes())
        found.update(np.ascontiguousarray(c.loss, "<f8").tobytes())
    return found.hexdigest()
