"""What a fit is questioned with beside intervals: choices, runs, floor, rivals, isoFLOP slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.laws._optimum import near_optimal
from scaling_cli.point_fits.diagnosis import choices, floor, influence
from scaling_cli.point_fits.diagnosis.choices import Variation
from scaling_cli.point_fits.diagnosis.isoflop import IsoFlop, isoflop
from scaling_cli.point_fits.diagnosis.rivals import Rival, rivals
from scaling_cli.point_fits.fitted import REACH, Fitted, Target
from scaling_cli.point_fits.held_out import HeldOut

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
    profile : floor.Profile or None
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
    profile: floor.Profile | None
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
            "near_optimal": self.flat
            and {
                "C": self.target.compute,
                "ranges": [{"loss_within": s, "N": list(ends)} for s, ends in self.flat.items()],
            },
        }

    def derived(self) -> dict[str, Any]:
        """Return N*(C) by isoFLOP slices, as the fit file's derived quantities hold it."""
        if self.isoflop is None or not self.isoflop.allocations:
            return {}
        level = self.isoflop.level
        return {"optimal_params_isoflop": [a.to_dict(level) for a in self.isoflop.allocations]}


def diagnose(
    fitted: Fitted,
    draws: Mapping[str, np.ndarray],
    uncertainty: Uncertainty,
    tested: HeldOut,
) -> Diagnosis:
    """Question a fit.

    Parameters
    ----------
    fitted : Fitted
    draws : mapping of parameter to array
        Of the bootstrap; may be empty.
    uncertainty : Uncertainty
        What predictions' intervals are made of.
    tested : HeldOut
        At which rivals are scored.
    """
    at, law, level, asked = fitted.target, fitted.law, fitted.level, fitted.questioned
    name = floor.floor_name(fitted.problem)
    name = None if name in fitted.optimum.at_bound else name  # a floor that vanished has none
    interval = floor.interval_of(name, [draws, uncertainty.draws], level) if name else []
    held = floor.plans(asked, name, interval) if name and interval else []
    plans = [*choices.choices(asked), *influence.plans(asked), *held]
    refits = list(zip(plans, choices.refit(asked, plans), strict=True))
    alone = [*choices.tied(asked), *choices.recounted(asked)]
    tried = [*((plan.name, v) for plan, v in refits), *alone]
    made = [v for _, v in tried if v is not None]
    curve = [(plan, v) for plan, v in refits if v is not None and v.kind == "floor"]
    largest = float(np.max(law.along(fitted.points.inputs)))
    return Diagnosis(
        target=at,
        choices=[v for v in made if v.kind in ("objective", "filter", "tie", "convention")],
        runs=[v for v in made if v.kind == "run"],
        groups=[v for v in made if v.kind == "few runs"],
        run_count=len(set(fitted.points.runs)),
        failed=tuple(name for name, v in tried if v is None),
        profile=floor.profile(asked, name, interval, curve) if name else None,
        rivals=rivals(asked, tested),
        isoflop=isoflop(
            fitted.points,
            law,
            uncertainty.draws,
            [factor * largest for factor in COMPUTE_FACTORS],
            headline=REACH * largest,
            level=level,
        ),
        flat=None if at.compute is None else near_optimal(law, at.compute, at.inputs),
    )
