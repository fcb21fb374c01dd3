"""Fits of groups: a row a group with parameters and loss at one point, and what groups share."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.grouped_fit import LEVEL, MARK, GroupedFit
from scaling_cli.reports import _checks, _fitted, _numbers
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports import laws as laws_report
from scaling_cli.reports._blocks import Block, Command, Labelled, Notes, Table
from scaling_cli.vocabulary.outcomes import Level

WIDE = 5  # parameters that stand beside each other in 80 columns
NARROW = 13  # letters of a group, or of their column, beside which so many have room
HALF = f"± is half of the {100 * LEVEL:.0f} % range of a parameter"


def blocks(
    fit: GroupedFit, *, full: bool = False, sources: Sequence[str] = (), written: str | None = None
) -> list[Block]:
    """Return what `scaling fit --by` prints: in full with every group as it is by itself."""
    del sources
    return [
        *_tables(fit),
        Labelled("shared", list(_shared(fit))),
        *(block for name, law in fit.through.items() for block in _through(fit, name, law)),
        Notes("warn", [*_unfitted(fit), *_doubts(fit)]),
        *(_alone(name, own) for name, own in fit.groups.items() if full),
        *_fitted.ending(written),
        *([_next(fit, written)] if written is not None else []),
    ]


def _tables(fit: GroupedFit) -> Iterator[Table]:
    """Yield a row a group with its parameters, and below it how sure they are."""
    names = list(dict.fromkeys(n for own in fit.groups.values() for n in own.parameters))
    first = next(iter(fit.groups.values()))
    formula = laws_report.equation(first.law.formula())
    wide = WIDE if max(map(len, (fit.by, *fit.groups))) <= NARROW else WIDE - 1
    parts = [names[i : i + wide] for i in range(0, len(names), wide)]
    for part in parts:
        last = part is parts[-1]
        told = [] if not last else [HALF, *_common(fit)]
        title = _numbers.pieces(f"by {fit.by}", fit.law(), formula) if part is parts[0] else ""
        heads = [fit.by, "runs", *part, *(["loss"] if last else [])]
        rows = [row for group in fit.groups.items() for row in _rows(fit, group, part, last=last)]
        rows += [[u.group, str(u.n_points), "not fitted"] for u in fit.unfitted]
        whole = [[*row, *[""] * (len(heads) - len(row))] for row in rows]
        yield Table(heads, whole, "<" + ">" * (len(heads) - 1), title, told)


def _rows(
    fit: GroupedFit, group: tuple[str, Fit], names: Sequence[str], *, last: bool
) -> Iterator[list[str]]:
    (name, own), common = group, fit.at_common()
    cells = [_cell(own, parameter) for parameter in names]
    loss = ["", ""]
    if last and common is not None:
        told = common["groups"][name]
        low, high = told["new_run"] or (told["forecast"],) * 2
        loss = [_numbers.value(told["forecast"]), _half(low, high)]
    yield [name, str(own.n_points), *(value for value, _ in cells), loss[0]]
    yield ["", "", *(half for _, half in cells), loss[1]]


def _cell(fit: Fit, parameter: str) -> tuple[str, str]:
    """Return a parameter and half of its range, in the digits that it deserves."""
    if parameter not in fit.parameters:
        return "", ""
    value, span = fit.parameters[parameter], fit.intervals.get(parameter)
    told, ends = f"{value:.4g}", _fitted.Parameter(parameter, value, span).ends
    if parameter in (fit.selection.get("fix") or {}):
        return told, "fixed"
    if ends is None:
        return told, ""
    return told, _fitted.UNBOUNDED if any(map(math.isinf, ends)) else _half(*ends)


def _half(low: float, high: float) -> str:
    """Return half the width of a range, in two digits."""
    return f"±{float(f'{(high - low) / 2:.2g}'):g}"


def _common(fit: GroupedFit) -> Iterator[str]:
    common = fit.at_common()
    if common is None:
        return
    at = ", ".join(f"{s} = {_numbers.quantity(v, s)}" for s, v in common["inputs"].items())
    yield f"loss: the forecast at {at}, the most that all groups reach, ± that of a new run"


def _shared(fit: GroupedFit) -> Iterator[str]:
    """Yield what groups have in common, and how ways to share forecast runs held back."""
    if not fit.tried:
        return
    tests = [
        f"{way['name']} {_numbers.percent(way['error'])}"
        for way in fit.tried
        if way["error"] is not None
    ]
    yield f"in common: {', '.join(fit.shared) or 'nothing'}"
    if tests:
        yield f"error on the dearest quarter of runs, held back: {', '.join(tests)}"


def _through(fit: GroupedFit, name: str, law: Fit) -> Iterator[Block]:
    """Yield a law through a parameter of the groups."""
    table = fit_report.parameters(law)
    chi2, freedom = law.value or 0.0, law.n_points - len(law.parameters)
    told = f"chi² {chi2:.3g} at {_numbers.count(freedom, 'degree')} of freedom"
    if freedom and chi2 > 3 * freedom:
        told += ": the groups miss the law by more than their own errors"
    title = f"{name} over {fit.by}: {table.title}"
    yield replace(table, title=title, notes=[*table.notes, told])


def _unfitted(fit: GroupedFit) -> Iterator[str]:
    for group in fit.unfitted:
        yield f"{group.group} ({_numbers.count(group.n_points, 'row')}): {group.reason}"


def _doubts(fit: GroupedFit) -> Iterator[str]:
    """Yield the codes that warn, by group: the group by itself says why."""
    for name, own in fit.groups.items():
        codes = [check.code for check in own.checks if check.level is not Level.PASS]
        if codes:
            yield f"{name}: {', '.join(codes)}"


def _alone(name: str, fit: Fit) -> Table:
    table = fit_report.parameters(fit, full=True)
    return replace(table, title=f"{name}: {table.title}")


def _next(fit: GroupedFit, written: str) -> Command:
    group, own = next(iter(fit.groups.items()))
    where = f"{_checks.path(written)}{MARK}{group}"
    return Command.of("next", "scaling", "predict", "--fit", where, *own.example.split())
