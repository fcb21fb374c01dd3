"""The learning-rate annealing law across model sizes: one law for runs of several."""

from typing import ClassVar

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.curve_laws.annealing import Annealing
from scaling_cli.laws._law import Absorbs, Prior, Value, param, power
from scaling_cli.schedules._path import Path


class AnnealingSize(Annealing):
    """L(t) = L0 + A S1^-alpha + B N^-beta - C S2 N^gamma: Tissue et al. 2024 at any model size N.

    arXiv:2408.11029. Fitted jointly to runs of several sizes; two sizes do not tell B N^-beta from
    L0, so that beta then rests on its prior (0.34, the exponent of Hoffmann et al.). The priors are
    in the unit of N. gamma's is centred where fits to single models of 25M to 400M parameters
    (the runs of Luo et al.) lie.
    """

    reference = "arXiv:2408.11029, its model-size extension"
    sized: ClassVar[bool] = True

    C: float = param(
        "coefficient of the annealing area S2",
        unit="nats/token",
        linear=True,
        absorbs=Absorbs("N", "gamma", -1.0),
    )
    B: float = param(
        "coefficient of the model's size",
        unit="nats/token",
        linear=True,
        absorbs=Absorbs("N", "beta"),
    )
    beta: float = param(
        "exponent of the model's size", starts=(0.34,), prior=Prior(center=0.34, log_sd=0.43)
    )
    gamma: float = param(
        "how what drops take off grows with the model's size",
        starts=(0.12,),
        prior=Prior(center=0.12, log_sd=0.5),
    )

    def backbone(self, path: Path) -> Value:
        """Return L0 + A S1^-alpha + B N^-beta."""
        return CurveLaw.backbone(self, path) + self.B * power(path.params, -self.beta)

    def share(self, path: Path) -> Value:
        """Return N^gamma."""
        return power(path.params, self.gamma)
