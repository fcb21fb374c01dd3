"""A prediction that is kept to be scored when its runs are there: `predict --save`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Prediction
from scaling_cli.artefacts._record import MERGED, SPARSE, Record, pair
from scaling_cli.artefacts._record import versions as versions_now
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.quantities import L

KEPT = ("target", "sha256", "conventions", "ranges", "fitted_as")  # of the data of the fit


@dataclass(frozen=True)
class Promise:
    """What was predicted at one point.

    Parameters
    ----------
    inputs : mapping of symbol to float
    value : float
        Of the law alone, in the target.
    forecast : float
        The number to plan with.
    mean, new_run : (low, high) or None
        Where the law's curve lies, and where a run lands.
    """

    inputs: Mapping[str, float]
    value: float
    forecast: float
    mean: tuple[float, ...] | None
    new_run: tuple[float, ...] | None


@dataclass(frozen=True, repr=False)
class SavedPrediction(Record):
    """A prediction at points, with the fit that made it, its intervals and its date."""

    what = "a saved prediction"
    use = "scaling score FILE RUNS"
    written_by = "scaling predict ... --save forecast.json"

    law: Law = field(metadata=MERGED)
    fit: Mapping[str, Any]
    """Name, digest, digest of its data, points, and the runs that it was fitted to."""
    date: str
    """When it was made, in UTC."""
    target: str
    """The column that is predicted; `data.named` says whether the user named it."""
    level: float
    predictions: tuple[Promise, ...]
    then: Law | None = field(default=None, metadata=SPARSE)
    """The law that makes the target of the loss, where one was chained."""

    @classmethod
    def made(
        cls, prediction: Prediction, fit: Fit, *, then: Fit | None = None, command: str = ""
    ) -> Self:
        """Return what is kept of a prediction that a fit has made just now."""
        answered = fit if then is None else then
        data = {k: answered.data[k] for k in KEPT if answered.data.get(k) is not None}
        named = answered.selection.get("target") is not None
        data["named"] = named or answered.law.output() is not L  # nothing else stands for it
        if then is not None:  # sizes count as the first counts them
            counts = fit.data.get("conventions") or {}
            data["conventions"] = {s: how for s, how in counts.items() if s != L.symbol}
        points = fit.data.get("points") or {}
        identity = {
            "name": prediction.made_by.get("fit", fit.name),
            "sha256": digest(fit),
            "data_sha256": fit.data.get("sha256"),
            "n_points": fit.n_points,
            "runs": sorted({str(run) for run in points.get("runs") or ()}),
        }
        return cls(
            law=fit.law,
            fit=identity,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            target=answered.measured,
            level=prediction.level,
            predictions=tuple(_promise(prediction, i) for i in range(len(prediction.value))),
            then=None if then is None else then.law,
            data=data,
            versions=versions_now(),
            command=command,
        )

    def __post_init__(self) -> None:
        """Refuse points that are not the law's."""
        own = list(self.law.inputs())
        for promise in self.predictions:
            if sorted(promise.inputs) != sorted(own):
                raise ValueError(f"predictions must have inputs {', '.join(own)}")
        datetime.fromisoformat(self.date)

    def __repr__(self) -> str:
        """Return one line: how many points, by which law, when."""
        return (
            f"<SavedPrediction of {self.target} at {len(self.predictions)} points by "
            f"{laws.name_of(self.law)}; {self.date}>"
        )

    @property
    def turned(self) -> Turned | None:
        """What was fitted of the target, where it is not the target itself."""
        return Turned.of(self.data)

    def by_law(self, inputs: Mapping[str, float]) -> float:
        """Return what the law alone says at inputs, of what was fitted."""
        value = self.law(**{s: np.float64(inputs[s]) for s in self.law.inputs()})
        return float(value if self.then is None else self.then(value))

    def told(self, inputs: Mapping[str, float]) -> float:
        """Return what the law alone says at inputs, in the target."""
        value = self.by_law(inputs)
        return value if self.turned is None else float(self.turned.back(value))


def _promise(prediction: Prediction, i: int) -> Promise:
    ends = (pair(prediction.mean, i), pair(prediction.new_run, i))
    mean, new_run = (None if end is None else tuple(end) for end in ends)
    inputs = {s: float(v[i]) for s, v in prediction.inputs.items()}
    return Promise(inputs, float(prediction.value[i]), float(prediction.forecast[i]), mean, new_run)


def digest(fit: Fit) -> str:
    """Return the digest of everything that a fit holds."""
    return hashlib.sha256(json.dumps(fit.to_dict(), sort_keys=True).encode()).hexdigest()
