"""The regime that a fit of loss curves may be trusted in when schedules are chosen by it.

Laws of loss curves are wrong outside it in known ways, and a free optimisation walks into every
one of them: a higher peak always ends lower, so does a rate of zero that lasts (S2 goes on
growing), and a longer warm-up counts as training at the peak under some conventions. So the peak,
the warm-up, the lowest rate and the length are those of the fitted runs (arXiv:2408.11029 and its
reviews).
"""

import math
from dataclasses import dataclass

from scaling_cli.artefacts._curve_prediction import FAR, FAR_BELOW
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.wsd import Wsd
from scaling_cli.vocabulary.errors import UsageError

LEAST_SHARE = 0.02  # of the run: a shorter decay is a jump
ENDS = 0.01  # of a run: logs seldom have its very last step


@dataclass(frozen=True)
class Regime:
    """What the fitted runs allow: the rates, the warm-up, the length.

    Parameters
    ----------
    steps : int
    peak, low : float
        The highest rate, and the lowest that a schedule may end at.
    warmup : float
        Steps.
    params : float, optional
        Model size, for laws of several.
    """

    steps: int
    peak: float
    low: float
    warmup: float
    params: float | None = None

    @property
    def longest_decay(self) -> float:
        """The share of the run that a decay from the end of the warm-up takes."""
        return (self.steps - self.warmup) / self.steps

    def decaying(self, shape: str, share: float, low: float) -> Schedule:
        """Return the schedule that stays at the peak, then decays over a share of the run."""
        stable = max(self.warmup, round(self.steps * (1 - share)))
        return Wsd(
            peak=self.peak,
            warmup=self.warmup,
            stable=float(stable),
            decay=shape,
            min=low,
            length=float(self.steps),
        )


def regime_of(
    fit: CurveFit,
    steps: int,
    *,
    peak: float | None = None,
    low: float | None = None,
    warmup: float | None = None,
    params: float | None = None,
) -> Regime:
    """Return the regime of a fit, or the part of it that is asked for.

    Raises
    ------
    UsageError
        If what is asked for lies outside; the message says why that matters.
    """
    highest, lowest = _highest(fit, params), _lowest(fit)
    longest = fit.longest + 1
    if not steps <= FAR * longest * (1 + ENDS):
        raise UsageError(
            f"{steps} steps are {steps / longest:.1f} times the longest fitted run, of {longest}.",
            hint=f"Decays after long runs take off less than such fits say: at most {FAR:g} times.",
        )
    top, bottom = highest if peak is None else peak, lowest if low is None else low
    if not 0 < top <= highest * (1 + 1e-9):
        raise UsageError(
            f"the peak {top:g} lies above {highest:g}, the highest rate that was fitted.",
            hint="By these laws a higher rate always ends lower, which is not true: fit runs with "
            "the higher peak, or keep to this one.",
        )
    if not lowest * (1 - 1e-9) <= bottom <= top:
        raise UsageError(
            f"the lowest rate {bottom:g} does not lie between {lowest:g}, the lowest at which a "
            f"fitted run ends, and the peak {top:g}.",
            hint="By these laws steps at ever lower rates, even at zero, go on lowering the loss, "
            "which is not true: fit a run that ends lower.",
        )
    return Regime(steps, top, bottom, _warmup(fit, warmup, steps), params)


def _highest(fit: CurveFit, params: float | None) -> float:
    """Return the highest fitted rate; of several models, that of the one nearest in size.

    Sizes have their own best rates: that of a smaller model is a higher peak to a larger one.
    """
    sized = [run for run in fit.runs if run.params is not None]
    if params is None or not fit.sized or not sized:
        return float(fit.data["ranges"]["lr"][1])
    far = [abs(math.log(run.params / params)) for run in sized if run.params is not None]
    near = [run for run, d in zip(sized, far, strict=True) if d <= min(far) + 1e-9]
    return max(parse_schedule(run.schedule).highest for run in near)


def _lowest(fit: CurveFit) -> float:
    """Return the lowest rate at which a fitted run ends; zero if that is next to nothing."""
    lowest, highest = (float(rate) for rate in fit.data["ranges"]["lr"])
    for run in fit.runs:
        schedule = parse_schedule(run.schedule)
        if run.last is not None and run.last >= schedule.length * (1 - ENDS):
            lowest = min(lowest, float(schedule.lr(schedule.length)))
    return lowest if lowest > FAR_BELOW * highest else 0.0


def _warmup(fit: CurveFit, asked: float | None, steps: int) -> float:
    """Return the warm-up of most fitted runs, or the one asked for if it is one of theirs."""
    seen = [_warm(parse_schedule(run.schedule)) for run in fit.runs]
    found = max(seen, key=seen.count, default=0.0) if asked is None else asked
    if found not in seen and seen:
        raise UsageError(
            f"no fitted run has a warm-up of {found:g} steps.",
            hint="How the warm-up counts is a convention of each law, not something that it was "
            f"fitted to. Fitted: {', '.join(f'{w:g}' for w in sorted(set(seen)))}.",
        )
    if not found < steps * (1 - LEAST_SHARE):
        raise UsageError(f"{steps} steps leave no run after a warm-up of {found:g}.")
    return found


def _warm(schedule: Schedule) -> float:
    return next((p.end for p in schedule.phases() if p.name == "warm-up"), 0.0)
