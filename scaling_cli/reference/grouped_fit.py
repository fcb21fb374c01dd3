"""Checking a fit of several groups: each refitted by itself, or all at once where they share."""

from dataclasses import replace
from pathlib import Path

from scaling_cli.artefacts.grouped_fit import GroupedFit
from scaling_cli.reference import _result
from scaling_cli.reference import fit as fit_check
from scaling_cli.reference._result import CheckResult, Verdict, difference


def check(
    fit: GroupedFit, result: CheckResult, *, update: bool, mirror: str | Path | None
) -> CheckResult:
    """Check a fit of groups; see `reference.check`. It is never rewritten: groups are one fit."""
    del update
    if wrong := [name for name in fit.through if _through(fit, name) > _result.SAME_STORED]:
        return replace(result, message=f"the law through {', '.join(wrong)} comes out otherwise.")
    if fit.shared:
        return _at_once(fit, result)
    checked = {
        name: fit_check.check(
            own, replace(result, reference_objective=own.value), update=False, mirror=mirror
        )
        for name, own in fit.groups.items()
    }
    order = (Verdict.FAIL, Verdict.BETTER, Verdict.SKIPPED, Verdict.PASS)
    worst = min(checked.values(), key=lambda part: order.index(part.status))
    wrong = {n: p for n, p in checked.items() if p.status is not Verdict.PASS} or checked
    told = "; ".join(f"{name}: {part.message.rstrip('.')}" for name, part in wrong.items())
    return replace(worst, message=f"{told}.")


def _through(fit: GroupedFit, name: str) -> float:
    """Return by how much a law through the groups differs where it is fitted once more."""
    from scaling_cli.point_fits import nested

    stored, at = fit.through[name].law, fit.through[name].points().inputs
    new = nested.through(fit.groups, fit.by, name, type(stored), together=bool(fit.shared)).law
    pairs = zip(new(**at), stored(**at), strict=True)
    return max(difference(float(now), float(then)) for now, then in pairs)


def _at_once(fit: GroupedFit, result: CheckResult) -> CheckResult:
    """Refit all groups with what they share, and compare the sum and where the runs lie."""
    from scaling_cli.point_fits import together  # JAX: only when something is refitted

    new, optimum = together.at_once(fit.groups, fit.shared)
    first = next(iter(fit.groups.values()))
    errors = [
        difference(float(now), float(then))
        for name, own in fit.groups.items()
        for inputs in [own.points().inputs]
        for now, then in zip(new[name].law(**inputs), own.law(**inputs), strict=True)
    ]
    stored = optimum.value if fit.value is None else fit.value
    result = replace(result, objective=optimum.value)
    return _result.refitted(first, (optimum.value, stored), errors, result, None)
