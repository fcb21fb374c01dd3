"""A fit file's points, and the same fit made again from them.

Points are found embedded in the file, in the table of a dataset card, or in the user's own files.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli import datasets, laws
from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.runs.direction import Direction, directed
from scaling_cli.runs.points import Points
from scaling_cli.runs.where import rows_where
from scaling_cli.vocabulary.errors import DataError

REPEATED = ("bootstrap", "bootstrap_kind", "cluster", "seed", "level", "alone", "beside")
DRAW_DIGITS = 8  # draws are Monte Carlo: more digits are only file size


def points_of(fit: Fit, *, mirror: str | Path | None = None) -> Points | None:
    """Return the points that a fit was made of, if they are at hand and unchanged.

    Parameters
    ----------
    fit : Fit
    mirror : path, optional
        Where the data of a card may be copied from; nothing is downloaded.

    Raises
    ------
    DataError
        If the data are there but are not those that were fitted.
    """
    stored = fit.data.get("points")
    points = fit.points() if stored else _from_card(fit, mirror) or _from_sources(fit)
    expected = fit.data.get("sha256")
    if points is not None and expected and points.sha256() != expected:
        raise DataError(
            f"the data have changed since this fit: {len(points)} points, SHA-256 "
            f"{points.sha256()[:12]}, the file was fitted to {fit.n_points} points, SHA-256 "
            f"{expected[:12]}.",
            hint="Fit again, or bring back the data that were fitted.",
        )
    return points


def with_points(fit: Fit) -> Fit:
    """Return a fit with the points that it was made of, where they are at hand but not in it.

    Raises
    ------
    DataError
        If they are not: why, and how to bring them.
    """
    if fit.data.get("points"):
        return fit
    points, card = points_of(fit), fit.origin.get("card")
    if points is not None:
        return replace(fit, data={**fit.data, "points": points.to_dict()})
    if card is None and fit.origin.get("kind") == "published":
        told = f"{fit.name} holds published numbers, without the runs that they were fitted to."
        raise DataError(told, hint="Draw a fit to runs of your own.")
    bring = f"'scaling data fetch {card}' brings them." if card else "Fit again where they are."
    raise DataError(f"the points of {fit.name or 'this fit'} are not at hand.", hint=bring)


def _from_card(fit: Fit, mirror: str | Path | None) -> Points | None:
    """Return the rows of a card's table that the fit selects, if the data are at hand.

    Raises
    ------
    DataError
        If the table lacks a column of the fit, or no row is selected.
    """
    name = fit.origin.get("card")
    if (fetched := datasets.at_hand(name, mirror=mirror)) is None:
        return None
    table = fetched.table
    where, target = fit.selection.get("where"), fit.data.get("target") or "loss"
    columns = {s: q.column for s, q in type(fit.law).inputs().items()}
    columns |= fit.selection.get("columns") or {}
    missing = [c for c in (*columns.values(), target) if c not in table.column_names]
    keep = _rows(table, where)
    if missing or not len(keep):
        what = f"no column {', '.join(missing)}" if missing else f"no row with {where}"
        raise DataError(f"data set {name} has {what}.", file=str(fetched.card.path))
    inputs = {symbol: table[column].to_numpy()[keep] for symbol, column in columns.items()}
    runs = table["run_id"].take(keep).to_pylist()
    conventions = fit.data.get("conventions") or {}
    return Points(inputs, table[target].to_numpy()[keep], runs, conventions)


def _rows(table: Any, where: str | None) -> np.ndarray:
    """Return the indices of the rows that an expression selects."""
    if where is None:
        return np.arange(table.num_rows)

    def column(name: str) -> np.ndarray:
        values = table[name].to_pylist()
        return np.array(values, object if isinstance(values[0], str) else float)

    return np.flatnonzero(rows_where(where, column, table.column_names, table.num_rows))


def _from_sources(fit: Fit) -> Points | None:
    """Read the user's own files again, by the selection that the fit records."""
    sources = [_path(s) for s in fit.data.get("sources") or ()]
    if not sources or not all(s.exists() for s in sources):
        return None
    from scaling_cli import ingest
    from scaling_cli.ingest._points import best
    from scaling_cli.runs import selection  # pyarrow: only when files are read

    chosen = fit.selection
    reading = {k: chosen[k] for k in ("map", "set", "meta", "name", "format") if chosen.get(k)}
    selected = selection.select(
        ingest.read(*sources, **reading),
        type(fit.law),
        target=chosen.get("target") or "loss",
        where=chosen.get("where"),
        at=chosen.get("at") or "final",
        weight=chosen.get("weight"),
    )
    rising, limit = bool(chosen.get("rising")), chosen.get("limit")
    turned = directed(selected, type(fit.law), Direction(rising, limit, fit.objective.space))
    return best(turned, chosen.get("best_of"), type(fit.law))


