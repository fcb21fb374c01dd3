"""Farseer's loss: floor and exponents that move with the size of the model."""

from scaling_cli.laws._law import Domain, Value, namespace, param, power
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Loss, Params, Tokens

_MIDDLE = 1e9  # parameters, where the coefficients are read
_BENDS = (-0.2, 0.05, 0.2)


class Farseer(Planned):
    """L = exp(e0 + e1 f_g) + exp(b0 + b1 f_h) D^-exp(a0 + a1 f_k) (Li 2025, arXiv:2506.10972).

    f_g(n) = (exp(g n) - 1)/g with n = ln(N/1e9): the paper's stretched exponentials of N, written
    so that g near zero, a plain power law, is well conditioned. The optimum is searched.
    """

    question = "loss of parameters and tokens"
    reference = "arXiv:2506.10972"
    bibtex = """@article{li2025farseer,
  title={Predictable Scale: Part II, Farseer: A Refined Scaling Law in Large Language Models},
  author={Li, Houyi and Zheng, Wenzhen and Wang, Qiufeng and others},
  journal={arXiv:2506.10972}, year={2025}}"""

    e0: float = param(
        "ln of what no data take away, at 1e9 parameters",
        domain=Domain.REAL,
        starts=(-1.0, 0.3, 0.9),
    )
    e1: float = param("its slope in ln N", domain=Domain.REAL, starts=(-0.15, -0.03))
    g: float = param("its bend in ln N", domain=Domain.REAL, starts=_BENDS)
    b0: float = param(
        "ln of the data coefficient at 1e9 parameters", domain=Domain.REAL, starts=(2.0, 5.0, 8.0)
    )
    b1: float = param("its slope in ln N", domain=Domain.REAL, starts=(-0.3, 0.1))
    h: float = param("its bend in ln N", domain=Domain.REAL, starts=_BENDS)
    a0: float = param(
        "ln of the data exponent at 1e9 parameters", domain=Domain.REAL, starts=(-1.6, -1.1, -0.7)
    )
    a1: float = param("its slope in ln N", domain=Domain.REAL, starts=(-0.1, 0.05))
    k: float = param("its bend in ln N", domain=Domain.REAL, starts=_BENDS)

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, D, self.g)
        n = xp.log(N / _MIDDLE)
        left = xp.exp(self.e0 + self.e1 * _bent(n, self.g))
        size = self.b0 + self.b1 * _bent(n, self.h)
        exponent = xp.exp(self.a0 + self.a1 * _bent(n, self.k))
        return left + xp.exp(size) * power(D, -exponent)


def _bent(n: Value, bend: Value) -> Value:
    """Return (exp(bend n) - 1)/bend, which is n where the bend is none."""
    xp = namespace(n, bend)
    product = bend * n
    flat = abs(product) < 1e-6
    safe = xp.where(flat, 1.0, product)
    return n * xp.where(flat, 1 + product / 2, xp.expm1(safe) / safe)
