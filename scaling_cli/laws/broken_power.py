"""A broken power law: one slope before a break, another after it."""

from scaling_cli.laws._law import FLOOR_PRIOR, Absorbs, Domain, Law, amplitude, param, power
from scaling_cli.vocabulary.quantities import Loss, Variable


class BrokenPower(Law):
    """L(x) = E + A x^-c0 (1 + (x/d)^(1/f))^(-c1 f) (Caballero et al. 2022, arXiv:2210.14891).

    One break, at d: the slope is -c0 before it and -(c0 + c1) after it; small f make it sharp. It
    takes points on both sides of the break: it bends to whatever it is shown.
    """

    question = "one variable"
    reference = "arXiv:2210.14891"
    bibtex = """@article{caballero2022broken,
  title={Broken Neural Scaling Laws},
  author={Caballero, Ethan and Gupta, Kshitij and Rish, Irina and Krueger, David},
  journal={arXiv:2210.14891}, year={2022}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = amplitude("coefficient", "x", "c0")
    c0: float = param("slope before the break", starts=(0.05, 0.15, 0.3, 0.6))
    c1: float = param("what the break adds to it", domain=Domain.REAL, starts=(-0.3, 0.2, 0.6, 1.5))
    d: float = param(
        "where the break is",
        unit="as given",
        absorbs=Absorbs("x"),
        starts=(0.03, 0.3, 1.0, 3.0, 30.0),
    )
    f: float = param("how soft the break is", starts=(0.1, 0.4, 1.0))

    def __call__(self, x: Variable) -> Loss:
        """Return the loss in nats/token."""
        bent = power(1 + power(x / self.d, 1 / self.f), -self.c1 * self.f)
        return self.E + self.A * power(x, -self.c0) * bent
