"""The scalars in an event file: records in frames, each a message, most of them alike.

Records of one length that differ in time, step and value only are read together as columns of
bytes: one of them is walked through, the others are compared with it. What is another message is
walked through in its turn.
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scaling_cli.ingest._wire import (
    DELIMITED,
    FIXED32,
    FIXED64,
    VARINT,
    Broken,
    checksums,
    fields,
    signed,
    varint,
)

HEADER, FRAME = 12, 16  # bytes before a message, and around it
_CHUNK = 1 << 16  # records that are held as rows of bytes at a time
_MOST_LAYOUTS = 512  # of one length; what varies more than that is walked through one by one
_CHEAP = 16  # bytes of a message for each message of its length that are worth a checksum
_TIME, _STEP, _SUMMARY, _SESSION = 1, 2, 5, 7  # of an event
_TAG, _SIMPLE, _TENSOR = 1, 2, 8  # of a value
_KIND, _SHAPE, _CONTENT, _STRINGS = 1, 2, 4, 8  # of a tensor
_TEXT = 7
# Kind of a tensor -> its NumPy type, and the field that holds its numbers.
_KINDS = {1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 9: ("<i8", 10), 19: ("<f2", 13)}
_SESSION_BEGAN = -1


@dataclass(frozen=True)
class Events:
    """What an event file holds, in the order in which it was written.

    Parameters
    ----------
    tags : list of str
    tag : int array, shape (n,)
        Index into `tags`; -1 where a writer began anew, at the step that it says.
    step, value, time : arrays, shape (n,)
    record : int array, shape (n,)
        1-based.
    texts : mapping of tag to text
        The first one of each tag.
    others : tuple of str
        Tags of what is neither a number nor a text.
    damaged : tuple of int
        Records that are no events, or whose checksum is wrong.
    cut, garbled : int
        Bytes at the end that are the beginning of a record, or follow what is none.
    """

    tags: list[str]
    tag: np.ndarray
    step: np.ndarray
    value: np.ndarray
    time: np.ndarray
    record: np.ndarray
    texts: dict[str, str]
    others: tuple[str, ...]
    damaged: tuple[int, ...]
    cut: int
    garbled: int


@dataclass(frozen=True)
class _Scalar:
    tag: str
    kind: str = "<f4"
    at: int = -1
    """Where its bytes are; -1: it is the same in all records of the layout."""
    constant: float = np.nan


@dataclass(frozen=True)
class _Layout:
    """A message, and which of its bits other messages need to share to be read by it."""

    message: np.ndarray
    shared: np.ndarray
    time: int
    step: tuple[int, int]
    scalars: tuple[_Scalar, ...]
    texts: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    session: bool

    def fits(self, rows: np.ndarray) -> np.ndarray:
        """Return which rows of bytes are such messages."""
        return np.logical_not(((rows ^ self.message) & self.shared).any(axis=1))

    def times(self, rows: np.ndarray) -> np.ndarray:
        if self.time < 0:
            return np.full(len(rows), np.nan)
        return _numbers(rows, self.time, "<f8")

    def steps(self, rows: np.ndarray) -> np.ndarray:
        step = np.zeros(len(rows), np.int64)
        for i, at in enumerate(range(*self.step)):
            step |= (rows[:, at] & 0x7F).astype(np.int64) << 7 * i
        return step


def _numbers(rows: np.ndarray, at: int, kind: str) -> np.ndarray:
    cells = np.ascontiguousarray(rows[:, at : at + np.dtype(kind).itemsize])
    return cells.view(kind)[:, 0].astype(np.float64)


@dataclass
class _Gathered:
    """What has been read so far, in pieces."""

    tags: dict[str, int] = field(default_factory=dict)
    pieces: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)

    def add(self, layout: _Layout, rows: np.ndarray, record: np.ndarray) -> None:
        """Take what messages of one layout say."""
        self.texts = {**dict(layout.texts), **self.texts} if layout.texts else self.texts
        self.others |= dict.fromkeys(layout.others)
        if not layout.scalars and not layout.session:
            return
        step, time = layout.steps(rows), layout.times(rows)
        if layout.session:
            self._piece(_SESSION_BEGAN, step, np.full(len(rows), np.nan), time, record)
        for scalar in layout.scalars:
            tag = self.tags.setdefault(scalar.tag, len(self.tags))
            known = scalar.at < 0
            value = np.full(len(rows), scalar.constant) if known else None
            value = _numbers(rows, scalar.at, scalar.kind) if value is None else value
            self._piece(tag, step, value, time, record)

    def _piece(self, tag: int, *columns: np.ndarray) -> None:
        self.pieces.append((np.full(len(columns[0]), tag, np.int32), *columns))


def read_events(content: bytes) -> Events:
    """Return the scalars of an event file; one that was cut gives what is whole of it."""
    starts, end, garbled = _frames(content)
    buffer, gathered = np.frombuffer(content, np.uint8), _Gathered()
    sizes = np.diff(np.append(starts, end)) - FRAME
    layouts: dict[int, list[_Layout]] = {}
    for low in range(0, len(starts), _CHUNK):
        chunk = sizes[low : low + _CHUNK]
        for size in np.unique(chunk).tolist():
            records = low + np.flatnonzero(chunk == size)
            frames = np.lib.stride_tricks.sliding_window_view(buffer, size + FRAME)[starts[records]]
            _take(gathered, frames, records + 1, layouts.setdefault(size, []))
    empty = [(np.zeros(0, np.int32), *(np.zeros(0) for _ in range(4)))]
    columns = [np.concatenate(pieces) for pieces in zip(*(gathered.pieces or empty), strict=True)]
    order = np.argsort(columns[-1], kind="stable")
    tag, step, value, time, record = (column[order] for column in columns)
    others = tuple(name for name in gathered.others if name not in gathered.tags)
    left = len(content) - end
    return Events(
        *(list(gathered.tags), tag, step.astype(np.int64), value, time, record.astype(np.int64)),
        *(gathered.texts, others, tuple(sorted(gathered.damaged))),
        *((0, left) if garbled else (left, 0)),
    )


def begins_with_event(head: bytes) -> bool:
    """Say whether the first frame has a right checksum and holds an event."""
    if len(head) <= HEADER or head[HEADER] != 8 * _TIME + FIXED64:
        return False
    return _whole_header(head, 0)


def _whole_header(content: bytes, at: int) -> bool:
    header = np.frombuffer(content, np.uint8, HEADER, at)[None]
    return bool(checksums(header[:, :8])[0] == header[:, 8:].copy().view("<u4")[0, 0])


def _frames(content: bytes) -> tuple[np.ndarray, int, bool]:
    """Return where whole frames begin, where they end, and whether what follows is garbled."""
    found, at, size = array("q"), 0, len(content)
    length = struct.Struct("<Q").unpack_from
    add = found.append
    while at + FRAME <= size:
        after = at + FRAME + length(content, at)[0]
        if after > size:
            break
        add(at)
        at = after
    starts = np.frombuffer(found, np.int64) if found else np.zeros(0, np.int64)
    if len(starts):
        headers = np.lib.stride_tricks.sliding_window_view(
            np.frombuffer(content, np.uint8), HEADER
        )[starts]
        right = checksums(headers[:, :8]) == headers[:, 8:].copy().view("<u4")[:, 0]
        if not right.all():
            first = int(np.argmin(right))
            return starts[:first], int(starts[first]), True
    return starts, at, at + HEADER <= size and not _whole_header(content, at)


def _take(
    gathered: _Gathered, frames: np.ndarray, records: np.ndarray, layouts: list[_Layout]
) -> None:
    """Read frames of one length."""
    rows = frames[:, HEADER:-4]
    if rows.shape[1] <= _CHEAP * len(rows):
        right = checksums(rows) == frames[:, -4:].copy().view("<u4")[:, 0]
        gathered.damaged += records[~right].tolist()
        rows, records = rows[right], records[right]
    for layout in [*layouts]:
        rows, records = _read(gathered, layout, rows, records, layout.fits(rows))
    while len(rows):
        try:
            layout = _layout(rows[0].tobytes())
        except Broken:
            gathered.damaged.append(int(records[0]))
            rows, records = rows[1:], records[1:]
            continue
        alike = layout.session or bool(layout.scalars)
        if alike and len(layouts) < _MOST_LAYOUTS:
            layouts.append(layout)
            rows, records = _read(gathered, layout, rows, records, layout.fits(rows))
        else:
            gathered.add(layout, rows[:1], records[:1])
            rows, records = rows[1:], records[1:]


def _read(
    gathered: _Gathered,
    layout: _Layout,
    rows: np.ndarray,
    records: np.ndarray,
    same: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Read the messages of a layout and return the others."""
    if not same.any():
        return rows, records
    gathered.add(layout, rows[same], records[same])
    return rows[~same], records[~same]


