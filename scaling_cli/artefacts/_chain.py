"""A law of tasks chained after a law of the loss: its forecast, from the draws of both.

The draws of the two fits are put together at random: what the first was off by at its own runs, the
second never saw, as it was fitted to losses that were measured.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Prediction, Uncertainty, decades, strata
from scaling_cli.artefacts.fit import Fit
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.vocabulary.errors import MismatchError, UsageError
from scaling_cli.vocabulary.quantities import L

Sides = tuple[np.ndarray, np.ndarray]


def check(first: Fit, then: Fit) -> None:
    """Refuse a law that does not take a loss, or one of another loss.

    Raises
    ------
    UsageError
        If the first gives no loss, or the second takes anything else.
    MismatchError
        If their losses have two units.
    """
    if first.law.output() is not L or first.turned is not None:
        raise UsageError(f"--then follows a fit of a loss; this is one of {first.target}.")
    if list(then.law.inputs()) != [L.symbol]:
        takes = ", ".join(then.law.inputs())
        raise UsageError(
            f"--then takes a law of the loss alone; {laws.name_of(then.law)} takes {takes}.",
            hint="Fit one: scaling fit runs.csv --law task_error --target COLUMN -o down.json",
        )
    units = [(f.data.get("conventions") or {}).get(L.symbol) for f in (first, then)]
    if None not in units and units[0] != units[1]:
        raise MismatchError(
            f"the first fit gives a loss in {units[0]}, the second takes one in {units[1]}.",
            hint="Fit both to the same column of losses.",
        )


def chained(loss: Prediction, then: Fit) -> Prediction:
    """Return what a law of tasks makes of forecasts of the loss.

    Parameters
    ----------
    loss : Prediction
        By a law of the loss, with its intervals.
    then : Fit
        Of a law whose input is that loss.
    """
    law, sure = then.law, then.uncertainty
    outer = then._extrapolation({L.symbol: loss.forecast})
    bare = replace(
        loss,
        output=law.output().symbol,
        column=then.target,
        value=_at(law, loss.value),
        forecast=_at(law, loss.forecast),
        extrapolation={**loss.extrapolation, L.symbol: outer[L.symbol]},
        mean=None,
        new_run=None,
        parts={},
        members={},
        through=loss,
        notes=(),
    )
    made_by = {**loss.made_by, "then": then.name, "then_law": laws.name_of(law)}
    if loss.mean is None or loss.new_run is None or sure is None:
        whose = "the law of the loss" if sure is not None else laws.name_of(law)
        note = f"no interval: the fit of {whose} carries no draws."
        return replace(bare, made_by=made_by, notes=(note,))
    mean, new_run, parts = _bands(loss, loss.mean, loss.new_run, then, sure)
    tested = bool(loss.made_by.get("tested")) and sure.tested
    told = replace(bare, mean=mean, new_run=new_run, parts=parts)
    warnings = [*loss.made_by.get("warnings", ()), *then.doubts(told, sized=False)]
    return replace(told, made_by={**made_by, "tested": tested, "warnings": warnings})


def _at(law: laws.Law, loss: np.ndarray) -> np.ndarray:
    return np.asarray(law(L=np.asarray(loss, float)), float)


def _bands(
    loss: Prediction, mean: Sides, new_run: Sides, then: Fit, sure: Uncertainty
) -> tuple[Sides, Sides, Mapping[str, np.ndarray]]:
    """Return both intervals and the parts of half their widths, as shares of the forecast."""
    level, law = loss.level, then.law
    z = quantile(level)
    centre = _at(law, loss.forecast)
    beyond = decades(law, {L.symbol: loss.forecast}, sure.largest)
    far = sure.widening * z * sure.drift * beyond * np.abs(centre)
    drawn = type(law)(**{k: np.asarray(v)[:, None] for k, v in sure.draws.items()})
    count = len(sure.sigma)
    error, own = strata(count), np.random.default_rng(0).permutation(strata(count).ravel())
    shaken = np.exp(sure.widening * sure.sigma[:, None] * own.reshape(error.shape))
    ends: dict[str, list[tuple[float, float]]] = {"mean": [], "new_run": []}
    widths: dict[str, list[float]] = {"loss": [], "parameters": []}
    for i, middle in enumerate(loss.forecast):
        here = float(centre[i])
        of_mean = drawn(L=_losses(middle, mean, i, error, z))
        of_run = drawn(L=_losses(middle, new_run, i, error, z)) * shaken
        ends["mean"].append(_ends(of_mean, here, float(far[i]), level))
        ends["new_run"].append(_ends(of_run, here, float(far[i]), level))
        widths["loss"].append(_half(law(L=_losses(middle, mean, i, error, z)), level))
        widths["parameters"].append(_half(drawn(L=np.full(error.shape, middle)), level))
    scale, rms = np.abs(centre), float(np.sqrt(np.mean(sure.sigma**2)))
    parts = {name: np.array(half) / scale for name, half in widths.items()}
    parts |= {"noise": np.full(len(scale), sure.widening * z * rms), "drift": far / scale}
    return _columns(ends["mean"]), _columns(ends["new_run"]), parts


def _losses(middle: float, ends: Sides, i: int, error: np.ndarray, z: float) -> np.ndarray:
    """Return losses of a distribution in ln loss with these ends, an error in sds at a time."""
    below, above = np.log(middle / ends[0][i]) / z, np.log(ends[1][i] / middle) / z
    return middle * np.exp(error * np.where(error < 0, below, above))


def _ends(values: np.ndarray, centre: float, far: float, level: float) -> tuple[float, float]:
    """Return the ends of draws about the forecast, wider by how far it lies beyond the data."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    below, above = max(0.0, centre - float(low)), max(0.0, float(high) - centre)
    return centre - float(np.hypot(below, far)), centre + float(np.hypot(above, far))


def _half(values: np.ndarray, level: float) -> float:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(high - low) / 2


def _columns(ends: list[tuple[float, float]]) -> Sides:
    low, high = np.array(ends).T
    return low, high
