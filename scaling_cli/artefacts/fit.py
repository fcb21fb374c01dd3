"""The fit as a thing: what `scaling fit` writes, `scaling predict` reads and CI compares.

A Fit is plain data. It predicts with NumPy alone (no JAX, no pandas), because it carries the
draws that its intervals need. The JSON is the public schema, the same for `fits/**.json`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts import _prediction
from scaling_cli.artefacts._choice import Choice
from scaling_cli.artefacts._prediction import Prediction, Uncertainty
from scaling_cli.artefacts._record import MERGED, SPARSE, Fitted, refuse_draws
from scaling_cli.artefacts._split import splits
from scaling_cli.laws._law import Domain, Law
from scaling_cli.runs.points import COUNTED, Points
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.outcomes import Check, Level, Touches
from scaling_cli.vocabulary.quantities import C, L, factor, is_perplexity

NO_INTERVAL = {
    "published": "no interval: these are published numbers, and the fit carries no draws.",
    "": "no interval: the fit carries no draws (it was made with --bootstrap 0).",
}
# Derived quantities that a fit makes from its points; no law gives them back.
FROM_POINTS = frozenset({"optimal_params_isoflop"})
STEP = 3.0  # beyond the largest run: what a next prediction may be of
FAR = 100.0  # and the square of the farthest backtest: beyond both nothing like it was tried
FURTHER, RECOUNTED = "extrap.distance", "data.compute"  # what only an answer can say
GRAVEST = {Level.FAIL: 0, Level.WARN: 1, Level.PASS: 2}
# Checks whose failure means that there is no fit; other failures forbid a use of it, and say which.
UNUSABLE = frozenset({"fit.convergence"})
UNSCORED = {"coverage": None, "half_width": None}


@dataclass(frozen=True, repr=False)
class Fit(Fitted):
    """A fitted law with everything needed to use it, judge it and repeat it."""

    what = "a fit of a law of points"
    use = "scaling predict --fit FILE"
    written_by = "scaling fit ... -o fit.json"

    law: Law = field(metadata=MERGED)
    intervals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)
    """Per parameter: level, low, high, method; without ends, the reason instead."""
    derived: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    backtest: Mapping[str, Any] | None = field(default=None, kw_only=True)
    uncertainty: Uncertainty | None = field(default=None, kw_only=True)
    choice: Choice | None = field(default=None, kw_only=True, metadata=SPARSE)
    """Of a fit whose law was chosen among several: how."""

    def __repr__(self) -> str:
        """Return one line: law, points, status, parameters, warnings."""
        values = ", ".join(f"{k}={v:.4g}" for k, v in self.parameters.items())
        points = f"{self.n_points} points"
        return self._line(laws.name_of(self.law), points, str(self.status), values)

    @classmethod
    def keys(cls, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what 0.1.0 wrote in the form of today; it predicts with the drift it learned."""
        law, data = laws.get(record["law"]), record.get("data", {})
        sure, test = record.get("uncertainty"), record.get("backtest")
        changed = dict(record)
        if sure and "largest" not in sure:
            other = sure.get("companion")
            beside = [{"law": other, "weight": 1.0}] if other else []
            largest = {sure["axis"]: sure["axis_max"]}
            changed["uncertainty"] = {**sure, "largest": largest, "beside": beside}
        if test:  # its coverage was that of the law alone
            cuts = [
                cut | {"coverage_law": cut["coverage"]} | UNSCORED
                if "rms" in cut and "coverage_law" not in cut
                else cut
                for cut in test["cuts"]
            ]
            changed["backtest"] = {**test, "cuts": cuts}
        own = law.output().symbol  # 0.1.0 called the output of every law L
        if L.symbol in {own, *law.inputs()} or L.symbol not in data.get("ranges", {}):
            return changed
        ranges = {own if s == L.symbol else s: ends for s, ends in data["ranges"].items()}
        counts = {s: how for s, how in data.get("conventions", {}).items() if s != L.symbol}
        return {**changed, "data": {**data, "ranges": ranges, "conventions": counts}}

    @property
    def parameters(self) -> dict[str, float]:
        """Parameter values by name."""
        return self.law.values()

    def points(self) -> Points:
        """Return the points that the fit carries.

        Raises
        ------
        DataError
            If it carries none: a published fit, or one to very many points.
        """
        stored = self.data.get("points")
        if not stored:
            raise DataError(
                "the fit carries no points.",
                hint="A published fit has none, and a fit to very many points keeps only their "
                "digest.",
            )
        output, weight = np.asarray(stored["output"], float), stored.get("weight")
        output = output if self.turned is None else self.turned.forth(output)
        return Points(
            {symbol: np.asarray(v, float) for symbol, v in stored["inputs"].items()},
            output,
            [str(run) for run in stored.get("runs") or range(len(output))],
            self.data.get("conventions") or {},
            weight=None if weight is None else np.asarray(weight, float),
            target=self.target,
            turned=self.turned,
        )

    @property
    def target(self) -> str:
        """The column that was fitted, as the user called it."""
        asked = self.selection.get("target")
        return asked if asked and not is_perplexity(asked) else self.law.output().column

    @property
    def measured(self) -> str:
        """The column that was fitted where nobody named one, as the selection noted it."""
        told = (str(note) for note in self.data.get("notes", ()))
        words = next((t.split()[1] for t in told if t.startswith("target: ")), self.target)
        return words.rstrip(".,;")

    @property
    def turned(self) -> Turned | None:
        """What was fitted of the target, where it is not the target itself."""
        return Turned.of(self.data)

    def as_fitted(self) -> "Fit":
        """Return the fit whose answers are in what was fitted, not in the target."""
        if self.turned is None:
            return self
        ranges, symbol = self.data["ranges"], self.law.output().symbol
        ends = sorted(self.turned.forth(end) for end in ranges[symbol])
        data = {k: v for k, v in self.data.items() if k not in ("fitted_as", "points")}
        return replace(self, data={**data, "ranges": {**ranges, symbol: ends}})

    @property
    def example(self) -> str:
        """Inputs as they are typed, a step beyond the data where they grow."""
        ranges, held = self.data.get("ranges", {}), self.diagnostics.get("headline") or {}
        point = self.law.example()
        farther = self.law.reached(point, STEP)
        for symbol, here in list(point.items()):
            grows = farther[symbol] > here
            if symbol in ranges:
                reach = ranges[symbol][1]
                point[symbol] = float(f"{STEP * reach:.1g}") if grows else reach
            if not grows and held.get(symbol) is not None:
                point[symbol] = held[symbol]
        return self.law.options(point)

    def usage(self, name: str) -> str:
        """Return the command that predicts with it."""
        return f"{super().usage(name)} {self.example}"

    def alone(self) -> "Fit":
        """Return the same fit, which forecasts with its own law and not with a mean of several."""
        sure = self.uncertainty
        return self if sure is None else replace(self, uncertainty=sure.alone(type(self.law)))

    def predict(self, *, level: float = 0.9, **inputs: Any) -> Prediction:
        """Predict the law's output.

        Parameters
        ----------
        level : float
            Nominal coverage of the intervals.
        **inputs : float, str or array
            The law's inputs by symbol or column (`N=7e9, tokens="1T"`), broadcast against each
            other. `C` with size or data gives the other; alone, the law's own optimum.

        Raises
        ------
        UsageError
            If an input is missing, unknown or outside its domain.
        """
        check_level(level)
        given = _prediction.by_symbol(_prediction.taken(self.law), inputs)
        columns = _prediction.read_inputs(self.law, _prediction.completed(self.law, inputs))
        value = np.asarray(self.law(**columns), dtype=float)
        ranges, draws = self.data.get("ranges", {}), getattr(self.uncertainty, "draws", None)
        bare = Prediction(
            columns,
            self.law.output().symbol,
            value,
            value,
            level,
            mean=None,
            new_run=None,
            extrapolation=self._extrapolation(columns),
            parts={},
            spent={C.symbol: self.law.along(columns)} if self.law.size_and_data() else {},
            linear={s: tuple(ranges[s]) for s in columns if self._is_linear(s) and s in ranges},
            column=self.target,
            splits=splits(self.law, draws, columns, given, level),
            made_by=self._as_maker(),
        )
        sure = self.uncertainty
        if sure is None:
            published = self.origin.get("kind") == "published"
            told = replace(bare, notes=(NO_INTERVAL["published" if published else ""],))
        else:
            notes = (self._floorless(),) if sure.widening > 1 else ()
            whole = vars(_prediction.band(self.law, sure, columns, level))
            told = replace(bare, notes=notes, **whole)
        told = replace(told, made_by={**bare.made_by, "warnings": self.doubts(told)})
        if self.turned is None:
            return told
        known = self.data.get("ranges", {}).get(self.law.output().symbol, ())
        return told.turned_back(self.turned, known)

    def _floorless(self) -> str:
        """Say that nothing shows where the output ends."""
        name = self.law.floor()
        lacking = f"{self.law.briefly()} has none" if name is None else f"{name} ran to zero"
        if self.turned is not None:
            return f"no limit of the {self.target} could be fitted ({lacking}): the range is wider."
        return (
            f"no floor could be fitted ({lacking}): how low the {self.target} can fall was not "
            "shown, and the range is wider for it."
        )

    def doubts(self, prediction: Prediction, *, sized: bool | None = None) -> list[dict[str, str]]:
        """Return code and message of all that speaks against a prediction, the gravest first.

        `sized` says whether a best size was asked for; by default where compute alone was given.
        """
        sized = bool(prediction.splits) if sized is None else sized
        asked = {Touches.FORECAST, Touches.DATA} | ({Touches.OPTIMUM} if sized else set())
        every = [*self._doubts_of(prediction, sized), *self.concerning(asked)]
        every.sort(key=lambda check: GRAVEST[check.level])
        return [{"code": check.code, "message": check.message} for check in every]

    def concerning(self, asked: Collection[Touches]) -> list[Check]:
        """Return what the checks say of the subjects of a question, the gravest first."""
        said = [check for check in self.checks if check.belongs_to(asked)]
        return sorted(said, key=lambda check: GRAVEST[check.level])

    def _doubts_of(self, prediction: Prediction, sized: bool) -> Iterator[Check]:
        """Yield what only the answer shows: how it counts compute, and how far it reaches."""
        if prediction.new_run is None:
            return
        if sized:
            for note in self.data.get("notes", ()):
                if COUNTED in note:
                    yield Check(RECOUNTED, Level.WARN, note)
        cuts, axis = ((self.backtest or {}).get(key) for key in ("cuts", "axis"))
        reached = [float(cut["factor"]) for cut in cuts or () if cut["factor"] is not None]
        along = prediction.extrapolation.get(axis or C.symbol)
        if along is None or not reached:
            return
        tested, farthest = max(reached), float(np.max(along))
        if farthest > max(FAR, tested**2):
            yield Check(
                FURTHER,
                Level.WARN,
                f"{axis or C.symbol} {factor(farthest)} is further beyond the data than any "
                f"backtest of this fit went ({factor(tested)}): that it goes on as before is "
                "assumed.",
            )

    def _as_maker(self) -> dict[str, Any]:
        """Return what a prediction says of the fit that made it."""
        sure = {k: getattr(self.uncertainty, k, None) for k in ("tested", "method")}
        cuts = (self.backtest or {}).get("cuts") or []
        head = {"fit": self.name, "law": laws.name_of(self.law)}
        return {**head, **sure, "backtests": cuts, "warnings": []}

    def _extrapolation(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the factor by which each axis lies outside the data; 1 inside.

        Of an input that may be zero: 1 and the distance, in widths of the range that was fitted,
        or as it is where that is one value.
        """
        ranges, factors = self.data.get("ranges", {}), {}
        for symbol, column in {**inputs, self.law.axis(): self.law.along(inputs)}.items():
            if symbol not in ranges:
                continue
            low, high = ranges[symbol]
            if self._is_linear(symbol):
                away = np.maximum(0.0, np.maximum(column - high, low - column))
                factors[symbol] = 1 + away / (high - low or 1.0)
            else:
                with np.errstate(over="ignore", divide="ignore"):  # infinitely far
                    factors[symbol] = np.maximum(1.0, np.maximum(column / high, low / column))
        return factors

    def _is_linear(self, symbol: str) -> bool:
        quantity = self.law.inputs().get(symbol)
        return quantity is not None and quantity.domain is not Domain.POSITIVE

    def __post_init__(self) -> None:
        """Refuse draws that are not the law's, points that do not fit each other, unknown runs."""
        super().__post_init__()
        Turned.of(self.data)  # refuses what is none
        points = self.data.get("points")
        if points:
            names, runs = list(self.law.inputs()), points.get("runs")
            columns = [points["inputs"].get(name, ()) for name in names]
            if {len(c) for c in (*columns, points["output"] if runs is None else runs)} != {
                len(points["output"])
            }:
                raise ValueError(f"data.points must hold as many of each of {', '.join(names)}")
            held = {
                r for cut in (self.backtest or {}).get("cuts", ()) for r in cut.get("held_out", ())
            }
            if runs and held - set(runs):
                raise ValueError(
                    f"backtest.cuts holds out {min(held - set(runs))!r}, which is no run"
                )
        if self.uncertainty is not None:
            refuse_draws(self.law, self.uncertainty.draws, len(self.uncertainty.sigma))
