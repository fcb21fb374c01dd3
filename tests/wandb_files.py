"""Transaction logs of W&B made byte by byte, as its writers make them."""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from event_files import delimited, varint

HEADER = b":W&B\xe1\xbe\x00"
_BLOCK, _ROOM = 32768, 7


def _item(name: str, value: Any, *, nested: bool) -> bytes:
    keys = name.split("/") if nested and not name.startswith("train/") else [name]
    content = b"".join(delimited(2 if nested else 1, key.encode()) for key in keys)
    return content + delimited(16, json.dumps(value).encode())


def history(row: Mapping[str, Any], *, nested: bool = False) -> bytes:
    """Return a row; writers from 0.13 on give a name as a path, earlier ones as one key."""
    items = [delimited(1, _item(name, value, nested=nested)) for name, value in row.items()]
    return delimited(2, b"".join(items) + delimited(2, b""))


def config(settings: Mapping[str, Any]) -> bytes:
    items = [delimited(1, _item(name, value, nested=False)) for name, value in settings.items()]
    return delimited(5, b"".join(items))


def run(name: str, run_id: str = "a1b2c3d4") -> bytes:
    return delimited(17, delimited(1, run_id.encode()) + delimited(8, name.encode()))


def metric(name: str, step: str, *, pattern: bool = False) -> bytes:
    return delimited(
        12, delimited(2 if pattern else 1, name.encode()) + delimited(4, step.encode())
    )


def ended(code: int = 0) -> bytes:
    return delimited(18, (b"\x08" + varint(code) if code else b"") + b"\x10\x02")


def summary(row: Mapping[str, Any]) -> bytes:
    items = [delimited(1, _item(name, value, nested=False)) for name, value in row.items()]
    return delimited(3, b"".join(items))


def log(records: Iterable[bytes]) -> bytes:
    """Return a log of records, numbered, in blocks."""
    out = bytearray(HEADER)
    for number, record in enumerate(records, start=1):
        content, first = b"\x08" + varint(number) + record, True
        while True:
            room = _BLOCK - len(out) % _BLOCK
            if room < _ROOM:
                out += bytes(room)
                continue
            piece, content = content[: room - _ROOM], content[room - _ROOM :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[
                first, not content
            ]
            crc = zlib.crc32(piece, zlib.crc32(bytes([kind])))
            out += struct.pack("<IHB", crc, len(piece), kind) + piece
            first = False
            if not content:
                break
    return bytes(out)
