"""The law of a loss curve: the loss at a step of a schedule, declared like any other law.

All laws here have the form

    L(t) = L0 + A S1(t)^-alpha - sum over drops k <= t of gap_k effect(k) relaxed(k, t)

where `relaxed` grows from 0 to at most 1 with the steps, or the area, since the drop. A law
declares `effect` and `relaxed`; and, so that a curve costs linear time, `spectrum`: `relaxed` as
a sum of exponentials, 1 - sum_q share_q exp(-rate_q elapsed) with shares that sum to one. A law of
several model sizes says in `share` what multiplies the sum. A law that is no sum over drops
computes what it needs of the whole path once, in `prepared`, and says in `backbone` what it makes
of it.
"""

from typing import ClassVar

import numpy as np

from scaling_cli.laws._law import Law, Prior, Value, amplitude, namespace, param, power
from scaling_cli.schedules._path import Path
from scaling_cli.vocabulary.quantities import L, N, Quantity, S

# Weak priors, for rates over their peak and areas in steps at the peak. From fits to the curves of
# Luo et al. at three sizes, widened: what a drop to zero takes off varied by 1.4 between sizes and
# by 2 between data sets. Unlike those of other laws they enter the fit: on one or three schedules
# these parameters lie on a ridge.
DROP_PRIOR = Prior(center=0.13, log_sd=0.5)
SPEED_PRIOR = Prior(center=0.035, log_sd=1.0)
APPROACH_PRIOR = Prior(center=0.5, log_sd=0.5)
FEW = 4  # steps at which drops are summed one by one: a spectrum takes longer
TISSUE_BIBTEX = """@article{tissue2024scaling,
  title={Scaling Law with Learning Rate Annealing},
  author={Tissue, Howe and Wang, Venus and Wang, Lu},
  journal={arXiv:2408.11029}, year={2024}}"""


