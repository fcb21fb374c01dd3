"""Tables of other shapes put into ours: a row for each step of a run, each loss a column.

Before columns have their names: long tables (`step, metric, value`) and exports of charts
(`RUN - METRIC`). After: rows of a training and of a held-out set, steps that begin again in every
epoch, epochs where there is no step, several runs that nothing but a column tells apart.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import canonical_of
from scaling_cli.ingest._sources import Raw, stem
from scaling_cli.runs.table import ColumnReading, floats, stack
from scaling_cli.vocabulary.quantities import QUANTITIES, plain_name, recognise

# What is measured at each row; everything else is a fact of the run if it does not vary.
MEASURED = ("step", "tokens", "flops", "lr", "loss", "val_loss")
TOTAL_NAMES = ("steps", "num_steps", "final_loss", "final_val_loss")
_LOSSES = ("loss", "val_loss")
_AXES = ("step", "tokens", "flops")
_METRIC_NAMES = ("metric", "tag", "key", "metric_name")
_CHART = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<edge>__MIN|__MAX)?")
_TRAIN = frozenset(("train", "training", "trn", "tr"))
_HELD = frozenset(("val", "valid", "validation", "eval", "evaluation", "dev", "cv", "heldout"))
_TEST = "test"
_MOST_SETS = 6
_IS_TRAIN = ("train", "training", "is_train", "is_training")
EPOCHS = ("epoch", "epochs", "train/epoch", "current_epoch", "epoch_num")
_BATCHES = ("batch", "batch_idx", "batch_index", "batch_id", "minibatch")
# Columns that name a run where they repeat, and those that change when a job is started again.
_NAMES = re.compile(
    r"(model|exp|experiment|run|job|config|setup)?_?(name|label|id|title)|model|arch|architecture|exp|"
    r"experiment|trial|config|setup|variant|series|method"
)
_OF_A_JOB = re.compile(
    r"host|node|machine|device|date|time|stamp|hour|job_?id|slurm|pid|commit|git|version|restart|"
    r"resume|segment|checkpoint|ckpt|file|path|rank|gpu|worker|micro"
)
_COUNTED = re.compile(r"\s*(?:epoch\W*)?(\d+)\W*(?:(?:/|of)\s*\d+\W*)?", re.IGNORECASE)
_MEASURES = re.compile(r"loss|acc|^lr$|norm|time|ppl|perplex|error|score|f1|bpb")
_FINEST = 4  # decimals of an epoch that can be an axis; with more of them rows are counted
_PER_RUN = 3  # rows that make a curve of a group of rows
_PER_LOG = 8  # rows between two restarts of a log
_EVENLY = 0.02
_APART = 0.1  # of an epoch, that its logged part and its step may differ by


def widen(raw: Raw) -> Raw:
    """Turn a long table or the export of a chart into one with a column per metric.

    Raises
    ------
    DataError
        If one metric has two values at one step of one run.
    """
    return _long(_charted(raw))


def is_wide(names: Collection[str]) -> bool:
    """Say whether a table of these columns is none that `widen` changes."""
    plain = set(map(plain_name, names))
    long = "value" in plain and not plain.isdisjoint(_METRIC_NAMES)
    return not long and not any(map(_CHART.fullmatch, names))


def _charted(raw: Raw) -> Raw:
    """Turn columns `RUN - METRIC` (W&B adds `__MIN` and `__MAX`) into rows of each run."""
    parts = {name: part for name in raw.columns if (part := _CHART.fullmatch(name))}
    values = {name: part for name, part in parts.items() if not part["edge"]}
    known = all(recognise(part["metric"]) for part in values.values())
    if not values or not (known or len(values) < len(parts)):
        return raw
    axes = {name: raw.columns[name] for name in raw.columns if name not in parts}
    tables, rows = [], []
    for run in dict.fromkeys(part["run"] for part in values.values()):
        own = {part["metric"]: raw.columns[n] for n, part in values.items() if part["run"] == run}
        held = [column.is_valid().to_numpy(zero_copy_only=False) for column in own.values()]
        rows.append(np.flatnonzero(np.any(held, axis=0)))
        named = {"run_id": pa.array([run] * len(raw), pa.string()), **axes, **own}
        tables.append(pa.table(named).take(pa.array(rows[-1])))
    whole = stack(tables)
    left = len(parts) - len(values)
    message = (
        f"chart export: {len(values)} column(s) RUN - METRIC became rows of {len(rows)} run(s)"
    )
    message += f"; {left} of smallest and largest values are left out." if left else "."
    return replace(
        raw.take(np.concatenate(rows)),
        columns={name: whole[name].combine_chunks() for name in whole.column_names},
        notes=(*raw.notes, raw.note("chart-export", "info", message)),
    )


def _long(raw: Raw) -> Raw:
    """Turn a long table (`run, step, metric, value`) into a wide one; others are returned.

    Rows of the same run and step become one; its line is that of the first of them.
    """
    plain = {plain_name(name): name for name in raw.columns}
    metric = next((plain[m] for m in _METRIC_NAMES if m in plain), None)
    if metric is None or "value" not in plain:
        return raw
    keys = [n for n in raw.columns if canonical_of(n) in ("run_id", "step", "tokens")]
    keys += [plain[name] for name in EPOCHS if name in plain]
    places: dict[tuple[object, ...], int] = {}
    key_columns = [raw.columns[name].to_pylist() for name in keys]
    key_columns.append(raw.segments.tolist())
    owner = [places.setdefault(key, len(places)) for key in zip(*key_columns, strict=True)]
    first = np.unique(np.array(owner, int), return_index=True)[1]
    wide = _spread(raw, metric, plain["value"], owner, len(places))
    message = (
        f"long table: {len(raw)} rows of {metric!r} and {plain['value']!r} became {len(first)} "
        f"rows with the columns {', '.join(wide)}."
    )
    kept, notes = raw.take(first), (*raw.notes, raw.note("long-table", "info", message))
    return replace(kept, columns={n: kept.columns[n] for n in keys} | wide, notes=notes)


def _spread(
    raw: Raw, metric: str, value: str, owner: list[int], height: int
) -> dict[str, pa.Array]:
    names, values = raw.columns[metric].to_pylist(), raw.columns[value]
    cells: dict[str, list[object]] = {}
    for i, (name, place, cell) in enumerate(zip(names, owner, values.to_pylist(), strict=True)):
        column = cells.get(str(name)) or cells.setdefault(str(name), [None] * height)
        if column[place] is not None and repr(column[place]) != repr(cell):
            message = f"metric {name!r} has the values {column[place]} and {cell} at the same step."
            hint = "Give each run its own run_id column, or its own file."
            raise raw.refused(message, i, value, hint=hint)
        column[place] = cell
    return {name: pa.array(column, values.type) for name, column in cells.items()}


@dataclass(frozen=True)
class _Rows:
    """A named table with what orders its rows: which are held out, and the axis of each."""

    named: Raw
    held: np.ndarray
    axis: np.ndarray
    why: tuple[str, str, str] | None = None
    """Column, unit and reason of an axis that is none of the columns."""

    @cached_property
    def in_steps(self) -> bool:
        """Say whether this is the axis of logs: steps, epochs, or tokens that go on evenly.

        Tables of runs have tokens too, doubled from run to run more often than not.
        """
        if self.why is not None or "step" in self.named.columns:
            return True
        apart = np.diff(self.axis)
        up = apart[:-1] > 0
        even = up & np.isclose(apart[1:], apart[:-1], rtol=_EVENLY)
        long = _PER_LOG * (np.sum(apart <= 0) + 1) <= len(self.axis)
        return bool(long and np.sum(even) > np.sum(up) / 2)

    def owner(self) -> np.ndarray:
        """Return the number of each row's run."""
        ids = self.named.columns.get("run_id")
        return np.zeros(len(self.named), int) if ids is None else coded(ids)


