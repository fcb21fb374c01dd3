"""Evidence made by hand, in which every check of the checklist passes: material of its tests."""

from dataclasses import replace
from typing import Any

import numpy as np
from tables import TRUTHS, table, truth

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts.backtest import Forecasts, ScoredCut
from scaling_cli.laws._optimum import near_optimal
from scaling_cli.point_fits.certainty.resampling import Resamples
from scaling_cli.point_fits.checklist import Evidence, checklist
from scaling_cli.point_fits.diagnosis.choices import Variation, exponent_names
from scaling_cli.point_fits.diagnosis.diagnosis import Diagnosis
from scaling_cli.point_fits.diagnosis.floor import Profile
from scaling_cli.point_fits.diagnosis.isoflop import Allocation, Budget, IsoFlop, Line
from scaling_cli.point_fits.diagnosis.rivals import Rival
from scaling_cli.point_fits.fitted import target
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, Status

DIAGNOSTICS = {
    "starts": 64,
    "converged": 60,
    "agree": 0.95,
    "basins": [1e-3],
    "gradient_norm": 2e-15,
    "condition": 1.2e5,
}
SIGMA = 0.004


def cut(bias: float = 0.001, factor: float = 10.0, **changes: Any) -> ScoredCut:
    fine = ScoredCut(
        train_max=1e19,
        n_train=9,
        n_test=3,
        factor=factor,
        bias=bias,
        mare=0.004,
        half_width=0.01,
        coverage=1.0,
        allowed=0.008,
        coverage_law=0.9,
        parameters={},
        held_out=("a",),
        forecasts=Forecasts([], *[np.zeros(0)] * 8),
    )
    return replace(fine, **changes)


CUTS = [cut(0.001, 3.0), cut(-0.002, 12.5, mare=0.0123, coverage=0.4), cut(0.001, 7.0)]


def moved(kind: str, beta: float, shift: float, **changes: Any) -> Variation:
    one = Variation("huber 1e-2", kind, ("run03", "run07"), {"alpha": 0.35, "beta": beta}, shift)
    return replace(one, **{"optimum_shift": shift, **changes})


def draws(law: str) -> dict[str, np.ndarray]:
    """Return 201 draws: every exponent evenly within a tenth, the rest exactly known."""
    spread = np.linspace(0.9, 1.1, 201)
    exponents = exponent_names(laws.get(law))
    return {n: v * (spread if n in exponents else np.ones(201)) for n, v in TRUTHS[law].items()}


def rival(own: float, theirs: float, *, law: str = "kaplan_nd", shift: float = 0.01) -> Rival:
    """Return a rival that missed by `theirs` at two cuts where the law missed by `own`."""
    cuts = [{"train_max": C, "n_test": 3, "mare": theirs, "own": own} for C in (1e18, 1e19)]
    return Rival(law, {}, 2e-3, 1e-3, 2.1, shift, cuts)


PROFILE = Profile(
    parameter="E",
    best=1.8,
    low=1.7,
    high=1.9,
    values=np.array([1.6, 1.7, 1.8, 1.9, 2.0]),
    rise=np.array([0.3, 0.1, 0.0, 0.12, 0.4]),
    prediction=np.array([1.9, 2.0, 2.01, 2.03, 2.1]),
    optimum_factor=None,
)
BUDGET = Budget(1e18, 6, (1e8, 1e9), 0.05, 3e8, 2.5, 0.1, 0.01, "")
LINE = Line(mean=43.0, centre=20.0, slope=0.5, sd=0.05, n=4, spread=5.0, low=41.0, high=45.0)


def slices(**changes: Any) -> IsoFlop:
    """Return isoFLOP slices whose line agrees with the law, without bias."""
    far = Allocation(1.15e22, 5e9, (4e9, 6.5e9), 4.5e9, (4.2e9, 4.9e9))
    return replace(IsoFlop([BUDGET] * 4, LINE, [far], 0.02, 0.9), **changes)


def diagnosis(points: Points, law: str, **changes: Any) -> Diagnosis:
    at = target(truth(law), points)
    flat = None
    if at.compute is not None:
        flat = near_optimal(truth(law), at.compute, at.inputs)
    fine = Diagnosis(
        target=at,
        choices=[moved("objective", 0.4, -0.002)],
        runs=[moved("run", 0.371, 0.0005, removed=("run01",))],
        groups=[moved("few runs", 0.38, 0.001)],
        run_count=1,
        failed=(),
        profile=PROFILE,
        rivals=[rival(0.004, 0.005)],
        isoflop=None,
        flat=flat,
    )
    return replace(fine, **changes)


def evidence(
    points: Points | None = None, law: str = "chinchilla", *, found: Any = None, **changes: Any
) -> Evidence:
    """Return evidence in which every check passes, at the truth of a noiseless table.

    `found` changes the diagnosis, everything else the evidence itself.
    """
    points = table(law) if points is None else points
    problem = make_problem(points, laws.get(law), Objective())
    u = np.log(list(TRUTHS[law].values()))
    fine = Evidence(
        points=points,
        problem=problem,
        optimum=Optimum(u, truth(law), 1e-9, Status.CONVERGED, (), DIAGNOSTICS),
        resampled=Resamples(draws(law), "bootstrap by run, 201 resamples of 15", 201, 10, 0),
        cuts=CUTS,
        uncertainty=Uncertainty(
            draws=draws(law),
            sigma=np.full(201, SIGMA),
            drift=0.02,
            largest={"C": 1e20},
            tested=True,
            method="by hand",
        ),
        diagnosis=diagnosis(points, law, **(found or {})),
        half_widths=(0.021, 0.031),
        selection={"fix": {}, "tie": {}, "seed": 7},
        sources=[{"path": "runs.csv", "sha256": "0" * 64}],
        command="scaling fit runs.csv",
    )
    return replace(fine, **changes)


def line(given: Evidence, code: str) -> Check:
    """Return one line of the checklist."""
    (found,) = [c for c in checklist(given) if c.code == code]
    return found
