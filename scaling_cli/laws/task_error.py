"""Gadre's downstream law: the mean error over tasks against the loss."""

from typing import Annotated, Any

from scaling_cli.laws._downstream import Downstream
from scaling_cli.laws._law import Absorbs, Prior, namespace, param
from scaling_cli.vocabulary.quantities import Loss, Quantity

ERROR = Quantity(
    "err",
    "task_error",
    "mean top-1 error over tasks",
    "1",
    aliases=("downstream_error", "avg_error", "mean_error"),
)
Error = Annotated[Any, ERROR]


class TaskError(Downstream):
    """err = eps - k exp(-gamma L) (Gadre et al. 2024, arXiv:2403.08540, eq. 5).

    A power law of the perplexity, which falls from eps, the error by chance. The mean over many
    tasks follows it; single tasks need not. The authors fit least squares of the error itself.
    """

    reference = "arXiv:2403.08540, eq. 5"
    bibtex = """@article{gadre2024language,
  title={Language models scale reliably with over-training and on downstream tasks},
  author={Gadre, Samir Yitzhak and Smyrnis, Georgios and Shankar, Vaishaal and others},
  journal={arXiv:2403.08540}, year={2024}}"""

    moves = {"L": 1}

    eps: float = param(
        "error of a model that has learnt nothing",
        linear=True,
        prior=Prior(center=0.85, log_sd=0.1),
    )
    k: float = param(
        "what a loss of zero would take off", linear=True, prior=Prior(center=2.0, log_sd=1.0)
    )
    gamma: float = param(
        "rate in the loss",
        unit="token/nat",
        starts=(0.1, 0.2, 0.35, 0.6, 0.9, 1.3, 2.0, 3.0, 4.5, 7.0, 11.0, 18.0),
        absorbs=Absorbs("L", times=-1.0),
        prior=Prior(center=0.8, log_sd=0.5),
    )

    def __call__(self, L: Loss) -> Error:
        """Return the mean error over tasks."""
        return self.eps - self.k * namespace(L, self.gamma).exp(-self.gamma * L)
