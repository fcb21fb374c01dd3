"""`sc.score`: whether kept forecasts came true, and how often ranges of their kind hold."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.artefacts.saved_prediction import Promise, SavedPrediction
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.runs.table import Runs, default_target
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.errors import DataError, MismatchError, ScalingError, UsageError, some
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import Domain

Kept = SavedPrediction | Forecasts
NEAR = 0.1  # in ln of an input: a run this near is the one that was meant
EXACT = 1e-3  # an input was rounded, no other point meant
RECORD = 0.9  # central share of the binomial ranges of a record


@dataclass(frozen=True)
class Scored:
    """A run beside what was forecast of it.

    Parameters
    ----------
    forecast : str
        The file.
    run : str
    inputs : mapping
        Of the run; of a running job where it was to end.
    asked : mapping or None
        The inputs that were asked for, where they are others: the law says what that changes.
    target : str
        The column that was measured.
    measured, predicted, level : float
    mean, new_run : (low, high) or None
        Where the expected value, and one run or one row, was said to lie.
    error : float
        Forecast over measured, less one; of a target on both sides of zero, of what was fitted.
    sds : float or None
        Forecast less measured in standard deviations of the range, by its side.
    inside, inside_mean : bool or None
        Whether it lies in `new_run`, and in `mean`.
    """

    forecast: str
    run: str
    inputs: Mapping[str, float]
    asked: Mapping[str, float] | None
    target: str
    measured: float
    predicted: float
    level: float
    mean: tuple[float, ...] | None
    new_run: tuple[float, ...] | None
    error: float
    sds: float | None
    inside: bool | None
    inside_mean: bool | None


@dataclass(frozen=True)
class Waiting:
    """A forecast that no run can be held against yet, and why."""

    forecast: str
    what: Mapping[str, Any]
    reason: str


def score(
    *things: Any,
    target: str | None = None,
    where: str | None = None,
    read: Callable[[Sequence[Any]], Runs] | None = None,
) -> Answer:
    """Hold kept forecasts against runs: whether they came true, and how often such ranges hold.

    Parameters
    ----------
    *things : saved predictions or forecasts, or their files or a folder of them; then runs
        The first is a forecast; what follows and is stored is one too, the rest are runs.
    target : str, optional
        The column that was measured. Default: what was predicted, where the fit's user named it;
        else the loss as a fit would take it.
    where : str, optional
        Which runs are held against the forecasts.
    read : function, optional
        How runs are read; default, `read`.

    Returns
    -------
    Answer
        `scored`, one a run; `waiting`, forecasts without a run; `record`, by nominal level.

    Raises
    ------
    UsageError
        If there is no forecast, or nothing to hold it against.
    DataError
        If no run is at the point of any forecast.
    """
    from scaling_cli.ingest import as_runs

    kept, sources = _parted(things)
    runs = as_runs(sources[0] if len(sources) == 1 else sources) if read is None else read(sources)
    scored: list[Scored] = []
    waiting: list[Waiting] = []
    left: list[LeftOut] = []
    for name, forecast in kept.items():
        for result in _held_against(name, forecast, runs, target, where):
            kind = {Scored: scored, Waiting: waiting, LeftOut: left}[type(result)]
            kind.append(result)
    if not scored:
        raise _nothing(waiting, left)
    return Answer(
        {
            "scored": [asdict(s) for s in scored],
            "waiting": [asdict(w) for w in waiting],
            "record": _record(scored),
            "forecasts": [{"file": n, **_identity(f)} for n, f in kept.items()],
            "left_out": _unscored(left, scored),
        },
        "score",
        kept,
    )


def _unscored(left: Sequence[LeftOut], scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return the runs that no forecast was held against, each once."""
    told = {s.run for s in scored}
    return [vars(item) for item in dict.fromkeys(left) if item.run not in told]


# --- what is a forecast, and what are runs -------------------------------------------------------


def _parted(things: Sequence[Any]) -> tuple[dict[str, Kept], list[Any]]:
    """Return the forecasts by name, and the sources of runs."""
    kept: dict[str, Kept] = {}
    sources: list[Any] = []
    for i, thing in enumerate(things):
        several = _forecasts(thing, first=i == 0) if not sources else None
        if several is None:
            sources.append(thing)
        else:
            kept |= several
    if not kept:
        raise UsageError(
            "there is no forecast to score.",
            hint="Keep one with 'scaling predict ... --save forecast.json', and name it first.",
        )
    if not sources:
        raise UsageError(
            "there are no runs to hold the forecast against.",
            hint="scaling score forecast.json runs.csv",
        )
    return kept, sources


