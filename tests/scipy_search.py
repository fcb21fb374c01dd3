"""The lowest objective that SciPy finds from many starts: the oracle of the optimum tests.

It shares nothing with the engine: residuals come from the law's own call on NumPy arrays, slopes
from complex steps, and the minimisers are SciPy's trust-region solver, L-BFGS-B and, for least
absolute deviations, a sequence of linear programmes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.optimize

from scaling_cli.laws._law import Domain, Law
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.objective import Objective

STEP = 1e-30  # of complex differentiation: no subtraction, so no rounding
FAR = 12.0  # no coordinate moves further than this from its start: nothing overflows
LARGEST = 600.0  # logarithm of a coefficient that the package reports; doubles end at 709
COARSE, FINE = 1e-4, 1e-13  # relative tolerances of the trust-region solver
ROUNDING = 1e-13  # a residual of this size per point counts as none


@dataclass(frozen=True)
class Search:
    """What is minimised; parameters in `fix` are held, those in `tie` follow another."""

    law: type[Law]
    points: Points
    objective: Objective
    fix: Mapping[str, float] = field(default_factory=dict)
    tie: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The parameters that are searched."""
        return [n for n in self.law.parameters() if n not in self.fix and n not in self.tie]

    def free(self, values: Mapping[str, float]) -> np.ndarray:
        """Return coordinates of parameter values: logarithms of the positive ones, or of a hair."""
        logs = {n: np.log(max(v, 1e-300)) for n, v in values.items() if self._positive(n)}
        return np.array([({**values, **logs})[n] for n in self.names])

    def residuals(self, u: np.ndarray) -> np.ndarray:
        """Return residuals, shape (..., n), at real or complex u of shape (..., k)."""
        searched = {
            n: np.exp(u[..., [i]]) if self._positive(n) else u[..., [i]]
            for i, n in enumerate(self.names)
        }
        held = {n: np.array([value]) for n, value in self.fix.items()}
        values = searched | held
        values |= {n: values[leader] for n, leader in self.tie.items()}
        inputs = {s: self.points.inputs[s] for s in self.law.inputs()}
        prediction = self.law(**values)(**inputs)
        if self.objective.space == "log":
            return np.log(prediction) - np.log(self.points.output)
        return prediction - self.points.output

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        """Return d residual / d u, shape (n, k), by complex steps."""
        return np.imag(self.residuals(u + 1j * STEP * np.eye(len(u)))).T / STEP

    def value(self, u: np.ndarray) -> float:
        """Return the objective's sum."""
        size = np.abs(self.residuals(u))
        if self.objective.name == "lad":
            return float(np.sum(size))
        if self.objective.name == "l2":
            return float(np.sum(size**2) / 2)
        delta = self.objective.delta
        return float(np.sum(np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))))

    def gradient(self, u: np.ndarray) -> np.ndarray:
        """Return the slope of a smooth objective."""
        r = self.residuals(u)
        delta = np.inf if self.objective.name == "l2" else self.objective.delta
        return self.jacobian(u).T @ np.clip(r, -delta, delta)

    def noise_floor(self) -> float:
        """Return the sum below which every value is zero to rounding."""
        unit = 1.0 if self.objective.space == "log" else float(np.max(self.points.output))
        size = ROUNDING * unit
        return len(self.points) * (size if self.objective.name == "lad" else size**2)

    def _positive(self, name: str) -> bool:
        return self.law.parameters()[name].domain is Domain.POSITIVE


def best(search: Search, starts: Sequence[np.ndarray]) -> float:
    """Return the lowest objective found from all the starts.

    All go down as far as tells them apart, the best two to the end; the best is polished.
    """
    with np.errstate(all="ignore"):
        ends = _lowest_first(search, starts, COARSE)
        ends[:2] = _lowest_first(search, ends[:2], FINE)
        ends.sort(key=search.value)
        if search.objective.name == "lad":
            ends[:1] = [_programmes(search, ends[0])]
        else:
            ends[:1] = [_polish(search, ends[0])]
        return min(search.value(u) for u in ends)


def around(centre: np.ndarray, spreads: Sequence[float], seed: int) -> list[np.ndarray]:
    """Return one normal start per spread around a centre."""
    generator = np.random.default_rng(seed)
    return [centre + s * generator.standard_normal(len(centre)) for s in spreads]


def _lowest_first(
    search: Search, starts: Sequence[np.ndarray], tolerance: float
) -> list[np.ndarray]:
    ends = [u for start in starts if (u := _descend(search, start, tolerance)) is not None]
    return sorted(ends, key=search.value)


def _descend(search: Search, start: np.ndarray, tolerance: float) -> np.ndarray | None:
    options: dict[str, Any] = {"jac": search.jacobian, "x_scale": "jac", "max_nfev": 80}
    if search.objective.name != "l2":
        options |= {"loss": "huber", "f_scale": search.objective.delta}
    try:
        return scipy.optimize.least_squares(
            search.residuals,
            start,
            bounds=(start - FAR, np.minimum(start + FAR, LARGEST)),
            xtol=tolerance,
            ftol=tolerance,
            gtol=1e-15,
            **options,
        ).x
    except (ValueError, np.linalg.LinAlgError):  # this start ran out of the numbers
        return None


def _polish(search: Search, u: np.ndarray) -> np.ndarray:
    scale = 1.0 / max(search.value(u), np.finfo(float).tiny)
    end = scipy.optimize.minimize(
        lambda v: scale * search.value(v),
        u,
        jac=lambda v: scale * search.gradient(v),
        method="L-BFGS-B",
        options={"ftol": 0.0, "gtol": 1e-12, "maxiter": 300},
    ).x
    return end if np.max(end) < LARGEST and search.value(end) < search.value(u) else u


def _programmes(search: Search, u: np.ndarray) -> np.ndarray:
    """Minimise the sum of |residual| by linear programmes in a shrinking box."""
    reach, n = 0.1, len(search.points)
    cost = np.r_[np.zeros(len(u)), np.ones(n)]
    for _ in range(40):
        r, J = search.residuals(u), search.jacobian(u)
        solved = scipy.optimize.linprog(
            cost,
            A_ub=np.block([[J, -np.eye(n)], [-J, -np.eye(n)]]),
            b_ub=np.r_[-r, r],
            bounds=[(-reach, min(reach, LARGEST - v)) for v in u] + [(0, None)] * n,
        )
        there = u + solved.x[: len(u)] if solved.x is not None else u
        if search.value(there) < search.value(u):
            u, reach = there, 2 * reach
        else:
            reach /= 4
        if reach < 1e-12:
            break
    return u
