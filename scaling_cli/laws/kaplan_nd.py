"""Kaplan's joint loss: parameters and tokens coupled inside one power, without a floor."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import Absorbs, derived, namespace, param, power
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN as SIX
from scaling_cli.vocabulary.quantities import Flops, Loss, Params, Tokens

_EXPONENTS = (0.01, 0.03, 0.05, 0.076, 0.103, 0.15, 0.22, 0.32, 0.5, 1.0)
# A kink where either term takes over has alpha_D near zero; a term that few runs show, a large one.
_DATA_EXPONENTS = (0.003, *_EXPONENTS, 3.0, 10.0)
OVERFIT = 0.02  # of the loss: what the paper lets data of an end cost


class KaplanND(Kaplan):
    """L(N, D) = [(Nc/N)^(alpha_N/alpha_D) + Dc/D]^alpha_D (Kaplan 2020, arXiv:2001.08361, eq. 1.5).

    N excludes embeddings; D tokens with early stopping. There is no floor.
    """

    reference = "arXiv:2001.08361, eq. 1.5"
    convention = {"N": "non_embedding"}

    Nc: float = param(
        "parameters at which the loss would be 1",
        unit="parameters",
        absorbs=(Absorbs("N"), Absorbs("L", "alpha_N", inverse=True)),
        raised="alpha_N",
    )
    Dc: float = param(
        "tokens at which the loss would be 1",
        unit="tokens",
        absorbs=(Absorbs("D"), Absorbs("L", "alpha_D", inverse=True)),
        raised="alpha_D",
    )
    alpha_N: float = param("capacity exponent")
    alpha_D: float = param("data exponent", twin="alpha_N")

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, self.Nc)
        capacity = self.alpha_N / self.alpha_D * xp.log(self.Nc / N)
        top = xp.maximum(capacity, 0.0)  # taken out: where alpha_D is small the term is no double
        inner = xp.exp(capacity - top) + self.Dc / D * xp.exp(-top)
        return xp.exp(self.alpha_D * (top + xp.log(inner)))

    @derived
    def optimal_params(self, C: Flops) -> Params:
        """Model size of least loss at compute C = 6ND.

        With k = alpha_N/alpha_D the bracket is (Nc/N)^k + 6 Dc N / C, least where
        N^(k+1) = k Nc^k C / (6 Dc).
        """
        k, xp = self.alpha_N / self.alpha_D, namespace(C)
        log_N = xp.log(k) + k * xp.log(self.Nc) + xp.log(C) - xp.log(SIX * self.Dc)
        return xp.exp(log_N / (k + 1))

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

    @derived
    def converged_loss(self, N: Params) -> Loss:
        """Loss of a size with data without end: (Nc/N)^alpha_N."""
        return power(self.Nc / N, self.alpha_N)

    @derived
    def tokens_against_overfitting(self, N: Params) -> Tokens:
        """Tokens with which the loss lies 2 % above that of data without end.

        Dc (N/Nc)^(alpha_N/alpha_D) / (1.02^(1/alpha_D) - 1): fewer, and the model overfits.
        """
        room = (1 + OVERFIT) ** (1 / self.alpha_D) - 1
        return self.Dc / room * power(N / self.Nc, self.alpha_N / self.alpha_D)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield one start per pair of exponents, best first: L^(1/alpha_D) is linear in Nc, Dc."""
        log_N, log_D = (np.log(np.asarray(inputs[s], float)) for s in ("N", "D"))
        log_L = np.log(np.asarray(output, float))
        n, d, middle = log_N.min(), log_D.min(), np.median(log_L)
        found = []
        for alpha_N, alpha_D in itertools.product(_EXPONENTS, _DATA_EXPONENTS):
            k = alpha_N / alpha_D
            terms = np.stack([k * (n - log_N), d - log_D])
            # Relative to their median and in logarithms: a small alpha_D leaves the doubles.
            scales = _log_amplitudes(terms + (middle - log_L) / alpha_D)
            total = np.logaddexp(*(terms + scales[:, None]))
            log_Nc, log_Dc = np.array([n, d]) + (scales + middle / alpha_D) / [k, 1.0]
            values = (float(_exp(log_Nc)), float(_exp(log_Dc)), alpha_N, alpha_D)
            start = dict(zip(cls.parameters(), values, strict=True))
            found.append((float(np.sum(np.abs(alpha_D * total + middle - log_L))), start))
        yield from (start for _, start in sorted(found, key=lambda pair: pair[0]))


def _log_amplitudes(logs: np.ndarray) -> np.ndarray:
    """Return ln u and ln v of u exp(logs[0]) + v exp(logs[1]) near 1 in least squares, (2,)."""
    top = np.max(logs, axis=1)
    columns = np.exp(logs - top[:, None])
    both = np.linalg.lstsq(columns.T, np.ones(logs.shape[1]), rcond=None)[0]
    if np.min(both) > 0:
        return np.log(both) - top
    # One term alone; a start needs both alive, so the other gets 1 % of it.
    single = np.sum(columns, axis=1) / np.sum(columns**2, axis=1)
    best = int(np.argmin(np.sum((single[:, None] * columns - 1) ** 2, axis=1)))
    alone = np.log(single[best]) - top[best]
    return np.where(np.arange(2) == best, alone, alone + np.log(0.01))


def _exp(logarithm: Any) -> Any:
    """Return the exponential; a start beyond the doubles is left out later."""
    with np.errstate(over="ignore"):
        return np.exp(logarithm)
