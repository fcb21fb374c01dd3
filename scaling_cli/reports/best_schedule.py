"""The schedules that a fit says end lowest: families, edges, how flat, what was held."""

from collections.abc import Iterator

from scaling_cli.curve_fits.best_schedule import FLAT, BestOfFamily, ScheduleOptimum
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.reports.curve_fit import shortened
from scaling_cli.reports.curve_prediction import sure


def blocks(best: ScheduleOptimum, *, full: bool = False) -> list[Block]:
    """Return what `scaling schedule --best` prints."""
    head = [shortened(best.best.prediction.schedule.text()), *_loss(best.best)]
    edges = [f"{edge}: at the edge, not determined by the data." for edge in best.best.edges]
    return [
        Labelled("best", head),
        _families(best, full=full),
        Text([*_told(best, full=full), *_held(best)]),
        Notes("warn", [*edges, *best.best.prediction.notes]),
    ]


def _loss(best: BestOfFamily) -> Iterator[str]:
    p = best.prediction
    band = ""
    if p.mean is not None:
        ends = (float(p.mean[0][-1]), float(p.mean[1][-1]))
        band = f"; {_numbers.level(p.level)} {_numbers.interval(ends)}"
    yield f"loss {best.loss:.4f} at step {int(p.step[-1])}{band}"
    if len(p.members) > 1:
        yield f"the averaged laws say {p.low[-1]:.4f} to {p.high[-1]:.4f}"


def _families(found: ScheduleOptimum, *, full: bool) -> Table:
    agree = (
        "laws agree",
        ">",
        lambda f: "{} of {}".format(*f.difference.agree) if f.difference else "",
    )
    more = [
        ("by each law", "<", _by_each),
        ("ends at", ">", lambda f: f"{float(f.prediction.schedule.phases()[-1].last):g}"),
    ]
    columns = [
        ("family", "<", lambda f: f.family),
        ("loss", ">", lambda f: f"{f.loss:.4f}"),
        ("above", ">", lambda f: f"{f.difference.value:+.4f}" if f.difference else ""),
        ("sure", ">", lambda f: sure(f.difference.probability) if f.difference else ""),
        *([agree] if full else ()),
        ("decay", ">", lambda f: "" if f.decay is None else f"{f.decay:.0%}"),
        ("as good", "<", lambda f: "{:.0%} to {:.0%}".format(*f.flat) if f.flat else ""),
        *(more if full else ()),
    ]
    return Table.of(found.families, columns, "families")


def _by_each(family: BestOfFamily) -> str:
    own = sorted(family.members.values())
    return f"{own[0]:.0%} to {own[-1]:.0%}" if len(own) > 1 else ""


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


def _held(best: ScheduleOptimum) -> Iterator[str]:
    regime = best.regime
    size = "" if regime.params is None else f", N = {regime.params:g}"
    yield (
        f"held as fitted: peak {regime.peak:g}, warm-up {regime.warmup:g} steps, rates from "
        f"{regime.low:g} up, never rising{size}; the longest fitted run has {best.longest} steps. "
        "What lies outside is not searched: by these laws a higher peak, steps at a rate of zero "
        "and longer warm-ups would always gain."
    )
