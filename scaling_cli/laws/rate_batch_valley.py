"""A loss of size, data, learning rate and batch: a valley in these two above a law of the first."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np

from scaling_cli.laws._drawn import Drawn
from scaling_cli.laws._law import FLOOR_PRIOR, Domain, Value, namespace, param
from scaling_cli.vocabulary.quantities import LearningRate, Loss, Params, Quantity, Tokens

BATCH = Quantity(
    "batch",
    "batch_size",
    "sequences of an optimiser step",
    "sequences",
    aliases=("bsz", "batch", "batch_sequences"),
)
Batch = Annotated[Any, BATCH]
_EXPONENT = (np.log(0.35), 0.4)


class RateBatchValley(Drawn):
    """L = E + (A n^-a + B d^-b)^g + V f(u - u*) + W f(v - v*) (Li 2025, arXiv:2503.04715).

    u = ln(lr/2e-3), v = ln(batch/192), n = N/3e8, d = D/2e10. The best rate is
    u* = m0 + m_n ln n + m_d ln d + m_v v, the best batch v* = k0 + k_n ln n + k_d ln d. Beside them
    the loss rises as f(x) = 2 (e^(s x) - 1 - s x)/s^2, x^2 where s is none; how steeply, V and W,
    goes with powers of n and d.
    """

    question = "learning rate and batch"
    reference = "arXiv:2503.04715, with the loss beside the optimum"
    bibtex = """@article{li2025steplaw,
  title={Predictable Scale: Part I, Step Law: Optimal Hyperparameter Scaling Law in Large Language
    Model Pretraining},
  author={Li, Houyi and Zheng, Wenzhen and Wang, Qiufeng and others},
  journal={arXiv:2503.04715}, year={2025}}"""
    convention: ClassVar[Mapping[str, str]] = {"N": "non_embedding"}
    rises = frozenset({"lr", "batch"})

    E: float = param("irreducible loss", unit="nats/token", prior=FLOOR_PRIOR)
    A: float = param("capacity term at 3e8 parameters, before the power")
    B: float = param("data term at 2e10 tokens, before the power")
    alpha: float = param("capacity exponent")
    beta: float = param("data exponent")
    gamma: float = param("power of their sum")
    m0: float = param("ln of the best rate over 2e-3", domain=Domain.REAL)
    m_n: float = param("how it goes with ln N", domain=Domain.REAL)
    m_d: float = param("how it goes with ln D", domain=Domain.REAL)
    m_v: float = param("how it goes with ln batch", domain=Domain.REAL)
    k0: float = param("ln of the best batch over 192", domain=Domain.REAL)
    k_n: float = param("how it goes with ln N", domain=Domain.REAL)
    k_d: float = param("how it goes with ln D", domain=Domain.REAL)
    V_u: float = param("how steeply the loss rises beside the best rate", unit="nats/token")
    u_n: float = param("how that goes with ln N", domain=Domain.REAL)
    u_d: float = param("how that goes with ln D", domain=Domain.REAL)
    s_u: float = param("by how much more above it than below", domain=Domain.REAL)
    V_v: float = param("how steeply the loss rises beside the best batch", unit="nats/token")
    v_n: float = param("how that goes with ln N", domain=Domain.REAL)
    v_d: float = param("how that goes with ln D", domain=Domain.REAL)
    s_v: float = param("by how much more above it than below", domain=Domain.REAL)

    middles: ClassVar[Mapping[str, float]] = {"N": 3e8, "D": 2e10, "lr": 2e-3, "batch": 192.0}
    about: ClassVar[Mapping[str, tuple[float, float]]] = {
        "E": (np.log(0.9), 0.2),
        **dict.fromkeys(("A", "B"), (np.log(0.3), 0.5)),
        **dict.fromkeys(("alpha", "beta"), _EXPONENT),
        "gamma": (0.0, 0.4),
        "m0": (0.0, 0.4),
        "m_n": (-0.5, 0.2),
        "m_d": (0.2, 0.15),
        "m_v": (0.4, 0.2),
        "k0": (0.0, 0.5),
        "k_n": (0.0, 0.1),
        "k_d": (0.5, 0.2),
        **dict.fromkeys(("V_u", "V_v"), (-4.0, 0.7)),
        **dict.fromkeys(("u_n", "u_d", "v_n", "v_d"), (0.0, 0.2)),
        "s_u": (0.3, 0.4),
        "s_v": (0.1, 0.4),
    }

    def __call__(self, N: Params, D: Tokens, lr: LearningRate, batch: Batch) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, D, lr, batch, self.E)
        own = (N, D, lr, batch)
        n, d, u, v = (xp.log(x / m) for x, m in zip(own, self.middles.values(), strict=True))
        inner = self.A * xp.exp(-self.alpha * n) + self.B * xp.exp(-self.beta * d)
        rate = u - (self.m0 + self.m_n * n + self.m_d * d + self.m_v * v)
        size = v - (self.k0 + self.k_n * n + self.k_d * d)
        rises = self.V_u * xp.exp(self.u_n * n + self.u_d * d) * _beside(rate, self.s_u)
        rises = rises + self.V_v * xp.exp(self.v_n * n + self.v_d * d) * _beside(size, self.s_v)
        return self.E + xp.exp(self.gamma * xp.log(inner)) + rises

    @classmethod
    def moved(
        cls, place: dict[str, float], away: Mapping[str, float], scale: Mapping[str, float]
    ) -> dict[str, float]:
        """Return a place about the data as one about the levels where the law is read."""
        p, n, d, u, v = place, *(away[s] for s in ("N", "D", "lr", "batch"))
        terms = {
            "A": (scale["range"] * p["A"]) ** (1 / p["gamma"]) * np.exp(p["alpha"] * n),
            "B": (scale["range"] * p["B"]) ** (1 / p["gamma"]) * np.exp(p["beta"] * d),
            "V_u": p["V_u"] * np.exp(-p["u_n"] * n - p["u_d"] * d),
            "V_v": p["V_v"] * np.exp(-p["v_n"] * n - p["v_d"] * d),
        }
        optima = {
            "m0": u + p["m0"] - p["m_n"] * n - p["m_d"] * d - p["m_v"] * v,
            "k0": v + p["k0"] - p["k_n"] * n - p["k_d"] * d,
        }
        whole = {**p, "E": scale["floor"] * p["E"], **terms, **optima}
        return {name: float(value) for name, value in whole.items()}


def _beside(x: Value, s: Value) -> Value:
    """Return 2 (e^(s x) - 1 - s x)/s^2, which is x^2 where s x is small."""
    xp = namespace(x, s)
    product = s * x
    flat = abs(product) < 0.02  # below it the difference loses its digits
    safe = xp.where(flat, 1.0, product)
    bent = 2 * (xp.expm1(safe) - safe) / safe**2
    series = 1 + product / 3 * (1 + product / 4 * (1 + product / 5 * (1 + product / 6)))
    return x**2 * xp.where(flat, series, bent)
