"""Predictions as text: the table, what its intervals are made of, how far they reach."""

from collections.abc import Sequence

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._judgement import doubts
from scaling_cli.artefacts._prediction import USEFUL, Prediction
from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.runs.points import scale
from scaling_cli.vocabulary.quantities import BY_SYMBOL, factor

INSIDE = 1.005  # factors below this print as x1: inside the data


def half_widths(prediction: Prediction) -> list[float] | None:
    """Return half the new-run interval in ln output, per point; None without intervals."""
    found = prediction.half_widths()
    return None if found is None else found[1].tolist()


def reach(prediction: Prediction, i: int) -> str:
    """Write how far a point lies beyond the data: `C x14, N x2.1`, or `inside`."""
    if not prediction.extrapolation:
        return "unknown"
    beyond = {s: float(f[i]) for s, f in prediction.extrapolation.items()}
    order = sorted(beyond, key=lambda symbol: (symbol != "C", symbol))
    texts = [f"{s} {factor(beyond[s])}" for s in order if beyond[s] > INSIDE]
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
        row = [_layout.quantity(float(values[i]), s) for s, values in columns.items()]
        row += [_layout.value(float(prediction.value[i])), *_interval_cells(prediction, i)]
        far = reach(prediction, i)
        row += [far if far == "inside" else style.paint(far, "yellow")]
        if "measured" in headers:
            row += _measured_cells(prediction, i, measured[i], style)
        rows.append(row)
    return _layout.table(headers, rows, align=align, style=style)


def _interval_cells(prediction: Prediction, i: int) -> list[str]:
    pairs = [p for p in (prediction.mean, prediction.new_run) if p is not None]
    return [_layout.interval((float(low[i]), float(high[i]))) for low, high in pairs]


def _measured_cells(
    prediction: Prediction, i: int, measured: float | None, style: Style
) -> list[str]:
    if measured is None:
        return ["-", "-", "-"]
    inside = prediction.is_inside(i, measured)
    verdict = "-" if inside is None else "yes" if inside else style.paint("NO", "red")
    return [
        _layout.value(measured),
        _layout.percent(prediction.error(i, measured), sign=True),
        verdict,
    ]


def score(prediction: Prediction, measured: Sequence[float | None]) -> str:
    """Return the line that sums up a comparison with measured values."""
    known = [(i, m) for i, m in enumerate(measured) if m is not None]
    if not known:
        return ""
    errors = np.array([prediction.error(i, m) for i, m in known])
    text = (
        f"measured at {_layout.count(len(known), 'point')}: mean error "
        f"{_layout.percent(float(errors.mean()), sign=True)}, mean absolute error "
        f"{_layout.percent(float(np.abs(errors).mean()))}"
    )
    if prediction.new_run is None:
        return f"{text}."
    hits = sum(prediction.is_inside(i, m) is True for i, m in known)
    return f"{text}; {hits} of {len(known)} in the {100 * prediction.level:g} % new-run interval."


def notes(fit: Fit, prediction: Prediction, *, source: str = "", style: Style) -> list[str]:
    """Return the sentences under the table: parts of the interval, and every reason for doubt.

    `source` says where the drift comes from, where nothing else on the page does.
    """
    widths = half_widths(prediction)
    if widths is None:
        return [*prediction.notes, _no_interval(fit)]
    tested = fit.uncertainty is not None and fit.uncertainty.tested
    kind = f"{'backtested' if tested else 'untested'} {100 * prediction.level:g} % range"
    lines = [f"{kind} of a new run: half-width {_range(widths)}; {_parts(prediction)}.", source]
    if not tested:
        lines.append(
            style.paint("UNTESTED", "bold", "yellow")
            + ": no backtest was possible with these data, so nothing shows that the intervals "
            "hold beyond them."
        )
    useless = sum(width > USEFUL for width in widths)
    if useless:
        lines.append(
            style.paint("no useful prediction", "bold", "red")
            + f"{_where(useless, widths)}: the interval is wider than +/-{100 * USEFUL:g} %."
        )
    lines += [_between(fit, prediction), *prediction.notes]
    return [line for line in lines if line]


def _where(some: int, points: Sequence[float]) -> str:
    return "" if len(points) == 1 else f" at {some} of {len(points)} points"


def _between(fit: Fit, prediction: Prediction) -> str:
    """Say which second law shares the centre of the intervals, and how far it is from the first."""
    if prediction.companion is None:
        return ""
    name, values = prediction.companion
    apart = values / prediction.value - 1
    low, high = (_layout.percent(float(x), sign=True) for x in (apart.min(), apart.max()))
    text = (
        f"centred between {laws.name_of(fit.law)} and {name}, fitted to the same points, which "
        f"forecasts {low if low == high else f'{low} to {high}'}"
    )
    if parted(prediction):
        return f"{text}: further apart than the half-width, so believe neither alone."
    return f"{text}."


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
        f"{factor(cut['factor'])} further, missed by {_layout.percent(cut['mare'])}, "
        f"allowed {_layout.percent(cut['allowed'])}"
        for cut in cuts
    )
    return (
        f"drift {100 * fit.uncertainty.drift:.2g} % per decade, from "
        f"{_layout.count(len(cuts), 'backtest')} ({seen})."
    )


def _no_interval(fit: Fit) -> str:
    if fit.origin.get("kind") == "published":
        return "no interval: these are published numbers, and the fit carries no draws."
    return "no interval: the fit carries no draws (it was made with --bootstrap 0)."


def _parts(prediction: Prediction) -> str:
    return ", ".join(f"{name} {_range(part.tolist())}" for name, part in prediction.parts.items())


def _range(fractions: Sequence[float]) -> str:
    low, high = _layout.percent(min(fractions)), _layout.percent(max(fractions))
    return f"+/-{low}" if low == high else f"+/-{low} to {high}"


def text(
    fit: Fit, prediction: Prediction, *, measured: Sequence[float | None] = (), style: Style
) -> str:
    """Return everything `scaling predict` prints."""
    said = notes(fit, prediction, source=learned_from(fit), style=style)
    lines = [score(prediction, measured), *said]
    if prediction.new_run is not None:
        warning = style.paint("WARN", "bold", "yellow")
        lines += [f"{warning}: {doubt}" for doubt in doubts(fit.checks, fit.backtest, prediction)]
    below = "\n".join(part for line in lines if line for part in _layout.wrap(line, style.width))
    return _layout.paragraphs([table(prediction, measured=measured, style=style), below])
