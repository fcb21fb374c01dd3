"""From the parts of a forecast to what it says."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from scaling_cli.artefacts.forecast import Forecast, Known, Past, Path, Scenario, Seen
from scaling_cli.forecasting.annealed import Alone, alone
from scaling_cli.forecasting.anticipation import Levels
from scaling_cli.forecasting.families import Extrapolation
from scaling_cli.forecasting.future import Future
from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.outcome import Outcome, of_law
from scaling_cli.forecasting.siblings import Family, Informed
from scaling_cli.vocabulary.outcomes import LeftOut


@dataclass(frozen=True)
class Parts:
    """All that is known when a forecast is written down."""

    job: Job
    future: Future
    found: Alone
    kin: Family
    told: Informed | None
    outcome: Outcome
    end: float
    level: float
    method: str
    families: Extrapolation | None = None
    levels: Levels | None = None


def record(
    parts: Parts, *, warnings: list[str], notes: list[str], epochs: float | None, valid: bool
) -> Forecast:
    """Return the forecast of its parts."""
    job, found, outcome = parts.job, parts.found, parts.outcome
    law = parts.method == "law"
    plan = parts.future.plan if law else found.plan
    value, half = float(outcome.loss[-1]), float(outcome.half[-1])
    normal = NormalDist().inv_cdf((1 + parts.level) / 2)
    row = float(np.hypot(half, normal * found.bins.noise))
    how = f" + {parts.kin.how}" if parts.told is not None else ""
    used = [s.job.run for s in parts.kin.members] if parts.told is not None else []
    return Forecast(
        job.run,
        job.unit,
        _seen(job, found),
        parts.end,
        value,
        parts.level,
        _around(value, half),
        _around(value, row),
        valid,
        f"{parts.method}{how}",
        Known(plan.text, plan.source, plan.why, plan.verdict, plan.length),
        scenarios=_scenarios(parts),
        constant_rate=found.constant(parts.end) if law else None,
        decay_share=_decay_share(found, parts.end) if law else None,
        parameters=found.posterior.typical() if parts.families is None else {},
        backtests=_backtests(parts),
        noise=found.bins.noise,
        epochs=epochs,
        levels=_levels(parts.levels),
        siblings=used,
        left_out=_unused(parts),
        warnings=warnings,
        notes=[*notes, *_noted(parts)],
        path=Path(
            outcome.x,
            outcome.loss,
            outcome.loss * np.exp(-outcome.half),
            outcome.loss * np.exp(outcome.half),
        ),
        target=job.target,
    )


def _unused(parts: Parts) -> list[LeftOut]:
    left = list(parts.kin.left_out)
    if parts.told is None:
        reason = "no loss as early as the run is now" if parts.method == "law" else parts.method
        left += [LeftOut(s.job.run, reason) for s in parts.kin.members]
    return left


def _seen(job: Job, found: Alone) -> Seen:
    batch = job.batch_tokens
    if job.unit == "tokens":
        return Seen(None, job.now, found.posterior.level, len(job.x))
    tokens = None if batch is None else job.now * batch
    return Seen(job.now, tokens, found.posterior.level, len(job.x))


def _backtests(parts: Parts) -> list[Past]:
    if parts.families is not None:
        return []
    return list(parts.found.backtests)


def _noted(parts: Parts) -> list[str]:
    """Return what was left out, and which families weigh most."""
    if parts.families is not None:
        heavy = [f"{m.family} {100 * m.weight:.0f} %" for m in parts.families.members[:4]]
        return [
            f"families, the heaviest: {', '.join(heavy)}.",
            *_sight(parts),
            *parts.families.notes,
        ]
    bins = parts.found.bins
    if not bins.spikes:
        return []
    return [f"{bins.spikes} of {bins.rows + bins.spikes} fitted rows left out as spikes."]


def _sight(parts: Parts) -> list[str]:
    if parts.future.plan.source == "none":
        return []
    return ["the families run over the area under the learning rate; its fall is the law's."]


def _levels(found: Levels | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    names = ("threshold", "working", "prediction", "convergence", "forecast")
    return {name: getattr(found, name) for name in names}


def _around(value: float, half: float) -> tuple[float, float]:
    return value * float(np.exp(-half)), value * float(np.exp(half))


def _decay_share(found: Alone, end: float) -> float | None:
    """Return the share of the predicted drop that the fall of the rate causes."""
    x = np.array([found.job.now, end])
    loss, _ = found.at(x)
    gone = found.posterior.drop_at(found.course, x)
    fall = float(loss[0] - loss[1])
    return float(gone[1] - gone[0]) / fall if fall > 0 else None


def _scenarios(parts: Parts) -> list[Scenario]:
    """Return the end under every schedule the run may have; none where one is known."""
    future, end = parts.future, parts.end
    if not future.others or parts.method != "law":
        return []
    value, half = float(parts.outcome.loss[-1]), float(parts.outcome.half[-1])
    found = [Scenario(future.name, future.plan.text, value, _around(value, half), headline=True)]
    for name, plan in future.others:
        outcome = of_law(alone(parts.job, plan, since=parts.found.since), end, parts.level, None)
        one, half = float(outcome.loss[-1]), float(outcome.half[-1])
        found.append(Scenario(name, plan.text, one, _around(one, half)))
    return found
