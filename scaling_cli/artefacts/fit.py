"""The fit as a thing: what `scaling fit` writes, `scaling predict` reads and CI compares.

A Fit is plain data. It predicts with NumPy alone (no JAX, no pandas), because it carries the
draws that its intervals need. The JSON is the public schema, the same for `fits/**.json`.
"""

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._asked import completed
from scaling_cli.artefacts._judgement import doubts
from scaling_cli.artefacts.prediction import Prediction, Uncertainty, intervals, read_inputs
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import scale
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import nulls, read_fit_record, to_json, write_json
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Status

__all__ = [
    "Check",
    "Fit",
    "Level",
    "Objective",
    "Prediction",
    "Status",
    "Uncertainty",
    "load",
    "read_inputs",
    "to_json",
    "write_json",
]

SCHEMA_VERSION = 1


# Derived quantities that a fit makes from its points; no law gives them back.
FROM_POINTS = frozenset({"optimal_params_isoflop"})


@dataclass(frozen=True, repr=False)
class Fit:
    """A fitted law with everything needed to use it, judge it and repeat it."""

    law: Law
    status: Status
    objective: Objective
    value: float | None
    """The minimised sum; None for numbers typed in from a paper."""
    n_points: int
    intervals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per parameter: level, low, high, method; without ends, the reason instead."""
    uncertainty: Uncertainty | None = None
    backtest: Mapping[str, Any] | None = None
    checks: Sequence[Check] = ()
    left_out: Sequence[LeftOut] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """sha256, ranges {symbol: [low, high]}, conventions {symbol: name}, sources, target."""
    derived: Mapping[str, Any] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    """Of the optimisation: starts, agreement, gradient norm, condition number, basins."""
    selection: Mapping[str, Any] = field(default_factory=dict)
    """Options that made this fit: where, at, target, fix, tie, bootstrap, seed, level."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """For reference fits: kind (published or computed), source, certainty, card, anchors."""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    name: str = ""

    def __repr__(self) -> str:
        """Return one line: law, points, status, objective, parameters, warnings."""
        values = ", ".join(f"{k}={v:.4g}" for k, v in self.parameters.items())
        warned = [c.code for c in self.checks if c.level is not Level.PASS]
        parts = [laws.name_of(self.law), f"{self.n_points} points", str(self.status), values]
        parts += [f"see {', '.join(warned)}"] if warned else []
        return f"<Fit {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: parameters with intervals, and the checks that warn."""
        rows = "".join(
            f"<tr><td>{k}</td><td>{v:.6g}</td><td>{_span(self.intervals.get(k))}</td></tr>"
            for k, v in self.parameters.items()
        )
        warned = "".join(
            f"<li>{html.escape(f'{c.level} {c.code}: {c.message}')}</li>"
            for c in self.checks
            if c.level is not Level.PASS
        )
        head = f"{type(self.law).formula()} &mdash; {self.n_points} points, {self.status}"
        return (
            f"<p>{head}</p><table><tr><th></th><th>value</th><th>interval</th></tr>{rows}</table>"
            f"<ul>{warned}</ul>"
        )

    @property
    def parameters(self) -> dict[str, float]:
        """Parameter values by name."""
        return self.law.values()

    def predict(self, *, level: float = 0.9, **inputs: Any) -> Prediction:
        """Predict the law's output.

        Parameters
        ----------
        level : float
            Nominal coverage of the intervals.
        **inputs : float, str or array
            The law's inputs by symbol or column (`N=7e9, tokens="1T"`), broadcast against each
            other. `C` with N or D gives the other by C = 6ND; alone, the law's own optimum.

        Raises
        ------
        UsageError
            If an input is missing, unknown, or not positive and finite.
        """
        check_level(level)
        columns = read_inputs(self.law, completed(self.law, inputs))
        value = np.asarray(self.law(**columns), dtype=float)
        bare = Prediction(
            columns,
            self.law.output().symbol,
            value,
            level,
            None,
            None,
            self._extrapolation(columns),
            {},
            made_by=self._as_maker(),
        )
        if self.uncertainty is None:
            return bare
        mean, new_run, parts = intervals(self.law, self.uncertainty, columns, value, level)
        other = self.uncertainty.companion
        beside = None if other is None else (laws.name_of(other), np.asarray(other(**columns)))
        told = replace(bare, mean=mean, new_run=new_run, parts=parts, companion=beside)
        warnings = doubts(self.checks, self.backtest, told)
        return replace(told, made_by={**bare.made_by, "warnings": warnings})

    def _as_maker(self) -> dict[str, Any]:
        """Return what a prediction says of the fit that made it."""
        sure = self.uncertainty
        return {
            "fit": self.name,
            "law": laws.name_of(self.law),
            "tested": None if sure is None else sure.tested,
            "method": None if sure is None else sure.method,
            "drift": None if sure is None else sure.drift,
            "backtests": (self.backtest or {}).get("cuts") or [],
            "warnings": [],
        }

    def _extrapolation(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the factor by which each axis lies outside the data; 1 inside."""
        ranges = self.data.get("ranges", {})
        axis, values = scale(inputs)
        factors = {}
        for symbol, column in {**inputs, axis: values}.items():
            if symbol in ranges:
                low, high = ranges[symbol]
                factors[symbol] = np.maximum(1.0, np.maximum(column / high, low / column))
        return factors

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract (NaN and infinity become null)."""
        return nulls(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": "fit",
                "name": self.name,
                "law": laws.name_of(self.law),
                "parameters": self.parameters,
                "objective": {
                    "name": self.objective.name,
                    "delta": self.objective.delta,
                    "space": self.objective.space,
                    "reduction": "sum",
                    "value": self.value,
                },
                "status": str(self.status),
                "n_points": self.n_points,
                "intervals": {k: dict(v) for k, v in self.intervals.items()},
                "derived": dict(self.derived),
                "backtest": self.backtest,
                "checks": [
                    {"code": c.code, "level": str(c.level), "message": c.message}
                    for c in self.checks
                ],
                "left_out": [{"run": x.run, "reason": x.reason} for x in self.left_out],
                "data": dict(self.data),
                "diagnostics": dict(self.diagnostics),
                "selection": dict(self.selection),
                "origin": dict(self.origin),
                "uncertainty": _uncertainty_dict(self.uncertainty),
                "versions": dict(self.versions),
                "command": self.command,
            }
        )

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the fit file atomically: a killed process leaves the old file or the new one."""
        write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, file: str = "<fit>") -> "Fit":
        """Rebuild a fit from its JSON object.

        Raises
        ------
        DataError
            If the object is not a fit of this schema; the message names what is missing.
        """
        _require(record, file)
        try:
            return cls._read(record, file)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"KeyError {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"the fit file is broken: {what}.",
                file=file,
                hint="Write it again with 'scaling fit ... -o fit.json'.",
            ) from error

    @classmethod
    def _read(cls, record: Mapping[str, Any], file: str) -> "Fit":
        law_class = laws.get(record["law"])
        known = law_class.parameters()
        if set(known) != set(record["parameters"]):
            raise DataError(
                f"law {record['law']} has parameters {', '.join(known)}, the file has "
                f"{', '.join(record['parameters'])}.",
                file=file,
            )
        objective = record["objective"]
        return cls(
            law=law_class(**{k: float(v) for k, v in record["parameters"].items()}),
            status=Status(record["status"]),
            objective=Objective(objective["name"], objective["delta"], objective["space"]),
            value=objective.get("value"),
            n_points=record["n_points"],
            intervals=record.get("intervals") or {},
            uncertainty=_read_uncertainty(record.get("uncertainty")),
            backtest=record.get("backtest"),
            checks=[
                Check(c["code"], Level(c["level"]), c["message"])
                for c in record.get("checks") or []
            ],
            left_out=[LeftOut(x["run"], x["reason"]) for x in record.get("left_out") or []],
            data=record.get("data") or {},
            derived=record.get("derived") or {},
            diagnostics=record.get("diagnostics") or {},
            selection=record.get("selection") or {},
            origin=record.get("origin") or {},
            versions=record.get("versions") or {},
            command=record.get("command") or "",
            name=record.get("name") or "",
        )


def load(path: str | os.PathLike[str]) -> Fit:
    """Read the file of a law of points; `fit_file.load` reads every kind.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or is not a fit.
    """
    return Fit.from_dict(read_fit_record(path), file=str(path))


def _span(interval: Mapping[str, Any] | None) -> str:
    if interval is None or interval["low"] is None or interval["high"] is None:
        return ""
    return f"{interval['low']:.4g} to {interval['high']:.4g}"


def _uncertainty_dict(uncertainty: Uncertainty | None) -> dict[str, Any] | None:
    if uncertainty is None:
        return None
    return {
        "method": uncertainty.method,
        "tested": uncertainty.tested,
        "drift": uncertainty.drift,
        "axis": uncertainty.axis,
        "axis_max": uncertainty.axis_max,
        "companion": None
        if uncertainty.companion is None
        else {
            "law": laws.name_of(uncertainty.companion),
            "parameters": uncertainty.companion.values(),
        },
        "sigma": np.asarray(uncertainty.sigma).tolist(),
        "draws": {k: np.asarray(v).tolist() for k, v in uncertainty.draws.items()},
    }


def _read_uncertainty(record: Mapping[str, Any] | None) -> Uncertainty | None:
    if record is None:
        return None
    return Uncertainty(
        draws={k: np.asarray(v, dtype=float) for k, v in record["draws"].items()},
        sigma=np.asarray(record["sigma"], dtype=float),
        drift=record["drift"],
        axis=record["axis"],
        axis_max=record["axis_max"],
        tested=record["tested"],
        method=record["method"],
        companion=_read_law(record.get("companion")),
    )


def _read_law(record: Mapping[str, Any] | None) -> Law | None:
    """Rebuild a law from its name and parameters; files of earlier versions have none."""
    if record is None:
        return None
    values = {k: float(v) for k, v in record["parameters"].items()}
    return laws.get(record["law"])(**values)


def _require(record: Mapping[str, Any], file: str) -> None:
    if not isinstance(record, Mapping) or record.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"not a fit file of schema version {SCHEMA_VERSION}.",
            file=file,
            hint="Write it with 'scaling fit ... -o fit.json'.",
        )
    if record.get("kind") == "curve_fit":
        raise DataError(
            "this is a fit of loss curves: it predicts along schedules, not at points.",
            file=file,
            hint="Use it with 'scaling predict --fit FILE --schedule TEXT'.",
        )
    needed = ("law", "parameters", "objective", "status", "n_points")
    missing = [key for key in needed if key not in record]
    if missing:
        raise DataError(f"the fit file lacks {', '.join(missing)}.", file=file)
