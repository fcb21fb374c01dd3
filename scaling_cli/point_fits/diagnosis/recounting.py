"""The same runs with parameters counted otherwise: how far the answer depends on the count."""

from dataclasses import replace

import numpy as np

from scaling_cli.engine.problem import parameters
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.diagnosis.choices import (
    Fitted,
    Named,
    Plan,
    best_of,
    described,
    own_optimal_size,
)
from scaling_cli.vocabulary.quantities import Role

COUNT_STARTS = 3  # beside the optimum


def recounted(fitted: Fitted) -> list[Named]:
    """Refit with sizes counted in each other way the table has.

    Compared at the same model and tokens: its other count is interpolated in logarithms, and
    beyond the largest size continued with the slope of the two largest. N* is that of the
    compute which the other count gives the fit's own optimum.
    """
    problem = fitted.problem
    size = problem.law.symbol_of(Role.SIZE)
    if size is None:
        return []
    found: list[Named] = []
    for convention, sizes in fitted.points.counts.items():
        other = replace(problem, inputs={**problem.inputs, size: np.asarray(sizes, float)})
        begin = np.concatenate([fitted.optimum.u[None], starts(other)[:COUNT_STARTS]])
        plan = Plan(
            f"{size} counted {convention}", "convention", np.ones(len(fitted.points), bool), np.nan
        )
        best = best_of(other, begin)
        if best is None:
            found.append((plan.name, None))
            continue
        made = described(replace(fitted, problem=other), [plan], *best)[0]
        law = other.law(**{n: float(v[0]) for n, v in parameters(other, best[0]).items()})
        shifts = _recounted_shifts(fitted, size, sizes, law)
        found.append((plan.name, replace(made, shift=shifts[0], optimum_shift=shifts[1])))
    return found


def _recounted_shifts(
    fitted: Fitted, size: str, sizes: np.ndarray, other: Law
) -> tuple[float, float | None]:
    """Return the changes of ln prediction and of ln N* under a law fitted to other counts."""
    counted, own, at = fitted.points.inputs[size], fitted.optimum.law, fitted.target
    there = {**at.inputs, size: _counted_as(counted, sizes, at.inputs[size])}
    shift = float(np.log(other(**there) / own(**at.inputs)))
    best = None if at.compute is None else own_optimal_size(own, at.compute, at.inputs)
    if best is None:
        return shift, None
    held = {s: v for s, v in at.inputs.items() if s not in own.growing()}
    same = _counted_as(counted, sizes, best)
    spent = own.compute(**own.spending(at.compute, **{size: best}, **held) | {size: same})
    moved = own_optimal_size(other, spent, at.inputs)
    return shift, None if moved is None else float(np.log(moved / same))


def _counted_as(counted: np.ndarray, sizes: np.ndarray, size: float) -> float:
    """Return what a size of the fitted count is in another count."""
    own, first = np.unique(np.log(counted), return_index=True)
    other, x = np.log(np.asarray(sizes, float))[first], np.log(size)
    if len(own) < 2:
        return float(np.exp(other[0] + x - own[0]))
    i = int(np.clip(np.searchsorted(own, x), 1, len(own) - 1))
    slope = (other[i] - other[i - 1]) / (own[i] - own[i - 1])
    return float(np.exp(other[i - 1] + slope * (x - own[i - 1])))