def _layout(message: bytes) -> _Layout:
    """Walk through an event.

    Raises
    ------
    Broken
        If it is none.
    """
    shared = np.full(len(message), 0xFF, np.uint8)
    time, step, session, values = -1, (0, 0), False, []
    for number, kind, at, end in fields(message, 0, len(message)):
        if (number, kind) == (_TIME, FIXED64):
            time, shared[at:end] = at, 0
        elif (number, kind) == (_STEP, VARINT):
            step, shared[at:end] = (at, end), 0x80
        elif (number, kind) == (_SUMMARY, DELIMITED):
            inner = fields(message, at, end)
            values += [_value(message, a, b) for n, k, a, b in inner if (n, k) == (1, DELIMITED)]
        elif (number, kind) == (_SESSION, DELIMITED):
            inner = fields(message, at, end)
            session |= any((n, message[a]) == (1, 1) for n, _, a, _ in inner)
    scalars = tuple(value for value in values if isinstance(value, _Scalar))
    for scalar in scalars:
        if scalar.at >= 0:
            shared[scalar.at : scalar.at + np.dtype(scalar.kind).itemsize] = 0
    texts = tuple(value for value in values if isinstance(value, tuple))
    others = tuple(value for value in values if isinstance(value, str))
    row = np.frombuffer(message, np.uint8)
    return _Layout(row, shared, time, step, scalars, texts, others, session)


