"""JSON: lines of one object each, a list of objects, an object that holds one.

`trainer_state.json` of Hugging Face holds its measurements under `log_history`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scaling_cli.ingest._columns import canonical_of
from scaling_cli.ingest._sources import BOM, Raw, format_ending, without_mark
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary import loss_kinds
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.reading import as_text

VERSION = "3"
NAMES = ("jsonl", "json")
LOOKED_FOR = "*.jsonl, *.ndjson, *.json (also .gz, .zst)"
_MEASURED = re.compile(
    rb'"[^"\n]*(?:loss|step|tokens|params|parameters)[^"\n]*"\s*:', re.IGNORECASE
)
_WRITTEN = ("wall_time", "step", "value")  # what TensorBoard exports as lists of three
# What an object says of its run beside its list of measurements; zero tokens are none counted.
_PLAN = {"max_steps": "step"}
_HISTORY = "log_history"  # of Hugging Face: means over `logging_steps`
_PLANNED = ("total_steps", "max_steps")


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like JSON lines: by its ending, else by its first byte."""
    start = head.removeprefix(BOM).lstrip()[:1]
    if format_ending(path) in (".jsonl", ".ndjson"):
        return 0.9
    if format_ending(path) == ".json":
        return 0.9 if start == b"[" or _is_lines(head) else 0.5 * (start == b"{" and _holds(head))
    text = format_ending(path) in ("", ".txt", ".log") and start == b"{"
    return 0.6 if text and (b"\n" not in head or _is_lines(head) or _holds(head)) else 0.0


def nearest(path: str, head: bytes) -> str | None:
    """Return why an object is not read as measurements."""
    if format_ending(path) != ".json" or head.removeprefix(BOM).lstrip()[:1] != b"{":
        return None
    return "it is JSON whose object names neither steps nor losses nor runs"


def read(path: str, content: bytes) -> list[Raw]:
    """Read JSON; bare NaN and Infinity, as Python writes them, are numbers.

    Nested objects become columns named `outer/inner`. A last line that is cut is left out with
    a note.

    Raises
    ------
    DataError
        If it is empty, a line is not a JSON object, or a name stands twice in one.
    """
    try:
        return [_read(path, without_mark(path, content))]
    except RecursionError as error:
        message = "its objects lie in each other too deeply to be read."
        raise DataError(message, file=path, hint="Write one flat object per line.") from error


def _read(path: str, content: bytes) -> Raw:
    if not _is_lines(content) and (content.lstrip()[:1] == b"[" or _is_whole(content)):
        return _document(path, content)
    notes: list[Note] = []
    records, lines = _lines(path, content, notes)
    cut = bool(records) and not content.endswith(b"\n") and not notes
    raw = Raw.of_records(path, _evaluations(records), lines, cut=cut, notes=notes)
    return replace(raw, facts=_plan(records) | _unit(records) | _kind(records))


