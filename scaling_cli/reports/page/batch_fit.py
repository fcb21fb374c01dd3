"""The page of a fit of the critical batch."""

from collections.abc import Iterator

from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports import batch_fit as report
from scaling_cli.reports._blocks import Labelled, Text
from scaling_cli.reports.page import _origins, _parts
from scaling_cli.reports.page._page import Number, Origin, Page, Picture

ASSUMED = (
    "A constant learning rate and data without end; laws that hold between the losses that were "
    "measured. The intervals take the form of the laws as true.",
)
SHOWN = (
    "Left: steps and tokens until a loss was reached, a dot for each batch, the law as a line, the "
    "critical batch as a diamond. Right: the critical batch by loss, with its range."
)


def of(fit: BatchFit, name: str) -> Page:
    """Return the page of a fit of the critical batch."""
    left = _fitted.left_out(fit.left_out, full=True)
    pictures, why = _parts.pictures(fit, Picture("batch", "What a loss costs", SHOWN, None))
    tested = f"The law misses the points that it was fitted to by {_numbers.percent(fit.misfit)}"
    return Page(
        title=f"The critical batch, from {_numbers.count(fit.n_points, 'point')}",
        what=fit.what,
        name=name,
        answer=[*_answer(fit)],
        careful=_parts.careful(fit.checks),
        checked=_parts.passed(fit.checks),
        backtest=[Text([f"{tested} on average; no larger runs were held back."])],
        assumed=[Text(ASSUMED)],
        exact=[
            *report.blocks(fit, full=True)[:-1],
            Labelled("versions", [f"{k} {v}" for k, v in fit.versions.items()]),
            Labelled("digests", _origins.digests(fit.data)),
        ],
        left_out=[Labelled("runs", left or ["none"])],
        numbers=[*_numbers_of(fit)],
        command=[*_parts.commands(fit.command, name)],
        pictures=pictures,
        without_pictures=why,
        facts={"warnings": _parts.warnings(fit.checks)},
    )


def _lowest(fit: BatchFit) -> float | None:
    losses = [level.loss for level in fit.levels]
    return min(losses) if losses else None


def _answer(fit: BatchFit) -> Iterator[str]:
    loss = _lowest(fit)
    if loss is None:
        yield "The laws of steps and tokens by batch size have the constants below."
        return
    batch, span = (
        float(fit.trajectory.critical_batch(loss)),
        fit.interval(lambda t: t.critical_batch(loss)),
    )
    ends = ""
    if span is not None:
        low, high = (_numbers.rounded(float(end)) for end in span)
        ends = f" (90 % range {low} to {high})"
    yield (
        f"At a loss of {_numbers.value(loss)} a batch of about {_numbers.rounded(batch)} tokens"
        f"{ends} costs twice the fewest steps and twice the fewest tokens: larger batches save "
        "few steps, smaller ones few tokens."
    )


def _numbers_of(fit: BatchFit) -> Iterator[Number]:
    intervals = fit.to_dict()["intervals"]
    units = {name: unit for name, (unit, _) in report.MEANINGS.items()}
    yield from _origins.parameters(fit.trajectory.values(), intervals, units, {})
    for level in fit.levels:
        batch = float(fit.trajectory.critical_batch(level.loss))
        span = fit.interval(lambda t, loss=level.loss: t.critical_batch(loss))
        ends = None if span is None else [float(end) for end in span]
        name = f"critical batch at a loss of {_numbers.value(level.loss)}"
        yield Number(name, batch, Origin.COMPUTED, "all levels together", "tokens", ends, 0.9)
    if fit.misfit is not None:
        yield Number("misfit", 100 * fit.misfit, Origin.COMPUTED, "points of curves", "%")
    yield from _origins.ranges(fit.data, {})
    yield from _origins.counts(fit.n_points, len(fit.left_out), fit.data)
    yield from _origins.options(fit.selection, fit.command)
