"""The checklist that every fit prints: stable codes, pass/warn/fail, and what to do.

R1 to R20 are the items of the rigour list that practitioners ask for; each has one code, which
scripts may rely on. Three more codes split off what deserves its own line. A warning ends with
advice; a failure says what must not be done with the fit.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scaling_cli.point_fits.checklist import allocation, certainty, data, fitted, record
from scaling_cli.point_fits.checklist.evidence import Evidence
from scaling_cli.vocabulary.outcomes import Check

__all__ = ["ITEMS", "Evidence", "Item", "checklist"]


@dataclass(frozen=True)
class Item:
    """One line of the checklist.

    Parameters
    ----------
    code : str
        Stable: it never changes its meaning.
    rule : str
        Number in the rigour list; empty for lines beyond it.
    asks : str
        The question it answers.
    check : callable
    """

    code: str
    rule: str
    asks: str
    check: Callable[[Evidence], Check]


ITEMS = (
    Item("data.range", "R1", "do the inputs vary enough?", data.ranges),
    Item("data.units", "R2", "do N, D, C and the loss fit together?", data.units),
    Item(
        "data.params_convention",
        "R3",
        "how are parameters counted, and does it matter?",
        data.convention,
    ),
    Item("data.filters", "R4", "what was left out, and is what stayed finished?", data.filters),
    Item(
        "data.collinearity",
        "R5",
        "can the inputs be told apart, are minima bracketed?",
        data.collinear,
    ),
    Item("data.noise", "R6", "how noisy is one run, and is the law off by more?", data.noise),
    Item("fit.spec", "R7", "what exactly was minimised?", fitted.spec),
    Item("fit.convergence", "R8", "is it the global minimum?", fitted.convergence),
    Item("fit.sensitivity", "R9", "do other choices move the answer?", fitted.sensitivity),
    Item("fit.influence", "", "do a few runs decide?", fitted.influence),
    Item(
        "fit.identifiability",
        "R10",
        "do the data determine the parameters?",
        fitted.identifiability,
    ),
    Item("fit.residuals", "R11", "is what is left over noise?", fitted.residuals),
    Item("fit.alternatives", "R12", "does another law forecast better?", fitted.alternatives),
    Item("ci.method", "R13", "what do parameter intervals rest on?", certainty.method),
    Item("ci.kind", "R14", "which intervals are there?", certainty.kind),
    Item("backtest", "R15", "were larger runs forecast from smaller ones?", certainty.backtest),
    Item("backtest.bias", "", "do the forecasts miss on one side?", certainty.bending),
    Item(
        "extrap.distance", "R16", "how far beyond the data and the backtests?", certainty.distance
    ),
    Item("extrap.width", "", "is the forecast narrow enough to use?", certainty.width),
    Item("approach2.bias", "R17", "do isoFLOP parabolas agree with the law?", allocation.parabolas),
    Item("optimum.flatness", "R18", "how much does the model size matter?", allocation.flatness),
    Item("assumptions", "R19", "what is taken for granted?", record.assumptions),
    Item("repro", "R20", "what regenerates this?", record.repro),
)


def checklist(evidence: Evidence) -> list[Check]:
    """Return every line of the checklist, in order."""
    return [item.check(evidence) for item in ITEMS]
