"""The transaction log of Weights & Biases: records in blocks, each a message, read many at once.

The file is a LevelDB log: blocks of 32 KiB, in them pieces of records with a checksum each. Rows of
the history are most of it; their fields are found in step and their numbers parsed as columns.
"""

import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._wire import (
    DELIMITED,
    Broken,
    Fields,
    fields,
    fields_of_many,
    padded,
)
from scaling_cli.runs.table import is_number

MAGIC = b":W&B"
_START = 7  # bytes: the magic, two of a number, the version
_BLOCK, _HEADER = 32768, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_CHUNK = 1 << 15  # records at a time
HISTORY, CONFIG, METRIC, RUN, EXIT = 2, 5, 12, 17, 18  # of a record
_ITEM = 1  # of a row of the history
_KEY, _NESTED, _VALUE = 1, 2, 16  # of an item
_BEGINS = np.isin(np.arange(256), np.frombuffer(b"-0123456789NI", np.uint8))
_PRIME = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class History:
    """The numbers of the history, and what the other records say.

    Parameters
    ----------
    names : list of str
    name, row : int arrays, shape (n,)
        Index into `names`, and which row of the history each value stands in.
    value : float array, shape (n,)
    rows : int
        Rows of the history.
    others : dict of name to int
        Values that are no numbers (histograms, media, texts), counted.
    messages : list of (int, bytes)
        Kind and content of the records that say something about the run.
    left : int
        Bytes at the end that are no whole records.
    damaged : int
        Records that are none.
    """

    names: list[str]
    name: np.ndarray
    row: np.ndarray
    value: np.ndarray
    rows: int
    others: dict[str, int]
    messages: list[tuple[int, bytes]]
    left: int
    damaged: int


