"""One allocation of a plan as a record: the split, how sure it is, what another split costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import USEFUL, Prediction
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import SHARES, about, valley
from scaling_cli.numerics.quantiles import central_about
from scaling_cli.planning import allocation
from scaling_cli.planning.allocation import ANSWERED, SAME, Limits
from scaling_cli.planning.reaching import reached, reaching
from scaling_cli.point_fits.diagnosis.envelope import envelope
from scaling_cli.point_fits.diagnosis.isoflop import Allocation, Line, line_through
from scaling_cli.vocabulary.errors import UsageError

Ends = tuple[float, float]


@dataclass(frozen=True)
class Planner:
    """A fit that is asked for splits under the same limits.

    Parameters
    ----------
    fit : Fit
    limits : Limits
    held : mapping of symbol to float
        The law's inputs that do not grow.
    level : float
        Nominal coverage of the intervals.
    """

    fit: Fit
    limits: Limits
    held: Mapping[str, float]
    level: float

    @property
    def law(self) -> Law:
        """The fitted law."""
        return self.fit.law

    @property
    def drawn(self) -> Law | None:
        """The law with all draws of its parameters at once; None without draws."""
        sure = self.fit.uncertainty
        return None if sure is None else type(self.law)(**sure.draws)

    def inputs(self, budgets: np.ndarray) -> dict[str, np.ndarray | float]:
        """Return the law's inputs of the best splits of budgets, shape (n,)."""
        best = allocation.best(self.law, budgets, self.limits, self.held)
        return allocation.at(self.law, *best, self.held)

    def predicted(self, point: Mapping[str, Any]) -> Prediction:
        """Return the prediction of the fit."""
        return self.fit.predict(level=self.level, **point)

    def reaching(self, value: float) -> tuple[float, list[float | None] | None]:
        """Return the least budget whose forecast is a value, and those where its range's ends are.

        Raises
        ------
        UsageError
            If none is.
        """
        find = partial(reaching, self.fit, value, self.inputs, level=self.level)
        budget = find(lambda p: p.forecast)
        if budget is None:
            under = "" if self.limits.are_none else " under these limits"
            raise UsageError(
                f"by this fit no compute{under} reaches {self.fit.target} = {value:g}."
            )
        if self.fit.uncertainty is None:
            return budget, None
        ends = [find(partial(_end, side=side)) for side in (0, 1)]
        return budget, sorted(ends, key=lambda end: np.inf if end is None else end)

    def allocated(self, budget: float) -> dict[str, Any]:
        """Return the best split of a budget, as `scaling plan --json` prints it."""
        size, data = self.law.size_and_data() or ("", "")
        point = self._point(budget)
        told = self.predicted(point)
        training = float(self.law.compute(**point))
        ranges = self._ranges(budget, point)
        return {
            "C": budget,
            **point,
            "ratio": point[data] / point[size],
            "training": training,
            "answers": ANSWERED * self.limits.answers * point[size],
            "loss": float(told.forecast[0]),
            "value": float(told.value[0]),
            "level": self.level,
            **{f"{s}_interval": ranges and list(ranges[s]) for s in (size, data)},
            "loss_interval": told.new_run and [float(end[0]) for end in told.new_run],
            "useful": None if (half := told.half_widths()) is None else bool(half[1][0] <= USEFUL),
            "extrapolation": {s: float(v[0]) for s, v in told.extrapolation.items()},
            **self._valleys(budget, point),
            "isoflop": self._parabolas(budget, point, ranges),
            "approaches": self._approaches(budget, point, ranges),
            "limited_by": self._limited_by(point),
        }

    def _parabolas(
        self, budget: float, point: Mapping[str, float], ranges: Mapping[str, Ends] | None
    ) -> dict[str, Any] | None:
        """Return what the isoFLOP parabolas of the fit's runs say of the best size.

        None under limits, which they know nothing of, and without enough budgets for a line.
        """
        budgets = (self.fit.diagnostics.get("isoflop") or {}).get("budgets") or []
        there = [b for b in budgets if b["optimum"] is not None]
        line = line_through([b["compute"] for b in there], [b["optimum"] for b in there])
        if line is None or not self.limits.are_none:
            return None
        size, half = (self.law.size_and_data() or ("",))[0], line.half_width(budget, self.level)
        own = line.at(budget)
        both = Allocation(
            budget,
            own,
            (own * np.exp(-half), own * np.exp(half)),
            point[size],
            (ranges or {}).get(size),
        )
        return {**both.to_dict(self.level), "agree": both.agree}

    def _approaches(
        self, budget: float, point: Mapping[str, float], ranges: Mapping[str, Ends] | None
    ) -> dict[str, Any] | None:
        """Return the best size by each of Chinchilla's three approaches, and how far they part.

        None under limits, which only the law knows of, and where nothing but the law tells one.
        """
        size = (self.law.size_and_data() or ("",))[0]
        parabolas, hull = self._parabolas(budget, point, ranges), self._envelope
        if not self.limits.are_none or (parabolas is None and hull is None):
            return None
        own = {"N": point[size], "interval": ranges and list(ranges[size])}
        told: dict[str, Any] = {"parametric": own, "isoflop": None, "envelope": None}
        if parabolas is not None:
            told["isoflop"] = {"N": parabolas["N"], "interval": parabolas["interval"]}
        if hull is not None:
            N, wide = hull.at(budget), float(np.exp(hull.half_width(budget, self.level)))
            told["envelope"] = {"N": N, "interval": [N / wide, N * wide]}
        known = [one["N"] for one in told.values() if one is not None]
        return {**told, "apart": max(known) / min(known)}

    @cached_property
    def _envelope(self) -> Line | None:
        return envelope(self.fit.points(), self.law) if self.fit.data.get("points") else None

    def _point(self, budget: float) -> dict[str, float]:
        """Return the law's inputs of the best split.

        Raises
        ------
        UsageError
            If the budget does not pay for the answers, or the law has no best split.
        """
        point = {s: float(np.ravel(v)[0]) for s, v in self.inputs(np.array([budget])).items()}
        if np.isfinite(list(point.values())).all():
            self._refuse_less_than_one(budget, point)
            return point
        if self.limits.answers:
            raise UsageError(
                f"C = {budget:g} does not pay for {self.limits.answers:g} tokens after training.",
                hint="Give more --compute, or fewer --inference-tokens.",
            )
        raise UsageError(
            "this law has no best split of compute between size and data.",
            hint="Give --params or --ratio.",
        )

    def _refuse_less_than_one(self, budget: float, point: Mapping[str, float]) -> None:
        for symbol in self.law.size_and_data() or ():
            if point[symbol] < 1:
                what = self.law.inputs()[symbol].meaning
                raise UsageError(
                    f"C = {budget:g} buys {symbol} = {point[symbol]:.2g} ({what}): less than one.",
                    hint="Give more --compute, or other limits.",
                )

    def _free(self) -> bool:
        return self.limits.size is None and self.limits.ratio is None

    def _ranges(self, budget: float, point: Mapping[str, float]) -> dict[str, Ends] | None:
        """Return where size and data lie by the draws, each of which has its own best split."""
        law, spent = self.drawn, self.law.size_and_data() or ()
        if law is None or not self._free():
            return None
        drawn = allocation.best(law, budget, self.limits, self.held)
        pairs = zip(spent, drawn, strict=True)
        ranges = {s: about(point[s], values, self.level) for s, values in pairs}
        return {s: r for s, r in ranges.items() if r is not None} if all(ranges.values()) else None

    def _valleys(self, budget: float, point: Mapping[str, float]) -> dict[str, Any]:
        """Return between which sizes, and data then, the loss is nearly as low."""
        size, data = self.law.size_and_data() or ("", "")
        if not self._free():
            return {"near_optimal": None, "valley": []}

        most = np.inf if self.limits.most_size is None else self.limits.most_size

        def tokens(sizes: np.ndarray) -> np.ndarray:
            return allocation.data_left(self.law, sizes, np.array(budget), self.limits, self.held)

        def loss(sizes: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                at = allocation.at(self.law, sizes, tokens(sizes), self.held)
                value = np.nan_to_num(np.asarray(self.law(**at), float), nan=np.inf)
                return np.where(sizes <= most * (1 + SAME), value, np.inf)

        found = []
        for share, ends in valley(loss, point[size], SHARES).items():
            known = np.where(np.isfinite(ends) & (np.array(ends) > 0), ends, np.nan)
            both = {size: known, data: tokens(known)[::-1]}
            told = {s: [None if np.isnan(v) else float(v) for v in of] for s, of in both.items()}
            found.append({"loss_within": share, **told})
        return {"near_optimal": found[0], "valley": found}

    def _limited_by(self, point: Mapping[str, float]) -> list[str]:
        """Name the limits that hold: without them the budget would buy less loss."""
        size, data = self.law.size_and_data() or ("", "")
        at = {"most_size": point[size], "most_data": point[data]}
        told = {"most_size": "max_params", "most_data": "max_tokens"}
        limits = {k: getattr(self.limits, k) for k in at}
        return [
            told[k] for k, most in limits.items() if most is not None and at[k] > most * (1 - SAME)
        ]

    def overtrained(self, budget: float, times: float) -> dict[str, Any]:
        """Return what so many times the tokens per parameter cost, at the same budget.

        In loss, and in compute: that which makes up for it. Intervals are of the difference: one
        law, one draw of it at a time, both splits.

        Raises
        ------
        UsageError
            If that is beyond the limits.
        """
        size, data = self.law.size_and_data() or ("", "")
        best = self._point(budget)
        ratio = times * best[data] / best[size]
        spent = float(allocation.total(self.law, best, self.limits))  # limits may leave a part
        limits = Limits(ratio=ratio, answers=self.limits.answers)
        N, D = allocation.best(self.law, spent, limits, self.held)
        self._refuse_beyond(times, float(N), float(D))
        other = allocation.at(self.law, N, D, self.held)
        laws = [self.law, *([self.drawn] if self.drawn else [])]
        changes = [self._outputs(law, other) - self._outputs(law, best) for law in laws]
        more = [self._making_up(law, ratio, best) for law in laws]
        return {
            "C": budget,
            "times": times,
            size: float(N),
            data: float(D),
            "loss_change": float(changes[0]),
            "loss_change_interval": self._drawn_range(changes),
            "more_compute": _share(float(more[0])),
            "more_compute_interval": self._drawn_range(more, _share),
        }

    def _refuse_beyond(self, times: float, N: float, D: float) -> None:
        asked = f"{times:g} times the tokens per parameter"
        if self.limits.size is not None:
            raise UsageError(
                f"--params leaves a budget no other ratio than its own, and so not {asked}.",
                hint="Give --overtrain without --params, or another --compute.",
            )
        limits = ("parameters", N, self.limits.most_size), ("tokens", D, self.limits.most_data)
        for what, value, most in limits:
            if most is not None and value > most * (1 + SAME):
                raise UsageError(
                    f"{asked} at the same compute are {value:.3g} {what}, above the limit of "
                    f"{most:g}.",
                    hint="Leave out this one of --overtrain, or the limit.",
                )

    def _outputs(self, law: Law, inputs: Mapping[str, Any]) -> np.ndarray:
        fitted = np.asarray(law(**inputs), float)
        return fitted if self.fit.turned is None else self.fit.turned.back(fitted)

    def _making_up(self, law: Law, ratio: float, best: Mapping[str, float]) -> np.ndarray:
        """Return the ln of the compute at which a ratio is as good, over that of the best split."""
        size, data = self.law.size_and_data() or ("", "")
        alike = np.sqrt(best[data] / ratio * best[size])  # the size of the same training compute

        def along(moved: np.ndarray) -> dict[str, Any]:
            sizes = alike * np.exp(moved)
            return allocation.at(self.law, sizes, ratio * sizes, self.held)

        moved = reached(lambda m: np.asarray(law(**along(m)), float), np.asarray(law(**best)))
        ever = np.isfinite(moved)
        splits = along(np.where(ever, moved, 0.0)), best
        cost, paid = (allocation.total(self.law, split, self.limits) for split in splits)
        return np.where(ever, np.log(cost / paid), moved)

    def _drawn_range(
        self, numbers: Sequence[np.ndarray], told: Callable[[float], float | None] = float
    ) -> list[float | None] | None:
        if len(numbers) < 2:
            return None
        return [told(end) for end in central_about(float(numbers[0]), numbers[1], self.level)]


def _share(log: float) -> float | None:
    """Return the share of compute more; None where no compute makes up for it."""
    return float(np.expm1(log)) if np.isfinite(log) else None


def _end(prediction: Prediction, side: int) -> np.ndarray:
    """Return an end of the range of a new run."""
    return (prediction.new_run or (prediction.forecast,) * 2)[side]
