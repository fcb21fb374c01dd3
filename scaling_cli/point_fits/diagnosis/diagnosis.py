"""What a fit is questioned with beside intervals: choices, runs, floor, rivals, isoFLOP slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.engine.problem import Problem
from scaling_cli.point_fits.certainty.companion import Companion
from scaling_cli.point_fits.certainty.uncertainty import Cut
from scaling_cli.point_fits.diagnosis import floor, influence
from scaling_cli.point_fits.diagnosis.choices import (
    REACH,
    Fitted,
    Target,
    Variation,
    choices,
    refit,
    target,
    tied,
)
from scaling_cli.point_fits.diagnosis.flatness import near_optimal
from scaling_cli.point_fits.diagnosis.floor import Profile
from scaling_cli.point_fits.diagnosis.isoflop import IsoFlop, isoflop
from scaling_cli.point_fits.diagnosis.recounting import recounted
from scaling_cli.point_fits.diagnosis.rivals import Rival, rivals
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum

COMPUTE_FACTORS = (1.0, 10.0, 100.0)  # of the largest compute, where optima are reported


@dataclass(frozen=True)
class Diagnosis:
    """What refits and other laws say.

    Parameters
    ----------
    target : Target
        Where answers were compared.
    choices : sequence of Variation
        Objective, filters, ties, conventions.
    runs : sequence of Variation
        Single runs left out.
    groups : sequence of Variation
        A few runs left out at once.
    run_count : int
        Runs there are; more than `runs` where they were screened.
    failed : tuple of str
        Refits that did not converge.
    profile : Profile or None
    rivals : sequence of Rival
    isoflop : IsoFlop or None
    flat : mapping of share to (low, high), or None
        Sizes whose loss is within a share of the least at the headline's compute.
    """

    target: Target
    choices: Sequence[Variation]
    runs: Sequence[Variation]
    groups: Sequence[Variation]
    run_count: int
    failed: tuple[str, ...]
    profile: Profile | None
    rivals: Sequence[Rival]
    isoflop: IsoFlop | None
    flat: Mapping[float, tuple[float, float]] | None

    @property
    def influence(self) -> list[Variation]:
        """Refits without one run or a few."""
        return [*self.runs, *self.groups]

    def to_dict(self) -> dict[str, Any]:
        """Return what the fit file's diagnostics hold of it."""
        return {
            "headline": dict(self.target.inputs),
            "sensitivity": [v.to_dict() for v in self.choices],
            "influence": {
                "runs": [v.to_dict() for v in self.runs],
                "groups": [v.to_dict() for v in self.groups],
                "of": self.run_count,
            },
            "failed_refits": list(self.failed),
            "profile": None if self.profile is None else self.profile.to_dict(),
            "rivals": [r.to_dict() for r in self.rivals],
            "isoflop": None if self.isoflop is None else self.isoflop.to_dict(),
            "near_optimal": _near_dict(self.target, self.flat),
        }

    def derived(self) -> dict[str, Any]:
        """Return N*(C) by isoFLOP slices, as the fit file's derived quantities hold it."""
        if self.isoflop is None or not self.isoflop.allocations:
            return {}
        level = self.isoflop.level
        return {"optimal_params_isoflop": [a.to_dict(level) for a in self.isoflop.allocations]}


def diagnose(
    points: Points,
    problem: Problem,
    optimum: Optimum,
    *,
    draws: Mapping[str, np.ndarray],
    uncertainty: Uncertainty,
    masks: Sequence[np.ndarray],
    cuts: Sequence[Cut],
    level: float,
    companion: Companion | None = None,
) -> Diagnosis:
    """Question a fit.

    Parameters
    ----------
    draws : mapping of parameter to array
        Of the bootstrap; may be empty.
    uncertainty : Uncertainty
        What predictions' intervals are made of.
    masks, cuts : sequences
        Of the backtest; see `rivals`.
    level : float
        Of the intervals.
    companion : Companion, optional
        A rival law that is fitted already.
    """
    fitted = Fitted(points, problem, optimum, target(optimum.law, points))
    name = floor.floor_name(problem)
    name = None if name in optimum.at_bound else name  # a floor that vanished has no interval
    interval = floor.interval_of(name, [draws, uncertainty.draws], level) if name else []
    held = floor.plans(fitted, name, interval) if name and interval else []
    plans = [*choices(fitted), *influence.plans(fitted), *held]
    made = refit(fitted, plans)
    alone = [*tied(fitted), *recounted(fitted)]
    good = [(p, v) for p, v in zip(plans, made, strict=True) if v is not None]
    tried = [*((p.name, v) for p, v in zip(plans, made, strict=True)), *alone]
    chosen = [v for _, v in good if v.kind in ("objective", "filter")]
    curve = [(p, v) for p, v in good if v.kind == "floor"]
    return Diagnosis(
        target=fitted.target,
        choices=[*chosen, *(v for _, v in alone if v is not None)],
        runs=[v for _, v in good if v.kind == "run"],
        groups=[v for _, v in good if v.kind == "few runs"],
        run_count=len(set(points.runs)),
        failed=tuple(name for name, v in tried if v is None),
        profile=floor.profile(fitted, name, interval, curve) if name else None,
        rivals=rivals(fitted, masks, cuts, companion),
        isoflop=_slices(points, optimum, uncertainty, level),
        flat=_flat(optimum, fitted.target),
    )


def _slices(
    points: Points, optimum: Optimum, uncertainty: Uncertainty, level: float
) -> IsoFlop | None:
    largest = float(np.max(optimum.law.along(points.inputs)))
    computes = [factor * largest for factor in COMPUTE_FACTORS]
    return isoflop(
        points, optimum.law, uncertainty.draws, computes, headline=REACH * largest, level=level
    )


def _flat(optimum: Optimum, at: Target) -> dict[float, tuple[float, float]] | None:
    if at.compute is None:
        return None
    return near_optimal(optimum.law, at.compute, at.inputs)


def _near_dict(at: Target, flat: Mapping[float, tuple[float, float]] | None) -> Any:
    if flat is None:
        return None
    return {
        "C": at.compute,
        "ranges": [{"loss_within": share, "N": list(pair)} for share, pair in flat.items()],
    }
