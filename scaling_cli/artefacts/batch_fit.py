"""The fit of runs at several batch sizes: the loss of a run at any batch, and what a loss costs.

Kaplan et al. 2020 (arXiv:2001.08361, section 5) after McCandlish et al. 2018 (arXiv:1812.06162), as
put to use by Su et al. 2024 (arXiv:2403.06563). At a constant learning rate, with data without end,

    L(N, S_min) = floor(N) + (Sc/S_min)^alpha_S,     B_crit(L) = B_star / L^(1/alpha_B),
    S = S_min (1 + B_crit/B),    E = B S = E_min (1 + B/B_crit),    E_min = B_crit S_min.

The loss at step S of batch B stands on both sides: it is solved for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.artefacts._record import MERGED, Fitted, Unbounded
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN as SIX

FEWEST_LEFT_OUT = 3  # batches that can be left out in turn: fewer give no interval
HALVINGS, POLISHING = 24, 3


@dataclass(frozen=True)
class Cost:
    """What a loss costs at a batch; arrays of one shape.

    Parameters
    ----------
    L : array
        Nats/token.
    B_crit : array
        Critical batch at that loss, tokens.
    S_min, E_min : array
        Fewest steps (any batch far above B_crit) and fewest tokens (any far below).
    B : array
        Tokens per step.
    S, E : array
        Steps and tokens at that batch.
    """

    L: np.ndarray
    B_crit: np.ndarray
    S_min: np.ndarray
    E_min: np.ndarray
    B: np.ndarray
    S: np.ndarray
    E: np.ndarray


@dataclass(frozen=True)
class BatchOptimum:
    """The run of least compute that reaches a loss at its critical batch.

    L, N, B, S and E (tokens) with C = 6 N E; C_min is what batches far below B would need.
    """

    L: float
    N: float
    B: float
    S: float
    E: float
    C: float
    C_min: float


@dataclass(frozen=True)
class BatchTrajectory:
    """Constants of the three laws.

    Parameters
    ----------
    Sc, alpha_S : float
        (Sc/S_min)^alpha_S is the loss above the floor.
    B_star, alpha_B : float
        B_crit(L) = B_star / L^(1/alpha_B), tokens.
    floor : float, optional
        Loss of one size after steps without end, nats/token; with N, the size.
    N : float, optional
        The one size that `floor` belongs to.
    Nc, alpha_N : float, optional
        floor(N) = (Nc/N)^alpha_N, where several sizes were fitted; in place of `floor`.
    """

    Sc: float
    alpha_S: float
    B_star: float
    alpha_B: float
    floor: float | None = None
    N: float | None = None
    Nc: float | None = None
    alpha_N: float | None = None

    def values(self) -> dict[str, float]:
        """Return the constants that are set, by name."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "N"}
        return {name: value for name, value in named.items() if value is not None}

    def to_record(self) -> dict[str, Any]:
        """Return the constants and the size as JSON has them."""
        return {"parameters": self.values(), "N": self.N}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "BatchTrajectory":
        """Rebuild it; constants that are none, or not positive, are refused."""
        rebuilt = cls(N=record.get("N"), **record["parameters"])
        values = rebuilt.values().items()
        wrong = [k for k, value in values if not (value > 0 or (k == "floor" and value == 0))]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be positive")
        return rebuilt

    def min_loss(self, N: float | None = None) -> float:
        """Return the loss of a size after steps without end, nats/token.

        Raises
        ------
        UsageError
            If no size is given, or one that was not fitted where only one size was.
        """
        if self.Nc is not None and self.alpha_N is not None:
            if N is None:
                raise UsageError("the size of the model is not given.", hint="Say N (--params).")
            return float((self.Nc / N) ** self.alpha_N)
        if self.floor is None:
            raise UsageError("neither a floor nor Nc and alpha_N are known.")
        if N is not None and self.N is not None and abs(N / self.N - 1) > 1e-3:
            raise UsageError(
                f"these runs are of one size, N = {self.N:g}; what {N:g} parameters reach they "
                "do not say.",
                hint="Leave --params out, or fit runs of several sizes.",
            )
        return self.floor

    def critical_batch(self, L: ArrayLike) -> np.ndarray:
        """Return B_crit(L), tokens."""
        return self.B_star * np.asarray(L, float) ** (-1 / self.alpha_B)

    def cost(self, L: ArrayLike, B: ArrayLike | None = None, *, N: float | None = None) -> Cost:
        """Return what a loss costs at a batch.

        Parameters
        ----------
        L : array-like
            Nats/token.
        B : array-like, optional
            Tokens per step. Default: the critical batch, where S = 2 S_min and E = 2 E_min.

        Raises
        ------
        FitError
            If a loss lies at or below the floor of that size.
        """
        loss, floor = np.asarray(L, float), self.min_loss(N)
        if not (loss > floor).all():
            raise FitError(
                f"a loss of {loss.min():g} is not above {floor:.4g}, the least that this size "
                "reaches with steps without end.",
                hint="Ask for a higher loss, or a larger model.",
            )
        critical = self.critical_batch(loss)
        batch = critical if B is None else np.asarray(_positive("the batch", B))
        least = self.Sc * (loss - floor) ** (-1 / self.alpha_S)
        loss, critical, least, batch = np.broadcast_arrays(loss, critical, least, batch)
        steps = least * (1 + critical / batch)
        return Cost(loss, critical, least, least * critical, batch, steps, steps * batch)

    def loss(self, S: ArrayLike, B: ArrayLike, *, N: float | None = None) -> np.ndarray:
        """Return the loss after S steps at batch B, nats/token: the root of both laws together.

        In x = ln(L - floor) the equation x = alpha_S ln((Sc/S)(1 + B_crit/B)) has one root, between
        the right side without B_crit and the right side at that point. Newton's steps alone may run
        in a circle there (the right side is steep): they only polish what halving has enclosed.
        """
        steps, batch = np.broadcast_arrays(_positive("a step", S), _positive("the batch", B))
        floor = self.min_loss(N)

        def right(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            level = floor + np.exp(x)
            ratio = self.critical_batch(level) / batch
            slope = -self.alpha_S / self.alpha_B * ratio / (1 + ratio) * np.exp(x) / level
            return self.alpha_S * (np.log(self.Sc / steps) + np.log1p(ratio)), slope

        low = self.alpha_S * np.log(self.Sc / steps)
        high = right(low)[0]
        for _ in range(HALVINGS):
            x = (low + high) / 2
            with np.errstate(over="ignore", invalid="ignore"):  # of a loss without end: B_crit is 0
                above = right(x)[0] > x
            low, high = np.where(above, x, low), np.where(above, high, x)
        x = (low + high) / 2
        for _ in range(POLISHING):
            value, slope = right(x)
            x = x + (value - x) / (1 - slope)
        return floor + np.exp(x)

    def run(
        self, S: ArrayLike, batches: Sequence[tuple[float, float]], *, N: float | None = None
    ) -> np.ndarray:
        """Return the loss along a run whose batch changes.

        At a change the loss stays: the run goes on along the curve of the new batch from where that
        one has the same loss.

        Parameters
        ----------
        S : array-like, shape (n,)
            Steps.
        batches : sequence of (first step, tokens per step)
            Increasing, from step 0 on.

        Raises
        ------
        UsageError
            If the batches do not begin at step 0 or do not increase.
        """
        steps = np.atleast_1d(_positive("a step", S))
        starts = [float(first) for first, _ in batches]
        if not starts or starts[0] != 0 or (np.diff(starts) <= 0).any():
            raise UsageError("batches must begin at step 0 and their steps must increase.")
        loss, ahead = np.empty_like(steps), 0.0
        ends = [*starts[1:], np.inf]
        for i, ((first, batch), end) in enumerate(zip(batches, ends, strict=True)):
            if i:
                reached = float(self.loss(first + ahead, batches[i - 1][1], N=N))
                ahead = float(self.cost(reached, batch, N=N).S) - first
            here = (steps > first) & (steps <= end)
            if here.any():
                loss[here] = self.loss(steps[here] + ahead, batch, N=N)
        return loss

    def optimum(self, L: float) -> BatchOptimum:
        """Return the run of least compute that reaches a loss, in closed form.

        N S_min is least where alpha_N (Nc/N)^alpha_N = alpha_S (Sc/S_min)^alpha_S: the model stops
        at 1 + alpha_N/alpha_S times the loss that it would converge to.

        Raises
        ------
        UsageError
            If the runs were of one size.
        """
        if self.Nc is None or self.alpha_N is None:
            raise UsageError(
                "runs of one size do not say which size is best.",
                hint="Fit runs of several sizes at several batch sizes.",
            )
        capacity = L / (1 + self.alpha_N / self.alpha_S)
        N = self.Nc / capacity ** (1 / self.alpha_N)
        at = self.cost(L, N=N)
        B, S, tokens = float(at.B), float(at.S), float(at.E)
        return BatchOptimum(L, N, B, S, tokens, SIX * N * tokens, SIX * N * float(at.E_min))

    def exponents(self) -> dict[str, float]:
        """Return how the optimum grows with C_min: the loss falls as C_min^-alpha_C.

        alpha_C = 1/(1/alpha_S + 1/alpha_B + 1/alpha_N); N, B and S_min grow as C_min to the power
        alpha_C/alpha_N, alpha_C/alpha_B and alpha_C/alpha_S.
        """
        if self.alpha_N is None:
            raise UsageError("runs of one size do not say how the best size grows.")
        alpha = 1 / (1 / self.alpha_S + 1 / self.alpha_B + 1 / self.alpha_N)
        by_exponent = {"N": self.alpha_N, "B": self.alpha_B, "S_min": self.alpha_S}
        return {"alpha_C": alpha, **{name: alpha / each for name, each in by_exponent.items()}}


def _positive(what: str, values: Any) -> np.ndarray:
    numbers = np.asarray(values, float)
    wrong = ~(np.isfinite(numbers) & (numbers > 0))
    if wrong.any():
        raise UsageError(f"{what} must be positive and finite, not {numbers[wrong].flat[0]:g}.")
    return numbers


@dataclass(frozen=True)
class BatchLevel:
    """One loss level of runs of one size.

    Parameters
    ----------
    N, loss : float
        Parameters (None where they are not known), nats/token.
    B_crit, S_min, E_min : float
        Of the hyperbola through this level's batches alone; infinite or zero where they do not
        bracket the critical batch.
    misfit : float
        Root mean square of ln steps about that hyperbola.
    batches : sequence of {B, S, run}
        Tokens per step, steps until the loss was reached, and by which run.
    missed : sequence of float
        Batches whose runs did not reach the level, or began below it.
    """

    N: float | None
    loss: float
    B_crit: Unbounded
    S_min: Unbounded
    E_min: Unbounded
    misfit: float
    batches: Sequence[Mapping[str, Any]]
    missed: Sequence[float]


@dataclass(frozen=True, repr=False)
class BatchFit(Fitted):
    """The critical batch of a set of runs and their loss along it, with what they do not say.

    Parameters
    ----------
    trajectory : BatchTrajectory
    replicates : sequence of BatchTrajectory
        The fit without each batch in turn; intervals come from these.
    levels : sequence of BatchLevel
    misfit : float
        Mean |prediction/loss - 1| over the points of curves that the loss was fitted to, the
        prediction from step and batch.
    """

    what = "a fit of the critical batch"
    use = "scaling batch --fit FILE --target-loss L"
    written_by = "scaling batch ... -o batch.json"
    COMPUTED = {"law": "law", "intervals": "intervals"}
    law: ClassVar[str] = "batch_trajectory"

    trajectory: BatchTrajectory = field(metadata=MERGED)
    misfit: float | None = None
    levels: Sequence[BatchLevel] = ()
    replicates: Sequence[BatchTrajectory] = ()

    def __post_init__(self) -> None:
        """Refuse replicates of other constants."""
        super().__post_init__()
        names = list(self.trajectory.values())
        if any(list(each.values()) != names for each in self.replicates):
            raise ValueError(f"replicates must be of {', '.join(names)} each")

    def __repr__(self) -> str:
        """Return one line: constants, points, warnings."""
        values = ", ".join(f"{k}={v:.4g}" for k, v in self.trajectory.values().items())
        return self._line(values, f"{self.n_points} points", str(self.status))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract; N is said once, for all replicates."""
        written = super().to_dict()
        return written | {"replicates": [each.values() for each in self.replicates]}

    @classmethod
    def keys(cls, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the JSON object with replicates as the trajectory is: values, and N."""
        each = [{"parameters": v, "N": record.get("N")} for v in record["replicates"]]
        return {**record, "replicates": each}

    @property
    def intervals(self) -> dict[str, dict[str, Any]]:
        """The 90 % interval of each constant that has one."""
        result = {}
        for name in self.trajectory.values():
            ends = self.interval(lambda t, n=name: t.values()[n])
            if ends is not None and np.isfinite(ends).all():
                low, high = (float(end) for end in ends)
                result[name] = {"level": 0.9, "low": low, "high": high, "method": "jackknife"}
        return result

    def interval(
        self, quantity: Callable[[BatchTrajectory], Any], level: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the interval of a positive quantity, or None with too few batches for one.

        A jackknife over batches, in logarithms, with Student's t of one degree of freedom less
        than there are batches: it takes in how runs at one batch differ from those at another, and
        takes the form of the laws as true.

        Parameters
        ----------
        quantity : callable
            Takes a BatchTrajectory, returns a number or an array.
        level : float
            Nominal coverage.
        """
        count = len(self.replicates)
        if count < FEWEST_LEFT_OUT:
            return None
        centre = np.log(np.asarray(quantity(self.trajectory), float))
        each = np.log(np.stack([np.asarray(quantity(r), float) for r in self.replicates]))
        spread = np.sqrt((count - 1) / count * np.sum((each - each.mean(axis=0)) ** 2, axis=0))
        half = quantile(level, count - 1) * spread
        return np.exp(centre - half), np.exp(centre + half)
