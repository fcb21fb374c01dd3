"""`sc.plot`: a figure of a fit, its numbers, and the file it is written to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.runs.curve import Curve
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import nulls, stamped, write_whole, writing
from scaling_cli.vocabulary.outcomes import LeftOut

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
    left_out : sequence of LeftOut
        Measured runs that could not be drawn.
    """

    fit: str
    kind: str
    table: Any
    left_out: Sequence[LeftOut] = ()

    @cached_property
    def figure(self) -> "Figure":
        """The matplotlib figure."""
        return plots.figure(self.kind, self.table)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the figure; the suffix chooses PNG, SVG or PDF, or CSV for its numbers."""
        if Path(path).suffix.lower() == plots.NUMBERS:
            with writing(path):
                write_whole(path, plots.csv(self.table).encode("utf8"))
        else:
            plots.save(self.figure, path)

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling plot --json` prints."""
        head = {"fit": self.fit, "kind": self.kind, "file": None}
        return nulls(stamped({**head, "numbers": plots.numbers(self.table)}))

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the figure behind, which is drawn again where it is wanted."""
        return Drawing, (self.fit, self.kind, self.table, self.left_out)

    def __repr__(self) -> str:
        """Return the kind and the fit."""
        return f"<Drawing {self.kind} of {self.fit or 'a fit'}>"

    def _repr_png_(self) -> bytes:
        """Return the figure, for a notebook."""
        stream = BytesIO()
        self.figure.savefig(stream, format="png")
        return stream.getvalue()


def plot(
    fit: kinds.Named, kind: str = KIND, *, measured: Any = None, level: float = 0.9
) -> Drawing:
    """Draw a figure of a fit; what lies beyond the fitted runs is dashed and has an interval.

    Parameters
    ----------
    fit : Fit, CurveFit, Backtest, path or name
    kind : str
        Which figure: `scaling plot --help` lists them.
    measured : Points, sequence of Curve, or whatever `read` understands, optional
        Runs that were not fitted, beside what the fit predicts for them.
    level : float
        Nominal coverage of the intervals.

    Raises
    ------
    UsageError
        If there is no such figure, or it draws no such thing.
    """
    module = plots.get(kind)
    stored = drawable(fit, kind)
    given, left = compared(stored, measured)
    table = module.table(stored, measured=given, level=level)
    return Drawing(kinds.name_of(fit), kind, table, left)


def compared(fit: Any, measured: Any, schedules: Any = None) -> tuple[Any, Sequence[LeftOut]]:
    """Return what a figure compares a fit with, and the runs that have nothing to compare."""
    if isinstance(fit, CurveFit):
        if measured is None or _are(Curve, measured):
            return measured, ()
        from scaling_cli.verbs.fit import curves_to_compare

        return curves_to_compare(fit, measured, schedules)
    if measured is None or not isinstance(fit, Fit) or isinstance(measured, Points):
        return measured, ()
    from scaling_cli.ingest._points import as_points
    from scaling_cli.runs.direction import Direction

    said = fit.selection
    direction = Direction(bool(said.get("rising")), said.get("limit"), fit.objective.space)
    chosen: dict[str, Any] = {"target": said.get("target"), "where": None, "at": "final"}
    points, _ = as_points(measured, type(fit.law), **chosen, weights=None, direction=direction)
    return points, points.left_out


def _are(kind: type, things: Any) -> bool:
    return isinstance(things, list | tuple) and all(isinstance(each, kind) for each in things)


def drawable(fit: kinds.Named, kind: str) -> Any:
    """Return a stored thing that a figure draws.

    Raises
    ------
    UsageError
        If the figure does not draw things of its kind; those that do are named.
    """
    thing, name = kinds.load(fit), kinds.name_of(fit)
    if thing.kind in plots.draws(kind):
        from scaling_cli.point_fits.recompute import points_of, with_points

        alone = hasattr(plots.get(kind), "ALONE") and thing.origin.get("kind") == "published"
        at_hand = isinstance(thing, Fit) and not (alone and points_of(thing) is None)
        return with_points(thing) if at_hand else thing
    *others, last = plots.of_kind(thing.kind) or [""]
    told = f"{', '.join(others)} or {last}" if others else last
    use = f"take --kind {told}" if told else thing.used(name)
    wrong = f"{name or 'this'} is {thing.what}, which the figure {kind} does not draw: {use}."
    raise UsageError(wrong)