def coded(column: pa.Array) -> np.ndarray:
    """Number the values of a column in order of appearance; a missing value is -1."""
    return np.asarray(column.dictionary_encode().indices.fill_null(-1), int)


def shaped(named: Raw, held: np.ndarray, *, one_run: bool) -> Raw:
    """Return a table with one axis along each run and, unless it is of one run, runs by name."""
    held = held | ~_logs_a_loss(named)
    rows = _axis(named, held)
    if not one_run and "run_id" not in named.columns and (columns := _tell_apart(rows)):
        rows = _axis(_by_name(rows, columns), held)
    return _in_order(_with_step(rows), rows)


def _in_order(named: Raw, rows: _Rows) -> Raw:
    """Return a table whose held-out rows stand after all training rows in the order of its axis."""
    train, owner = ~rows.held, rows.owner()
    first = np.flatnonzero(rows.held)
    axis = rows.axis
    sorted_by_set = len(first) > 1 and train.any() and first[0] > np.flatnonzero(train)[-1]
    same = np.diff(owner[train]) == 0
    if not sorted_by_set or np.isnan(axis).any() or not np.all(np.diff(axis[train])[same] > 0):
        return named
    return named.take(np.lexsort((rows.held, axis, owner)))


# --- training and held-out rows ----------------------------------------------------------------


