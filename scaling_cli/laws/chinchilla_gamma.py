"""Chinchilla's loss with its two terms coupled: their sum is raised to a power of its own."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from scaling_cli.laws._law import EXPONENT_PRIOR, Absorbs, Prior, derived, param, power
from scaling_cli.laws._two_terms import TwoTerms
from scaling_cli.vocabulary.quantities import Flops, Loss, Params, Tokens

_GAMMAS = (0.04, 0.12, 0.25, 0.45, 0.7, 1.0, 1.5, 5.0)
_FLOORS = (0.0, 0.35, 0.6, 0.8, 0.93)  # shares of the smallest output
_EXPONENTS = (0.1, 0.2, 0.3, 0.42, 0.6, 0.85, 1.2)
_KEPT = 12  # starts per gamma
_ALIVE = 0.01  # a start needs both terms: the smaller is set to this share of the larger


class ChinchillaGamma(TwoTerms):
    """L(N, D) = E + (A/N^alpha + B/D^beta)^gamma (Busbridge et al. 2025, arXiv:2502.08606).

    With gamma = 1 this is `chinchilla`. Gamma moves against alpha and beta (their products with
    it are what the data show), so it takes many runs over both axes to determine it.
    """

    reference = "arXiv:2502.08606, the law of supervised pretraining"
    bibtex = """@article{busbridge2025distillation,
  title={Distillation Scaling Laws},
  author={Busbridge, Dan and Shidani, Amitis and Weers, Floris and others},
  journal={arXiv:2502.08606}, year={2025}}"""
    beside: ClassVar[Mapping[str, float]] = {"chinchilla": 1.0, "kaplan_nd": 0.25}
    nested: ClassVar[Mapping[str, Mapping[str, float]]] = {"chinchilla": {"gamma": 1.0}}

    A: float = param(
        "capacity coefficient",
        unit="(nats/token)^(1/gamma)",
        absorbs=Absorbs("N", "alpha"),
        raised="gamma",
    )
    B: float = param(
        "data coefficient",
        unit="(nats/token)^(1/gamma)",
        absorbs=Absorbs("D", "beta"),
        raised="gamma",
    )
    alpha: float = param("capacity exponent inside the sum", prior=EXPONENT_PRIOR)
    beta: float = param("data exponent inside the sum", prior=EXPONENT_PRIOR, twin="alpha")
    gamma: float = param("power of the sum", prior=Prior(center=1.0, log_sd=0.5))

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        inner = self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
        return self.E + power(inner, self.gamma)

    @derived
    def optimal_loss(self, C: Flops) -> Loss:
        """Least loss at compute C = 6ND."""
        return self(N=self.optimal_params(C), D=self.optimal_tokens(C))

    @derived
    def compute_for_loss(self, L: Loss) -> Flops:
        """Least compute that reaches loss L: 6 (K/(L-E)^(1/gamma))^((alpha+beta)/(alpha beta))."""
        return self._least_compute((L - self.E) ** (1 / self.gamma))

    @derived
    def min_params_for_loss(self, L: Loss) -> Params:
        """Size below which no number of tokens reaches loss L: (A/(L-E)^(1/gamma))^(1/alpha)."""
        return (self.A / (L - self.E) ** (1 / self.gamma)) ** (1 / self.alpha)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield starts, for every gamma its best: (L-E)^(1/gamma) is linear in A and B."""
        N, D, L = (np.asarray(v, float) for v in (inputs["N"], inputs["D"], output))
        # A term too steep for doubles gives no start: it is not finite, and left out.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            ranked = [_solved(N, D, L, gamma) for gamma in _GAMMAS]
        for same_rank in zip(*ranked, strict=True):
            yield from (start for _, start in sorted(same_rank, key=lambda found: found[0]))


def _solved(
    N: np.ndarray, D: np.ndarray, L: np.ndarray, gamma: float
) -> list[tuple[float, dict[str, float]]]:
    """Return (sum of squares of log residuals, start), best first, of floors and exponents."""
    # Inputs in units of their middles: the columns are then of one size whatever the units.
    N0, D0, least = float(np.median(N)), float(np.median(D)), float(np.min(L))
    grid = np.array(list(itertools.product(_FLOORS, _EXPONENTS, _EXPONENTS)))
    E, alpha, beta = least * grid[:, :1], grid[:, 1:2], grid[:, 2:]
    x, y, rise = (N / N0) ** -alpha, (D / D0) ** -beta, (L - E) ** (1 / gamma)
    # d ln L = gamma (L - E) / (L rise) d rise: rows in units of the log residual.
    weight = gamma * (L - E) / (L * rise)
    u, v = _amplitudes(x * weight, y * weight, rise * weight)
    fitted = E + (u[:, None] * x + v[:, None] * y) ** gamma
    cost = np.sum(np.log(fitted / L) ** 2, axis=1)
    # E is fitted as its logarithm: at zero it is held off by a hair of the output.
    floors, alpha, beta = np.maximum(E[:, 0], 1e-3 * least), alpha[:, 0], beta[:, 0]
    columns = (floors, u * N0**alpha, v * D0**beta, alpha, beta, np.full(len(grid), gamma))
    names, rows = ChinchillaGamma.parameters(), np.stack(columns, axis=1).tolist()
    order = np.argsort(cost, kind="stable")[:_KEPT].tolist()
    return [(float(cost[i]), dict(zip(names, rows[i], strict=True))) for i in order]


def _amplitudes(x: np.ndarray, y: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u, v > 0, each of shape (g,), of least squares of u x + v y on targets (g, n).

    Where one would be negative, the better column alone, with a little of the other.
    """
    xx, xy, yy = (np.sum(a * b, axis=1) for a, b in ((x, x), (x, y), (y, y)))
    tx, ty = np.sum(target * x, axis=1), np.sum(target * y, axis=1)
    determinant = xx * yy - xy**2
    apart = determinant > 1e-12 * xx * yy
    safe = np.where(apart, determinant, 1.0)
    u, v = (tx * yy - ty * xy) / safe, (ty * xx - tx * xy) / safe
    both = apart & (u > 0) & (v > 0)
    alone = tx**2 / xx >= ty**2 / yy
    u, v = np.where(both, u, tx / xx * alone), np.where(both, v, ty / yy * ~alone)
    return np.maximum(u, _ALIVE * v), np.maximum(v, _ALIVE * u)
