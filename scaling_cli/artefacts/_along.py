"""Curves that one fit predicts along several schedules, and how their ends differ."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts._curve_prediction import CurvePrediction, compare
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import stamped


@dataclass(frozen=True, repr=False)
class Along:
    """Predicted loss curves, by their number.

    Parameters
    ----------
    fit : CurveFit
    name : str
        Of the fit, as it was asked for.
    curves : tuple of CurvePrediction
        One per schedule.
    at : tuple of CurvePrediction
        The same at the steps that were asked for; empty where none were.
    """

    fit: CurveFit
    name: str
    curves: tuple[CurvePrediction, ...]
    at: tuple[CurvePrediction, ...] = ()

    def __len__(self) -> int:
        """Return the number of schedules."""
        return len(self.curves)

    def __iter__(self) -> Iterator[CurvePrediction]:
        """Go through the curves."""
        return iter(self.curves)

    def __getitem__(self, number: int) -> CurvePrediction:
        """Return the curve along a schedule."""
        return self.curves[number]

    def __repr__(self) -> str:
        """Return a line per schedule: its end."""
        ends = (f"{p.value[-1]:.4f} after {p.schedule.text()}" for p in self.curves)
        return f"<Along {'; '.join(ends)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling predict --schedule --json` prints: ends, differences, curves."""
        sure, predictions = self.fit.uncertainty, [p.to_dict() for p in self.curves]
        for p, record in zip(self.curves[1:], predictions[1:], strict=True):
            record["difference"] = asdict(compare(self.curves[0], p, sure))
        record = {
            "fit": self.name,
            "law": self.fit.name_of_law,
            "tested": sure is not None and sure.schedule is not None,
            "method": None if sure is None else sure.method,
            "predictions": predictions,
            "along": [p.to_dict(i) for p in self.at for i in range(len(p.step))],
            "curves": [_curve(p) for p in self.curves],
            "file": None,
        }
        return stamped(record)

    def to_csv(self) -> str:
        """Return the curves as CSV at full precision, one row per schedule and step."""
        lines = ["schedule,step,lr,loss,mean_low,mean_high,new_run_low,new_run_high"]
        for p in self.curves:
            bands = [*(p.mean or ()), *(p.new_run or ())]
            for i in range(len(p.step)):
                ends = [repr(float(b[i])) for b in bands] or [""] * 4
                cells = [repr(float(p.rate[i])), repr(float(p.value[i])), *ends]
                lines.append(f'"{p.schedule.text()}",{int(p.step[i])},{",".join(cells)}')
        return "\n".join(lines) + "\n"


def along(
    fit: CurveFit,
    name: str,
    schedules: Sequence[Schedule | str],
    *,
    N: float | None = None,
    steps: Sequence[float] | None = None,
    every: int | None = None,
    level: float = 0.9,
) -> Along:
    """Return the curve along each schedule, and its values at steps or every so many.

    Raises
    ------
    UsageError
        If a schedule is given twice or cannot be read, both `steps` and `every` are given, or a
        step lies outside every schedule.
    """
    curves = tuple(fit.predict(schedule, N=N, level=level) for schedule in schedules)
    written = [p.schedule.text() for p in curves]
    twice = next((text for i, text in enumerate(written) if text in written[:i]), None)
    if twice is not None:
        raise UsageError(f"the schedule {twice} is given twice.")
    if steps is not None and every is not None:
        raise UsageError("--steps and --every were both given.", hint="Give one of them.")
    if every is not None and every < 1:
        raise UsageError(f"--every must be at least 1 step, not {every}.")
    if steps is None and every is None:
        return Along(fit, name, curves)
    at = [fit.predict(p.schedule, _wanted(p, steps or (), every), N=N, level=level) for p in curves]
    return Along(fit, name, curves, tuple(at))


def _wanted(p: CurvePrediction, steps: Sequence[float], every: int | None) -> Sequence[float]:
    last = int(np.ceil(p.schedule.length))
    wanted = range(every, last + 1, every) if every else [s for s in steps if s <= last]
    if not len(wanted):
        raise UsageError(
            f"no step asked for lies on the schedule {p.schedule.text()}, of {last} steps."
        )
    return wanted


def _curve(p: CurvePrediction) -> dict[str, Any]:
    return {
        "schedule": p.schedule.text(),
        "step": p.step.tolist(),
        "lr": p.rate.tolist(),
        "value": p.value.tolist(),
        "mean": None if p.mean is None else [band.tolist() for band in p.mean],
        "new_run": None if p.new_run is None else [band.tolist() for band in p.new_run],
    }