def held_apart(named: Raw, *, along: bool) -> tuple[Raw, np.ndarray, str]:
    """Move the losses of a held-out set, and along a run all it measured, into their own columns.

    Returns
    -------
    named : Raw
    held : bool array, shape (n,)
        Which rows those are.
    split : str
        The column that says so; empty where none does.
    """
    split, words = next(_splits(named), ("", []))
    held = np.array([word in _HELD or word == _TEST for word in words], bool)
    if not split:
        return named, np.zeros(len(named), bool), ""
    columns, tests = dict(named.columns), np.array([word == _TEST for word in words])
    # A test set alone is the held-out set.
    apart = {"val": held & ~tests, "test": tests} if np.any(held & ~tests) else {"val": held}
    parted = {prefix: rows for prefix, rows in apart.items() if rows.any()}
    for name, column in named.columns.items():
        fact = name in (split, "run_id", *QUANTITIES) or plain_name(name) in (*EPOCHS, *_BATCHES)
        if name == "loss" or (along and not fact and _differs(column, held)):
            columns |= _moved(columns, name, parted)
    sets = dict.fromkeys(word for word, out in zip(words, held.tolist(), strict=True) if out)
    message = (
        f"{split!r} tells rows of {', '.join(sets)} from training rows: their losses are apart."
    )
    note = named.note("held-out-rows", "info", message, column=split)
    return replace(named, columns=columns, notes=(*named.notes, note)), held, split


def _splits(named: Raw) -> Iterator[tuple[str, list[str]]]:
    """Yield the columns that say of each row which set it measures, as plain words."""
    for name, column in named.columns.items():
        if not pa.types.is_string(column.type) or len(cells := column.unique()) > _MOST_SETS:
            continue
        words = {cell: plain_name(cell) if cell else "train" for cell in cells.to_pylist()}
        if plain_name(name) in _IS_TRAIN:
            words = {c: {"true": "train", "false": "val"}.get(w, w) for c, w in words.items()}
        others = set(words.values()) - _TRAIN
        if others and len(others) < len(set(words.values())) and others <= _HELD | {_TEST}:
            yield name, [words[cell] for cell in column.to_pylist()]


def _differs(column: pa.Array, held: np.ndarray) -> bool:
    """Say whether a column is measured in both kinds of rows."""
    there = column.is_valid().to_numpy(zero_copy_only=False)
    return bool(there[held].any() and there[~held].any()) and len(column.unique()) > 1


