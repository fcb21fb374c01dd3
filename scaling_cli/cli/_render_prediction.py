"""Predictions as text: the table, what its intervals are made of, how far they reach."""

from collections.abc import Sequence

import numpy as np

from scaling_cli.artefact import Fit, Prediction
from scaling_cli.cli import _render
from scaling_cli.cli._terminal import Style
from scaling_cli.points import scale
from scaling_cli.quantities import BY_SYMBOL

USEFUL = 0.10  # a half-width above this decides nothing
INSIDE = 1.005  # factors below this print as x1: inside the data


def half_widths(prediction: Prediction) -> list[float] | None:
    """Return half the new-run interval over the value, per point; None without intervals."""
    if prediction.new_run is None:
        return None
    low, high = prediction.new_run
    return ((high - low) / (2 * prediction.value)).tolist()


def reach(prediction: Prediction, i: int) -> str:
    """Write how far a point lies beyond the data: `C x14, N x2.1`, or `inside`."""
    if not prediction.extrapolation:
        return "unknown"
    beyond = {s: float(f[i]) for s, f in prediction.extrapolation.items()}
    order = sorted(beyond, key=lambda symbol: (symbol != "C", symbol))
    texts = [f"{s} {_render.factor(beyond[s])}" for s in order if beyond[s] > INSIDE]
    return ", ".join(texts) or "inside"


def table(prediction: Prediction, *, measured: Sequence[float | None] = (), style: Style) -> str:
    """Return one line per point: inputs, value, both intervals, reach, and the measured value."""
    axis, along = scale(prediction.inputs)
    columns = {**prediction.inputs, axis: along} if axis in BY_SYMBOL else prediction.inputs
    percent = f"{100 * prediction.level:g} %"
    headers = [*columns, BY_SYMBOL[prediction.output].column]
    align = ">" * len(headers)
    if prediction.new_run is not None:
        headers += [f"{percent} mean curve", f"{percent} new run"]
        align += "<<"
    headers += ["beyond data"]
    align += "<"
    if any(m is not None for m in measured):
        headers += ["measured", "error", f"in {percent} new run"]
        align += ">><"
    rows = []
    for i in range(len(prediction.value)):
        row = [_render.quantity(float(values[i]), s) for s, values in columns.items()]
        row += [_render.value(float(prediction.value[i])), *_interval_cells(prediction, i)]
        far = reach(prediction, i)
        row += [far if far == "inside" else style.paint(far, "yellow")]
        if "measured" in headers:
            row += _measured_cells(prediction, i, measured[i], style)
        rows.append(row)
    return _render.table(headers, rows, align=align, style=style)


def _interval_cells(prediction: Prediction, i: int) -> list[str]:
    pairs = [p for p in (prediction.mean, prediction.new_run) if p is not None]
    return [_render.interval((float(low[i]), float(high[i]))) for low, high in pairs]


def _measured_cells(
    prediction: Prediction, i: int, measured: float | None, style: Style
) -> list[str]:
    if measured is None:
        return ["-", "-", "-"]
    inside = is_inside(prediction, i, measured)
    verdict = "-" if inside is None else "yes" if inside else style.paint("NO", "red")
    return [_render.value(measured), _render.percent(error(prediction, i, measured), sign=True),
            verdict]  # fmt: skip


def error(prediction: Prediction, i: int, measured: float) -> float:
    """Return predicted over measured, minus one."""
    return float(prediction.value[i]) / measured - 1


def is_inside(prediction: Prediction, i: int, measured: float) -> bool | None:
    """Say whether a measured value lies in the new-run interval; None without intervals."""
    if prediction.new_run is None:
        return None
    low, high = prediction.new_run
    return bool(low[i] <= measured <= high[i])


def score(prediction: Prediction, measured: Sequence[float | None]) -> str:
    """Return the line that sums up a comparison with measured values."""
    known = [(i, m) for i, m in enumerate(measured) if m is not None]
    if not known:
        return ""
    errors = np.array([error(prediction, i, m) for i, m in known])
    text = (
        f"measured at {_render.count(len(known), 'point')}: mean error "
        f"{_render.percent(float(errors.mean()), sign=True)}, mean absolute error "
        f"{_render.percent(float(np.abs(errors).mean()))}"
    )
    if prediction.new_run is None:
        return f"{text}."
    hits = sum(is_inside(prediction, i, m) is True for i, m in known)
    return f"{text}; {hits} of {len(known)} in the {100 * prediction.level:g} % new-run interval."


def notes(fit: Fit, prediction: Prediction, *, style: Style) -> list[str]:
    """Return the sentences under the table: parts of the interval, and every reason for doubt."""
    widths = half_widths(prediction)
    if widths is None:
        return [*prediction.notes, _no_interval(fit)]
    lines = [f"half-width of the new-run interval {_range(widths)}: {_parts(prediction)}."]
    if fit.uncertainty is not None and fit.uncertainty.method:
        lines.append(f"method: {fit.uncertainty.method}.")
    if fit.uncertainty is not None and not fit.uncertainty.tested:
        lines.append(
            style.paint("UNTESTED", "bold", "yellow")
            + ": no backtest was possible with these data, so nothing shows that the intervals "
            "hold beyond them."
        )
    useless = sum(width > USEFUL for width in widths)
    if useless:
        where = "" if len(widths) == 1 else f" at {useless} of {len(widths)} points"
        lines.append(
            style.paint("no useful prediction", "bold", "red")
            + f"{where}: the interval is wider than +/-{100 * USEFUL:g} %."
        )
    return [*lines, *prediction.notes]


def _no_interval(fit: Fit) -> str:
    if fit.origin.get("kind") == "published":
        return "no interval: these are published numbers, and the fit carries no draws."
    return "no interval: the fit carries no draws (it was made with --bootstrap 0)."


def _parts(prediction: Prediction) -> str:
    return ", ".join(f"{name} {_range(part.tolist())}" for name, part in prediction.parts.items())


def _range(fractions: Sequence[float]) -> str:
    low, high = _render.percent(min(fractions)), _render.percent(max(fractions))
    return f"+/-{low}" if low == high else f"+/-{low} to {high}"


def text(
    fit: Fit, prediction: Prediction, *, measured: Sequence[float | None] = (), style: Style
) -> str:
    """Return everything `scaling predict` prints."""
    lines = [score(prediction, measured), *notes(fit, prediction, style=style)]
    below = "\n".join(part for line in lines if line for part in _render.wrap(line, style.width))
    return _render.paragraphs([table(prediction, measured=measured, style=style), below])
