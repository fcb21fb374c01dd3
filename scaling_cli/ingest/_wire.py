"""What binary logs are made of: the wire format of protocol buffers, and checksums of records."""

from collections.abc import Iterator
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