def _forecasts(thing: Any, *, first: bool) -> dict[str, Kept] | None:
    """Return the forecasts that a thing is or holds, None where it is a source of runs."""
    if isinstance(thing, SavedPrediction | Forecasts):
        return {kinds.name_of(thing) or f"forecast {id(thing)}": thing}
    if not isinstance(thing, str | Path):
        return None
    path = Path(thing)
    globbed = path.parent.glob(path.name) if "*" in path.name else [path]
    files = sorted(path.glob("*.json") if path.is_dir() else globbed)
    stored = {str(file): _loaded(file) for file in files if file.suffix.lower() == ".json"}
    told = {name: forecast for name, forecast in stored.items() if forecast is not None}
    if not told and first and len(files) == 1:
        kinds.load(str(files[0]), SavedPrediction)  # says what it is, or that it is not there
    return told or None


def _loaded(file: Path) -> Kept | None:
    """Return a stored forecast; None where a file holds something else, such as a log."""
    try:
        thing = kinds.load(str(file))
    except ScalingError:
        return None
    return thing if isinstance(thing, SavedPrediction | Forecasts) else None


def _identity(kept: Kept) -> dict[str, Any]:
    """Return what made a forecast, and when."""
    if isinstance(kept, Forecasts):
        return {"kind": kept.kind, "date": None, "fit": None, "target": None}
    return {
        "kind": kept.kind,
        "date": kept.date,
        "fit": kept.fit["name"],
        "target": kept.target,
    }


def _held_against(
    name: str, kept: Kept, runs: Runs, target: str | None, where: str | None
) -> Iterator[Scored | Waiting | LeftOut]:
    if isinstance(kept, SavedPrediction):
        yield from _points(name, kept, runs, target, where)
    else:
        yield from _jobs(name, kept, runs, target)


# --- predictions at points -----------------------------------------------------------------------


def _points(
    name: str, kept: SavedPrediction, runs: Runs, target: str | None, where: str | None
) -> Iterator[Scored | Waiting | LeftOut]:
    column = target or (kept.target if kept.data.get("named", True) else None)
    points = select(runs, kept.law, target=column, where=where)
    told = points.target if column is not None else default_target(runs)
    _refuse_other_counts(kept, points)
    yield from points.left_out
    own, fitted = list(kept.law.inputs()), set(kept.fit.get("runs") or ())
    met: set[int] = set()
    for row, run in enumerate(points.runs):
        inputs = {s: float(points.inputs[s][row]) for s in own}
        i = _nearest(kept, inputs)
        if i is None:
            yield LeftOut(run, "at no point that was forecast")
        elif run in fitted:
            yield LeftOut(run, "it is one of the runs that were fitted")
        else:
            met.add(i)
            measured = float(points.measured()[row])
            yield _scored(name, kept, kept.predictions[i], _Ended(run, inputs, told, measured))
    for i, promise in enumerate(kept.predictions):
        if i not in met:
            yield Waiting(name, dict(promise.inputs), "no run yet")


def _refuse_other_counts(kept: SavedPrediction, points: Points) -> None:
    """Refuse runs that count sizes, or measure losses, otherwise than the fit."""
    counted = kept.data.get("conventions") or {}
    for symbol, own in points.conventions.items():
        if counted.get(symbol) not in (None, own):
            raise MismatchError(
                f"the forecast has {symbol} as {counted[symbol]}, the runs have it as {own}.",
                hint="Name the column that counts alike with --map, or say it with --set.",
            )


def _nearest(kept: SavedPrediction, inputs: Mapping[str, float]) -> int | None:
    """Return which point of a forecast a run is at; None where it is at none."""
    away = [_apart(kept, promise, inputs) for promise in kept.predictions]
    return int(np.argmin(away)) if away and min(away) <= NEAR else None


def _apart(kept: SavedPrediction, promise: Promise, inputs: Mapping[str, float]) -> float:
    """Return how far a run is from a point: in the ln of inputs, or in shares as they are."""
    declared = kept.law.inputs()
    return max(
        abs(math.log(inputs[s] / promise.inputs[s]))
        if declared[s].domain is Domain.POSITIVE
        else abs(inputs[s] - promise.inputs[s])
        for s in declared
    )


class _Ended(NamedTuple):
    """A run at its end."""

    run: str
    inputs: Mapping[str, float]
    target: str
    measured: float


def _scored(name: str, kept: SavedPrediction, promise: Promise, ended: _Ended) -> Scored:
    """Return a run beside its forecast, which the law moves where the run is not where it was."""
    run, inputs, target, measured = ended
    elsewhere = _apart(kept, promise, inputs) > EXACT
    moved = kept.by_law(inputs) / kept.by_law(promise.inputs) if elsewhere else 1.0

    def there(value: float) -> float:
        if not elsewhere:
            return value
        turned = kept.turned
        return moved * value if turned is None else turned.back(moved * turned.forth(value))

    mean, new_run = (
        None if ends is None else tuple(sorted(map(there, ends)))
        for ends in (promise.mean, promise.new_run)
    )
    predicted = there(promise.forecast)
    return Scored(
        name,
        run,
        inputs,
        dict(promise.inputs) if elsewhere else None,
        target,
        measured,
        predicted,
        kept.level,
        mean,
        new_run,
        _error(kept, predicted, measured),
        _sds(predicted, measured, new_run, kept.level),
        _holds(new_run, measured),
        _holds(mean, measured),
    )


