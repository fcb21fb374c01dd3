"""Predictions: the table, what its intervals are made of, how far they reach."""

from collections.abc import Iterator, Sequence

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._judgement import doubts
from scaling_cli.artefacts._prediction import USEFUL, Prediction
from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Notes, Table, Text
from scaling_cli.vocabulary.quantities import factor

INSIDE = 1.005  # factors below this print as x1: inside the data
SHOWN = 12  # points on the first screen


def blocks(
    prediction: Prediction,
    *,
    full: bool = False,
    fit: Fit | None = None,
    measured: Sequence[float | None] = (),
) -> list[Block]:
    """Return what `scaling predict` prints; of a prediction without its fit, the table."""
    listed = table(prediction, measured=measured, full=full, limit=None if full else SHOWN)
    if fit is None:
        return [listed]
    lines = [score(prediction, measured), *notes(fit, prediction)]
    lines += [learned_from(fit)] if full else []
    doubtful = doubts(fit.checks, fit.backtest, prediction)
    return [listed, Text([line for line in lines if line]), Notes("warn", doubtful)]


def half_widths(prediction: Prediction) -> list[float] | None:
    """Return half the new-run interval in ln output, per point; None without intervals."""
    widths = prediction.half_widths()
    return None if widths is None else widths[1].tolist()


def reach(prediction: Prediction, i: int) -> str:
    """Write how far a point lies beyond the data: `C x14, N x2.1`, or `inside`."""
    if not prediction.extrapolation:
        return "unknown"
    beyond = {s: float(f[i]) for s, f in prediction.extrapolation.items()}
    order = sorted(beyond, key=lambda symbol: (symbol != "C", symbol))
    texts = [f"{s}\u00a0{factor(beyond[s])}" for s in order if beyond[s] > INSIDE]
    return ", ".join(texts) or "inside"


def table(
    prediction: Prediction,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    measured: Sequence[float | None] = (),
    full: bool = True,
    limit: int | None = None,
) -> Table:
    """Return one line per point: inputs, value, intervals, reach, and the measured value."""
    columns = {**prediction.inputs, **prediction.spent}
    percent = f"{100 * prediction.level:g} %"
    headers = [*columns, prediction.column]
    align = ">" * len(headers)
    pairs = [prediction.mean, prediction.new_run] if full else [prediction.new_run]
    if prediction.new_run is not None:
        headers += [f"{percent} mean curve"] * full + [f"{percent} new run"]
        align += "<" * len(pairs)
    compared = any(m is not None for m in measured)
    headers += ["beyond data", *(["measured", "error", "inside"] if compared else [])]
    align += "^" + ">><" * compared
    shown = range(len(prediction.value))[:limit]
    rows = [
        [
            *(_numbers.quantity(float(values[i]), s) for s, values in columns.items()),
            _numbers.value(float(prediction.value[i])),
            *(
                _numbers.interval((float(pair[0][i]), float(pair[1][i])))
                for pair in pairs
                if pair is not None
            ),
            reach(prediction, i),
            *(_measured_cells(prediction, i, measured[i]) if compared else []),
        ]
        for i in shown
    ]
    more = _numbers.more(len(prediction.value) - len(rows))
    return Table(headers, rows, align, title=title, notes=[*more, *notes])


def _measured_cells(prediction: Prediction, i: int, measured: float | None) -> list[str]:
    if measured is None:
        return ["-", "-", "-"]
    inside = prediction.is_inside(i, measured)
    off = _numbers.percent(prediction.error(i, measured), sign=True)
    return [_numbers.value(measured), off, "-" if inside is None else "yes" if inside else "NO"]


