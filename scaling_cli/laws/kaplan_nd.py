"""Kaplan's joint loss: parameters and tokens coupled inside one power, without a floor."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.law import Law, derived, param, power
from scaling_cli.quantities import FLOPS_PER_PARAM_TOKEN as SIX
from scaling_cli.quantities import Flops, Loss, Params, Tokens

_EXPONENTS = (0.03, 0.05, 0.076, 0.103, 0.15, 0.22, 0.32, 0.5)


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

    Nc: float = param("parameters at which the loss would be 1", unit="parameters")
    Dc: float = param("tokens at which the loss would be 1", unit="tokens")
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
        """Yield one start per pair of exponents: L^(1/alpha_D) is linear in Nc^k and Dc."""
        N, D = np.asarray(inputs["N"], float), np.asarray(inputs["D"], float)
        log_L = np.log(np.asarray(output, float))
        for alpha_N in _EXPONENTS:
            for alpha_D in _EXPONENTS:
                k = alpha_N / alpha_D
                rise = np.exp(log_L / alpha_D)
                columns = np.stack([(N / N.min()) ** -k, D.min() / D], axis=1) / rise[:, None]
                u, v = np.linalg.lstsq(columns, np.ones_like(rise), rcond=None)[0]
                # A start needs both terms alive; the smaller is set to 1 % of the larger.
                u, v = max(u, 0.01 * v), max(v, 0.01 * u)
                if u > 0:
                    yield {
                        "Nc": float(N.min() * u ** (1 / k)),
                        "Dc": float(v * D.min()),
                        "alpha_N": alpha_N,
                        "alpha_D": alpha_D,
                    }