def _moved(
    columns: Mapping[str, pa.Array], name: str, sets: Mapping[str, np.ndarray]
) -> dict[str, pa.Array]:
    """Return a column without its held-out values, and the columns that they go to."""
    column, moved = columns[name], {}
    for prefix, rows in sets.items():
        part = pc.call_function("if_else", [pa.array(rows), column, pa.scalar(None, column.type)])
        column = pc.call_function("if_else", [pa.array(rows), pa.scalar(None, column.type), column])
        there = columns.get(f"{prefix}_{name}", part)
        kinds = {there.type, part.type} if there.null_count < len(there) else {part.type}
        kind = pa.string() if len(kinds) > 1 else kinds.pop()
        both = [pc.cast(there, kind), pc.cast(part, kind)]
        moved[f"{prefix}_{name}"] = pc.call_function("coalesce", both)
    return moved | {name: column}


def _placed(axis: np.ndarray, held: np.ndarray, owner: np.ndarray, *, always: bool) -> np.ndarray:
    """Place held-out rows along the training rows they stand among.

    Some loggers write the epoch, or the number of held-out batches, where the step should be: a
    step that is not between those of the neighbouring training rows is that of the row before.
    """
    placed = axis.copy()
    for run in np.unique(owner[held]).tolist():
        rows = np.flatnonzero(owner == run)
        out = held[rows]
        blocks = int(np.sum(np.diff(np.concatenate([[False], out]).astype(int)) == 1))
        steps = axis[rows][out]
        if not always and blocks == 1 and len(steps) > 1 and np.all(np.diff(steps) > 0):
            continue  # a table sorted by set
        train = np.where(out, np.nan, axis[rows])
        before, after = _filled(train), _filled(train[::-1])[::-1]
        resumed = (after < before) & (axis[rows] <= after)
        inside = (axis[rows] >= before) & ~((axis[rows] > after) & (after >= before))
        fits = (inside | resumed) & (not always)
        # One that says no step is of the row before it, which may be held out too.
        said = _filled(np.where(out & ~fits, np.nan, axis[rows]))
        nearest = np.where(np.isnan(axis[rows]), said, before)
        placed[rows] = np.where(out & ~fits & ~np.isnan(before), nearest, axis[rows])
    return placed


