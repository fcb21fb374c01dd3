"""Kaplan's loss along a run: parameters and steps at an unlimited batch, added."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import Absorbs, derived, param, power
from scaling_cli.vocabulary.quantities import Loss, MinSteps, Params

_CAPACITY = (0.01, 0.03, 0.06, 0.076, 0.1, 0.15, 0.25, 0.5)
_STEPS = (0.1, 0.2, 0.3, 0.45, 0.6, 0.76, 1.0, 1.5)


class KaplanNS(Kaplan):
    """L(N, S_min) = (Nc/N)^alpha_N + (Sc/S_min)^alpha_S (Kaplan 2020, arXiv:2001.08361, eq. 1.6).

    N excludes embeddings. S_min = S / (1 + B_crit(L)/B) is the number of steps that a batch far
    beyond the critical one would have needed for the same loss. Data without end, no floor.
    """

    reference = "arXiv:2001.08361, eq. 1.6"
    convention = {"N": "non_embedding"}

    Nc: float = param(
        "parameters at which the first term is 1",
        unit="parameters",
        raised="alpha_N",
        absorbs=Absorbs("N"),
    )
    Sc: float = param(
        "steps at which the second term is 1",
        unit="steps",
        raised="alpha_S",
        absorbs=Absorbs("S_min"),
    )
    alpha_N: float = param("capacity exponent")
    alpha_S: float = param("exponent in steps", twin="alpha_N")

    def __call__(self, N: Params, S_min: MinSteps) -> Loss:
        """Return the loss in nats/token."""
        return power(N / self.Nc, -self.alpha_N) + power(S_min / self.Sc, -self.alpha_S)

    @derived
    def min_params_for_loss(self, L: Loss) -> Params:
        """Size that reaches loss L with steps without end: Nc / L^(1/alpha_N)."""
        return self.Nc / L ** (1 / self.alpha_N)

    @derived
    def converged_loss(self, N: Params) -> Loss:
        """Loss of a size with steps without end: (Nc/N)^alpha_N."""
        return power(self.Nc / N, self.alpha_N)

    @derived
    def optimal_params_for_loss(self, L: Loss) -> Params:
        """Size that reaches loss L with least compute: its own loss is L/(1 + alpha_N/alpha_S).

        At one loss the critical batch is one, so that compute goes as N S_min.
        """
        return self.Nc * power(L / (1 + self.alpha_N / self.alpha_S), -1 / self.alpha_N)

    @derived
    def optimal_steps_for_loss(self, L: Loss) -> MinSteps:
        """S_min at which the size of least compute reaches loss L."""
        return self.Sc * power(L / (1 + self.alpha_S / self.alpha_N), -1 / self.alpha_S)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield a start per pair of exponents, best first: the amplitudes are linear there."""
        N, S = np.asarray(inputs["N"], float), np.asarray(inputs["S_min"], float)
        L = np.asarray(output, float)
        found = []
        for alpha_N, alpha_S in itertools.product(_CAPACITY, _STEPS):
            columns = np.stack([(N / N.min()) ** -alpha_N, (S / S.min()) ** -alpha_S]) / L
            u, v = np.linalg.lstsq(columns.T, np.ones(len(L)), rcond=None)[0]
            # A start needs both terms alive; one that came out negative gets 1 % of the loss.
            u, v = (max(float(x), 0.01 * float(L.min())) for x in (u, v))
            miss = float(np.sum(np.abs(u * columns[0] + v * columns[1] - 1)))
            Nc, Sc = float(N.min()) * u ** (1 / alpha_N), float(S.min()) * v ** (1 / alpha_S)
            values = (Nc, Sc, alpha_N, alpha_S)
            found.append((miss, dict(zip(cls.parameters(), values, strict=True))))
        yield from (start for _, start in sorted(found, key=lambda pair: pair[0]))
