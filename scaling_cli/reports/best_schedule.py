"""The schedules that a fit says end lowest, as text: families, edges, how flat, what was held."""

from collections.abc import Iterator

from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.curve_fits.best_schedule import FLAT, BestOfFamily, Regime, ScheduleOptimum
from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.reports.curve_fit import shortened

SURE = 0.95


def text(fit: CurveFit, found: ScheduleOptimum, *, style: Style) -> str:
    """Return everything `scaling schedule --best` prints."""
    best = found.best
    head = "\n".join([shortened(best.prediction.schedule.text()), *_loss(best)])
    parts = [_layout.labelled("best", head, style=style), _families(found, style)]
    lines = [*_told(found), *_held(fit, found.regime), *_edges(found, style)]
    below = "\n".join(part for line in lines for part in _layout.wrap(line, style.width))
    return _layout.paragraphs([*parts, below])


def _loss(best: BestOfFamily) -> Iterator[str]:
    p = best.prediction
    band = ""
    if p.mean is not None:
        ends = (float(p.mean[0][-1]), float(p.mean[1][-1]))
        band = f"; {100 * p.level:g} % {_layout.interval(ends)}"
    yield f"loss {best.loss:.4f} at step {int(p.step[-1])}{band}"
    if len(p.members) > 1:
        yield f"the averaged laws say {p.low[-1]:.4f} to {p.high[-1]:.4f}"


def _families(found: ScheduleOptimum, style: Style) -> str:
    rows = [_row(family, style) for family in found.families]
    head = ["family", "loss", "above", "order sure", "laws agree", "decay", "as good"]
    head += ["by each law", "ends at"]
    return _layout.block(
        "families", _layout.table(head, rows, align="<>>><><<>", style=style), style=style
    )


def _row(family: BestOfFamily, style: Style) -> list[str]:
    d = family.difference
    sure = "" if d is None else "-" if d.probability is None else f"{100 * d.probability:.0f} %"
    if d is not None and d.probability is not None and d.probability < SURE:
        sure = style.paint(sure, "yellow")
    own = sorted(family.members.values())
    return [
        family.family,
        f"{family.loss:.4f}",
        "" if d is None else f"{d.value:+.4f}",
        sure,
        "" if d is None else f"{d.agree[0]} of {d.agree[1]}",
        "" if family.decay is None else f"{family.decay:.0%}",
        "" if family.flat is None else f"{family.flat[0]:.0%} to {family.flat[1]:.0%}",
        f"{own[0]:.0%} to {own[-1]:.0%}" if len(own) > 1 else "",
        f"{float(family.prediction.schedule.phases()[-1].last):g}",
    ]


def _told(found: ScheduleOptimum) -> Iterator[str]:
    yield (
        f"decay: share of the run, the best by the mean of the laws. as good: shares within "
        f"{100 * FLAT:g} % of its loss. by each law: the best share by each law alone."
    )
    near = [f.family for f in found.families[1:] if f.loss <= found.best.loss * (1 + FLAT)]
    if near:
        yield f"within {100 * FLAT:g} % of the best: {', '.join(near)}. Take the simplest."


def _held(fit: CurveFit, regime: Regime) -> Iterator[str]:
    size = "" if regime.params is None else f", N = {regime.params:g}"
    yield (
        f"held as fitted: peak {regime.peak:g}, warm-up {regime.warmup:g} steps, rates from "
        f"{regime.low:g} up, never rising{size}; the longest fitted run has {fit.longest} steps. "
        "What lies outside is not searched: by these laws a higher peak, steps at a rate of zero "
        "and longer warm-ups would always gain."
    )


def _edges(found: ScheduleOptimum, style: Style) -> Iterator[str]:
    word = style.paint("WARN", "bold", "yellow")
    for edge in found.best.edges:
        yield f"{word} {edge}: at the edge, not determined by the data."
    for note in found.best.prediction.notes:
        yield f"{word} {note}"
