"""What a logger kept row by row: a row for each call, at the steps at which its values count.

A logger counts its calls; what the user counts steps in goes before that. A metric with a step
metric of its own stands at the step that this says.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scaling_cli.ingest._columns import canonical_of
from scaling_cli.ingest._series import Series, side_by_side
from scaling_cli.ingest._sources import Raw
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.quantities import S, plain_name, recognise

CALLS, TIME = "_step", "_timestamp"
_OWN = (CALLS, TIME, "_runtime")  # what a logger adds by itself
_EPOCHS = ("epoch", "epochs")
_USUALLY = 0.5  # of the rows that have a loss also have an axis that is one


@dataclass(frozen=True)
class Rows:
    """Rows of a run, each with one value of some metrics.

    Parameters
    ----------
    names : list of str
        `_step` counts the calls of the logger, `_timestamp` the seconds since 1970.
    name, row : int arrays, shape (n,)
        Index into `names`, and the row each value stands in.
    value : float array, shape (n,)
    session : int array, shape (n,)
        0, 1, ... increasing with each file.
    height : int
        Rows.
    defined : mapping
        The step metric of each metric that has one; names may be patterns.
    """

    names: list[str]
    name: np.ndarray
    row: np.ndarray
    value: np.ndarray
    session: np.ndarray
    height: int
    defined: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> np.ndarray:
        """Return the values of a metric by row, NaN where it has none."""
        cells = np.full(self.height, np.nan)
        if name in self.names:
            own = self.name == self.names.index(name)
            cells[self.row[own]] = self.value[own]
        return cells

    def where(self, names: Sequence[str]) -> np.ndarray:
        """Say which values are of these metrics."""
        wanted = np.isin(self.names, names) if names else np.zeros(len(self.names), bool)
        return wanted[self.name]

    def step_metric(self, name: str) -> str | None:
        """Return the metric that counts the steps of another, if one was defined."""
        globs = (step for glob, step in self.defined.items() if fnmatch.fnmatchcase(name, glob))
        return self.defined.get(name) or next(globs, None)


def at_steps(file: str, rows: Rows, size: int) -> Raw:
    """Return a table with a row for each step; `size` is the number of bytes that were read."""
    axis = _axis(rows)
    series, lost = _series(rows, axis)
    known = canonical_of(axis) == S.column or plain_name(axis) in _EPOCHS
    known = known and axis != CALLS  # a column or a field, whatever the logger calls it
    raw = side_by_side(file, series, size, axis=axis if known else S.column)
    if not lost:
        return raw
    message = f"{lost} value(s) were logged before the first {axis!r}; left out."
    return replace(raw, notes=(Note("no-step", "warn", message, file), *raw.notes))


def _axis(rows: Rows) -> str:
    """Return the metric that counts the steps of most of the losses."""
    losses = [name for name in rows.names if canonical_of(name) in ("loss", "val_loss")]
    stated = [rows.step_metric(name) for name in losses or rows.names]
    named = [name for name in rows.names if recognise(name) is S and name != CALLS]
    order = [plain_name(alias) for alias in (S.column, *S.aliases)]
    named.sort(key=lambda name: order.index(plain_name(name)))
    there = np.zeros(rows.height, bool)
    others = [name for name in rows.names if name not in (*named, *_OWN)]
    there[rows.row[rows.where(losses or others)]] = True
    for name in dict.fromkeys([*(step for step in stated if step), *named]):
        values = _there(rows.column(name)[there])
        if len(np.unique(values)) >= _USUALLY * there.sum() and _counts(name, values):
            return name
    return CALLS


def _counts(name: str, values: np.ndarray) -> bool:
    """Say whether a metric can count steps: whole numbers that are no tokens or compute."""
    whole = bool(np.all(values == np.floor(values))) and bool(np.all(np.abs(values) < 2.0**53))
    return whole and canonical_of(name) in (S.column, None)


def _series(rows: Rows, axis: str) -> tuple[Series, int]:
    """Return the values at the steps at which they count, and how many have none."""
    kept = [name for name in rows.names if name not in (axis, *_OWN)]
    step = _filled(rows, axis)[rows.row]
    for i, name in enumerate(rows.names):
        own = rows.step_metric(name)
        if own in rows.names and own != axis and _counts(own, _there(rows.column(own))):
            mine = rows.name == i
            step[mine] = _filled(rows, own)[rows.row[mine]]
    wanted = rows.where(kept)
    good = wanted & ~np.isnan(step)
    places = {name: i for i, name in enumerate(kept)}
    code = np.array([places.get(name, -1) for name in rows.names])[rows.name[good]]
    time = rows.column(TIME)[rows.row[good]]
    columns = (step[good].astype(np.int64), rows.value[good], time, rows.session[good])
    return Series(kept, code, *columns).those_there(), int((wanted & ~good).sum())


def _there(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _filled(rows: Rows, name: str) -> np.ndarray:
    """Return what counts the steps by row; where it was not logged, as it was before."""
    values = rows.column(name) if name in rows.names else np.arange(float(rows.height))
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return values[last]
