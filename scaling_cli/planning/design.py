"""Which runs narrow a forecast most for their cost: the V-criterion, a run at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts._prediction import decades, edges
from scaling_cli.laws._law import Law

POWERS = (0.0, 0.25, 0.5)  # of the cost that a gain is divided by; 1 is worst on real tables
LEAST = 0.001  # share of a new run's variance that a run must take off to be worth naming
ROUNDING = 1e-12  # relative, of sums of costs
MOST = 40  # runs that are proposed at most


@dataclass(frozen=True)
class Reach:
    """How far the targets lie beyond runs, as a forecast's drift counts it.

    Parameters
    ----------
    law : type[Law]
    target : mapping of symbol to array, shape (t,)
    drift : float
        Sd of ln output per decade.
    candidates : sequence of mapping
        Of each candidate, the values that decades are counted from.
    largest : mapping
        The same of the runs there are; empty where there are none.
    """

    law: type[Law]
    target: Mapping[str, np.ndarray]
    drift: float
    candidates: Sequence[Mapping[str, float]]
    largest: Mapping[str, float]

    @classmethod
    def of(
        cls,
        law: type[Law],
        target: Mapping[str, np.ndarray],
        drift: float,
        candidates: Mapping[str, np.ndarray],
        largest: Mapping[str, float],
    ) -> "Reach":
        """Return the reach of candidates, inputs of shape (m,)."""
        count = len(next(iter(candidates.values())))
        each = [edges(law, {s: v[i : i + 1] for s, v in candidates.items()}) for i in range(count)]
        if not largest and each:  # nothing was run: from the least of what may be
            largest = {name: min(own[name] for own in each) for name in each[0]}
        return cls(law, target, drift, each, largest)

    def after(self, chosen: Sequence[int]) -> dict[str, float]:
        """Return the largest values once these candidates have run."""
        largest = dict(self.largest)
        for i in chosen:
            largest = self.grown(largest, i)
        return largest

    def grown(self, largest: Mapping[str, float], i: int) -> dict[str, float]:
        """Return the largest values with one more candidate."""
        return {name: max(v, self.candidates[i].get(name, v)) for name, v in largest.items()}

    def variance(self, largest: Mapping[str, float]) -> float:
        """Return the sum over targets of the drift's variance."""
        far = decades(self.law, self.target, largest)
        return float(np.sum((self.drift * far) ** 2))

    def saved(self, largest: Mapping[str, float]) -> np.ndarray:
        """Return by how much every candidate lowers the drift's variance, shape (m,)."""
        now, told = self.variance(largest), np.zeros(len(self.candidates))
        for i in range(len(self.candidates)) if now else ():
            further = self.grown(largest, i)
            told[i] = now - self.variance(further) if further != largest else 0.0
        return told


@dataclass(frozen=True)
class Chosen:
    """Runs in the order in which they were chosen.

    Parameters
    ----------
    rows : sequence of int
        Of the candidates.
    left : sequence of float
        Share of the variance at the target that is left after each, the mean over draws.
    power : float
        Of the cost that gains were divided by.
    """

    rows: Sequence[int]
    left: Sequence[float]
    power: float = 0.0

    @property
    def end(self) -> float:
        """Share of the variance that is left after all."""
        return self.left[-1] if self.left else 1.0