def _filled(values: np.ndarray) -> np.ndarray:
    """Return values with the one before in the place of what is missing."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return values[last]


# --- the axis ----------------------------------------------------------------------------------


def _axis(named: Raw, held: np.ndarray) -> _Rows:
    """Return the axis along runs: step, steps within epochs, tokens, or epochs alone."""
    owner = _Rows(named, held, np.empty(0)).owner()
    columns = {plain_name(name): name for name in named.columns}
    epochs = next((columns[name] for name in EPOCHS if name in columns), None)
    batches = next((columns[name] for name in _BATCHES if name in columns), None)
    mapped = next((r.column for r in named.readings if r.canonical == "step"), "step")
    step, tokens, epoch = (_numbers(named, name) for name in ("step", "tokens", epochs))
    inner = _numbers(named, batches) if step is None else step
    if inner is not None and epoch is not None:
        unfolded, length = _unfolded(inner, epoch, held, owner)
        if length:
            called = mapped if step is not None else str(batches)
            why = (
                f"{called!r} begins again in every epoch: an epoch is taken to have {length} steps"
            )
            placed = _placed(unfolded, held, owner, always=True)
            return _Rows(named, held, placed, (f"{epochs} and {called}", "steps", why))
    if step is not None and plain_name(mapped) not in EPOCHS:
        return _Rows(named, held, _placed(step, held, owner, always=False))
    if step is not None:
        return _Rows(named, held, *_in_epochs(named, held, mapped, step, owner))
    if tokens is None and epoch is not None and epochs is not None:
        return _Rows(named, held, *_in_epochs(named, held, epochs, epoch, owner))
    if tokens is None and _only_measures(named):
        why = "there is no step: logged rows are counted"
        return _Rows(named, held, np.arange(len(named), dtype=float), ("(rows)", "rows", why))
    return _Rows(named, held, np.full(len(named), np.nan) if tokens is None else tokens)


def _only_measures(named: Raw) -> bool:
    """Say whether a table holds losses and other measures of one run, and nothing else."""
    other = [name for name in named.columns if name not in _LOSSES]
    losses = len(named.columns) - len(other)
    return (
        losses > 0 and len(named) > _PER_RUN and all(_MEASURES.search(plain_name(n)) for n in other)
    )


def _numbers(named: Raw, name: str | None) -> np.ndarray | None:
    """Return a column of numbers; None if it is not there, holds text or is empty."""
    column = named.columns.get(name or "")
    if column is None:
        return None
    if pa.types.is_string(column.type):
        matches = [_COUNTED.fullmatch(cell or "") for cell in column.to_pylist()]
        if not all(matches):
            return None
        column = pa.array([float(match[1]) for match in matches if match])
    values = floats(column)
    return None if np.isnan(values).all() else values


def _unfolded(
    step: np.ndarray, epoch: np.ndarray, held: np.ndarray, owner: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return steps counted through all epochs, and those of an epoch; 0 if none begins again."""
    rows = np.flatnonzero(~held & ~np.isnan(step) & ~np.isnan(epoch))
    rows = rows[np.argsort(owner[rows], kind="stable")]
    s, e = step[rows], epoch[rows]
    if len(rows) < 2:
        return step, 0
    same = np.diff(owner[rows]) == 0
    if np.any(e != np.floor(e)):
        return _in_parts(step, epoch, rows, same)
    length = _steps_per_epoch(s)
    later = np.diff(e) > 0
    # an epoch whose last row says 0, as `step % length` does
    wrapped = (s[1:] == 0) & (np.diff(s) < 0) & (np.diff(e) == 0) & np.append(later[1:], True)
    s[1:][wrapped & same] = length
    again = later & same & (np.diff(s) <= 0)
    within = (np.diff(e) == 0) & (np.diff(s) > 0)
    if not again.any() or not within.any() or 2 * again.sum() < (later & same).sum():
        return step, 0
    step = step.copy()
    step[rows] = s
    return (epoch - min(1.0, e.min())) * length + step, length