def _value(message: bytes, at: int, end: int) -> "_Scalar | tuple[str, str] | str":
    """Return the number or the text that a value is, or its tag if it is neither."""
    tag, number, tensor = "", None, None
    for name, kind, low, high in fields(message, at, end):
        if (name, kind) == (_TAG, DELIMITED):
            tag = message[low:high].decode(errors="backslashreplace")
        elif (name, kind) == (_SIMPLE, FIXED32):
            number = low
        elif (name, kind) == (_TENSOR, DELIMITED):
            tensor = low, high
    if number is not None:
        return _Scalar(tag, at=number)
    return tag if tensor is None else _tensor(message, tag, *tensor)


def _tensor(message: bytes, tag: str, at: int, end: int) -> "_Scalar | tuple[str, str] | str":
    """Return the one number or text in a tensor, or its tag if there are several or none."""
    parts = list(fields(message, at, end))
    dtype = next((varint(message, a, b)[0] for n, _, a, b in parts if n == _KIND), 0)
    if dtype == _TEXT:
        texts = [message[a:b] for n, _, a, b in parts if n == _STRINGS]
        return (tag, texts[0].decode(errors="replace")) if texts else tag
    if dtype not in _KINDS or not _is_one(message, parts):
        return tag
    kind, own = _KINDS[dtype]
    size = np.dtype(kind).itemsize
    held = [(n, k, a, b) for n, k, a, b in parts if n in (_CONTENT, own)]
    if len(held) != 1:
        return tag
    number, wire, low, high = held[0]
    if high - low == size and (number == _CONTENT or kind in ("<f4", "<f8")):
        return _Scalar(tag, kind, low)
    return _counted(message, tag, kind, (wire, low, high))


def _is_one(message: bytes, parts: Sequence[tuple[int, int, int, int]]) -> bool:
    """Say whether the shape of a tensor has room for one number."""
    for name, _, at, end in parts:
        for number, kind, low, high in fields(message, at, end) if name == _SHAPE else ():
            dims = fields(message, low, high) if (number, kind) == (2, DELIMITED) else ()
            if any(varint(message, a, b)[0] != 1 for n, _, a, b in dims if n == 1):
                return False
    return True


def _counted(
    message: bytes, tag: str, kind: str, place: tuple[int, int, int]
) -> "_Scalar | tuple[str, str] | str":
    """Return a number that is written in as many bytes as it needs."""
    wire, at, end = place
    if wire not in (VARINT, DELIMITED) or at == end or kind in ("<f4", "<f8"):
        return tag
    value, after = varint(message, at, end)
    if after != end:
        return tag
    if kind == "<f2":
        return _Scalar(tag, constant=float(np.uint16(value & 0xFFFF).view(np.float16)))
    return _Scalar(tag, constant=float(signed(value)))
