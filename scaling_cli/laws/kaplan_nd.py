"""Kaplan's joint loss: parameters and tokens coupled inside one power, without a floor."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.law import Absorbs, Law, derived, param, power
from scaling_cli.quantities import FLOPS_PER_PARAM_TOKEN as SIX
from scaling_cli.quantities import Flops, Loss, Params, Tokens

_EXPONENTS = (0.01, 0.03, 0.05, 0.076, 0.103, 0.15, 0.22, 0.32, 0.5, 1.0)
# A kink where either term takes over has alpha_D near zero; a term that few runs show, a large one.
_DATA_EXPONENTS = (0.003, *_EXPONENTS, 3.0, 10.0)


class KaplanND(Law):
    """L(N, D) = [(Nc/N)^(alpha_N/alpha_D) + Dc/D]^alpha_D (Kaplan 2020, arXiv:2001.08361, eq. 1.5).

    N excludes embeddings; D tokens with early stopping. There is no floor.
    """

    reference = "arXiv:2001.08361, eq. 1.5"
    bibtex = """@article{kaplan2020scaling,
  title={Scaling Laws for Neural Language Models},
  author={Kaplan, Jared and McCandlish, Sam and Henighan, Tom and others},
  journal={arXiv:2001.08361}, year={2020}}"""
    convention = {"N": "non_embedding"}

    Nc: float = param(
        "parameters at which the loss would be 1", unit="parameters",
        absorbs=Absorbs("N"), raised="alpha_N",
    )  # fmt: skip
    Dc: float = param(
        "tokens at which the loss would be 1", unit="tokens",
        absorbs=Absorbs("D"), raised="alpha_D",
    )  # fmt: skip
    alpha_N: float = param("capacity exponent")
    alpha_D: float = param("data exponent", twin="alpha_N")

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        capacity = power(self.Nc / N, self.alpha_N / self.alpha_D)
        return power(capacity + self.Dc / D, self.alpha_D)

    @derived
    def optimal_params(self, C: Flops) -> Params:
        """Model size of least loss at compute C = 6ND.

        With k = alpha_N/alpha_D the bracket is (Nc/N)^k + 6 Dc N / C, least where
        N^(k+1) = k Nc^k C / (6 Dc).
        """
        k = self.alpha_N / self.alpha_D
        return (k * self.Nc**k * C / (SIX * self.Dc)) ** (1 / (k + 1))

    @derived
    def optimal_tokens(self, C: Flops) -> Tokens:
        """Tokens of least loss at compute C = 6ND."""
        return C / (SIX * self.optimal_params(C))

    @derived
    def optimal_loss(self, C: Flops) -> Loss:
        """Least loss at compute C = 6ND."""
        return self(N=self.optimal_params(C), D=self.optimal_tokens(C))

    @derived
    def min_params_for_loss(self, L: Loss) -> Params:
        """Size below which no number of tokens reaches loss L: Nc / L^(1/alpha_N)."""
        return self.Nc / L ** (1 / self.alpha_N)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield one start per pair of exponents, best first: L^(1/alpha_D) is linear in Nc, Dc."""
        N, D = np.asarray(inputs["N"], float), np.asarray(inputs["D"], float)
        log_L = np.log(np.asarray(output, float))
        found = []
        for alpha_N, alpha_D in itertools.product(_EXPONENTS, _DATA_EXPONENTS):
            k = alpha_N / alpha_D
            columns = np.stack([(N / N.min()) ** -k, D.min() / D])
            # Relative to its median: the power of a small alpha_D would leave the doubles.
            middle = np.median(log_L)
            rise = _exp((middle - log_L) / alpha_D)
            if not np.all(np.isfinite(rise)):
                continue
            u, v = _amplitudes(columns * rise)
            log_scales = np.log([u, v]) + middle / alpha_D
            miss = alpha_D * np.log(u * columns[0] + v * columns[1]) + middle - log_L
            start = {
                "Nc": float(N.min() * _exp(log_scales[0] / k)),
                "Dc": float(D.min() * _exp(log_scales[1])),
                "alpha_N": alpha_N,
                "alpha_D": alpha_D,
            }
            found.append((float(np.sum(np.abs(miss))), start))
        yield from (start for _, start in sorted(found, key=lambda pair: pair[0]))


def _amplitudes(columns: np.ndarray) -> tuple[float, float]:
    """Return positive u, v with u columns[0] + v columns[1] near 1 in least squares."""
    u, v = np.linalg.lstsq(columns.T, np.ones(columns.shape[1]), rcond=None)[0]
    if min(u, v) > 0:
        return float(u), float(v)
    # One term alone; a start needs both alive, so the other gets 1 % of it.
    single = [float(np.sum(c) / np.sum(c**2)) for c in columns]
    left = [float(np.sum((s * c - 1) ** 2)) for s, c in zip(single, columns, strict=True)]
    return (single[0], 0.01 * single[0]) if left[0] < left[1] else (0.01 * single[1], single[1])


def _exp(logarithm: Any) -> Any:
    """Return the exponential; a start beyond the doubles is left out later."""
    with np.errstate(over="ignore"):
        return np.exp(logarithm)
