"""A family of learning curves: a loss that falls along a run, blind to its schedule.

The families of the literature rise: they were written for accuracies. A loss falls, so here each
formula is kept and the signs that made it rise are turned round: c - a x^-alpha becomes
E + A x^-alpha. Nothing is rescaled to [0, 1]. E >= 0 is the level that no training passes and
A >= 0 what there is to lose, so that all families but `loglog_linear` stay positive for ever.

x counts hundredths of what has been seen: it is 100 at the last point of the fit. That is the
scale on which the published priors were stated (curves of up to 100 epochs), and it makes steps
and tokens the same to the families that are not free of scale, `ilog2` and `loglog_linear`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np

from scaling_cli.laws._law import Law, Parameter, param
from scaling_cli.vocabulary.quantities import Loss, Variable

SEEN = 100.0  # what x is at the last point of the fit


class LearningCurve(Law):
    """Base of the families: what is linear in the coefficients, and in which scale of the loss.

    A family declares `columns`; its `linear` parameters are their coefficients, the others the
    arguments of `columns`. What the sum of coefficients times columns gives is the loss, its
    logarithm or its exponential, as `scale` says.
    """

    reference = "Domhan, Springenberg and Hutter, IJCAI 2015; priors: arXiv:2310.20447"
    bibtex = """@inproceedings{domhan2015speeding,
  title={Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
    Extrapolation of Learning Curves},
  author={Domhan, Tobias and Springenberg, Jost Tobias and Hutter, Frank},
  booktitle={IJCAI}, year={2015}}"""
    # That of eleven families: one of another source declares its own.

    scale: ClassVar[str] = "loss"
    """What is linear in the coefficients: `loss`, `log` (of it) or `exp` (of it)."""
    rising: ClassVar[str] = ""
    """The formula as published, for an accuracy."""
    same_as: ClassVar[str] = ""
    """Another family that draws exactly the same curves once it falls; not both are averaged."""
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Where the parameters of `columns` may lie."""

    def __call__(self, x: Variable) -> Loss:
        """Return the loss where x hundredths of what was fitted have been seen."""
        values, (linear, shapes) = self.values(), self.kinds()
        columns = self.columns(np.asarray(x, float), **{n: values[n] for n in shapes})
        terms = [values[n] * column for n, column in zip(linear, columns, strict=True)]
        return loss_of(self.scale, np.sum(terms, axis=0))

    @classmethod
    @cache
    def kinds(cls) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
        """Return the parameters that columns are multiplied by, and those that they take."""
        linear = {n: p for n, p in cls.parameters().items() if p.linear}
        return linear, {n: p for n, p in cls.parameters().items() if not p.linear}

    @classmethod
    def columns(cls, *args: Any, **shape: Any) -> tuple[np.ndarray, ...]:
        """Return what each linear parameter is multiplied by, from x and the other parameters."""
        raise NotImplementedError


class Floored(LearningCurve):
    """A family with a floor: E + A times what falls from one end of the curve to the other."""

    E: float = param("loss that no training removes", unit="nats/token", linear=True)
    A: float = param("what is lost beyond the floor", unit="nats/token", linear=True)

    @classmethod
    def columns(cls, x: np.ndarray, **shape: Any) -> tuple[np.ndarray, ...]:
        """Return one, and what falls."""
        return np.ones_like(x), cls.falling(x, **shape)

    @classmethod
    def falling(cls, *args: Any, **shape: Any) -> np.ndarray:
        """Return what A is multiplied by, from x and the other parameters."""
        raise NotImplementedError


def loss_of(scale: str, level: Any) -> Any:
    """Return the loss from what is linear in the coefficients; NaN where there is none."""
    if scale == "loss":
        return level
    if scale == "log":
        return np.exp(level)
    level = np.asarray(level, float)
    return np.log(level, where=level > 0, out=np.full_like(level, np.nan))


def level_of(scale: str, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what is linear in the coefficients, and its slope along ln loss."""
    if scale == "loss":
        return loss, loss
    if scale == "log":
        return np.log(loss), np.ones_like(loss)
    return np.exp(loss), loss * np.exp(loss)


def grid(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return starting values, spaced evenly in their logarithm."""
    return tuple(np.geomspace(low, high, count).tolist())
