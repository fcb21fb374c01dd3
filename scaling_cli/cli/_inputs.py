"""From what people type to the inputs of a law: lists, grids, C = 6ND, files of points."""

import codecs
import csv
import functools
import itertools
import math
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import completed
from scaling_cli.laws._law import WHOLE, Law
from scaling_cli.vocabulary.bounds import require
from scaling_cli.vocabulary.errors import DataError, MismatchError, UsageError
from scaling_cli.vocabulary.quantities import (
    L_VALIDATION,
    C,
    D,
    Domain,
    L,
    N,
    Quantity,
    Role,
    convention_of,
    header,
    is_perplexity,
    parse_number,
    recognised,
)
from scaling_cli.vocabulary.reading import read_file, read_stream

Refuse = Callable[..., DataError]
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LOSSES = {quantity.column: quantity for quantity in (L, L_VALIDATION)}
_ONE_GROUP = re.compile(r"[+-]?\d{1,3},\d{3}")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")


@dataclass(frozen=True)
class Grid:
    """Points to predict at.

    Parameters
    ----------
    inputs : mapping of symbol to list, all of one length
        The law's inputs.
    combined : mapping of symbol to list, of the same length
        Every combination of what was typed.
    given : mapping of symbol to list
        What was typed, as it was read: for the echo.
    notes : list of str
        What was derived, in words.
    measured : list of float or None
        Measured outputs of a file of points.
    rows : list of int
        Lines of that file.
    own : bool
        Whether that file has the column that was asked for by its own name.
    """

    inputs: Mapping[str, list[float]]
    combined: Mapping[str, list[float]] = field(default_factory=dict)
    given: Mapping[str, list[float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    measured: Sequence[float | None] = ()
    rows: Sequence[int] = ()
    own: bool = False


def read_list(
    texts: Sequence[str] | None, quantity: Quantity, *, listed: bool = False
) -> list[float]:
    """Read a repeated option whose values may be comma lists: `7B,13B`.

    With `listed` it is given once and so is a list: `10,100,200` is three numbers that increase.

    Raises
    ------
    UsageError
        If a number cannot be read, or `300,000` could be one number or two.
    """
    values = []
    for text in texts or ():
        if _THOUSANDS.fullmatch(text.strip()) and not (listed and _increases(text)):
            joined = text.strip().replace(",", "")
            hint = f"Write {joined} for one number; repeat the option for several."
            raise UsageError(f"{text!r} could be one number or a list.", hint=hint)
        values += [parse_number(part, quantity) for part in text.split(",")]
    for value in values:
        if not quantity.domain.holds(value):
            rule = quantity.domain.rule.removesuffix(" and finite")
            raise UsageError(f"{quantity.symbol} ({quantity.meaning}) must be {rule}: {value:g}.")
    return values


def _increases(text: str) -> bool:
    groups = [int(group) for group in text.split(",")]
    return all(a < b for a, b in itertools.pairwise(groups))


def read_others(texts: Sequence[str] | None, law: Law) -> dict[str, list[float]]:
    """Read repeated `--input SYMBOL=VALUE`, by symbol or column name."""
    texts_by_symbol: dict[str, list[str]] = {}
    known = law.asked()
    for text in texts or ():
        name, equals, number = (part.strip() for part in text.partition("="))
        if not (name and equals and number):
            raise UsageError(f"cannot read {text!r} for --input.", hint="Write --input N_avg=3e8.")
        quantity = recognised(name, known.values())
        if quantity is None:
            hint = f"Its inputs: {', '.join(law.inputs())}."
            raise UsageError(f"the law has no input {name!r}.", hint=hint)
        texts_by_symbol.setdefault(quantity.symbol, []).append(number)
    return {s: read_list(found, known[s]) for s, found in texts_by_symbol.items()}


def typed(
    law: Law,
    *,
    params: list[float],
    tokens: list[float],
    compute: list[float],
    loss: Sequence[float] = (),
    others: Mapping[str, list[float]],
) -> dict[str, list[float]]:
    """Return the values given by the law's symbols.

    Raises
    ------
    UsageError
        If one is given twice.
    """
    size, data = (law.symbol_of(role) for role in (Role.SIZE, Role.DATA))
    every = {size or N.symbol: params, data or D.symbol: tokens, C.symbol: compute}
    every[L.symbol] = list(loss)
    given = {symbol: values for symbol, values in every.items() if values}
    for symbol, values in others.items():
        if symbol in given:
            raise UsageError(f"{symbol} is given twice: by --input and by its own option.")
        given[symbol] = list(values)
    return given


def grid(law: Law, *, command: str = "scaling predict", **options: Any) -> Grid:
    """Return every combination of the values `typed`, completed through C = 6ND.

    The command is what was typed: what is missing is shown as its end.

    Raises
    ------
    UsageError
        If an input is missing, is not one of the law's, or contradicts the others.
    """
    given = typed(law, **options)
    count = math.prod(map(len, given.values()))
    require("points", count, f"{count} points are asked for")
    products = itertools.product(*given.values())
    points = [dict(zip(given, values, strict=True)) for values in products]
    points = [point for point in points if _whole(law, point)]
    if not points:
        raise UsageError(f"no combination of {', '.join(law.shares())} given sums to one.")
    combined = {symbol: [point[symbol] for point in points] for symbol in given}
    notes, spent = [], law.size_and_data() or ()
    if C.symbol in given and C.symbol not in law.inputs():
        if spent:
            _require(law, {*spent, *given} - {C.symbol}, command)
        notes = _compute_notes(law, given)
        points = [completed(law, point) for point in points]
    _require(law, points[0], command)
    inputs = {s: [float(point[s]) for point in points] for s in law.inputs()}
    return Grid(inputs, combined, given, notes)


def _whole(law: Law, point: Mapping[str, float]) -> bool:
    """Return whether shares sum to one, if all are there: of a grid, the combinations that do."""
    if not set(law.shares()) <= set(point):
        return True
    return abs(float(np.sum(law.total(point))) - 1) <= WHOLE


def read_points(
    path: str, law: Law, target: str = "", conventions: Mapping[str, str | None] | None = None
) -> Grid:
    """Read a CSV (or TSV) of points: the law's inputs by column name or symbol, maybe a loss.

    A column that is called as the target was is compared, whatever else is there. Conventions are
    those of the fit, by symbol: what a title says to count otherwise is not taken for it.

    Raises
    ------
    DataError
        With file, row and column, if a column is missing or a cell is not a positive number.
    MismatchError
        If the only column of a quantity counts it otherwise than the fit.
    """
    name = "<stdin>" if path == "-" else path
    lines = _text(path, name).splitlines()
    if not any(line.strip() for line in lines):
        raise DataError("the file is empty.", file=name, hint=_wanted(law))
    require("points", len(lines) - 1, f"{name} holds {len(lines) - 1} points")
    if max(map(len, lines)) > csv.field_size_limit():
        raise DataError("a line is too long for a table.", file=name, hint=_wanted(law))
    delimiter = "\t" if "\t" in lines[0] and "," not in lines[0] else ","
    reader = csv.reader(lines, delimiter=delimiter)
    titles = [title.strip() for title in next(reader)]
    columns = _columns(titles, law, name, conventions or {})
    inputs: dict[str, list[float]] = {symbol: [] for symbol in law.inputs()}
    measured: list[float | None] = []
    rows: list[int] = []
    output = law.output()
    if (own := _own(titles, target, output)) is not None:
        columns[output.symbol] = (titles.index(own), own)
        output = output if target in _LOSSES else replace(output, domain=Domain.REAL)
    for line in reader:
        cells = [cell.strip() for cell in line]
        if any(cells) and cells != titles:  # the header again, of files glued together
            refuse = functools.partial(DataError, file=name, row=reader.line_num)
            for symbol, quantity in law.inputs().items():
                inputs[symbol].append(_cell(cells, columns[symbol], quantity, refuse))
            if output.symbol in columns:
                measured.append(_measured(cells, columns[output.symbol], output, refuse))
            point = {s: values[-1] for s, values in inputs.items()}
            if not _whole(law, point):
                shares, total = ", ".join(law.shares()), float(np.sum(law.total(point)))
                raise refuse(f"{shares} sum to {total:.4g}; shares must sum to one.")
            rows.append(reader.line_num)
    if not rows:
        raise DataError("there is no row below the header.", file=name)
    return Grid(inputs, measured=measured, rows=rows, own=own is not None)


def _own(titles: Sequence[str], target: str, output: Quantity) -> str | None:
    """Return the title of the column that the fit was made to, where another would be taken."""
    if (loss := _LOSSES.get(target)) is not None:
        return next((title for title in titles if recognised(title, [loss])), None)
    return target if target != output.column and target in titles else None


def _text(path: str, name: str) -> str:
    try:
        from_pipe = path == "-"
        content = (
            read_stream(sys.stdin.buffer, name) if from_pipe else read_file(Path(path), name)[0]
        )
        return content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        message = "the file of points is not text in UTF-8."
        raise DataError(message, file=name, hint="Give a CSV file.") from error


def _columns(
    titles: Sequence[str],
    law: Law,
    file: str,
    conventions: Mapping[str, str | None],
) -> dict[str, tuple[int, str]]:
    """Return the position and name of each column that is wanted, by symbol."""
    wanted = {**law.inputs(), law.output().symbol: law.output()}.values()
    columns: dict[str, tuple[int, str]] = {}
    otherwise: dict[str, str] = {}
    for position, title in enumerate(titles):
        quantity = recognised(header(title)[0].strip(), wanted)
        if quantity is None:
            continue
        symbol, stated = quantity.symbol, convention_of(title, quantity)
        counted = conventions.get(symbol)
        if stated not in (None, counted) and counted in quantity.conventions:
            told = f"{title!r} gives {symbol} as {stated}, and the fit has it as {counted}"
            otherwise.setdefault(symbol, told)
            continue
        if symbol in columns:
            message = f"columns {columns[symbol][1]!r} and {title!r} both give {symbol}."
            raise DataError(message, file=file, row=1, column=title, hint="Keep one of them.")
        columns[symbol] = (position, title)
    missing = [f"{s} ({q.column})" for s, q in law.inputs().items() if s not in columns]
    for symbol, told in otherwise.items():
        if symbol not in columns:
            hint = f"Give {symbol} as the fit has it."
            raise MismatchError(f"column {told}.", file=file, row=1, hint=hint)
    if missing:
        there = f"the columns are {', '.join(titles)}"
        message = f"there is no column for {' and '.join(missing)}; {there}."
        raise DataError(message, file=file, row=1, hint=_wanted(law))
    return columns


def _cell(
    cells: Sequence[str], column: tuple[int, str], quantity: Quantity, refuse: Refuse
) -> float:
    position, title = column
    name = f"{quantity.symbol} ({quantity.meaning})"
    text = cells[position] if position < len(cells) else ""
    if not text:
        needed = f"{quantity.meaning} ({quantity.symbol}) is needed"
        raise refuse(f"the cell is empty, {needed}.", column=title)
    if _ONE_GROUP.fullmatch(text):
        could = f"{text!r} could be {text.replace(',', '.')} or {text.replace(',', '')}."
        raise refuse(could, column=title, hint="Write it as one of the two.")
    try:
        number = parse_number(text, quantity)
    except UsageError as error:
        raise refuse(error.message, column=title, hint=error.hint) from error
    if is_perplexity(title):
        if number < 1:
            raise refuse(f"{number:g} is no perplexity, which is 1 or more.", column=title)
        number = math.log(number)
    elif not text[-1].isalpha():  # 7B says its unit itself
        number *= header(title)[1]
    if not quantity.domain.holds(number):
        rule = quantity.domain.rule.removesuffix(" and finite")
        raise refuse(f"{name} must be {rule}, not {number:g}.", column=title)
    return number


def _measured(
    cells: Sequence[str], column: tuple[int, str], quantity: Quantity, refuse: Refuse
) -> float | None:
    """Read a measured value; an empty cell or NaN means it was not measured."""
    text = cells[column[0]] if column[0] < len(cells) else ""
    if text.lower() in ("", "nan", "na", "null", "none"):
        return None
    return _cell(cells, column, quantity, refuse)


def _wanted(law: Law) -> str:
    names = [f"{symbol} or {quantity.column}" for symbol, quantity in law.inputs().items()]
    return f"Give columns {', '.join(names)}, and {L.column} to compare."


def _compute_notes(law: Law, given: Mapping[str, list[float]]) -> list[str]:
    spent = law.size_and_data() or ()
    missing = [s for s in spent if s not in given]
    if len(missing) == len(spent):
        return [f"{' and '.join(spent)} of least loss at C, by the law"]
    return [f"{s} from {law.compute_in_words()}" for s in missing]


def _require(law: Law, point: Collection[str], command: str) -> None:
    options = {Role.SIZE: "--params", Role.DATA: "--tokens"}
    missing = {s: q for s, q in law.inputs().items() if s not in point}
    if missing:
        told = [
            f"{s} ({q.meaning}: {options.get(q.role, f'--input {s}=...')})"
            for s, q in missing.items()
        ]
        example = law.options({s: v for s, v in law.example().items() if s in missing})
        hint = f"For example: {command} {example}"
        raise UsageError(f"the law needs {' and '.join(told)}.", hint=hint)
    unknown = {symbol: law.quantity(symbol) for symbol in point if symbol not in law.inputs()}
    if unknown:
        told = [f"{s} ({q.meaning})" if q else s for s, q in unknown.items()]
        hint = f"Its inputs: {', '.join(law.inputs())}."
        raise UsageError(f"the law does not take {' and '.join(told)}.", hint=hint)
