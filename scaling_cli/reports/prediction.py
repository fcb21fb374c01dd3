"""Predictions: the table, what its intervals are made of, how far they reach."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from scaling_cli.artefacts._prediction import USEFUL, Prediction
from scaling_cli.artefacts._split import Split
from scaling_cli.reports import _checks, _numbers
from scaling_cli.reports._blocks import Block, Column, Command, Labelled, Table, Text
from scaling_cli.vocabulary.quantities import C, factor

INSIDE = 1.005  # factors below this print as x1: inside the data
SHOWN = 12  # points on the first screen
SPLITS = 3
COUNTED = ("no", "one", "two", "three", "four", "five")


def blocks(
    prediction: Prediction, *, full: bool = False, written: str | None = None
) -> list[Block]:
    """Return what `scaling predict` prints."""
    lines = [score(prediction), *notes(prediction), *(tested_by(prediction) if full else ())]
    return [
        table(prediction, full=full, limit=None if full else SHOWN),
        *best_splits(prediction, full=full),
        Text([line for line in lines if line]),
        *_checks.travelled(prediction.made_by.get("warnings", ()), full=full),
        Text([f"{prediction.unasked}."] if prediction.unasked else []),
        Labelled("kept", [written] if written else []),
        Command.of(
            "next", *(["scaling", "score", _checks.path(written), "RUNS"] if written else [])
        ),
    ]


def best_splits(prediction: Prediction, *, full: bool) -> Iterator[Table]:
    """Yield how sure the best size and data are at each compute, and how little they matter."""
    rows = [(split, symbol) for split in prediction.splits for symbol in split.best]
    if not rows:
        return
    columns = [
        ("C", ">", lambda r: _numbers.quantity(r[0].compute, C.symbol)),
        ("", "<", lambda r: f"{r[1]}*"),
        ("best", ">", lambda r: _numbers.quantity(r[0].best[r[1]], r[1])),
        (_numbers.level(prediction.level), "<", lambda r: _from_to(r[0].interval, r[1])),
        *(_within(share) for share in prediction.splits[0].near),
    ]
    title = f"Best split by {prediction.made_by.get('law')}, and splits of nearly its loss"
    yield Table.of(rows, columns, title, limit=None if full else 2 * SPLITS)


def _within(share: float) -> Column[tuple[Split, str]]:
    return f"within {100 * share:g} %", "<", lambda r: _from_to(r[0].near[share], r[1])


def _from_to(ends: Mapping[str, tuple[float, float]] | None, symbol: str) -> str:
    return " .. ".join(_numbers.quantity(v, symbol) for v in (ends or {}).get(symbol, ())) or "-"


def half_widths(prediction: Prediction) -> list[float] | None:
    """Return half the new-run interval in ln output, per point; None without intervals."""
    widths = prediction.half_widths()
    return None if widths is None else widths[1].tolist()


def reach(prediction: Prediction, i: int) -> str:
    """Write how far a point lies beyond the data: `C x14, r outside 0 to 0.5`, or `inside`."""
    if not prediction.extrapolation:
        return "unknown"
    beyond = {s: float(f[i]) for s, f in prediction.extrapolation.items() if f[i] > INSIDE}
    texts = []
    for symbol in sorted(beyond, key=lambda symbol: (symbol != "C", symbol)):
        # How many times is told of what has a logarithm, of a share where it was.
        span = prediction.linear.get(symbol)
        told = factor(beyond[symbol]) if span is None else f"outside {_numbers.span(span)}"
        texts.append(f"{symbol} {told}".replace(" ", "\u00a0"))
    return ", ".join(texts) or "inside"


def table(
    prediction: Prediction,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    full: bool = True,
    limit: int | None = None,
) -> Table:
    """Return one line per point: inputs, value, intervals, reach, and the measured value."""
    p, level = prediction, _numbers.level(prediction.level)
    measured = p.measured or [None] * len(p.value)
    scored = any(m is not None for m in measured)
    spent = p.spent if full or not scored else {}  # beside what was measured there is no room
    mean = (f"{level} mean curve", "<", lambda i: _at(p.mean, i))
    compared = [
        ("measured", ">", lambda i: _numbers.value(measured[i])),
        ("error", ">", lambda i: _off(p, i, measured[i])),
        ("inside", "<", lambda i: _is_inside(p, i, measured[i])),
    ]
    columns = [
        *((s, ">", _quantities(values, s)) for s, values in {**p.inputs, **spent}.items()),
        *(_through(p.through)),
        (p.column, ">", lambda i: _numbers.value(float(p.forecast[i]))),
        *([mean] if full else ()),
        (f"{level} new run", "<", lambda i: _at(p.new_run, i)),
        ("beyond data", "^", lambda i: reach(p, i)),
        *(compared if scored else ()),
    ]
    return Table.of(range(len(p.value)), columns, title, *notes, limit=limit)


def _through(loss: Prediction | None) -> Iterator[Column[int]]:
    """Yield the column of the loss that a law of tasks was asked at."""
    if loss is not None:
        yield loss.column, ">", lambda i: _numbers.value(float(loss.forecast[i]))


def _quantities(values: np.ndarray, symbol: str) -> Callable[[int], str]:
    return lambda i: _numbers.quantity(float(values[i]), symbol)


def _at(ends: tuple[np.ndarray, np.ndarray] | None, i: int) -> str:
    return "" if ends is None else _numbers.interval((float(ends[0][i]), float(ends[1][i])))


def _off(prediction: Prediction, i: int, measured: float | None) -> str:
    error = None if measured is None else prediction.error(i, measured)
    return _numbers.percent(error, sign=True)


def _is_inside(prediction: Prediction, i: int, measured: float | None) -> str:
    inside = None if measured is None else prediction.is_inside(i, measured)
    return {None: "-", True: "yes", False: "NO"}[inside]


def score(prediction: Prediction) -> str:
    """Return the line that sums up a comparison with measured values."""
    known = [(i, m) for i, m in enumerate(prediction.measured) if m is not None]
    if not known:
        return ""
    errors = np.array([prediction.error(i, m) for i, m in known])
    text = (
        f"measured at {_numbers.count(len(known), 'point')}: mean error "
        f"{_numbers.percent(float(errors.mean()), sign=True)}, mean absolute error "
        f"{_numbers.percent(float(np.abs(errors).mean()))}{of_what(prediction)}"
    )
    if prediction.new_run is None:
        return f"{text}."
    hits, level = sum(prediction.is_inside(i, m) is True for i, m in known), prediction.level
    return f"{text}; {hits} of {len(known)} in the {_numbers.level(level)} new-run interval."


def of_what(prediction: Prediction) -> str:
    """Say what errors and half-widths are shares of, where it is not the output itself."""
    return f" of {prediction.shares}" if prediction.shares else ""


def notes(prediction: Prediction) -> list[str]:
    """Return the sentences under the table: parts of the interval, and every reason for doubt."""
    widths, tested = half_widths(prediction), prediction.made_by.get("tested")
    if widths is None:
        return list(prediction.notes)
    parts = [
        f"{name} {_range(part.tolist())}"
        for name, part in prediction.parts.items()
        if name != "laws" or len(prediction.members) > 1
    ]
    range_ = f"{_numbers.level(prediction.level)} range of a new run"
    width = f"half-width {_range(widths)}{of_what(prediction)}"
    lines = [f"{range_}: {width}; {', '.join(parts)}."]
    if not tested:
        lines.append(
            "UNTESTED: no backtest was possible with these data, so nothing shows that the "
            "intervals hold beyond them."
        )
    useless = sum(width > USEFUL for width in widths)
    if useless:
        where = f" at {useless} of {len(widths)} points" if len(widths) > 1 else ""
        wide = f"+/-{_numbers.level(USEFUL)}{of_what(prediction)}"
        lines.append(f"no useful prediction{where}: the interval is wider than {wide}.")
    return [*lines, *between(prediction), *prediction.notes]


def between(prediction: Prediction) -> Iterator[str]:
    """Say of how many laws the forecast is the mean, and where the fitted one lies by itself."""
    shared = {name: w for name, (_, w) in prediction.members.items() if np.any(w > 0)}
    if len(shared) < 2:
        return
    own = f"{prediction.made_by['law']} alone{_own(prediction)}"
    yield f"mean of {COUNTED[len(shared)]} laws; {own}."
    for name, (_, weights) in prediction.members.items():
        left = int(np.sum(weights == 0))
        if left:
            where = f" at {left} of {len(weights)} points" if len(weights) > 1 else ""
            yield f"{name} is left out{where}: its forecast lies far from those of the others."


def _own(prediction: Prediction) -> str:
    """Return the value of the fitted law, or at several points how far it lies from theirs."""
    if len(prediction.value) == 1:
        return f": {_numbers.value(float(prediction.value[0]))}"
    value, forecast = prediction.value, prediction.forecast
    if prediction.turned is not None and prediction.shares:
        value, forecast = prediction.turned.forth(value), prediction.turned.forth(forecast)
    ratio = value / forecast
    low, high = float(ratio.min()) - 1, float(ratio.max()) - 1
    if _numbers.percent(low) == _numbers.percent(high):
        return f" is {_numbers.percent(abs(low))} {'lower' if low < 0 else 'higher'}"
    return f" is {_numbers.percent(low, sign=True)} to {_numbers.percent(high, sign=True)} away"


def tested_by(prediction: Prediction) -> Iterator[str]:
    """Yield every backtest of the fit: its reach, its miss, the range that it had."""
    cuts = [cut for cut in prediction.made_by.get("backtests", ()) if cut["factor"] is not None]
    told = [
        f"{factor(cut['factor'])} further, missed by {_numbers.percent(cut['mare'])}"
        + (
            f" in a range of {_numbers.either_side(width)}"
            if (width := cut.get("half_width"))
            else ""
        )
        for cut in cuts
    ]
    if told:
        yield f"{_numbers.count(len(told), 'backtest')}: {'; '.join(told)}."


def _range(fractions: Sequence[float]) -> str:
    return _numbers.ends(fractions, _numbers.either_side).replace("to +/-", "to ")
