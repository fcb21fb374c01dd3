"""What was checked of a fit: on the first screen a line for each warning, else all of it."""

import shlex
from collections.abc import Mapping, Sequence

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Text
from scaling_cli.vocabulary.outcomes import Check, Level

REPLACED = " (the one before is replaced)"  # said of a file that was written
GRAVEST = 3  # of a fit's warnings told beside an answer; more are counted
LONGEST = 150  # of the first sentence of a check that has no short one here
# What a warning means in a line; the check's own message has the numbers.
SHORT = {
    "data.range": "there are few runs, or few sizes, for so many parameters: add runs",
    "data.params_convention": "how parameters are counted moves the forecast, or is not known",
    "data.filters": "some runs may have stopped before the end of their schedule",
    "data.collinearity": "the inputs vary together, or isoFLOP minima are not bracketed",
    "data.noise": "repeated runs differ by more than seeds, or the law misses by more",
    "fit.spec": "parameters are held or tied: the intervals take that as exact",
    "fit.convergence": "the search for the best fit did not come to rest, or in many places",
    "fit.sensitivity": "another reasonable way to fit moves the forecast or N* out of its range",
    "fit.identifiability": "a parameter ran to its bound: these runs do not show its term",
    "fit.residuals": "what the law leaves over is more than noise: outlying runs, or a bend",
    "fit.alternatives": "whether another law forecasts better is open",
    "ci.method": "the intervals of parameters rest on few or odd refits",
    "ci.kind": "the best size at a budget is not determined",
    "backtest": "held-back runs were forecast poorly, or few could be held back",
    "backtest.bias": "all backtests missed to one side, or too few could show it",
    "extrap.width": "the range is too wide to decide anything by",
    "approach2.bias": "isoFLOP parabolas do not confirm the law's best size",
    "optimum.flatness": "the best size is uncertain enough to cost loss",
    "assumptions": "rows along runs were fitted: they are not ends of runs",
    "repro": "the data cannot be read again: keep them",
}


def screen(checks: Sequence[Check], facts: Mapping[str, str] | None = None) -> list[Block]:
    """Return a line for each check that did not pass, what failed first.

    `facts` are lines with the numbers of this fit, by the codes of their checks.
    """
    lines: dict[Level, list[str]] = {Level.FAIL: [], Level.WARN: []}
    for check in checks:
        if check.level is not Level.PASS:
            line = (facts or {}).get(check.code) or SHORT.get(check.code)
            lines[check.level].append(line or first_sentence(check.message))
    return [Notes(str(level), told) for level, told in lines.items()]


def travelled(warnings: Sequence[Mapping[str, str]], *, full: bool) -> list[Block]:
    """Return what a fit's checks say of an answer: the gravest in a line each, in full all."""
    return [Notes("warn", [w["message"] for w in warnings] if full else gravest(warnings))]


def gravest(warnings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the gravest warnings in a line each, and how many more there are."""
    told = [SHORT.get(w["code"]) or first_sentence(w["message"]) for w in warnings[:GRAVEST]]
    more = len(warnings) - len(told)
    return [*told, *([f"and {more} more (--full)"] if more else [])]


def first_sentence(message: str) -> str:
    """Return the first sentence of a message, or as much of it as two lines hold."""
    sentence, stop, _ = message.partition(". ")
    if len(sentence) <= LONGEST:
        return f"{sentence}." if stop else sentence
    cut = sentence[:LONGEST].rpartition(" ")[0]
    opened = cut.rfind("(")
    whole = cut[:opened].rstrip() if opened > cut.rfind(")") else cut
    return f"{whole or cut} ... (--full)"


def everything(checks: Sequence[Check]) -> list[Block]:
    """Return the checklist in full, failures and warnings first."""
    if not checks:
        return []
    levels = [Level.FAIL, Level.WARN, Level.PASS]
    told = sorted(checks, key=lambda check: levels.index(check.level))
    passed = sum(check.level is Level.PASS for check in checks)
    lines = [f"{passed} of {len(checks)} passed"]
    lines += [f"{str(c.level).upper()} {c.code}: {c.message}" for c in told]
    return [Labelled("checks", lines)]


def path(written: str) -> str:
    """Return the file in what is said of a file that was written."""
    return written.removesuffix(REPLACED)


def counted(checks: Sequence[Check], written: str | None) -> list[Block]:
    """Return how many checks passed and where the others are told in full."""
    passed = sum(check.level is Level.PASS for check in checks)
    show = shlex.join(["scaling", "show", path(written)]) + " " if written else ""
    told = f"{passed} of {_numbers.count(len(checks), 'check')} passed; {show}--full tells all"
    return [Text([told] if checks else [])]
