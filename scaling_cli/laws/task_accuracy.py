"""The second step of a task ladder: accuracy against the loss on the task."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np

from scaling_cli.laws._downstream import Downstream
from scaling_cli.laws._law import Absorbs, Prior, namespace, param
from scaling_cli.vocabulary.quantities import Loss, Quantity

ACCURACY = Quantity(
    "acc",
    "task_accuracy",
    "accuracy on a task",
    "1",
    aliases=("downstream_accuracy", "avg_accuracy", "mean_accuracy"),
)
Accuracy = Annotated[Any, ACCURACY]
STEEP = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class TaskAccuracy(Downstream):
    """acc = chance + gain / (1 + exp(k (L - L0))) (Bhagia et al. 2024, arXiv:2412.04403, eq. 2).

    A sigmoid of the loss on the task, most often bits per byte of the right answer: it rises from
    chance, where the loss says nothing yet, as the loss falls. The authors write a = -gain and
    b = chance + gain.
    """

    reference = "arXiv:2412.04403, eq. 2"
    bibtex = """@article{bhagia2024establishing,
  title={Establishing Task Scaling Laws via Compute-Efficient Model Ladders},
  author={Bhagia, Akshita and Liu, Jiacheng and Wettig, Alexander and others},
  journal={arXiv:2412.04403}, year={2024}}"""

    moves = {"L": -1}

    chance: float = param(
        "accuracy of a model that has learnt nothing",
        linear=True,
        prior=Prior(center=0.25, log_sd=0.5),
    )
    gain: float = param(
        "what a task that is solved adds", linear=True, prior=Prior(center=0.7, log_sd=0.4)
    )
    k: float = param(
        "steepness",
        unit="1/loss",
        prior=Prior(center=3.0, log_sd=0.8),
        absorbs=Absorbs("L", times=-1.0),
    )
    L0: float = param(
        "loss at which half of it is gained",
        unit="loss",
        prior=Prior(center=1.0, log_sd=0.8),
        absorbs=Absorbs("L"),
    )

    def __call__(self, L: Loss) -> Accuracy:
        """Return the accuracy; 1 / (1 + exp(x)) as (1 - tanh(x/2)) / 2, which no x overflows."""
        xp = namespace(L, self.k, self.L0)
        return self.chance + self.gain * (1.0 - xp.tanh(self.k * (L - self.L0) / 2)) / 2

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield sigmoids centred in and below the losses, as steep as spans of them allow."""
        loss, values = (np.asarray(v, float) for v in (inputs["L"], output))
        span = float(np.ptp(loss)) or float(loss.mean())
        low, gain = float(values.min()), float(np.ptp(values))
        for middle in np.linspace(float(loss.min()) - span / 2, float(loss.max()), 7):
            for steep in STEEP:
                yield {
                    "chance": 0.9 * low,
                    "gain": 1.2 * gain,
                    "k": steep / span,
                    "L0": max(float(middle), 0.05 * float(loss.min())),
                }
