"""How sure: what predictions' intervals are made of.

Resampling alone measures noise, while the error of an extrapolation is mostly bias of the law:
on held-out real runs, intervals of one resampled law cover about half of what they promise. So a
prediction is the mean of several laws, and a side of its interval is made of joint draws of the
parameters under weak priors, the noise of one run, a drift per decade beyond the data, and a share
of the distance between the laws. No backtest enters: on real tables they bought nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from scaling_cli.artefacts._prediction import Beside, Uncertainty, edges, recipe
from scaling_cli.engine.problem import Problem
from scaling_cli.laws import name_of
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty.draws import DRAWS, noise_at, parameter_draws
from scaling_cli.point_fits.fitted import Fitted

NO_FLOOR = 1e-3  # of the smallest output: a floor below it is none
WIDENING = 1.3  # without a floor; benchmarks/coverage.py


def assemble(fitted: Fitted, beside: Sequence[Beside], *, tested: bool) -> Uncertainty:
    """Return what intervals are made of."""
    sigma = noise_at(fitted.problem, fitted.u)
    draws, sigmas = parameter_draws(fitted, sigma, fitted.draws(DRAWS))
    own, width = fitted.law, fitted.company.width
    return combine(fitted.problem, own, draws, sigmas, beside=beside, tested=tested, width=width)


def combine(
    problem: Problem,
    law: Law,
    draws: Mapping[str, np.ndarray],
    sigmas: np.ndarray,
    *,
    beside: Sequence[Beside],
    tested: bool,
    width: Mapping[str, float] | None = None,
) -> Uncertainty:
    """Add the laws beside, and what they tell of the width, to draws and noise.

    Where runs that were held back say how wide it is, a floor that lacks is in what they say.
    """
    drift, spread = recipe(beside)
    drift = drift if width is None else width["drift"]
    bare = width is None and floorless(law, problem.output)
    sigmas = sigmas if width is None else width["noise"] * sigmas
    told = [f"weak-prior parametric bootstrap, {len(sigmas)} draws"]
    by = "" if width is None else ", as the runs say that were held back to choose the laws"
    told += [f"drift {100 * drift:.2g} % per decade{by}", *_laws(law, beside)]
    return Uncertainty(
        draws=draws,
        sigma=sigmas,
        drift=drift,
        spread=spread,
        widening=WIDENING if bare else 1.0,
        largest=edges(problem.law, problem.inputs),
        beside=tuple(beside),
        tested=tested,
        method="; ".join(told),
    )


def floorless(law: Law, output: np.ndarray) -> bool:
    """Say whether a law has no floor of the output, or one that vanished.

    What a law of tasks can reach is bounded by its loss, whose own law has the floor.
    """
    if law.moves:
        return False
    name = law.floor()
    return name is None or law.values()[name] < NO_FLOOR * float(np.min(output))


def _laws(law: Law, beside: Sequence[Beside]) -> list[str]:
    """Say what the centre is, and from where the width is measured."""
    shared = [f"{name_of(b.law)} (weight {b.weight:g})" for b in beside if b.weight]
    apart = [name_of(b.law) for b in beside if not b.weight]
    told = [f"centre the mean of {', '.join([name_of(law), *shared])}"] if shared else []
    return told + [f"width by the distance to {name}" for name in apart]
