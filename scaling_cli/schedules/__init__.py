"""The families of schedules: one per file; the file name is the family's name in a text."""

import re

from scaling_cli.schedules._schedule import Joined, Schedule
from scaling_cli.schedules.knots import is_table, read_table
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.registry import Classes

# `+` joins schedules; the one in `3e+05` is not followed by the name of a family.
_JOIN = re.compile(r"\s*\+\s*(?=[a-z_]+\s*:)")


_FAMILIES = Classes(__name__, "schedule", Schedule)
names, get = _FAMILIES.names, _FAMILIES.get


def is_text(text: str) -> bool:
    """Say whether a text is meant as a schedule, not as the name of a file."""
    head, colon, _ = text.partition(":")
    return bool(colon) and re.fullmatch(r"\s*[a-z_]+\s*", head) is not None


def parse_schedule(text: str) -> Schedule:
    """Read a schedule: `cosine:peak=3e-4,warmup=2160,min=3e-5,steps=24000`, or several with +.

    The name of a table (`lr.csv`, with columns step or tokens, and lr) is read as `knots`.

    Parameters
    ----------
    text : str
        `family:option=value,...`. Places are steps (or tokens, with `tokens=` in place of
        `steps=`); below 1, or with %, they are shares of the run. Numbers as in `2.5B`.

    Raises
    ------
    UsageError
        If the family or an option is unknown, or a value cannot be read.
    DataError
        If a table cannot be read.
    """
    if is_table(text) and not is_text(text):
        return read_table(text.strip())
    parts = tuple(_single(part) for part in _JOIN.split(text.strip()))
    return parts[0] if len(parts) == 1 else Joined.of(parts)


def _single(text: str) -> Schedule:
    name, colon, body = text.partition(":")
    if name in names() and not colon:
        raise get(name).refused("a family alone is no schedule.", get(name).usage())
    if not colon:
        raise UsageError(
            f"cannot read the schedule {text!r}.",
            hint="Write FAMILY:option=value,... as in cosine:peak=3e-4,warmup=2160,steps=24000, or "
            "name a table of step and lr that ends in .csv. Known schedules: "
            f"{', '.join(names())}.",
        )
    family = get(name.strip())
    given: dict[str, str] = {}
    for piece in body.split(","):
        key, equals, value = (p.strip() for p in piece.partition("="))
        if not (key and equals and value):
            raise family.refused(f"cannot read {piece.strip()!r}.", family.usage())
        if key in given:
            raise family.refused(f"{key} is given twice.")
        given[key] = value
    return family.read(given)