def _kind(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the losses of LLaMA-Factory are, which logs as its trainer does."""
    ours = bool(records) and records[0].keys() >= {"current_steps", "total_steps", "percentage"}
    return loss_kinds.stated(LossKind.INTERVAL_MEAN if ours else None, loss_kinds.TRAINER)


def _evaluations(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records with those of MMEngine's evaluations under names of their own.

    They have the epoch as their step, which is found out where rows are placed along a run.
    """
    if not any(record.keys() >= {"epoch", "iter", "step", "data_time"} for record in records):
        return records
    own = {"epoch", "iter", "step", "mode"}
    return [
        r if "iter" in r else {k if k in own else f"val/{k}": v for k, v in r.items()}
        for r in records
    ]


def _unit(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the unit of losses that are sums over boxes and points: MMEngine's, detectron2's."""
    ours = any(
        r.keys() >= {"data_time", "lr"} and r.keys() & {"iter", "iteration"} for r in records
    )
    return {"loss_convention": "not per token"} if ours else {}


def _plan(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the last step that is planned, if every record names it and it is one."""
    for name in _PLANNED:
        ends = [record.get(name) for record in records]
        if ends and _is_count(ends[0]) and all(end == ends[0] for end in ends):
            return {"step": float(ends[0] or 0)}
    return {}


def _is_lines(head: bytes) -> bool:
    """Say whether the first line is a whole JSON object that does not hold all there is."""
    first, *others = [line for line in head.split(b"\n", 2) if line.strip()] or [b""]
    try:
        return isinstance(json.loads(first), dict) and (bool(others) or not _holds(first))
    except (ValueError, RecursionError):
        return False


def _holds(head: bytes) -> bool:
    """Say whether the object that a file is holds measurements; of a long one, whether it may."""
    if b'"schema_version"' in head:  # a fit or a forecast of ours
        return False
    try:
        whole = json.loads(head)
        return isinstance(whole, dict) and bool(_records(whole, ""))
    except DataError:
        return False
    except (ValueError, RecursionError):
        return _MEASURED.search(head) is not None


def _is_whole(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _lines(path: str, content: bytes, notes: list[Note]) -> tuple[list[dict[str, Any]], list[int]]:
    records, lines = [], []
    pieces = content.split(b"\n")
    for number, piece in enumerate(pieces, start=1):
        if not piece.strip():
            continue
        try:
            record = _loaded(piece, path, number)
        except ValueError as error:
            if number < len(pieces):
                told, hint = "the line is not JSON.", "Mend or delete it."
                raise DataError(told, file=path, row=number, hint=hint) from error
            message = "left out: the line is not whole JSON; it looks cut while being written."
            notes.append(Note("short-row", "warn", message, path, number))
            continue
        records.append(_object(record, path, number))
        lines.append(number)
    return records, lines


def _loaded(text: bytes | str, path: str, row: int | None) -> Any:
    """Return what JSON says; of two values under one name none is chosen."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            name = next(n for i, (n, _) in enumerate(pairs) if n in dict(pairs[:i]))
            message = f"the name {name!r} stands twice in one object."
            raise DataError(message, file=path, row=row, column=name, hint="Delete one of the two.")
        return record

    return json.loads(text, object_pairs_hook=unique)


def _document(path: str, content: bytes) -> Raw:
    """Read a file that is one list or one object."""
    try:
        whole = _loaded(content, path, None)
    except ValueError as error:
        hint = "Write one object per line instead."
        raise DataError("the file is not whole JSON.", file=path, hint=hint) from error
    records = _records(whole, path) if isinstance(whole, dict) else whole
    if all(isinstance(row, list) and len(row) == len(_WRITTEN) for row in records):
        records = [dict(zip(_WRITTEN, row, strict=True)) for row in records]
    flat = [_object(record, path, i) for i, record in enumerate(records, start=1)]
    raw = Raw.of_records(path, flat, range(1, len(flat) + 1), cut=False, notes=())
    if not isinstance(whole, dict):
        return raw
    plan = {name: float(whole[key]) for key, name in _PLAN.items() if _is_count(whole.get(key))}
    kind = LossKind.INTERVAL_MEAN if isinstance(whole.get(_HISTORY), list) else None
    return replace(raw, facts=plan | loss_kinds.stated(kind, loss_kinds.TRAINER))


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _records(whole: Mapping[str, Any], path: str) -> Sequence[Any]:
    """Return the measurements that an object holds: a list of objects, columns, or named runs."""
    lists = [v for v in whole.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
    best = max(lists, key=lambda records: (_known(records[0]), len(records)), default=None)
    if best is not None and any(map(_known, best)):
        return best
    columns = {k: v for k, v in whole.items() if isinstance(v, list) and v}
    heights = {len(values) for values in columns.values()}
    if _known(columns) and len(heights) == 1:
        cells = (values for values in columns.values())
        return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
    runs = {k: v for k, v in whole.items() if isinstance(v, dict)}
    if runs and len(runs) == len(whole) and all(map(_known, runs.values())):
        return [{"run_id": name, **facts} for name, facts in runs.items()]
    if runs and len(runs) == len(whole) and _known(whole):  # as pandas writes columns
        rows = dict.fromkeys(row for cells in runs.values() for row in cells)
        return [{name: cells.get(row) for name, cells in runs.items()} for row in rows]
    hint = f"Write one object per line. It holds: {', '.join(map(str, list(whole)[:12]))}."
    raise DataError("the object holds no list of measurements or of runs.", file=path, hint=hint)


def _known(record: Mapping[str, Any]) -> int:
    """Count the names that mean something here."""
    return sum(canonical_of(str(name)) is not None for name in record)


def _object(record: Any, path: str, row: int) -> dict[str, Any]:
    if not isinstance(record, dict):
        message = f"expected a JSON object, found {type(record).__name__}."
        raise DataError(message, file=path, row=row)
    return dict(_flatten(record))


def _flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}/")
        else:
            yield as_text(name), value
