"""What the checks look at, and how a line of the checklist is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np

from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts.backtest import ScoredCut
from scaling_cli.engine.problem import Problem
from scaling_cli.laws._optimum import optimal_range
from scaling_cli.point_fits.certainty.resampling import Resamples
from scaling_cli.point_fits.diagnosis.diagnosis import Diagnosis
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum
from scaling_cli.vocabulary.outcomes import Check, Level, Touches


@dataclass(frozen=True)
class Evidence:
    """Everything the checks look at.

    Parameters
    ----------
    points, problem, optimum
        What was fitted, and how it ended.
    resampled : Resamples
        The bootstrap.
    cuts : sequence of ScoredCut
        Of the backtest.
    uncertainty : Uncertainty
        What predictions' intervals are made of.
    diagnosis : Diagnosis
        Other choices, single runs, the floor, rivals, isoFLOP slices.
    half_widths : (float, float)
        Of the mean-curve and new-run intervals at the headline, in ln output.
    level : float
        Of the intervals.
    selection : mapping
        The options that made the fit.
    sources : sequence of mapping
        Files (path, sha256) that the points come from.
    command : str
        Command line; empty in Python.
    """

    points: Points
    problem: Problem
    optimum: Optimum
    resampled: Resamples
    cuts: Sequence[ScoredCut]
    uncertainty: Uncertainty
    diagnosis: Diagnosis
    half_widths: tuple[float, float]
    level: float = 0.9
    selection: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[Mapping[str, str]] = ()
    command: str = ""

    @property
    def place(self) -> str:
        """Where the headline lies, in words after "at": `10x`."""
        return self.diagnosis.target.place

    def size_interval(self) -> tuple[float, float] | None:
        """Return the interval of N* at the headline's compute, by the law's draws."""
        at = self.diagnosis.target.compute
        if at is None:
            return None
        held = self.diagnosis.target.inputs
        return optimal_range(self.optimum.law, self.uncertainty.draws, at, self.level, held)

    def residuals(self) -> np.ndarray:
        """Return ln prediction - ln measured, shape (n,)."""
        predicted = self.problem.log_predictions(self.optimum.u)[0]
        return predicted - np.log(self.problem.output)


class Verdict(NamedTuple):
    """How severe what a check has seen is, the sentence that says it, and where it belongs."""

    level: Level
    sentence: str
    touches: tuple[Touches, ...] | None = None
    """None: what its item declares where it warns or fails, nothing where it passes."""

    @classmethod
    def passed(cls, sentence: str, *touches: Touches) -> Self:
        """Say that all is well; with `touches`, a note that answers to these repeat."""
        return cls(Level.PASS, sentence, touches or None)

    @classmethod
    def warned(cls, sentence: str) -> Self:
        """Say what is wrong, and end with advice."""
        return cls(Level.WARN, sentence)

    @classmethod
    def failed(cls, sentence: str) -> Self:
        """Say what must not be done with the fit."""
        return cls(Level.FAIL, sentence)

    @classmethod
    def judged(cls, problem: str | None, fine: str) -> Self:
        """Warn of a problem, or say that all is well."""
        return cls.warned(problem) if problem else cls.passed(fine)


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
    touches : tuple of Touches
        What a warning speaks of: answers to questions about these repeat it.
    judge : callable
        Returns the severity and the sentence.
    """

    code: str
    rule: str
    asks: str
    touches: tuple[Touches, ...]
    judge: Callable[[Evidence], Verdict]

    def check(self, evidence: Evidence) -> Check:
        """Return the line for a fit."""
        level, sentence, touches = self.judge(evidence)
        if touches is None and level is not Level.PASS:
            touches = self.touches
        return Check(self.code, level, sentence, touches)


def item(
    code: str, rule: str, asks: str, *touches: Touches
) -> Callable[[Callable[[Evidence], Verdict]], Item]:
    """Make a function the line of the checklist of that code."""
    return partial(Item, code, rule, asks, touches)


def percent(shift: float) -> str:
    """Write a change of a logarithm as a percentage with its sign: `+1.23 %`."""
    return f"{100 * np.expm1(shift):+.2f} %"


def factor(shift: float) -> str:
    """Write a change of a logarithm as a factor: `0.81`, `1.25`, `14`."""
    return f"{np.exp(shift):.3g}"
