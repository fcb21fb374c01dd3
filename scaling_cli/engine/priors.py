"""Priors that a user puts on parameters: read, and turned into a penalty of the point fit.

The objective is a sum of rho(residual), not a log-likelihood, so a prior's precision cannot be
added to it as it stands. It is scaled by tau (see `mestimate`), after which prior and data weigh
what they would in a likelihood: for least squares, tau is the variance of the noise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law, Prior
from scaling_cli.numerics.mestimate import tau
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import parse_number

FIRST_NOISE = 0.01
_PARTS = re.compile(r"\+/?-|±")
_HINT = (
    "Write CENTER+-SD, such as alpha=0.35+-0.05 or A=400+-50%: a positive parameter then has the "
    "median CENTER, and its logarithm the standard deviation SD/CENTER."
)

Given = str | tuple[float, float] | Prior
Priors = Mapping[str, Given]


@dataclass(frozen=True)
class Belief:
    """A normal prior on one free coordinate: the logarithm of a positive parameter."""

    center: float
    sd: float


@dataclass(frozen=True)
class Penalty:
    """What priors add to the objective: tau (u - center)^2 / (2 sd^2) for each of them.

    Parameters
    ----------
    beliefs : mapping of parameter to Belief
    center, precision : array, shape (p,)
        In full free coordinates; precision is zero where there is no prior.
    residuals, weight : array, shape (n,)
        Of the fit that tau is estimated from.
    searched : int
        Parameters that were searched in it.
    """

    beliefs: Mapping[str, Belief]
    center: np.ndarray
    precision: np.ndarray
    residuals: np.ndarray
    weight: np.ndarray
    searched: int

    def tau(self, corner: float) -> float:
        """Return the scale of the priors beside a sum of Huber's rho with this corner."""
        return tau(self.residuals, self.weight, self.searched, corner)

    def information(self, matrix: np.ndarray) -> np.ndarray:
        """Return the priors' precision in searched coordinates, (k, k), of a frame's matrix."""
        return (matrix.T * self.precision) @ matrix

    def at(self, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return centre (p,) and precision (lanes, p) for lanes of these corners (lanes,)."""
        distinct, lane = np.unique(corners, return_inverse=True)
        taus = np.array([self.tau(float(c)) for c in distinct])[lane]
        return self.center, taus[:, None] * self.precision

    def value(self, full: np.ndarray, corner: float) -> float:
        """Return the penalty at full free coordinates, shape (p,)."""
        on = self.precision > 0
        squares = float(np.sum(self.precision[on] * (full[on] - self.center[on]) ** 2))
        return 0.5 * self.tau(corner) * squares


def penalty(
    law: type[Law], given: Priors | None, held: Mapping[str, Any], weight: np.ndarray, searched: int
) -> Penalty | None:
    """Return what priors add to the objective, or None without any.

    Until a fit is there to estimate the noise from, 1 % is assumed.

    Raises
    ------
    UsageError
        As `read`.
    """
    if not given:
        return None
    beliefs = read(law, given, held)
    open_to_all = Belief(0.0, np.inf)
    each = [beliefs.get(name, open_to_all) for name in law.parameters()]
    center, precision = np.array([(own.center, own.sd**-2) for own in each]).T
    normal, n = NormalDist(0.0, FIRST_NOISE), len(weight)
    residuals = np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])
    return Penalty(beliefs, center, precision, residuals, weight, searched)


def read(law: type[Law], given: Priors, held: Mapping[str, Any]) -> dict[str, Belief]:
    """Return priors by parameter in free coordinates.

    Parameters
    ----------
    law : type[Law]
    given : mapping of parameter to text, (center, sd) or Prior
        In the parameter's unit; see `Belief` for what a positive one becomes.
    held : mapping
        Parameters that are fixed or follow another, and so cannot have a prior of their own.

    Raises
    ------
    UsageError
        If a parameter is unknown or held, or a prior cannot be read.
    """
    found = {}
    for name, prior in given.items():
        positive = law.parameter(name).positive
        if name in held:
            raise UsageError(
                f"{name} is held by --fix or --tie, so a prior on it says nothing.",
                hint="Put the prior on the parameter that is searched, or leave one of them out.",
            )
        found[name] = _belief(name, prior, positive)
    return found


def as_text(given: Priors | None) -> dict[str, str]:
    """Return priors as texts that `read` understands: what a fit file holds."""
    pairs = {n: p if isinstance(p, str) else _pair(p) for n, p in (given or {}).items()}
    return {
        name: own if isinstance(own, str) else f"{float(own[0])!r}+-{float(own[1])!r}"
        for name, own in pairs.items()
    }


def _pair(prior: Prior | tuple[float, float]) -> tuple[float, float]:
    return (prior.center, prior.log_sd * prior.center) if isinstance(prior, Prior) else prior


def _belief(name: str, prior: Given, positive: bool) -> Belief:
    if isinstance(prior, Prior) and (prior.of_output or not positive):
        raise UsageError(f"the prior on {name} must be given as (center, sd).", hint=_HINT)
    center, sd = _numbers(name, prior) if isinstance(prior, str) else _pair(prior)
    usable = np.isfinite(center) and np.isfinite(sd) and sd > 0
    if not usable or (positive and center <= 0):
        wanted = "a positive center and sd" if positive else "a finite center and a positive sd"
        told = f"the prior on {name} needs {wanted}, not {center:g} and {sd:g}."
        raise UsageError(told, hint=_HINT)
    return Belief(float(np.log(center)), sd / center) if positive else Belief(center, sd)


def _numbers(name: str, text: str) -> tuple[float, float]:
    parts = [part.strip() for part in _PARTS.split(text)]
    if len(parts) != 2 or not all(parts):
        raise UsageError(f"cannot read {text!r} as a prior on {name}.", hint=_HINT)
    center = parse_number(parts[0])
    if parts[1].endswith("%"):
        return center, abs(center) * parse_number(parts[1][:-1]) / 100
    return center, parse_number(parts[1])
