"""Groups of runs: which there are, a fit of each, what they share, laws through them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._record import versions
from scaling_cli.artefacts.fit import UNUSABLE, Fit
from scaling_cli.artefacts.grouped_fit import GroupedFit, Unfitted, label
from scaling_cli.vocabulary.errors import DataError, FitError, ScalingError, UsageError, some
from scaling_cli.vocabulary.outcomes import Level

if TYPE_CHECKING:
    from scaling_cli.runs.table import Runs

MOST = 100  # values of a column beyond which it names runs, not groups
SAID = 20  # columns in a message
ALONE = ("fix", "tie", "prior", "weights", "rising")  # options of a fit of one group by itself
Fitting = Callable[..., Any]


def fit_groups(
    runs: "Runs",
    by: str,
    fit: Fitting,
    *,
    shared: str | None = None,
    through: Mapping[str, str] | None = None,
    **options: Any,
) -> GroupedFit:
    """Fit a law to every group of runs; see `sc.fit`.

    Raises
    ------
    DataError
        If there is no such column, or runs have no value in it.
    FitError
        If no group has a usable fit.
    """
    if shared is not None:
        _refuse_held(options)
    where, command = options.get("where"), options.get("command", "")
    fits: dict[str, Fit] = {}
    unfitted: list[tuple[Unfitted, ScalingError]] = []
    for value, count in sizes(runs, by, where).items():
        name = label(value)
        try:
            fits[name] = _fitted(fit, runs, {**options, "where": rows_of(by, value, where)})
        except (FitError, DataError) as error:
            unfitted.append((Unfitted(name, count, error.message), error))
    if not fits:
        _refuse(by, unfitted)
    way, tried, joint = None, [], None
    if shared is not None:
        from scaling_cli.point_fits import together

        way, tried = together.chosen(fits, shared)
        if way.shared:
            fits, joint = together.at_once(fits, way.shared)
    values = [f.value for f in fits.values() if f.value is not None]
    made = GroupedFit(
        by=by,
        groups=fits,
        value=float(np.sum(values)) if joint is None else joint.value,
        shared=way.shared if way else (),
        tried=[vars(one) for one in tried],
        unfitted=[one for one, _ in unfitted],
        data={"sources": next(iter(fits.values())).data.get("sources", [])},
        selection={**_kept(next(iter(fits.values()))), "where": where},
        versions=versions(),
        command=command,
    )
    return _with_laws(made, through) if through else made


def sizes(runs: "Runs", by: str, where: str | None = None) -> dict[Any, int]:
    """Return the groups with their rows: numbers in order, names by how many rows they have.

    Raises
    ------
    DataError
        If there is no such column, runs have no value in it, or it names runs.
    """
    from scaling_cli.runs.view import View
    from scaling_cli.runs.where import rows_where

    view = View.of(runs)
    if where is not None:
        kept = rows_where(where, view.column, view.names(), len(view))
        view = view.take(np.flatnonzero(kept))
    try:
        values = view.column(by)
    except KeyError:
        columns = some(view.original_names(), SAID)
        raise DataError(f"there is no column {by!r}.", hint=f"Columns: {columns}.") from None
    numeric = values.dtype != object
    lacking = np.isnan(values) if numeric else np.array([v is None for v in values], bool)
    if lacking.any():
        ids = list(dict.fromkeys(np.array(view.run_ids())[lacking].tolist()))
        raise DataError(
            f"column {by!r} is empty in {some(ids)}: in no group can they be fitted.",
            hint=f"Fill the cells in, or leave these runs out: --where '{_quoted(by)} == "
            f"{_quoted(by)}'.",
        )
    counts: dict[Any, int] = {}
    for value in values.tolist():
        counts[value] = counts.get(value, 0) + 1
    if len(counts) > MOST:
        told = f"column {by!r} has {len(counts)} values: it names runs, not groups of them."
        raise DataError(told, hint="Name a column that several runs share: --by optimizer.")
    return dict(sorted(counts.items(), key=lambda pair: pair[0] if numeric else -pair[1]))


def rows_of(by: str, value: Any, where: str | None = None) -> str:
    """Return what selects the rows of a group, among those that are kept."""
    quote = "'" if '"' in str(value) else '"'
    text = repr(value) if isinstance(value, int | float | bool) else f"{quote}{value}{quote}"
    return f"{_quoted(by)} == {text}" + (f" and ({where})" if where else "")


def _quoted(column: str) -> str:
    return column if column.isidentifier() else f"`{column}`"


def _fitted(fit: Fitting, runs: "Runs", options: Mapping[str, Any]) -> Fit:
    """Return the fit of one group.

    Raises
    ------
    FitError
        If it has none that can be used.
    """
    fitted: Fit = fit(runs, **options)
    failed = [c for c in fitted.checks if c.level is Level.FAIL and c.code in UNUSABLE]
    if failed:
        raise FitError(" ".join(check.message for check in failed))
    return fitted


def _refuse(by: str, unfitted: Sequence[tuple[Unfitted, ScalingError]]) -> None:
    told = [f"{one.group} ({one.n_points} rows): {one.reason.rstrip('.')}" for one, _ in unfitted]
    error = unfitted[0][1]
    raise type(error)(f"no group of {by} can be fitted. {some(told)}.", hint=error.hint)


def _refuse_held(options: Mapping[str, Any]) -> None:
    """Refuse options that a fit of all groups at once does not know."""
    if wrong := [name for name in ALONE if options.get(name)]:
        raise UsageError(
            f"--shared cannot go with --{' and --'.join(wrong)}: groups are fitted at once, and "
            "every point counts alike.",
            hint="Leave one of them out.",
        )


def _kept(fit: Fit) -> dict[str, Any]:
    """Return the options that all groups were fitted with."""
    return {key: value for key, value in fit.selection.items() if key != "where"}


def _with_laws(fit: GroupedFit, through: Mapping[str, str]) -> GroupedFit:
    """Add laws through parameters of the groups."""
    from scaling_cli.point_fits import nested

    made = {}
    for name, law in through.items():
        for own in fit.groups.values():
            own.law.parameter(name)
        if name in fit.shared:
            raise UsageError(f"{name} is shared by all groups: no law runs through one number.")
        kind, together = laws.get(law, (fit.by,)), bool(fit.shared)
        made[name] = nested.through(fit.groups, fit.by, name, kind, together=together)
    return replace(fit, through=made)