@dataclass(frozen=True)
class Design:
    """What is known of a law's parameters at some of its draws, and what runs would tell.

    Parameters
    ----------
    covariance : array, shape (s, k, k)
        Of the searched coordinates about each draw.
    slopes : array, shape (s, m, k)
        D ln output / d coordinate of every candidate, by the law at each draw.
    target : array, shape (s, t, k)
        The same at the points to be forecast.
    sigma : float
        Noise of a run in ln output.
    costs : array, shape (m,)
    reach : Reach, optional
        The drift beyond the runs, which larger runs lower.
    least : float
        Share of a new run's variance at the targets that a run must take off to be worth it.
    """

    covariance: np.ndarray
    slopes: np.ndarray
    target: np.ndarray
    sigma: float
    costs: np.ndarray
    reach: Reach | None = None
    least: float = LEAST

    def best(self, budget: float, *, fewest: int = 0, most: int = MOST) -> Chosen:
        """Return the runs of least variance among those of several powers of the cost."""
        every = [self.chosen(budget, power, fewest=fewest, most=most) for power in POWERS]
        return self.ordered(min(every, key=lambda chosen: (len(chosen.rows) < fewest, chosen.end)))

    def ordered(self, chosen: Chosen) -> Chosen:
        """Return the same runs, those first that tell most."""
        rows, reach = list(chosen.rows), self.reach
        if reach is not None:
            reach = replace(reach, candidates=[reach.candidates[i] for i in rows])
        own = replace(
            self, slopes=self.slopes[:, rows], costs=self.costs[rows], reach=reach, least=0.0
        )
        order = own.chosen(np.inf, 0.0, most=len(rows))
        return Chosen([rows[i] for i in order.rows], order.left, chosen.power)

    def chosen(self, budget: float, power: float, *, fewest: int = 0, most: int = MOST) -> Chosen:
        """Return runs that are bought one by one by their gain over cost**power.

        Each candidate once. What the cheapest runs cost that are lacking to the fewest is kept.
        """
        covariance, left, rows = self.covariance, budget, list[int]()
        ends, first = list[float](), self._variances(covariance) + self._far(())
        while len(rows) < most:
            share = self._shares(covariance, rows)
            free = self._free(share, covariance, rows, left, fewest)
            if not free.any():
                break
            i = int(np.argmax(np.where(free, share / self.costs**power, -np.inf)))
            covariance = _told(covariance, self.slopes[:, i], self.sigma)
            rows.append(i)
            left -= float(self.costs[i])
            after = self._variances(covariance) + self._far(rows)
            ends.append(float(np.mean(after / first)))
        return Chosen(rows, ends, power)

    def _free(
        self,
        share: np.ndarray,
        covariance: np.ndarray,
        rows: Sequence[int],
        left: float,
        fewest: int,
    ) -> np.ndarray:
        """Say which candidates can be bought and are worth it, shape (m,).

        Below the fewest runs all are, if they leave what the cheapest that are lacking cost.
        """
        lacking = max(0, fewest - len(rows) - 1)
        kept = float(np.sum(np.sort(self.costs)[:lacking]))
        free = self.costs <= (left - kept) * (1 + ROUNDING)
        free[list(rows)] = False
        now = float(np.mean(self._variances(covariance))) + self._far(rows)
        worth = share * now / (now + self.target.shape[1] * self.sigma**2) >= self.least
        return free & worth if len(rows) >= fewest or (free & worth).any() else free

    def variance(self, rows: Sequence[int]) -> np.ndarray:
        """Return the sum over targets of the law's variance once these have run, of each draw."""
        covariance = self.covariance
        for i in rows:
            covariance = _told(covariance, self.slopes[:, i], self.sigma)
        return self._variances(covariance)

    def _variances(self, covariance: np.ndarray) -> np.ndarray:
        return np.einsum("stk,skl,stl->s", self.target, covariance, self.target)

    def _far(self, rows: Sequence[int]) -> float:
        return 0.0 if self.reach is None else self.reach.variance(self.reach.after(rows))

    def _shares(self, covariance: np.ndarray, rows: Sequence[int]) -> np.ndarray:
        """Return the share of the variance that every candidate takes off, shape (m,)."""
        across = np.einsum("stk,skl,sml->stm", self.target, covariance, self.slopes)
        own = np.einsum("smk,skl,sml->sm", self.slopes, covariance, self.slopes)
        gains = np.sum(across**2, axis=1) / (self.sigma**2 + own)
        now, saved = self._variances(covariance) + self._far(rows), 0.0
        if self.reach is not None:
            saved = self.reach.saved(self.reach.after(rows))
        return np.mean((gains + saved) / now[:, None], axis=0)


def _told(covariance: np.ndarray, slopes: np.ndarray, sigma: float) -> np.ndarray:
    """Return covariances (s, k, k) after a run with these slopes (s, k)."""
    along = np.einsum("skl,sl->sk", covariance, slopes)
    total = sigma**2 + np.einsum("sk,sk->s", slopes, along)
    return covariance - along[:, :, None] * along[:, None, :] / total[:, None, None]
