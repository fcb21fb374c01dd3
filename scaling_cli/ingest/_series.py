"""Metrics that were logged one value at a time, put side by side: a row for each step."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from scaling_cli.ingest._sources import Raw
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.bounds import require_room
from scaling_cli.vocabulary.errors import DataError

CELL = 9  # bytes, with the bit that says whether there is one


@dataclass(frozen=True)
class Series:
    """Values in the order in which they were logged.

    Parameters
    ----------
    names : sequence of str
    name : int array, shape (n,)
        Index into `names`.
    step : int array, shape (n,)
    value : float array, shape (n,)
    time : float array, shape (n,)
        Seconds since 1970; NaN where it was not logged.
    session : int array, shape (n,)
        0, 1, ... increasing wherever the run may have been resumed: with each file.
    """

    names: Sequence[str]
    name: np.ndarray
    step: np.ndarray
    value: np.ndarray
    time: np.ndarray

    session: np.ndarray

    @classmethod
    def empty(cls, names: Sequence[str]) -> "Series":
        """Return no values of metrics of these names."""
        whole, real = np.zeros(0, int), np.zeros(0)
        return cls(names, whole, whole, real, real, whole)

    def take(self, rows: np.ndarray) -> "Series":
        """Return these values only (a mask or indices, in their order)."""
        return Series(self.names, *(column[rows] for column in self._columns))

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.name, self.step, self.value, self.time, self.session

    def named(self, names: Sequence[str]) -> "Series":
        """Return the same values with indices into other names, which hold all of ours."""
        places = {name: i for i, name in enumerate(names)}
        codes = np.array([places[name] for name in self.names], int)
        return replace(self, names=names, name=codes[self.name])

    def without(self, names: Collection[str]) -> "Series":
        """Return the values of the other metrics."""
        places = [i for i, name in enumerate(self.names) if name not in names]
        return self.take(np.isin(self.name, places)).those_there()

    def those_there(self) -> "Series":
        """Return the same values without the names of metrics that have none."""
        there, code = np.unique(self.name, return_inverse=True)
        return replace(self, names=[self.names[i] for i in there.tolist()], name=code)

    def followed_by(self, later: "Series") -> "Series":
        """Return our values and then the others, which have the same names."""
        pairs = zip(self._columns, later._columns, strict=True)
        return Series(self.names, *(np.concatenate(pair) for pair in pairs))

    def with_inserted(self, others: "Series") -> "Series":
        """Return our values with others of the same names among them, by time."""
        time = np.maximum.accumulate(np.where(np.isnan(self.time), -np.inf, self.time))
        places = np.searchsorted(time, others.time, side="right")
        session = self.session[np.maximum(places - 1, 0)]
        pairs = zip(self._columns, (*others._columns[:-1], session), strict=True)
        return Series(self.names, *(np.insert(own, places, new) for own, new in pairs))

    def places(self) -> list[tuple[int, int]]:
        """Return metric and step of each value."""
        return list(zip(self.name.tolist(), self.step.tolist(), strict=True))


def side_by_side(file: str, series: Series, size: int, *, axis: str = "step") -> Raw:
    """Return a table with a row for each step of each part of a run, a column for each metric.

    A part ends where the metric that has most values goes back. Of two values of a metric at one
    step of one part the later one counts, with a note.

    Parameters
    ----------
    file : str
        As shown in messages.
    series : Series
    size : int
        Bytes that were read, which the table must not outgrow beyond proportion.
    axis : str
        What the column of steps is called.
    """
    segment = _segments(series)
    keys = np.stack([segment, series.step])
    order = np.lexsort(keys[::-1])
    new = np.concatenate([[True], np.any(np.diff(keys[:, order]) != 0, axis=0)])
    row = np.empty(len(order), int)
    row[order] = np.cumsum(new) - 1
    steps, segments = series.step[order[new]], segment[order[new]]
    height = len(steps)
    require_room(file, size, CELL * height * len(series.names))
    columns: dict[str, pa.Array] = {axis: pa.array(steps)}
    notes: list[Note] = []
    # Sorted by metric once: a mask of all values for each of many metrics would be quadratic.
    by_name = np.argsort(series.name, kind="stable")
    edges = np.searchsorted(series.name[by_name], np.arange(len(series.names) + 1))
    for i, name in enumerate(series.names):
        own = by_name[edges[i] : edges[i + 1]]
        column, again = _column(row[own], series.value[own], height)
        columns[_free(name, columns)] = column
        notes += [_repeated(file, name, again, steps)] if len(again) else []
    if not np.isnan(series.time).all():
        time = np.full(height, np.nan)
        time[row] = series.time
        columns[_free("wall_time", columns)] = pa.array(time, from_pandas=True)
    lines = np.arange(1, height + 1)
    return Raw(file, columns, lines, segments.astype(np.int16), notes=tuple(notes))


def _free(name: str, columns: dict[str, pa.Array]) -> str:
    """Return a name that no column has: a metric may be called `step` too."""
    while name in columns:
        name += "_logged"
    return name


def _column(row: np.ndarray, value: np.ndarray, height: int) -> tuple[pa.Array, np.ndarray]:
    """Return the values of a metric by row, and the rows that have several."""
    cells, there = np.full(height, np.nan), np.zeros(height, bool)
    cells[row] = value
    there[row] = True
    differ = (cells[row] != value) & ~(np.isnan(cells[row]) & np.isnan(value))
    return pa.array(cells, mask=~there), np.unique(row[differ])


def _repeated(file: str, name: str, rows: np.ndarray, steps: np.ndarray) -> Note:
    message = (
        f"{len(rows)} step(s) have several values of {name!r} (the first is step "
        f"{steps[rows[0]]}); the last one counts."
    )
    return Note("repeated-step", "warn", message, file, column=name)


def _segments(series: Series) -> np.ndarray:
    """Return the part of the run that each value belongs to."""
    size = len(series.step)
    main = np.flatnonzero(series.name == np.bincount(series.name).argmax())
    back = np.flatnonzero(np.diff(series.step[main]) < 0)
    if not len(back):
        return np.zeros(size, int)
    before, after = main[back], main[back + 1]
    # The metrics of a step are logged one after another: the part begins with the first of them.
    breaks = np.flatnonzero(np.diff(series.session)) + 1
    starts = np.union1d(_goes_back(series), breaks)
    begins = starts[np.searchsorted(starts, before, side="right")]
    segment = np.searchsorted(np.minimum(begins, after), np.arange(size), side="right")
    firsts = np.concatenate([[np.iinfo(np.int64).min], series.step[after]])
    # What is counted otherwise (epochs beside batches) does not belong where the run went back.
    for part in range(len(firsts) - 1, 0, -1):
        segment[(segment == part) & (series.step < firsts[part])] = part - 1
    return segment


def _goes_back(series: Series) -> np.ndarray:
    """Return the places at which any metric goes back."""
    order = np.argsort(series.name, kind="stable")
    same = np.diff(series.name[order]) == 0
    return np.sort(order[1:][same & (np.diff(series.step[order]) < 0)])


def whole_steps(file: str, step: np.ndarray) -> np.ndarray:
    """Return steps as whole numbers.

    Raises
    ------
    DataError
        If one is missing, or larger than any.
    """
    lost = np.flatnonzero(~(np.abs(step) < 2.0**63))
    if len(lost):
        message = f"a value was logged at no step that can be counted ({step[lost[0]]:g})."
        raise DataError(message, file=file, hint="Mend it, or copy the log again.")
    return step.astype(np.int64)
