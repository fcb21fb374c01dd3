"""`sc.plot`: a figure of a fit, its numbers, and the file it is written to."""

from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from os import PathLike
from typing import TYPE_CHECKING, Any

from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import DataError, UsageError
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


def plot(
    fit: kinds.Named, kind: str = KIND, *, measured: Any = None, level: float = 0.9
) -> Drawing:
    """Draw a figure of a fit; what lies beyond the fitted runs is dashed and has an interval.

    Parameters
    ----------
    fit : Fit, CurveFit, Backtest, path or name
    kind : str
        Which figure: `scaling plot --help` lists them.
    measured : Points or sequence of Curve, optional
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
    table = module.table(stored, measured=measured, level=level)
    return Drawing(kinds.name_of(fit), kind, table)


def drawable(fit: kinds.Named, kind: str) -> Any:
    """Return a stored thing that a figure draws.

    Raises
    ------
    UsageError
        If the figure does not draw things of its kind; those that do are named.
    """
    thing, name = kinds.load(fit), kinds.name_of(fit)
    if thing.kind in plots.draws(kind):
        return with_points(thing) if isinstance(thing, Fit) else thing
    others = " or ".join(plots.of_kind(thing.kind))
    use = f"take --kind {others}" if others else thing.used(name)
    wrong = f"{name or 'this'} is {thing.what}, which the figure {kind} does not draw: {use}."
    raise UsageError(wrong)


def with_points(fit: Fit) -> Fit:
    """Return a fit with the points that it was made of, where they are at hand but not in it.

    Raises
    ------
    DataError
        If they are not: why, and how to bring them.
    """
    if fit.data.get("points"):
        return fit
    from scaling_cli.point_fits.recompute import points_of

    points, card = points_of(fit), fit.origin.get("card")
    if points is not None:
        return replace(fit, data={**fit.data, "points": points.to_dict()})
    if card is None and fit.origin.get("kind") == "published":
        told = f"{fit.name} holds published numbers, without the runs that they were fitted to."
        raise DataError(told, hint="Draw a fit to runs of your own.")
    bring = f"'scaling data fetch {card}' brings them." if card else "Fit again where they are."
    raise DataError(f"the points of {fit.name or 'this fit'} are not at hand.", hint=bring)