def _path(source: Any) -> Path:
    return Path(source["path"] if isinstance(source, Mapping) else source)


def recompute(fit: Fit, points: Points) -> Fit:
    """Fit again, keeping what the file says about itself.

    Of a computed fit everything is new but its name, origin and selection. Published parameters
    and intervals stay, and are forecast with alone; what predictions need beyond them (draws,
    noise, another law, backtest) comes from the default fit of the same points. Points that
    were not in the file stay out of it.

    Raises
    ------
    FitError
        If the points give no usable fit.
    """
    from scaling_cli.point_fits import fitting  # JAX: only when something is refitted

    published = fit.origin.get("kind") == "published"
    alone: dict[str, Any] = {"alone": True} if published else {}
    new = fitting.fit(
        points,
        law=laws.name_of(fit.law),
        objective=None if published else fit.objective,
        fix=fit.selection.get("fix"),
        tie=fit.selection.get("tie"),
        prior=fit.selection.get("prior"),
        **({k: fit.selection[k] for k in REPEATED if k in fit.selection} | alone),
    )
    uncertainty = _shortened(new.uncertainty)
    kept = replace(fit, backtest=new.backtest, versions=new.versions, data=_data(fit, new))
    if published:
        return replace(kept, uncertainty=_borrowed(uncertainty))
    return replace(
        kept,
        law=new.law,
        status=new.status,
        value=new.value,
        n_points=new.n_points,
        intervals=new.intervals,
        uncertainty=uncertainty,
        checks=new.checks,
        diagnostics=new.diagnostics,
        derived=new.derived if fit.derived else {},
        origin=_anchored(fit.origin, new.law),
    )


def _data(fit: Fit, new: Fit) -> dict[str, Any]:
    """Return the new data record, without points that the old one did not hold."""
    kept = {k: v for k, v in new.data.items() if k != "points" or fit.data.get("points")}
    return {**fit.data, **kept, "conventions": fit.data.get("conventions") or {}}


def _anchored(origin: Mapping[str, Any], law: Law) -> Mapping[str, Any]:
    """Return the origin with its anchor points evaluated anew."""
    if not origin.get("anchors"):
        return origin
    anchors = [
        {"inputs": a["inputs"], "value": float(law(**a["inputs"]))} for a in origin["anchors"]
    ]
    return {**origin, "anchors": anchors}


def _shortened(uncertainty: Uncertainty | None) -> Uncertainty | None:
    if uncertainty is None:
        return None
    draws = {k: _rounded(v) for k, v in uncertainty.draws.items()}
    return replace(uncertainty, draws=draws, sigma=_rounded(uncertainty.sigma))


def _borrowed(uncertainty: Uncertainty | None) -> Uncertainty | None:
    """Say that the draws are not the paper's."""
    if uncertainty is None:
        return None
    method = f"{uncertainty.method}; of this package's default fit of the same points"
    return replace(uncertainty, method=method)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{v:.{DRAW_DIGITS}g}") for v in values])
