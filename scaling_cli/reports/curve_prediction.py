"""Predicted loss curves: the end of each schedule, differences, bands, warnings."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scaling_cli.artefacts._curve_prediction import Band, CurveDifference, CurvePrediction, compare
from scaling_cli.artefacts.curve_fit import Along, CurveFit
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports._blocks import Block, Notes, Table, Text
from scaling_cli.reports.curve_fit import shortened

Pair = tuple[CurvePrediction, CurveDifference | None]  # and how it differs from the first


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
        *_fitted.ending(written),
    ]


def compared(along: Along, *, full: bool) -> list[Block]:
    """Return what `scaling predict --points` prints of measured curves."""
    pairs = along.compared()
    level = _numbers.level(along.curves[0].level)
    columns = [
        ("run", "^", lambda c: c.curve.run),
        ("points", ">", lambda c: str(len(c.error))),
        ("mean error", ">", lambda c: _numbers.percent(float(np.abs(c.error).mean()))),
        ("at its end", ">", lambda c: _numbers.percent(c.end_error, sign=True)),
        ("", "<", lambda c: "fitted" if c.fitted else ""),
        (f"in {level}", ">", lambda c: "" if c.inside is None else _numbers.share(c.inside.mean())),
        ("schedule", "^", lambda c: shortened(c.curve.schedule.text()) if full else ""),
    ]
    held = [np.abs(c.error).mean() for c in pairs if not c.fitted]
    mean = f"mean error of {_numbers.count(len(held), 'held-out curve')}: "
    told = [f"{mean}{_numbers.percent(float(np.mean(held)))}"] if held else []
    return [
        Table.of(pairs, columns, "", *told),
        Notes("warn", warnings(along.curves)),
    ]


def ends(several: Sequence[CurvePrediction], fit: CurveFit | None, *, full: bool) -> Table:
    """Return the loss at the end of each schedule and its difference from the first."""
    known = fit.uncertainty if fit else None
    compared = zip(
        several, [None, *(compare(several[0], p, known) for p in several[1:])], strict=True
    )
    level = _numbers.level(several[0].level)

    def told(write: Callable[[CurveDifference], str]) -> Callable[[Pair], str]:
        return lambda pair: write(pair[1]) if pair[1] else ""

    between = (level, "<", told(lambda d: _signed(d.interval)))
    agree = ("laws agree", ">", told(lambda d: "{} of {}".format(*d.agree)))
    columns = [
        ("schedule", "^", lambda pair: shortened(pair[0].schedule.text())),
        ("step", ">", lambda pair: str(int(pair[0].step[-1]))),
        ("loss", ">", lambda pair: _numbers.value(float(pair[0].value[-1]))),
        *([(f"{level} curve", "<", lambda pair: _at(pair[0].mean, -1))] if full else ()),
        (f"{level} one value", "<", lambda pair: _at(pair[0].new_run, -1)),
        ("from the first", ">", told(lambda d: f"{d.value:+.4f}")),
        *([between] if full else ()),
        ("order sure", ">", told(lambda d: sure(d.probability))),
        *([agree] if full else ()),
    ]
    return Table.of(compared, columns)


def _at(band: Band | None, i: int) -> str:
    return "" if band is None else _numbers.interval((float(band[0][i]), float(band[1][i])))


def _signed(pair: tuple[float, float] | None) -> str:
    return _numbers.interval(pair, lambda x: f"{x:+.4f}")


def sure(probability: float | None) -> str:
    """Write how sure an order is."""
    return "-" if probability is None else _numbers.share(probability)


def values(p: CurvePrediction) -> Table:
    """Return the values along one schedule."""
    level = _numbers.level(p.level)
    columns = [
        ("step", ">", lambda i: str(int(p.step[i]))),
        ("lr", ">", lambda i: f"{p.rate[i]:.4g}"),
        ("loss", ">", lambda i: _numbers.value(float(p.value[i]))),
        (f"{level} curve", "<", lambda i: _at(p.mean, i)),
        (f"{level} one value", "<", lambda i: _at(p.new_run, i)),
    ]
    return Table.of(range(len(p.step)), columns, shortened(p.schedule.text()))


def _bands(fit: CurveFit, several: Sequence[CurvePrediction]) -> Iterator[str]:
    """Yield what the bands are made of, and whether anything has tested them."""
    uncertainty = fit.uncertainty
    if uncertainty is None:
        kind = "these are published numbers" if fit.origin.get("kind") == "published" else "none"
        yield f"no bands: {kind}, and the fit carries no draws."
        return
    parts = several[0].parts
    told = ", ".join(
        f"{name} {_numbers.either_side(float(half[-1]))}" for name, half in parts.items()
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