def score(prediction: Prediction, measured: Sequence[float | None]) -> str:
    """Return the line that sums up a comparison with measured values."""
    known = [(i, m) for i, m in enumerate(measured) if m is not None]
    if not known:
        return ""
    errors = np.array([prediction.error(i, m) for i, m in known])
    text = (
        f"measured at {_numbers.count(len(known), 'point')}: mean error "
        f"{_numbers.percent(float(errors.mean()), sign=True)}, mean absolute error "
        f"{_numbers.percent(float(np.abs(errors).mean()))}"
    )
    if prediction.new_run is None:
        return f"{text}."
    hits = sum(prediction.is_inside(i, m) is True for i, m in known)
    return f"{text}; {hits} of {len(known)} in the {100 * prediction.level:g} % new-run interval."


def notes(fit: Fit, prediction: Prediction) -> list[str]:
    """Return the sentences under the table: parts of the interval, and every reason for doubt."""
    widths = half_widths(prediction)
    if widths is None:
        return [*prediction.notes, _no_interval(fit)]
    tested = fit.uncertainty is not None and fit.uncertainty.tested
    kind = f"{'backtested' if tested else 'untested'} {100 * prediction.level:g} % range"
    lines = [f"{kind} of a new run: half-width {_range(widths)}; {_parts(prediction)}."]
    if not tested:
        lines.append(
            "UNTESTED: no backtest was possible with these data, so nothing shows that the "
            "intervals hold beyond them."
        )
    useless = sum(width > USEFUL for width in widths)
    if useless:
        lines.append(
            f"no useful prediction{_where(useless, widths)}: the interval is wider than "
            f"+/-{100 * USEFUL:g} %."
        )
    return [*lines, *between(fit, prediction), *prediction.notes]


def _where(some: int, points: Sequence[float]) -> str:
    return "" if len(points) == 1 else f" at {some} of {len(points)} points"


def between(fit: Fit, prediction: Prediction) -> Iterator[str]:
    """Say around what the range lies: the middle of two laws, and how far they are apart."""
    if prediction.companion is None:
        return
    name, values = prediction.companion
    apart = values / prediction.value - 1
    low, high = float(apart.min()), float(apart.max())
    own = laws.name_of(fit.law)
    shift = f"{_numbers.percent(abs(low))} {'lower' if low < 0 else 'higher'}"
    if _numbers.percent(low) != _numbers.percent(high):
        ends = (_numbers.percent(x, sign=True) for x in (low, high))
        shift = f"{' to '.join(ends)} away"
    yield (
        f"The range lies around the middle of two laws fitted to the same runs: {own} and {name}, "
        f"which is {shift}."
    )
    if parted(prediction):
        yield (
            "The two differ by more than half the range: plan with the whole range, not with the "
            "forecast of one law."
        )


def parted(prediction: Prediction) -> bool:
    """Say whether the two laws differ by more than the half-width of the interval anywhere."""
    widths = half_widths(prediction)
    if prediction.companion is None or widths is None:
        return False
    return bool(np.any(np.abs(np.log(prediction.companion[1] / prediction.value)) > widths))


def learned_from(fit: Fit) -> str:
    """Return where the drift comes from: every backtest, its miss and what the law allowed."""
    cuts = (fit.backtest or {}).get("cuts") or []
    if fit.uncertainty is None or not fit.uncertainty.tested or not cuts:
        return ""
    seen = "; ".join(
        f"{factor(cut['factor'])} further, missed by {_numbers.percent(cut['mare'])}, "
        f"allowed {_numbers.percent(cut['allowed'])}"
        for cut in cuts
    )
    return (
        f"drift {100 * fit.uncertainty.drift:.2g} % per decade, from "
        f"{_numbers.count(len(cuts), 'backtest')} ({seen})."
    )


def _no_interval(fit: Fit) -> str:
    if fit.origin.get("kind") == "published":
        return "no interval: these are published numbers, and the fit carries no draws."
    return "no interval: the fit carries no draws (it was made with --bootstrap 0)."


def _parts(prediction: Prediction) -> str:
    return ", ".join(f"{name} {_range(part.tolist())}" for name, part in prediction.parts.items())


def _range(fractions: Sequence[float]) -> str:
    low, high = _numbers.percent(min(fractions)), _numbers.percent(max(fractions))
    return f"+/-{low}" if low == high else f"+/-{low} to {high}"
