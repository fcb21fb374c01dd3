"""A law of every group of runs: fits side by side, what they share, laws through their parameters.

Plain data like a Fit. Each group is a Fit that any command takes as FILE#GROUP, and so is a law
through the groups' parameters, as FILE#PARAMETER.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scaling_cli import laws
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import UsageError, near
from scaling_cli.vocabulary.quantities import parse_number, short_number

MARK = "#"  # between a file and the group that is meant
LEVEL = 0.9


@dataclass(frozen=True)
class Unfitted:
    """A group without a usable fit: what it has, and why that is none."""

    group: str
    n_points: int
    reason: str


@dataclass(frozen=True, repr=False)
class GroupedFit(Record):
    """One law fitted to every group of runs.

    Parameters
    ----------
    by : str
        The column whose values are the groups.
    groups : mapping of str to Fit
        Where parameters are shared, draw i of one group belongs to draw i of every other.
    value : float or None
        The minimised sum of all groups.
    shared : sequence of str
        The parameters of which there is one for all groups.
    tried : sequence of mapping
        Ways to share parameters, each with its error on runs held back.
    unfitted : sequence of Unfitted
    through : mapping of parameter to Fit
        A law of that parameter over the groups' own numbers.
    """

    what = "a fit of several groups"
    use = "scaling predict --fit FILE#GROUP"
    written_by = "scaling fit ... --by COLUMN -o fit.json"
    COMPUTED = {"law": "law", "common": "at_common"}

    by: str
    groups: Mapping[str, Fit]
    value: float | None = None
    shared: Sequence[str] = ()
    tried: Sequence[Mapping[str, Any]] = ()
    unfitted: Sequence[Unfitted] = ()
    through: Mapping[str, Fit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse groups of none, and parameters that the law has not."""
        if not self.groups:
            raise ValueError("groups must hold a fit")
        for name in (*self.shared, *self.through):
            for fit in self.groups.values():
                fit.law.parameter(name)

    def __repr__(self) -> str:
        """Return one line: the law, the column, the groups."""
        return f"<GroupedFit {self.law()} by {self.by}: {', '.join(self.groups)}>"

    def law(self) -> str:
        """Return the law of the groups by name."""
        return ", ".join(dict.fromkeys(laws.name_of(fit.law) for fit in self.groups.values()))

    def usage(self, name: str) -> str:
        """Return the command that predicts by its first group."""
        group, fit = next(iter(self.groups.items()))
        return f"scaling predict --fit {shlex.quote(name + MARK + group)} {fit.example}"

    def group(self, name: str) -> Fit:
        """Return the fit of a group, or the law through a parameter of all.

        Raises
        ------
        UsageError
            If there is none of that name; groups of numbers are found by any way to write them.
        """
        every = {**self.through, **self.groups}
        called = name if name in every else _as_number(name)
        if called not in every:
            told = f"there is no group {name!r} of {self.by}."
            raise UsageError(told, hint=near(name, [*every], "groups"))
        return replace(every[called], name=f"{self.name}{MARK}{called}")

    def at_common(self) -> dict[str, Any] | None:
        """Return what every group forecasts at one point: the largest inputs that all reach.

        None where groups have different inputs, or these say nothing together.
        """
        every = [fit.data.get("ranges") or {} for fit in self.groups.values()]
        inputs = [list(fit.law.inputs()) for fit in self.groups.values()]
        if any(own != inputs[0] for own in inputs) or any(set(inputs[0]) - set(r) for r in every):
            return None
        point = {s: float(min(ranges[s][1] for ranges in every)) for s in inputs[0]}
        try:
            told = {name: fit.predict(level=LEVEL, **point) for name, fit in self.groups.items()}
        except UsageError:  # shares that do not sum to one
            return None
        said = {name: prediction.to_dicts()[0] for name, prediction in told.items()}
        kept = ("value", "forecast", "mean", "new_run")
        losses = {name: {key: one[key] for key in kept} for name, one in said.items()}
        return {"inputs": point, "level": LEVEL, "groups": losses}


def label(value: Any) -> str:
    """Return what a group is called: numbers as short as they read back the same (150M)."""
    if not isinstance(value, float):
        return str(value)
    short = short_number(value)
    return short if parse_number(short) == value else repr(value)


def _as_number(name: str) -> str | None:
    try:
        return label(parse_number(name))
    except UsageError:
        return None
