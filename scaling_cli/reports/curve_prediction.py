"""Predicted loss curves as text: the end of each schedule, differences, bands, warnings."""

from collections.abc import Sequence

from scaling_cli.artefacts._curve_prediction import Band, CurveDifference, CurvePrediction, compare
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.reports.curve_fit import shortened

SURE = 0.95


def text(
    fit: CurveFit,
    found: Sequence[CurvePrediction],
    along: Sequence[CurvePrediction],
    *,
    written: str | None,
    style: Style,
) -> str:
    """Return everything `scaling predict --schedule` prints."""
    parts = [ends(fit, found, style), *(values(p, style) for p in along)]
    lines = [*bands(fit, found, style), *warnings(found, style)]
    below = "\n".join(part for line in lines for part in _layout.wrap(line, style.width))
    last = "" if written is None else _layout.labelled("written", written, style=style)
    return _layout.paragraphs([*parts, below, last])


def ends(fit: CurveFit, found: Sequence[CurvePrediction], style: Style) -> str:
    """Return the loss at the end of each schedule and its difference from the first."""
    level = f"{100 * found[0].level:g} %"
    headers, align = ["step", "loss"], ">>"
    if found[0].mean is not None:
        headers, align = [*headers, f"{level} curve", f"{level} one value"], align + "<<"
    if len(found) > 1:
        headers = [*headers, "from the first", f"{level}", "order sure", "laws agree"]
        align += "><><"
    rows = []
    for i, p in enumerate(found):
        row = [str(int(p.step[-1])), _layout.value(float(p.value[-1]))]
        row += [_end(band) for band in (p.mean, p.new_run) if band is not None]
        if len(found) > 1:
            row += (
                ["", "", "", ""]
                if not i
                else _difference(compare(found[0], p, fit.uncertainty), style)
            )
        rows.append([*row, shortened(p.schedule.text())])
    return _layout.table([*headers, "schedule"], rows, align=align + "^", style=style)


def _end(band: Band) -> str:
    return _layout.interval((float(band[0][-1]), float(band[1][-1])))


def _difference(found: CurveDifference, style: Style) -> list[str]:
    """Return the cells of a comparison: difference, its interval, how sure its sign is."""
    sure = "-" if found.probability is None else f"{100 * found.probability:.0f} %"
    if found.probability is not None and found.probability < SURE:
        sure = style.paint(sure, "yellow")
    span = (
        "-" if found.interval is None else _layout.interval(found.interval, lambda x: f"{x:+.4f}")
    )
    return [f"{found.value:+.4f}", span, sure, f"{found.agree[0]} of {found.agree[1]}"]


def values(p: CurvePrediction, style: Style) -> str:
    """Return the values along one schedule."""
    level = f"{100 * p.level:g} %"
    headers, align = ["step", "lr", "loss"], ">>>"
    if p.mean is not None:
        headers, align = [*headers, f"{level} curve", f"{level} one value"], align + "<<"
    rows = [
        [
            str(int(p.step[i])),
            f"{p.rate[i]:.4g}",
            _layout.value(float(p.value[i])),
            *(
                _layout.interval((float(b[0][i]), float(b[1][i])))
                for b in (p.mean, p.new_run)
                if b is not None
            ),
        ]
        for i in range(len(p.step))
    ]
    body = _layout.table(headers, rows, align=align, style=style)
    return _layout.block(shortened(p.schedule.text()), body, style=style)


def bands(fit: CurveFit, found: Sequence[CurvePrediction], style: Style) -> list[str]:
    """Return what the bands are made of, and whether anything has tested them."""
    uncertainty = fit.uncertainty
    if uncertainty is None:
        kind = "these are published numbers" if fit.origin.get("kind") == "published" else "none"
        return [f"no bands: {kind}, and the fit carries no draws."]
    parts = found[0].parts
    told = ", ".join(
        f"{name} +/-{_layout.percent(float(half[-1]))}" for name, half in parts.items()
    )
    lines = [
        f"curve: where the curve lies; one value: where a single logged loss lies. At the end of "
        f"the first: {told}.",
    ]
    if uncertainty.schedule is None:
        word = style.paint("UNTESTED", "bold", "yellow")
        return [
            *lines,
            f"{word}: no schedule could be left out and predicted, so nothing shows "
            "that the bands hold on another.",
        ]
    lines.append(
        f"schedule: errors on {uncertainty.folds} schedules left out in turn, "
        f"{_layout.percent(uncertainty.schedule)} rms, growing with the steps beyond the longest "
        "fitted run."
    )
    return lines


def warnings(found: Sequence[CurvePrediction], style: Style) -> list[str]:
    """Return where schedules leave what was fitted."""
    word = style.paint("WARN", "bold", "yellow")
    alone = len(found) == 1
    return [
        f"{word} {note}" if alone else f"{word} {shortened(p.schedule.text())}: {note}"
        for p in found
        for note in p.notes
    ]
