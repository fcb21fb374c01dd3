"""Predicted loss curves: the end of each schedule, differences, bands, warnings."""

from collections.abc import Iterator, Sequence

from scaling_cli.artefacts._curve_prediction import Band, CurvePrediction, compare
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.reports.curve_fit import shortened


def blocks(
    predictions: CurvePrediction | Sequence[CurvePrediction],
    *,
    full: bool = False,
    fit: CurveFit | None = None,
    along: Sequence[CurvePrediction] = (),
    written: str | None = None,
) -> list[Block]:
    """Return what `scaling predict --schedule` prints; without the fit, the ends of curves."""
    several = [predictions] if isinstance(predictions, CurvePrediction) else predictions
    told = [] if fit is None else list(_bands(fit, several))
    return [
        ends(several, fit, full=full),
        *(values(p) for p in along),
        Text(told),
        Notes("warn", warnings(several)),
        Labelled("written", [written] if written else []),
    ]


def ends(several: Sequence[CurvePrediction], fit: CurveFit | None, *, full: bool) -> Table:
    """Return the loss at the end of each schedule and its difference from the first."""
    level = f"{100 * several[0].level:g} %"
    headers, align = ["schedule", "step", "loss"], "^>>"
    if several[0].mean is not None:
        headers += [f"{level} curve"] * full + [f"{level} one value"]
        align += "<" * full + "<"
    if len(several) > 1:
        headers += ["from the first", *([level] * full), "order sure", *(["laws agree"] * full)]
        align += "><><" if full else ">>"
    rows = []
    for i, p in enumerate(several):
        row = [shortened(p.schedule.text()), str(int(p.step[-1]))]
        row.append(_numbers.value(float(p.value[-1])))
        row += [_end(band) for band in (p.mean if full else None, p.new_run) if band is not None]
        if len(several) > 1:
            told = _difference(several[0], p, fit) if i else ["", "", "", ""]
            row += told if full else [told[0], told[2]]
        rows.append(row)
    return Table(headers, rows, align)


def _end(band: Band) -> str:
    return _numbers.interval((float(band[0][-1]), float(band[1][-1])))


def _difference(first: CurvePrediction, p: CurvePrediction, fit: CurveFit | None) -> list[str]:
    """Return the cells of a comparison: difference, its interval, how sure its sign is."""
    d = compare(first, p, fit.uncertainty if fit else None)
    sure = "-" if d.probability is None else f"{100 * d.probability:.0f} %"
    span = "-" if d.interval is None else _numbers.interval(d.interval, lambda x: f"{x:+.4f}")
    return [f"{d.value:+.4f}", span, sure, f"{d.agree[0]} of {d.agree[1]}"]


def values(p: CurvePrediction) -> Table:
    """Return the values along one schedule."""
    level = f"{100 * p.level:g} %"
    headers, align = ["step", "lr", "loss"], ">>>"
    if p.mean is not None:
        headers, align = [*headers, f"{level} curve", f"{level} one value"], align + "<<"
    pairs = [pair for pair in (p.mean, p.new_run) if pair is not None]
    rows = [
        [
            str(int(p.step[i])),
            f"{p.rate[i]:.4g}",
            _numbers.value(float(p.value[i])),
            *(_numbers.interval((float(b[0][i]), float(b[1][i]))) for b in pairs),
        ]
        for i in range(len(p.step))
    ]
    return Table(headers, rows, align, title=shortened(p.schedule.text()))


def _bands(fit: CurveFit, several: Sequence[CurvePrediction]) -> Iterator[str]:
    """Yield what the bands are made of, and whether anything has tested them."""
    uncertainty = fit.uncertainty
    if uncertainty is None:
        kind = "these are published numbers" if fit.origin.get("kind") == "published" else "none"
        yield f"no bands: {kind}, and the fit carries no draws."
        return
    parts = several[0].parts
    told = ", ".join(
        f"{name} +/-{_numbers.percent(float(half[-1]))}" for name, half in parts.items()
    )
    yield (
        "curve: where the curve lies; one value: where a single logged loss lies. At the end of "
        f"the first: {told}."
    )
    if uncertainty.schedule is None:
        yield (
            "UNTESTED: no schedule could be left out and predicted, so nothing shows that the "
            "bands hold on another."
        )
        return
    yield (
        f"schedule: errors on {uncertainty.folds} schedules left out in turn, "
        f"{_numbers.percent(uncertainty.schedule)} rms, growing with the steps beyond the longest "
        "fitted run."
    )


def warnings(several: Sequence[CurvePrediction]) -> list[str]:
    """Return where schedules leave what was fitted."""
    if len(several) == 1:
        return list(several[0].notes)
    return [f"{shortened(p.schedule.text())}: {note}" for p in several for note in p.notes]