def read_history(content: bytes) -> History:
    """Return the history of a transaction log; one that was cut gives what is whole of it."""
    log, left = _records(content)
    buffer, names = padded(content, *log.tail), dict[str, int]()
    starts, sizes = (np.array(column, np.int64) for column in (log.starts, log.sizes))
    others, messages, pieces = dict[str, int](), list[tuple[int, bytes]](), []
    damaged = log.damaged
    rows = 0
    for low in range(0, len(starts), _CHUNK):
        at, size = starts[low : low + _CHUNK], sizes[low : low + _CHUNK]
        records = fields_of_many(buffer, at, at + size)
        messages += _messages(buffer, records)
        history = records.of(HISTORY)
        items = fields_of_many(buffer, history.begin, history.end)
        damaged += len(records.broken) + len(items.broken)
        name, row, value = _numbers(buffer, items.of(_ITEM), names, others)
        pieces.append((name, row + rows, value))
        rows += len(history.owner)
    whole = [np.concatenate(columns) for columns in zip(*pieces, strict=True)]
    name, row, value = whole or (np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    # In the order in which they were first logged.
    first = np.full(len(names), len(name))
    np.minimum.at(first, name, np.arange(len(name)))
    order = np.argsort(first, kind="stable")
    place = np.empty(len(names), int)
    place[order] = np.arange(len(names))
    called = [*names]
    others = dict(sorted(others.items()))
    return History(
        [called[i] for i in order.tolist()],
        place[name],
        row,
        value,
        rows,
        others,
        messages,
        left,
        damaged,
    )


@dataclass
class _Records:
    """Where records lie; those in pieces are put together behind the others."""

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    tail: list[bytes] = field(default_factory=list)
    open: list[memoryview] = field(default_factory=list)
    behind: int = 0
    end: int = _START
    """Where whole records end."""
    damaged: int = 0

    def add(self, kind: int, piece: memoryview, end: int) -> None:
        """Take a piece of a record that lies in several."""
        if kind == _FIRST:
            self.open = [piece]
        elif self.open:  # else its beginning was damaged
            self.open.append(piece)
        if kind == _LAST and self.open:
            joined = b"".join(self.open)
            self.starts.append(self.behind)
            self.sizes.append(len(joined))
            self.tail.append(joined)
            self.behind += len(joined)
            self.open, self.end = [], end


def _records(content: bytes) -> tuple[_Records, int]:
    """Return where the records of a log lie, and the bytes at its end that are no whole ones."""
    header, crc32 = struct.Struct("<IHB").unpack_from, zlib.crc32
    seeds = [crc32(bytes([kind])) for kind in range(_LAST + 1)]
    view, end, at = memoryview(content), len(content), _START
    log = _Records(behind=end)
    start, sized = log.starts.append, log.sizes.append
    while at + _HEADER <= end:
        room = _BLOCK - at % _BLOCK
        if room < _HEADER:
            at += room
            continue
        crc, size, kind = header(content, at)
        begin = at + _HEADER
        piece = view[begin : begin + size]
        if len(piece) < size <= room - _HEADER:
            break  # it is still written
        if not _WHOLE <= kind <= _LAST or size > room or crc32(piece, seeds[kind]) != crc:
            log.damaged += 1
            log.open = []
            at += room  # what follows in the block cannot be found
            continue
        at = begin + size
        if kind == _WHOLE:
            start(begin)
            sized(size)
            log.open, log.end = [], at
        else:
            log.add(kind, piece, at)
    return log, max(end - log.end, 0)


def _messages(buffer: np.ndarray, records: Fields) -> Iterator[tuple[int, bytes]]:
    """Yield the records that say something about the run."""
    for row in np.flatnonzero(np.isin(records.number, (CONFIG, METRIC, RUN, EXIT))).tolist():
        yield int(records.number[row]), buffer[records.begin[row] : records.end[row]].tobytes()


def _numbers(
    buffer: np.ndarray, items: Fields, names: dict[str, int], others: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return name, row and value of the numbers among the items of the history."""
    parts = fields_of_many(buffer, items.begin, items.end)
    place = np.flatnonzero((parts.number == _VALUE) & ~np.isin(parts.owner, parts.broken))
    owner, begin, end = parts.owner[place], parts.begin[place], parts.end[place]
    named = np.flatnonzero((place > 0) & (parts.owner[place - 1] == owner))
    key_end = items.begin[owner]
    key_end[named] = parts.end[place[named] - 1]
    code = _coded(buffer, items.begin[owner], key_end, names)
    is_number = _BEGINS[buffer[begin]] & (end > begin)
    called = [*names]
    for i, count in zip(*np.unique(code[~is_number], return_counts=True), strict=True):
        others[called[i]] = others.get(called[i], 0) + int(count)
    value = _parsed(buffer, begin[is_number], end[is_number])
    return code[is_number], items.owner[owner][is_number], value


def _parsed(buffer: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the numbers that stand in these places; NaN where it is none."""
    size = end - begin
    offsets = np.concatenate([[0], np.cumsum(size)])
    shift = np.repeat(begin - offsets[:-1], size)
    data = buffer[shift + np.arange(offsets[-1])]
    texts = pa.StringArray.from_buffers(
        len(size), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)
    )
    try:
        return pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = [text if is_number(text) else "nan" for text in map(str, texts.to_pylist())]
        return np.array(values, float)


def _coded(
    buffer: np.ndarray, begin: np.ndarray, end: np.ndarray, names: dict[str, int]
) -> np.ndarray:
    """Return the number of the name that is written in each place; new names are added."""
    code, sizes = np.zeros(len(begin), int), end - begin
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        width = max(8 * -(-size // 8), 8)
        keys = np.zeros((len(rows), width), np.uint8)
        if size:
            keys[:, :size] = np.lib.stride_tricks.sliding_window_view(buffer, size)[begin[rows]]
        words = keys.view(np.uint64)
        digest = words[:, 0].copy()
        for i in range(1, words.shape[1]):
            digest = digest * np.uint64(_PRIME) ^ words[:, i]
        _, first, inverse = np.unique(digest, return_index=True, return_inverse=True)
        if not np.array_equal(words[first][inverse], words):  # two names with one digest
            _, first, inverse = np.unique(words, axis=0, return_index=True, return_inverse=True)
        texts = [_name(keys[i, :size].tobytes()) for i in first.tolist()]
        codes = np.array([names.setdefault(text, len(names)) for text in texts])
        code[rows] = codes[inverse.reshape(-1)]
    return code


def _name(message: bytes) -> str:
    """Return the name of an item: one key, or nested ones."""
    try:
        parts = [
            message[begin:end].decode(errors="backslashreplace")
            for number, kind, begin, end in fields(message, 0, len(message))
            if number in (_KEY, _NESTED) and kind == DELIMITED
        ]
    except Broken:
        return ""
    return "/".join(parts)
