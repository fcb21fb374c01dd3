"""Checking a recipe: both of its laws, refitted to the optima of its cells."""

from dataclasses import replace
from pathlib import Path

from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.reference import fit as fit_check
from scaling_cli.reference._result import CheckResult, Verdict


def check(
    recipe: Recipe, result: CheckResult, *, update: bool, mirror: str | Path | None
) -> CheckResult:
    """Check a recipe; see `reference.check`. It is never rewritten: its laws belong together."""
    del update
    checked = {}
    for symbol, fit in recipe.fits().items():
        own = replace(result, reference_objective=fit.value)
        checked[symbol] = fit_check.check(fit, own, update=False, mirror=mirror)
    order = (Verdict.FAIL, Verdict.BETTER, Verdict.SKIPPED, Verdict.PASS)
    worst = min(checked.values(), key=lambda part: order.index(part.status))
    told = "; ".join(f"{symbol}: {part.message.rstrip('.')}" for symbol, part in checked.items())
    return replace(worst, message=f"{told}.")
