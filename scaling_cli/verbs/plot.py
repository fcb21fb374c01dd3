"""`sc.plot`: a figure of a fit, its numbers, and the file it is written to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from os import PathLike
from typing import TYPE_CHECKING, Any

from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.verbs import _stored
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import stamped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KIND = "loss"


@dataclass(frozen=True, repr=False)
class Drawing:
    """A figure and the numbers it shows; a notebook shows the figure.

    Parameters
    ----------
    fit, kind : str
        Name of the fit, and which figure.
    table : object
        Everything drawn.
    """

    fit: str
    kind: str
    table: Any

    @cached_property
    def figure(self) -> "Figure":
        """The matplotlib figure."""
        return plots.figure(self.kind, self.table)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the figure; the suffix chooses PNG, SVG or PDF."""
        plots.save(self.figure, path)

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling plot --json` prints."""
        head = {"fit": self.fit, "kind": self.kind, "file": None}
        return stamped({**head, "numbers": plots.numbers(self.table)})

    def __repr__(self) -> str:
        """Return the kind and the fit."""
        return f"<Drawing {self.kind} of {self.fit or 'a fit'}>"

    def _repr_png_(self) -> bytes:
        """Return the figure, for a notebook."""
        stream = BytesIO()
        self.figure.savefig(stream, format="png")
        return stream.getvalue()


def plot(fit: Any, kind: str = KIND, *, measured: Any = None, level: float = 0.9) -> Drawing:
    """Draw a figure of a fit; what lies beyond the fitted runs is dashed and has an interval.

    Parameters
    ----------
    fit : Fit, CurveFit, path or name
    kind : str
        Which figure: `scaling plot --help` lists them.
    measured : Points or sequence of Curve, optional
        Runs that were not fitted, beside what the fit predicts for them.
    level : float
        Nominal coverage of the intervals.

    Raises
    ------
    UsageError
        If there is no such figure, or it is none of this kind of fit.
    """
    module = plots.get(kind)
    stored = drawable(fit, kind)
    table = module.table(stored, measured=measured, level=level)
    return Drawing(_stored.name_of(fit), kind, table)


def drawable(fit: Any, kind: str) -> Any:
    """Return a stored thing that a figure draws.

    Raises
    ------
    UsageError
        If the figure does not draw things of its kind; those that do are named.
    """
    wanted = CurveFit if plots.of_curves(kind) else Fit
    thing = fit if isinstance(fit, Record) else kinds.load(fit)
    if isinstance(thing, wanted):
        return thing
    name = _stored.name_of(fit)
    along = isinstance(thing, CurveFit)
    other = " or ".join(figure for figure in plots.names() if plots.of_curves(figure) == along)
    use = f"take --kind {other}"
    if not isinstance(thing, CurveFit | Fit):
        use = f"use it with '{thing.usage(name)}'"
    raise UsageError(f"{name} is {thing.what}, which the figure {kind} does not draw: {use}.")


def curves_to_compare(
    fit: Any, data: Any, schedules: Any = None
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the loss curves of runs, by the column that a fit was made of, and what has none."""
    from scaling_cli.ingest import as_runs
    from scaling_cli.runs.curves import curves_of
    from scaling_cli.verbs.fit import schedules_of

    by_run, otherwise = schedules_of(schedules)
    target = _stored.of_curves(fit).selection.get("target")
    return curves_of(as_runs(data), target=target, schedules=by_run, otherwise=otherwise)