def _error(kept: SavedPrediction, predicted: float, measured: float) -> float:
    if kept.turned is not None and predicted * measured <= 0:
        predicted, measured = kept.turned.forth(predicted), kept.turned.forth(measured)
    return predicted / measured - 1


def _sds(
    predicted: float, measured: float, ends: tuple[float, ...] | None, level: float
) -> float | None:
    """Return how far a forecast is too high, in sds of its range on the side of the measured."""
    if ends is None:
        return None
    side = ends[1] - predicted if measured > predicted else predicted - ends[0]
    return (predicted - measured) * quantile(level) / side if side > 0 else None


def _holds(ends: tuple[float, ...] | None, measured: float) -> bool | None:
    return None if ends is None else ends[0] <= measured <= ends[1]


# --- forecasts of running jobs -------------------------------------------------------------------


def _jobs(
    name: str, kept: Forecasts, runs: Runs, target: str | None
) -> Iterator[Scored | Waiting | LeftOut]:
    from scaling_cli.forecasting import following
    from scaling_cli.forecasting.job import jobs_of

    for forecast in kept:
        column = target or forecast.target or None
        jobs, left = jobs_of(runs, target=column)
        alone = len(kept) == 1 and len(jobs) == 1
        job = next((j for j in jobs if j.run == forecast.run or alone), None)
        what = {"run": forecast.run, "until": forecast.until, "unit": forecast.unit}
        if job is None:
            yield from (item for item in left if item.run == forecast.run)
            yield Waiting(name, what, "no run of this name")
            continue
        told = following.at_end(forecast, job)
        if told is None:
            yield Waiting(name, what, f"the run is at {job.place(job.now)}")
        else:
            yield _ended(name, forecast, job.run, *told)


def _ended(name: str, forecast: Forecast, run: str, check: Any, expected: float) -> Scored:
    band = (check.low, check.high)
    return Scored(
        name,
        run,
        {forecast.unit: forecast.until},
        None,
        forecast.target or "loss",
        check.measured,
        expected,
        forecast.level,
        tuple(forecast.interval),
        band,
        expected / check.measured - 1,
        _sds(expected, check.measured, band, forecast.level),
        check.inside,
        _holds(tuple(forecast.interval), check.measured),
    )


# --- what they say together ----------------------------------------------------------------------


def _record(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return, by nominal level, how many ranges held, and how many of right ones would."""
    judged = [s for s in scored if s.inside is not None]
    return [
        _of_level(level, [s for s in judged if s.level == level])
        for level in sorted({s.level for s in judged})
    ]


def _of_level(level: float, scored: Sequence[Scored]) -> dict[str, Any]:
    held, number = sum(bool(s.inside) for s in scored), len(scored)
    errors = np.array([s.error for s in scored])
    sds = np.array([s.sds for s in scored if s.sds is not None])
    return {
        "level": level,
        "forecasts": len({s.forecast for s in scored}),
        "runs": number,
        "held": held,
        "share": held / number,
        "interval": list(_clopper_pearson(held, number)),
        "expected": list(_binomial(number, level)),
        "bias": float(errors.mean()),
        "mare": float(np.abs(errors).mean()),
        "rms_sds": float(np.sqrt(np.mean(sds**2))) if len(sds) else None,
    }


def _below(k: int, n: int, p: float) -> float:
    """Return the probability of k or fewer of n."""
    if k >= n or p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    whole, yes, no = math.lgamma(n + 1), math.log(p), math.log1p(-p)
    ways = (whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k + 1))
    return math.fsum(math.exp(w + i * yes + (n - i) * no) for i, w in enumerate(ways))


def _binomial(number: int, share: float) -> tuple[int, int]:
    """Return between which counts the central RECORD of a binomial lies."""
    tail = (1 - RECORD) / 2
    low = next(k for k in range(number + 1) if _below(k, number, share) > tail)
    high = next(k for k in range(number + 1) if _below(k, number, share) >= 1 - tail)
    return low, high


def _clopper_pearson(held: int, number: int) -> tuple[float, float]:
    """Return the exact central interval, at RECORD, of the share of which `held` were seen."""
    tail = (1 - RECORD) / 2
    low = 0.0 if held == 0 else _solved(lambda p: _below(held - 1, number, p) - (1 - tail))
    high = 1.0 if held == number else _solved(lambda p: _below(held, number, p) - tail)
    return low, high


def _solved(falling: Any) -> float:
    """Return where a function of a share that falls crosses zero."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def _nothing(waiting: Sequence[Waiting], left: Sequence[LeftOut]) -> DataError:
    told = [", ".join(f"{k} = {_said(v)}" for k, v in w.what.items()) for w in waiting]
    why = sorted({f"{item.run}: {item.reason}" for item in left})
    hint = f"Waited for: {some(told, 3)}."
    return DataError(
        "no run is at the point of a forecast yet.",
        hint=f"{hint} Left out: {some(why, 3)}." if why else hint,
    )


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
