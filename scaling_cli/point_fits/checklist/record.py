"""What is taken for granted, and what regenerates the result: R19 and R20."""

import numpy as np

from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, item
from scaling_cli.runs.likeness import SOON
from scaling_cli.vocabulary.outcomes import Touches
from scaling_cli.vocabulary.quantities import Role

EMBEDDED_POINTS = 20_000  # beyond it the fit file holds the digest of the points alone


@item("assumptions", "R19", "what is taken for granted?", Touches.FORECAST)
def assumptions(e: Evidence) -> Verdict:
    """R19: what no number here can test, in words."""
    text = (
        "forecasts assume for larger runs what holds for these: the same data mix, tokenizer, "
        "context length and evaluation set, one family of schedules that ends with the run, "
        "hyper-parameters tuned at every scale"
    )
    repeated = any(np.any(times > SOON) for times in e.points.passes.values())
    text += ", no token seen twice" * bool(e.problem.law.symbol_of(Role.DATA) and not repeated)
    runs, points = len(set(e.points.runs)), len(e.points)
    problem = (
        f"{points} points of {runs} runs are rows along them: a loss before the learning rate has "
        "decayed is not that of a run which ends there. Fit --at final, or read forecasts as of "
        f"the same schedule at the same point. Besides, {text}."
    )
    return Verdict.judged(problem if points > runs else None, f"{text}.")


@item("repro", "R20", "what regenerates this?")
def repro(e: Evidence) -> Verdict:
    """R20: the command, and the digests of its inputs."""
    digest = f"data sha256 {e.points.sha256()[:12]}"
    if any(source.get("path") in ("-", "<stdin>") for source in e.sources):
        return Verdict.warned(
            f"{digest}, read from standard input, which cannot be read again: keep the "
            "file and name it."
        )
    if not e.sources and len(e.points) > EMBEDDED_POINTS:
        return Verdict.warned(
            f"{digest}; the points were given in memory and are too many for the fit "
            "file: keep them yourself."
        )
    how = f"'{e.command}'" if e.command else "the same call of scaling_cli.fit"
    files = "1 file" if len(e.sources) == 1 else f"{len(e.sources)} files"
    kept = f"{files} recorded by sha256" if e.sources else "the points are in the fit file"
    return Verdict.passed(f"{how} regenerates this; {digest}; {kept}.")
