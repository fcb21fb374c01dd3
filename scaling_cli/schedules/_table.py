"""A schedule from a table: a CSV of steps (or tokens) and learning rates."""

import csv
import itertools
from pathlib import Path

from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.knots import Knots
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.quantities import parse_number

SUFFIXES = (".csv", ".tsv", ".txt")
UNIT_OF = {"step": "steps", "steps": "steps", "tokens": "tokens"}
RATES = ("lr", "learning_rate", "rate")
FEWEST = 2


def is_table(text: str) -> bool:
    """Say whether a text is the name of a table rather than a schedule."""
    return Path(text.strip()).suffix.lower() in SUFFIXES


def read_table(path: str) -> Schedule:
    """Return the schedule of straight lines between the rows of a table.

    A table with a row for every step ends after its last row, another one at it.

    Parameters
    ----------
    path : str
        A file with a header, a column `step` or `tokens` and a column `lr`; others are ignored.

    Raises
    ------
    DataError
        If it cannot be read, or rows do not make a schedule; file, row and column are named.
    """
    rows = _rows(path)
    header = [name.strip().lower() for name in rows[0]] if rows else []
    place = next((i for i, name in enumerate(header) if name in UNIT_OF), None)
    rate = next((i for i, name in enumerate(header) if name in RATES), None)
    if place is None or rate is None:
        raise DataError(
            "a table of a learning rate needs the columns step (or tokens) and lr.",
            file=path,
            row=1,
            hint=f"Found: {', '.join(rows[0]) if rows else 'nothing'}.",
        )
    body = [(i, row) for i, row in enumerate(rows[1:], start=2) if any(c.strip() for c in row)]
    at = [_cell(path, i, row, place, header) for i, row in body]
    rates = [_cell(path, i, row, rate, header) for i, row in body]
    if len(at) < FEWEST:
        raise DataError(f"{len(at)} row(s) do not make a schedule.", file=path)
    unit = UNIT_OF[header[place]]
    every = unit == "steps" and all(b == a + 1 for a, b in itertools.pairwise(at))
    try:
        return Knots(length=at[-1] + every, unit=unit, at=tuple(at), rates=tuple(rates))
    except UsageError as error:
        raise DataError(error.message, file=path, hint=error.hint) from error


def _rows(path: str) -> list[list[str]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise DataError(f"cannot read the schedule: {reason}.", file=path) from error
    first = text.partition("\n")[0]
    return list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in first else ","))


def _cell(path: str, row: int, cells: list[str], column: int, header: list[str]) -> float:
    text = cells[column].strip() if column < len(cells) else ""
    try:
        return parse_number(text)
    except UsageError as error:
        raise DataError(
            f"{text!r} is not a number.", file=path, row=row, column=header[column]
        ) from error
