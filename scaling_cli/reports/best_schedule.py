"""The schedules that a fit says end lowest: families, edges, how flat, what was held."""

from collections.abc import Iterator

from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.curve_fits.best_schedule import FLAT, BestOfFamily, Regime, ScheduleOptimum
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.reports.curve_fit import shortened


def blocks(best: ScheduleOptimum, *, fit: CurveFit, full: bool = False) -> list[Block]:
    """Return what `scaling schedule --best` prints."""
    head = [shortened(best.best.prediction.schedule.text()), *_loss(best.best)]
    edges = [f"{edge}: at the edge, not determined by the data." for edge in best.best.edges]
    return [
        Labelled("best", head),
        _families(best, full=full),
        Text([*_told(best, full=full), *_held(fit, best.regime)]),
        Notes("warn", [*edges, *best.best.prediction.notes]),
    ]


def _loss(best: BestOfFamily) -> Iterator[str]:
    p = best.prediction
    band = ""
    if p.mean is not None:
        ends = (float(p.mean[0][-1]), float(p.mean[1][-1]))
        band = f"; {100 * p.level:g} % {_numbers.interval(ends)}"
    yield f"loss {best.loss:.4f} at step {int(p.step[-1])}{band}"
    if len(p.members) > 1:
        yield f"the averaged laws say {p.low[-1]:.4f} to {p.high[-1]:.4f}"


def _families(found: ScheduleOptimum, *, full: bool) -> Table:
    head = ["family", "loss", "above", "sure", "laws agree", "decay", "as good"]
    head += ["by each law", "ends at"]
    rows = [_row(family) for family in found.families]
    kept = range(len(head)) if full else [0, 1, 2, 3, 5, 6]
    return Table(
        [head[i] for i in kept],
        [[row[i] for i in kept] for row in rows],
        "".join("<>>>^><<>"[i] for i in kept),
        title="families",
    )


def _row(family: BestOfFamily) -> list[str]:
    d = family.difference
    sure = "" if d is None else "-" if d.probability is None else f"{100 * d.probability:.0f} %"
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


def _told(found: ScheduleOptimum, *, full: bool) -> Iterator[str]:
    alone = " by each law: the best share by each law alone." if full else ""
    yield (
        "above: loss over the best. sure: probability that the order is right. decay: share of "
        f"the run, the best by the mean of the laws. as good: shares within {100 * FLAT:g} % of "
        f"its loss.{alone}"
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
