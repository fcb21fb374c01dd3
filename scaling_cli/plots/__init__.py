"""The figures: one per file; `table` computes the numbers drawn, `draw` draws them.

The folder is the registry: `get(name)` is the module `plots/<name>.py`, which declares

* `DRAWS`, the kinds of stored things that it draws,
* `Table`, a frozen dataclass of everything drawn, on a `_style.Sheet`,
* `table(fit, measured=None, level=0.9) -> Table`, which decides,
* `draw(table, *axes)`, which does not,
* `ALONE`, where a law whose runs nobody has can be drawn by itself.

A figure of a `CurveFit` takes curves as `measured`.

Only this folder imports matplotlib, and only when a figure is asked for. `pyplot` is not used:
no global state, no window, the caller's style is left alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from io import BytesIO
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.registry import Modules

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
NUMBERS = ".csv"
_SCREEN = 144  # dots per inch


_FIGURES = Modules(__name__, "figure")
names, get = _FIGURES.names, _FIGURES.module


def draws(name: str) -> tuple[str, ...]:
    """Return the kinds of stored things that a figure draws."""
    return get(name).DRAWS


def of_kind(kind: str) -> list[str]:
    """Return the figures that draw a kind of stored thing."""
    return [name for name in names() if kind in draws(name)]


def figure(name: str, table: Any) -> "Figure":
    """Draw a table on a new figure of panels side by side.

    Parameters
    ----------
    name : str
        Which figure: a name of `names()`.
    table : Table
        What `get(name).table(fit)` returned.
    """
    return drawn(get(name), table)


def drawn(module: ModuleType, table: Any) -> "Figure":
    """Draw a table by the module that made it: also one that is no figure of a fit."""
    from scaling_cli.plots import _style

    with _style.applied():
        sheet, axes = table.empty()
        module.draw(table, *axes)
        # Text is laid out with the style in force, not the caller's when the file is written.
        sheet.draw_without_rendering()
    return sheet


def save(figure: "Figure", path: str | PathLike[str]) -> Path:
    """Write a figure; the suffix chooses PNG, SVG or PDF. The same figure gives the same bytes.

    Raises
    ------
    UsageError
        If the suffix is none of these.
    DataError
        If the file cannot be written.
    """
    from scaling_cli.plots import _style

    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"cannot write a figure as {target.name!r}.",
            hint=f"Use a name that ends in {', '.join(SUFFIXES)}.",
        )
    try:
        _style.write(figure, target)
    except OSError as error:
        raise DataError(
            f"cannot write the figure: {error.strerror}.",
            hint="Make the folder first, or choose another.",
            file=str(target),
        ) from error
    return target


def svg(figure: "Figure") -> str:
    """Return a figure as the text of an SVG file: the same figure gives the same text."""
    from scaling_cli.plots import _style

    stream = BytesIO()
    with _style.applied():
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue().decode("utf8")


def png(figure: "Figure") -> bytes:
    """Return a figure as a PNG file, of as many dots as a page has room for."""
    from scaling_cli.plots import _style

    stream = BytesIO()
    with _style.applied():
        figure.savefig(stream, format="png", dpi=_SCREEN, metadata={"Software": None})
    return stream.getvalue()


def csv(table: Any) -> str:
    """Return everything a figure shows as CSV: a number a line, with its place in the table."""
    rows = (f'"{place}",{row},{value}' for place, row, value in _listed(asdict(table), ""))
    return "\n".join(["place,row,value", *rows]) + "\n"


def _listed(value: Any, place: str, row: int | str = "") -> Iterator[tuple[str, int | str, str]]:
    """Yield every number and text of a table: where it stands, its row in an array, itself."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _listed(item, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        deep = any(
            isinstance(item, Mapping | list | tuple) or hasattr(item, "tolist") for item in value
        )
        for i, item in enumerate(value):
            yield from _listed(item, f"{place}.{i}" if deep else place, "" if deep else i)
    elif isinstance(value, str):
        yield place, row, f'"{value.replace(chr(34), chr(34) * 2)}"'
    elif value is not None:
        yield place, row, repr(value)


def numbers(table: Any) -> dict[str, Any]:
    """Return everything a figure shows, as plain data for JSON."""
    return asdict(table)
