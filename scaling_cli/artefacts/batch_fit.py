"""The fit of runs at several batch sizes as a thing: stored, loaded, asked with NumPy alone.

`kind: "batch_fit"`; the other keys are those of a fit file.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli.artefacts.batch_trajectory import BatchTrajectory
from scaling_cli.artefacts.fit import SCHEMA_VERSION
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import nulls, write_json
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Status

KIND = "batch_fit"
FEWEST_LEFT_OUT = 3  # batches that can be left out in turn: fewer give no interval


@dataclass(frozen=True)
class BatchLevel:
    """One loss level of runs of one size.

    Parameters
    ----------
    N, loss : float
        Parameters (None where they are not known), nats/token.
    B_crit, S_min, E_min : float
        Of the hyperbola through this level's batches alone; infinite or zero where they do not
        bracket the critical batch.
    misfit : float
        Root mean square of ln steps about that hyperbola.
    batches : sequence of {B, S, run}
        Tokens per step, steps until the loss was reached, and by which run.
    missed : sequence of float
        Batches whose runs did not reach the level, or began below it.
    """

    N: float | None
    loss: float
    B_crit: float
    S_min: float
    E_min: float
    misfit: float
    batches: Sequence[Mapping[str, Any]]
    missed: Sequence[float]


@dataclass(frozen=True, repr=False)
class BatchFit:
    """The critical batch of a set of runs and their loss along it, with what they do not say.

    Parameters
    ----------
    trajectory : BatchTrajectory
    replicates : sequence of BatchTrajectory
        The fit without each batch in turn; intervals come from these.
    levels : sequence of BatchLevel
    n_points : int
        Points of curves that the loss was fitted to.
    misfit : float
        Mean |prediction/loss - 1| over them, the prediction from step and batch.
    """

    trajectory: BatchTrajectory
    replicates: Sequence[BatchTrajectory]
    levels: Sequence[BatchLevel]
    n_points: int
    misfit: float | None
    status: Status = Status.CONVERGED
    objective: Objective = field(default_factory=Objective)
    value: float | None = None
    checks: Sequence[Check] = ()
    left_out: Sequence[LeftOut] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def __repr__(self) -> str:
        """Return one line: constants, points, warnings."""
        values = ", ".join(f"{k}={v:.4g}" for k, v in self.trajectory.values().items())
        warned = [c.code for c in self.checks if c.level is not Level.PASS]
        parts = [values, f"{self.n_points} points", str(self.status)]
        parts += [f"see {', '.join(warned)}"] if warned else []
        return f"<BatchFit {'; '.join(parts)}>"

    def interval(
        self, quantity: Callable[[BatchTrajectory], Any], level: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the interval of a positive quantity, or None with too few batches for one.

        A jackknife over batches, in logarithms, with Student's t of one degree of freedom less
        than there are batches: it takes in how runs at one batch differ from those at another, and
        takes the form of the laws as true.

        Parameters
        ----------
        quantity : callable
            Takes a BatchTrajectory, returns a number or an array.
        level : float
            Nominal coverage.
        """
        count = len(self.replicates)
        if count < FEWEST_LEFT_OUT:
            return None
        centre = np.log(np.asarray(quantity(self.trajectory), float))
        each = np.log(np.stack([np.asarray(quantity(r), float) for r in self.replicates]))
        spread = np.sqrt((count - 1) / count * np.sum((each - each.mean(axis=0)) ** 2, axis=0))
        half = quantile(level, count - 1) * spread
        return np.exp(centre - half), np.exp(centre + half)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object (NaN and infinity become null)."""
        intervals = {}
        for name in self.trajectory.values():
            found = self.interval(lambda t, n=name: t.values()[n])
            if found is not None and np.isfinite(found).all():
                low, high = (float(end) for end in found)
                intervals[name] = {"level": 0.9, "low": low, "high": high, "method": "jackknife"}
        return nulls(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": KIND,
                "law": "batch_trajectory",
                "parameters": self.trajectory.values(),
                "N": self.trajectory.N,
                "objective": {**asdict(self.objective), "reduction": "sum", "value": self.value},
                "status": str(self.status),
                "n_points": self.n_points,
                "misfit": self.misfit,
                "intervals": intervals,
                "levels": [asdict(level) for level in self.levels],
                "replicates": [r.values() for r in self.replicates],
                "checks": [
                    {"code": c.code, "level": str(c.level), "message": c.message}
                    for c in self.checks
                ],
                "left_out": [{"run": x.run, "reason": x.reason} for x in self.left_out],
                "data": dict(self.data),
                "selection": dict(self.selection),
                "versions": dict(self.versions),
                "command": self.command,
            }
        )

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically: a killed process leaves the old file or the new one."""
        write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, file: str = "<fit>") -> "BatchFit":
        """Rebuild a fit from its JSON object.

        Raises
        ------
        DataError
            If the object is not such a fit.
        """
        if not isinstance(record, Mapping) or record.get("kind") != KIND:
            raise DataError(
                "not a fit of runs at several batch sizes.",
                file=file,
                hint="Write it with 'scaling batch ... -o batch.json'.",
            )
        try:
            return _read(cls, record)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"KeyError {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"the file is broken: {what}.",
                file=file,
                hint="Write it again with 'scaling batch ... -o batch.json'.",
            ) from error


def load_batch_fit(path: str | os.PathLike[str]) -> BatchFit:
    """Read a fit of runs at several batch sizes.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or is no such fit.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise DataError(f"cannot read the fit file: {error.strerror}.", file=str(path)) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg}.",
            file=str(path),
            row=error.lineno,
            hint="Write it again with 'scaling batch ... -o batch.json'.",
        ) from error
    return BatchFit.from_dict(record, file=str(path))


def _read(cls: type[BatchFit], record: Mapping[str, Any]) -> BatchFit:
    objective, N = record["objective"], record.get("N")
    return cls(
        trajectory=BatchTrajectory(N=N, **record["parameters"]),
        replicates=[BatchTrajectory(N=N, **values) for values in record["replicates"]],
        levels=[BatchLevel(**_infinite(level)) for level in record["levels"]],
        n_points=record["n_points"],
        misfit=record.get("misfit"),
        status=Status(record["status"]),
        objective=Objective(objective["name"], objective["delta"], objective["space"]),
        value=objective.get("value"),
        checks=[
            Check(c["code"], Level(c["level"]), c["message"]) for c in record.get("checks") or []
        ],
        left_out=[LeftOut(x["run"], x["reason"]) for x in record.get("left_out") or []],
        data=record.get("data") or {},
        selection=record.get("selection") or {},
        versions=record.get("versions") or {},
        command=record.get("command") or "",
    )


def _infinite(level: Mapping[str, Any]) -> dict[str, Any]:
    """Return a level as it was before infinities became null."""
    numbers = ("B_crit", "S_min", "E_min")
    return {k: np.inf if v is None and k in numbers else v for k, v in level.items()}
