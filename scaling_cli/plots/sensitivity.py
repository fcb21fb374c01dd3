"""What moves the forecast: every other choice and the runs that count most, as a tornado."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import short_number

DRAWS = ("fit",)
RUNS = 5  # single runs, those that move the forecast most
ROW, REST = 0.27, 1.5  # inches of a bar, and of what surrounds them


@dataclass(frozen=True)
class Table(_style.Sheet):
    """One entry per choice, the largest shift first; shifts in per cent of the forecast.

    `half_width` is that of a new run's range at the headline, in per cent; None without one.
    """

    name: tuple[str, ...]
    kind: tuple[str, ...]
    shift: np.ndarray
    half_width: float | None
    level: float
    at: str

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure with a bar per choice."""
        return (_style.PAGE[0], REST + ROW * len(self.name)), 1, (1.0,)


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Read the refits off a fit; `measured` is not used.

    Raises
    ------
    DataError
        If the fit holds none.
    """
    del measured
    told = fit.diagnostics
    runs = [
        {**run, "name": f"without {', '.join(run['removed'])}", "kind": "run"}
        for run in (told.get("influence") or {}).get("runs") or ()
    ]
    runs.sort(key=lambda run: -abs(run["headline_shift"] or 0.0))
    every = [*(told.get("sensitivity") or ()), *runs[:RUNS]]
    known = [choice for choice in every if choice["headline_shift"] is not None]
    if not known:
        raise DataError("there are no refits to draw: the fit was made without its diagnosis.")
    known.sort(key=lambda choice: -abs(choice["headline_shift"]))
    inputs = told.get("headline") or {}
    widths = fit.predict(level=level, **inputs).half_widths() if inputs else None
    return Table(
        name=tuple(str(choice["name"]) for choice in known),
        kind=tuple(str(choice.get("kind", "")) for choice in known),
        shift=100 * np.expm1([float(choice["headline_shift"]) for choice in known]),
        half_width=None if widths is None else 100 * float(widths[1][0]),
        level=level,
        at=", ".join(f"{s} = {short_number(v)}" for s, v in inputs.items()),
    )


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    rows = np.arange(len(table.name))[::-1]
    if table.half_width is not None:
        text = f"{100 * table.level:g} % range of a new run"
        width = table.half_width
        ax.axvspan(-width, width, color=_style.NO_DATA, lw=0, zorder=0, label=text)
    single = np.array([kind == "run" for kind in table.kind])
    for chosen, colour, text in (
        (~single, _style.PREDICTED, "another way to fit"),
        (single, _style.MEASURED, "a run left out"),
    ):
        bars: dict[str, Any] = {"height": 0.62, "color": colour, "label": text}
        if chosen.any():
            ax.barh(rows[chosen], table.shift[chosen], **bars)
    ax.axvline(0, color=_style.INK, lw=0.8)
    ax.set_yticks(rows, list(table.name))
    ax.set_xlabel(f"Shift of the law's forecast (%)\nat {table.at}")
    ax.grid(visible=False, axis="y")
    _style.legend_above(ax, ncols=3)
