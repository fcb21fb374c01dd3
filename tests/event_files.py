"""Event files as TensorBoard's writers make them, byte by byte: many at once."""

import struct
from collections.abc import Iterable, Sequence

import numpy as np

from scaling_cli.ingest._wire import checksums


def varint(value: int) -> bytes:
    """Return a number as messages write it."""
    value %= 2**64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delimited(number: int, content: bytes) -> bytes:
    return varint(8 * number + 2) + varint(len(content)) + content


def event(step: int, *values: bytes, time: float = 1.7e9) -> bytes:
    summary = b"".join(delimited(1, value) for value in values)
    return struct.pack("<Bd", 9, time) + b"\x10" + varint(step) + delimited(5, summary)


def simple(tag: str, value: float) -> bytes:
    """Return a value as the first TensorBoard and PyTorch write it."""
    return delimited(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def tensor(tag: str, value: float, *, content: bool = False) -> bytes:
    """Return a value as TensorFlow 2 and Keras write it."""
    number = struct.pack("<f", value)
    held = delimited(4 if content else 5, number)
    plugin = delimited(9, delimited(1, delimited(1, b"scalars")))
    return (
        delimited(1, tag.encode()) + delimited(8, b"\x08\x01" + delimited(2, b"") + held) + plugin
    )


def text(tag: str, words: str) -> bytes:
    return delimited(1, tag.encode()) + delimited(8, b"\x08\x07" + delimited(8, words.encode()))


def session(step: int, time: float = 1.7e9) -> bytes:
    """Return the event of a writer that begins anew at a step."""
    return struct.pack("<Bd", 9, time) + b"\x10" + varint(step) + delimited(7, b"\x08\x01")


def version(time: float = 1.7e9) -> bytes:
    return struct.pack("<Bd", 9, time) + delimited(3, b"brain.Event:2")


def framed(messages: Iterable[bytes]) -> bytes:
    """Return an event file of these messages after the one that says its version."""
    whole = [version(), *messages]
    heads = np.frombuffer(struct.pack(f"<{len(whole)}Q", *map(len, whole)), np.uint8)
    head = checksums(heads.reshape(-1, 8)).astype("<u4")
    tail = np.zeros(len(whole), "<u4")
    sizes = np.array([len(message) for message in whole])
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        same = np.frombuffer(b"".join(whole[i] for i in rows.tolist()), np.uint8)
        tail[rows] = checksums(same.reshape(-1, size))
    lengths = heads.reshape(-1, 8)
    pieces: list[bytes] = []
    for i, message in enumerate(whole):
        pieces += [lengths[i].tobytes(), head[i].tobytes(), message, tail[i].tobytes()]
    return b"".join(pieces)


def scalars(tags: Sequence[str], steps: Iterable[int], *, began: float = 1.7e9) -> bytes:
    """Return an event file in which each tag has, at each step, 10 / (step + 1)."""
    return framed(
        event(step, simple(tag, 10 / (step + 1)), time=began + step)
        for step in steps
        for tag in tags
    )