def _in_parts(
    step: np.ndarray, epoch: np.ndarray, rows: np.ndarray, same: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return the same where parts of epochs are logged: step and part must agree in every row."""
    s, e = step[rows], epoch[rows]
    up = same & (np.diff(e) >= 0) & (np.diff(s) > 0)
    apart = np.sum(np.diff(e)[up])
    if not np.any(same & (np.diff(e) > 0) & (np.diff(s) <= 0)) or not apart > 0:
        return step, 0
    for length in (_steps_per_epoch(s), max(1, round(np.sum(np.diff(s)[up]) / apart))):
        before = np.round(epoch - step / length)  # whole epochs
        if np.all(np.abs(e - s / length - before[rows]) <= _APART):
            return (before - min(1.0, before[rows].min())) * length + step, length
    return step, 0


def _steps_per_epoch(step: np.ndarray) -> int:
    """Return how many steps an epoch has, by the largest that any epoch logs."""
    first, last = step.min(), step.max()
    apart = np.diff(step)
    apart = apart[apart > 0]
    spacing = float(np.median(apart)) if len(apart) else 0.0
    regular = spacing > 0 and (last - first) % spacing == 0
    return int(last + spacing - first if regular else last + (first == 0))


def _in_epochs(
    named: Raw, held: np.ndarray, name: str, epoch: np.ndarray, owner: np.ndarray
) -> tuple[np.ndarray, tuple[str, str, str]]:
    """Return epochs as steps: whole ones, parts of one, or the number of the logged row."""
    train = np.flatnonzero(~held & ~np.isnan(epoch) & _logs_a_loss(named))
    order = train[np.argsort(owner[train], kind="stable")]
    again = (np.diff(epoch[order]) == 0) & (np.diff(owner[order]) == 0)
    for digits in range(_FINEST + 1):
        scaled = np.round(epoch * 10**digits, 9 - digits)
        if not again.any() and np.all(np.isnan(scaled) | (scaled == np.floor(scaled))):
            unit = "epochs" if digits == 0 else f"1/{10**digits} epoch"
            return scaled, (name, unit, f"there is no step: the axis is {unit}")
    count, logged = np.zeros(len(epoch)), ~held & _logs_a_loss(named)
    for run in np.unique(owner).tolist():
        count[owner == run] = np.cumsum(logged[owner == run])
    return count, (name, "logged rows", "there is no step: logged losses are counted")


def _logs_a_loss(named: Raw) -> np.ndarray:
    """Say which rows have a training loss; all, if none has."""
    column = named.columns.get("loss")
    if column is None or column.null_count == len(column):
        return np.ones(len(named), bool)
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False))


def _with_step(rows: _Rows) -> Raw:
    """Return the table with its axis as `step`, and a word of how it came about."""
    named = rows.named
    if rows.why is None:
        if "step" not in named.columns or np.isnan(rows.axis).all():
            return named
        return replace(named, columns={**named.columns, "step": _array(rows.axis)})
    column, unit, why = rows.why
    reading = ColumnReading(named.file, column, "step", unit, None, why)
    readings = (*(r for r in named.readings if r.canonical != "step"), reading)
    of_steps = () if unit == "steps" else ("step", "batch_tokens")  # of steps that are no axis
    facts = {f"header/{n}" if n in of_steps else n: fact for n, fact in named.facts.items()}
    note = named.note("epochs", "info", f"{why} (--map step=COLUMN names another axis).")
    columns = {**named.columns, "step": _array(rows.axis)}
    notes = (*named.notes, note)
    return replace(named, columns=columns, facts=facts, readings=readings, notes=notes)


def _array(axis: np.ndarray) -> pa.Array:
    return pa.array(axis, pa.float64(), from_pandas=True)


# --- several runs in one table -----------------------------------------------------------------


def _tell_apart(rows: _Rows) -> list[str]:
    """Return the columns whose values name the runs of a table; none where it is one run.

    Taken where the axis begins again or has two losses at one place, and goes up within each
    group of rows: a name or any text, a model size, a seed; another number only if every group
    begins where the first does, as a log that was resumed does not.
    """
    named, axis = rows.named, np.where(rows.held, np.nan, rows.axis)
    if any(plain_name(r.column) in TOTAL_NAMES for r in named.readings):
        return []
    if len(axis) < 2 or not _clashes(named, axis, np.zeros(len(axis), int)):
        return []
    sizes = named.columns.get("params")
    ladder = sizes is not None and len(sizes.unique()) > 1
    ranked = _ranked(rows)
    several = [columns for size in (1, 2) for columns in itertools.combinations(ranked, size)]
    several += [tuple(ranked)] if len(ranked) > 2 else []
    for shuffled, columns in itertools.product((False, True), several):
        if shuffled and not (rows.in_steps and all(_rank(named, name) < 2 for name in columns)):
            continue
        owner = _owner(named, columns)
        groups = int(owner.max()) + 1
        fewest = _PER_RUN if rows.in_steps and ladder else 2
        alike = not ladder or sizes is None or groups == len(_pairs(owner, coded(sizes)))
        over = all(_rank(named, name) < 4 for name in columns) or _start_alike(axis, owner)
        enough = 1 < groups <= len(axis) / fewest and alike and over
        if enough and not _clashes(named, axis, owner, shuffled=shuffled):
            return list(columns)
    return []


def _ranked(rows: _Rows) -> list[str]:
    """Return the columns that can name runs, the best first; tokens alone need a name."""
    ranked = sorted((_rank(rows.named, name), name) for name in rows.named.columns)
    if not rows.in_steps and (not ranked or ranked[0][0] > 0):
        return []
    return [name for rank, name in ranked if rank < 5 and (rows.in_steps or rank in (0, 3))][:8]


def _rank(named: Raw, name: str) -> int:
    """Return how well a column can name runs: 0 a name, 1 text, 2 size, 3 seed, 4 number, 5 no."""
    plain, column = plain_name(name), named.columns[name]
    several = 2 <= len(column.unique()) <= max(2, len(column) / 2)
    if column.null_count or not several or name in (*_AXES, *_LOSSES):
        return 5
    if plain in EPOCHS or plain in _BATCHES or _OF_A_JOB.search(plain):
        return 5
    if _NAMES.fullmatch(plain):
        return 0
    if pa.types.is_string(column.type):
        return 1
    return 2 if name == "params" else 3 if "seed" in plain else 4


def _owner(named: Raw, columns: Sequence[str]) -> np.ndarray:
    keys = np.stack([coded(named.columns[name]) for name in columns], axis=1)
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1]).reshape(-1)


def _pairs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.unique(np.stack([one, other]), axis=1).T


def _clashes(named: Raw, axis: np.ndarray, owner: np.ndarray, *, shuffled: bool = False) -> bool:
    """Say whether the axis of a group goes back, or has two values of a loss at one place."""
    rows = np.flatnonzero(~np.isnan(axis))
    order = np.zeros(len(rows)) if not shuffled else axis[rows]
    rows = rows[np.lexsort((order, owner[rows]))]
    change, same = np.diff(axis[rows]), np.diff(owner[rows]) == 0
    if np.any(same) and np.all(change[same] < 0):
        return False
    if np.any(change[same] < 0):
        return True
    tied = np.flatnonzero(same & (change == 0))
    for name in [name for name in _LOSSES if name in named.columns]:
        loss = floats(named.columns[name])[rows]
        if np.any(loss[tied] < loss[tied + 1]) or np.any(loss[tied] > loss[tied + 1]):
            return True
    return False


def _start_alike(axis: np.ndarray, owner: np.ndarray) -> bool:
    """Say whether every group begins at one of the two first places of the axis.

    A group without a place on it begins nowhere.
    """
    known = ~np.isnan(axis)
    first = np.full(owner.max() + 1, np.inf)
    np.minimum.at(first, owner[known], axis[known])
    return bool(np.all(first <= np.unique(axis[known])[:2][-1]))


def _by_name(rows: _Rows, columns: Sequence[str]) -> Raw:
    """Return the table with these columns as the names of its runs, told."""
    named = rows.named
    original = {r.canonical: r.column for r in named.readings}
    shown = []
    for name in columns:
        text = pa.types.is_string(named.columns[name].type)
        start = "" if text else f"{original.get(name, name)}="
        cells = named.columns[name].to_pylist()
        shown.append([f"{start}{cell if text else f'{cell:.12g}'}" for cell in cells])
    names = ["/".join(parts) for parts in zip(*shown, strict=True)]
    if len(columns) > 2:  # too many to read: named after its first line
        first = dict(reversed(list(zip(names, named.lines.tolist(), strict=True))))
        names = [f"{stem(named.file)}:{first[name]}" for name in names]
    called = " and ".join(repr(original.get(name, name)) for name in columns)
    one = (
        f"--map run_id={original.get(columns[0], columns[0])} says so, "
        if len(columns) == 1
        else ""
    )
    message = f"{len(set(names))} runs stand in one table, told apart by {called} "
    message += f"({one}--set rows=run makes each row a run)."
    reading = ColumnReading(named.file, "+".join(columns), "run_id", "", None, message)
    logged = rows.why is not None or "step" in named.columns
    note = named.note("several-runs", "info" if logged else "warn", message)
    return replace(
        named,
        columns={**named.columns, "run_id": pa.array(names, pa.string())},
        readings=(*named.readings, reading),
        notes=(*named.notes, replace(note, column=columns[0])),
    )