class CurveLaw(Law):
    """Base of the laws of loss curves."""

    warmup: ClassVar[str] = "as_trained"
    """The convention of the authors for the warm-up; see schedules/_path.py, CONVENTIONS."""
    clock: ClassVar[str] = "area"
    """What the effect of a drop grows with: `area` since it, `steps`, or `none` without a sum."""
    decays: ClassVar[bool] = True
    """Whether drops of the rate have an effect, so that runs without any cannot be fitted."""
    sized: ClassVar[bool] = False
    """Whether the size of the model is an input: fitted to runs of several sizes."""

    L0: float = param("loss that no training removes", unit="nats/token", linear=True)
    A: float = amplitude("coefficient of the power law", "area", "alpha")
    alpha: float = param("exponent of the power law", starts=(0.35, 0.6))

    def __init_subclass__(cls) -> None:
        """Say the warm-up convention where laws state their conventions."""
        super().__init_subclass__()
        cls.convention = {"warm-up": cls.warmup}

    def __call__(self, path: Path) -> Value:
        """Return the loss in nats/token at the steps of a path."""
        path = self.prepared(path)
        return self.backbone(path) - self.drop(path)

    @classmethod
    def prepared(cls, path: Path) -> Path:
        """Return the path with what the law computes of all of it, before drops are compressed."""
        return path

    @classmethod
    def inputs(cls) -> dict[str, Quantity]:
        """Return the inputs beside the schedule."""
        return {"S": S, "N": N} if cls.sized else {"S": S}

    @classmethod
    def output(cls) -> Quantity:
        """Return what the equation predicts."""
        return L

    def backbone(self, path: Path) -> Value:
        """Return the loss if the rate had never dropped; all of it where there is no sum."""
        return self.L0 + self.A * power(path.area, -self.alpha)

    def drop(self, path: Path) -> Value:
        """Return what the drops of the rate have taken off, summed drop by drop."""
        xp = namespace(path.area)
        if self.clock == "none":
            return xp.zeros_like(path.area)
        moved = self.relaxed(xp.maximum(self._elapsed(path), 0.0), path.rate)
        return self.share(path) * (moved @ (path.gap * self.effect(path)))

    def share(self, path: Path) -> Value:
        """Return what multiplies the sum over drops at each step: by the model's size."""
        del path
        return 1.0

    def _elapsed(self, path: Path) -> Value:
        """Return area or steps from each drop to each step, shape (n, m); <= 0 before the drop."""
        now, then = self.clocks(path)
        return now[:, None] - then

    @classmethod
    def clocks(cls, path: Path) -> tuple[Value, Value]:
        """Return what the law's clock shows at each step, (n,), and just before each drop, (m,)."""
        if cls.clock == "steps":
            return path.step + 1.0, path.drop_step
        return path.area, path.drop_area

    def effect(self, path: Path) -> Value:
        """Return what a unit drop takes off in the end, shape (m,)."""
        raise NotImplementedError

    def relaxed(self, elapsed: Value, rate: Value) -> Value:
        """Return the share of the effect that is there after some area or steps, by element.

        `rate` is the rate after the drop. Nothing has elapsed before a drop: zero gives zero.
        """
        raise NotImplementedError

    def spectrum(self, path: Path, longest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return rates, shape (q,), and shares, shape (m, q) or (1, q), of `relaxed`.

        Shares need not sum to one: what they lack never relaxes within `longest`.
        """
        raise NotImplementedError

    def curve(self, path: Path) -> np.ndarray:
        """Return the loss at the steps of a path in time linear in steps and drops.

        The same numbers as calling the law, to 1e-9 of the drops' effect.
        """
        path = self.prepared(path)
        if self.clock == "none" or not len(path.gap):
            return np.asarray(self.backbone(path))
        if len(path.step) <= FEW:
            return np.asarray(self(path))
        return np.asarray(self.backbone(path) - self.share(path) * _summed(self, path))


def _summed(law: CurveLaw, path: Path) -> np.ndarray:
    """Return `law.drop(path)`: one pass over the drops for each exponential of the spectrum."""
    now, then = law.clocks(path)
    order = np.argsort(path.step, kind="stable")
    stops = now[order]
    # The first stop that sees each drop; later stops see what that one has seen, decayed.
    seen_by = np.searchsorted(path.step[order], path.drop_step, side="left")
    seen = seen_by < len(stops)
    weight = (path.gap * law.effect(path))[seen]
    rates, shares = law.spectrum(path, float(stops[-1]))
    shares = shares[seen] if len(shares) > 1 else shares
    first, since = seen_by[seen], stops[seen_by[seen]] - then[seen]
    total = np.zeros(len(stops))
    for rate, share in zip(rates, shares.T, strict=True):
        arrived = np.bincount(first, weight * share * np.exp(-rate * since), len(stops))
        started = np.bincount(first, weight * share, len(stops))
        left = decayed_sums(arrived, rate * np.diff(stops, prepend=stops[0]))
        total += np.cumsum(started) - left
    unordered = np.empty_like(total)
    unordered[order] = total
    return unordered


def decayed_sums(x: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """Return y with y_j = exp(-decay_j) y_(j-1) + x_j, by doubling: log2(n) passes."""
    total, factor, width = x.copy(), np.exp(-decay), 1
    factor[0] = 0.0
    while width < len(total) and factor.any():
        total[width:] += factor[width:] * total[:-width].copy()
        factor[width:] *= factor[:-width].copy()
        factor[:width] = 0.0
        width *= 2
    return total


def gamma_spectrum(
    beta: float, scale: np.ndarray, longest: float, spacing: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Return (1 + c x)^-beta for every c of `scale` as one sum of exponentials in x.

    (1 + c x)^-beta is the mean of exp(-c x y) over a gamma distribution of y; the trapezoid rule in
    ln y converges geometrically (error e^(-pi^2/spacing)). The rates are common to all c: only the
    shares depend on it. Rates too slow to matter within `longest` are left out.

    Returns
    -------
    rates : array, shape (q,)
    shares : array, shape (m, q)
    """
    from math import lgamma

    slow = np.log(1e-11 / longest)
    fast = np.log(scale.max() * (40.0 + 4.0 * beta))
    rates = np.exp(np.arange(slow, fast + spacing, spacing))
    y = rates / scale[:, None]
    logs = np.log(spacing) + beta * np.log(y) - y - lgamma(beta)
    return rates, np.exp(logs)
