"""What binary logs are made of: the wire format of protocol buffers, and checksums of records."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
_LONGEST = 10  # bytes of a number of 64 bits, seven a byte
_CASTAGNOLI = 0x82F63B78
_MASK = 0xA282EAD8


class Broken(ValueError):
    """These bytes are no message."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number that begins here and where it ends.

    Raises
    ------
    Broken
        If it goes on beyond the end.
    """
    value = 0
    for i in range(at, min(end, at + _LONGEST)):
        value |= (data[i] & 0x7F) << 7 * (i - at)
        if data[i] < 0x80:
            return value, i + 1
    raise Broken


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number and wire type of each field of a message, and where its value begins and ends.

    Raises
    ------
    Broken
        If a field goes on beyond the end, or is of no kind that is written today.
    """
    while at < end:
        key, at = varint(data, at, end)
        kind = key & 7
        if kind == VARINT:
            after = varint(data, at, end)[1]
        elif kind == DELIMITED:
            size, at = varint(data, at, end)
            after = at + size
        elif kind in (FIXED64, FIXED32):
            after = at + (8 if kind == FIXED64 else 4)
        else:
            raise Broken
        if after > end:
            raise Broken
        yield key >> 3, kind, at, after
        at = after


def signed(value: int) -> int:
    """Return a number of 64 bits as int64 holds it."""
    return value - 2**64 if value >= 2**63 else value


@cache
def _table() -> np.ndarray:
    """Return the CRC-32C of every byte, shape (256,)."""
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(_CASTAGNOLI), crc >> 1).astype(np.uint32)
    return crc


def checksums(rows: np.ndarray) -> np.ndarray:
    """Return the masked CRC-32C of each row of bytes, as TFRecord files store it.

    Parameters
    ----------
    rows : uint8 array, shape (n, length)

    Returns
    -------
    checksums : uint32 array, shape (n,)
    """
    table, crc = _table(), np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        crc = table[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    crc = ~crc
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK)


@dataclass(frozen=True)
class Fields:
    """The fields of many messages; arrays of one length, sorted by message.

    Parameters
    ----------
    owner : int array
        Which message each belongs to.
    number : int array
    begin, end : int arrays
        Where its value lies; a number of varying length is read with `varints`.
    broken : int array
        Messages that are none.
    """

    owner: np.ndarray
    number: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    broken: np.ndarray

    def of(self, number: int) -> "Fields":
        """Return the fields of this number in messages that are whole."""
        rows = np.flatnonzero((self.number == number) & ~np.isin(self.owner, self.broken))
        owner, numbers = self.owner[rows], self.number[rows]
        return Fields(owner, numbers, self.begin[rows], self.end[rows], self.broken)


def padded(*pieces: bytes) -> np.ndarray:
    """Return bytes one after another as an array that may be read a little beyond its end."""
    return np.frombuffer(b"".join([*pieces, bytes(_LONGEST)]), np.uint8)


def varints(buffer: np.ndarray, at: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers that begin at these places, and where they end; -1 if beyond `end`."""
    byte = buffer[at]
    value, after = (byte & 0x7F).astype(np.int64), at + 1
    going = np.flatnonzero(byte >= 0x80)
    for i in range(1, _LONGEST):
        if not len(going):
            break
        byte = buffer[at[going] + i]
        value[going] |= (byte & 0x7F).astype(np.int64) << 7 * i
        after[going] += 1
        going = going[byte >= 0x80]
    after[going] = -1
    return value, np.where(after > end, -1, after)


def fields_of_many(buffer: np.ndarray, at: np.ndarray, end: np.ndarray) -> Fields:
    """Return the fields of the messages that lie at these places, all of them in step."""
    pieces: list[tuple[np.ndarray, ...]] = []
    broken = [np.zeros(0, int)]
    active = np.flatnonzero(at < end)
    place, limit = at[active], end[active]
    while len(active):
        key, place = varints(buffer, place, limit)
        kind = key & 7
        size = np.select([kind == FIXED64, kind == FIXED32], [8, 4], 0)
        counted = np.flatnonzero(((kind == DELIMITED) | (kind == VARINT)) & (place >= 0))
        number, after = varints(buffer, place[counted], limit[counted])
        text = kind[counted] == DELIMITED
        size[counted] = np.where(text, number, after - place[counted])
        begin = place.copy()
        begin[counted] = np.where(text, after, place[counted])
        wrong = (place < 0) | (begin < 0) | (size < 0) | (size > limit - begin)
        wrong |= ~np.isin(kind, (VARINT, FIXED64, DELIMITED, FIXED32))
        pieces.append((active[~wrong], key[~wrong] >> 3, begin[~wrong], (begin + size)[~wrong]))
        broken.append(active[wrong])
        place = begin + size
        going = ~wrong & (place < limit)
        active, place, limit = active[going], place[going], limit[going]
    whole = [np.concatenate(columns) for columns in zip(*pieces, strict=True)]
    whole = whole or [np.zeros(0, int)] * 4
    order = np.argsort(whole[0], kind="stable")
    owner, number, begin, ends = (column[order] for column in whole)
    return Fields(owner, number, begin, ends, np.unique(np.concatenate(broken)))
