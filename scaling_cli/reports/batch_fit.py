"""The critical batch as text: levels, constants, what losses cost."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.vocabulary.outcomes import Level

if TYPE_CHECKING:
    from scaling_cli.artefacts.batch_fit import BatchFit

MEANINGS = {
    "floor": ("nats/token", "loss after steps without end"),
    "Nc": ("parameters", "size at which the first term is 1"),
    "alpha_N": ("1", "capacity exponent"),
    "Sc": ("steps", "steps at which the loss above the floor is 1"),
    "alpha_S": ("1", "exponent in steps"),
    "B_star": ("tokens", "critical batch at a loss of 1"),
    "alpha_B": ("1", "B_crit grows as L^(-1/alpha_B)"),
}


def report(
    fit: "BatchFit | None", record: Mapping[str, Any], *, written: str | None, style: Style
) -> str:
    """Return everything `scaling batch` prints: the fit where there is one, then the answers."""
    parts = [] if fit is None else _fitted(fit, style)
    parts += [_target(target, style) for target in record["targets"]]
    if record["losses"]:
        parts.append(_losses(record["losses"], style))
    if record["warnings"]:
        told = "\n".join(f"WARN {text}" for text in record["warnings"])
        parts.append(_layout.labelled("beyond", told, style=style))
    if written is not None:
        parts.append(_layout.labelled("written", written, style=style))
    if fit is not None and not record["targets"]:
        name = written or "batch.json"
        lowest = fit.data["ranges"]["L"][0]
        ask = f"scaling batch --fit {name} --target-loss {lowest:.3g}"
        parts.append(_layout.labelled("next", ask, style=style))
    return _layout.paragraphs(parts)


def _fitted(fit: "BatchFit", style: Style) -> list[str]:
    batches = sorted({b["B"] for level in fit.levels for b in level.batches})
    told = [
        f"{_layout.count(len(fit.data['runs']), 'run')} at {len(batches)} batch sizes, "
        f"{_layout.quantity(batches[0])} to {_layout.quantity(batches[-1])} tokens; "
        f"{fit.n_points} points of smoothed curves",
        f"the loss from step and batch: {_layout.percent(fit.misfit)} off on average; {fit.status}",
    ]
    parts = [_layout.labelled("data", "\n".join(told), style=style)]
    if fit.left_out:
        left = [f"{item.run}: {item.reason}" for item in fit.left_out]
        lines = "\n".join([str(len(left)), *_layout.some(left, 8)])
        parts.append(_layout.labelled("left out", lines, style=style))
    return [*parts, _levels(fit, style), _constants(fit, style), _checks(fit, style)]


def _levels(fit: "BatchFit", style: Style) -> str:
    sized = len({level.N for level in fit.levels}) > 1
    rows = []
    for level in fit.levels:
        critical = float(fit.trajectory.critical_batch(level.loss))
        loss = level.loss
        span = fit.interval(lambda t, L=loss: t.critical_batch(L))
        rows.append(
            [
                *([_layout.quantity(level.N or float("nan"))] if sized else []),
                _layout.value(level.loss),
                _layout.quantity(critical),
                _layout.interval(
                    None if span is None else (float(span[0]), float(span[1])), _layout.quantity
                ),
                _alone(level.B_crit),
                _layout.quantity(level.S_min),
                _layout.quantity(level.E_min),
                str(len(level.batches)),
                _layout.percent(level.misfit),
            ]
        )
    headers = ["loss", "B_crit", "90 % interval", "alone", "S_min", "E_min", "batches", "off"]
    body = _layout.table(
        [*(["N"] if sized else []), *headers], rows, align=">" * sized + ">>>>>>>>", style=style
    )
    note = (
        "B_crit: all levels together; alone: of this level's runs only. Intervals: a jackknife\n"
        "over batches, Student's t; they take the laws as true."
    )
    return _layout.block("critical batch (tokens) by loss level", f"{body}\n{note}", style=style)


def _alone(critical: float) -> str:
    if critical == float("inf"):
        return "above all"
    return _layout.quantity(critical) if critical > 0 else "below all"


def _constants(fit: "BatchFit", style: Style) -> str:
    intervals = fit.to_dict()["intervals"]
    rows = []
    for name, value in fit.trajectory.values().items():
        unit, meaning = MEANINGS[name]
        found = intervals.get(name)
        span = None if found is None else (found["low"], found["high"])
        rows.append(
            [
                name,
                _layout.parameter(value),
                _layout.interval(span, _layout.parameter),
                unit,
                meaning,
            ]
        )
    headers = ["", "value", "90 % interval", "unit", "meaning"]
    table = _layout.table(headers, rows, align="<><<^", style=style)
    law = (
        "L = floor + (Sc/S_min)^alpha_S, S = S_min (1 + B_crit(L)/B), B_crit = B_star/L^(1/alpha_B)"
    )
    if fit.trajectory.Nc is not None:
        law = law.replace("floor", "(Nc/N)^alpha_N")
    return _layout.block("constants", f"{table}\n{law}", style=style)


def _checks(fit: "BatchFit", style: Style) -> str:
    warned = [c for c in fit.checks if c.level is not Level.PASS]
    passed = [c.code for c in fit.checks if c.level is Level.PASS]
    lines = [f"{len(passed)} of {len(fit.checks)} passed"]
    lines += [f"WARN {c.code}: {c.message}" for c in warned]
    lines += [f"PASS {', '.join(passed)}"] if passed else []
    return _layout.labelled("checks", "\n".join(lines), style=style)


def _target(target: Mapping[str, Any], style: Style) -> str:
    size = "" if target["N"] is None else f" with {_layout.quantity(target['N'])} parameters"
    level = f"{100 * target['level']:g} %"
    rows = [
        ["fewest steps", "far above B_crit", *_two(target["S_min"]), "", "", ""],
        ["fewest tokens", "far below B_crit", "", "", *_two(target["E_min"]), ""],
    ]
    for at in target["batches"]:
        compute = "" if at["C"] is None else _layout.quantity(at["C"], "C")
        rows.append(["", _layout.quantity(at["B"]), *_two(at["S"]), *_two(at["E"]), compute])
    body = _filled(["", "batch", "steps", level, "tokens", level, "FLOP"], rows, style)
    lines = [
        body,
        f"critical batch {' '.join(_two(target['B_crit'])).strip()} tokens; floor "
        f"{_layout.value(target['floor'])}",
    ]
    if target["optimum"] is not None:
        best = target["optimum"]
        lines.append(
            f"least compute, at the critical batch: N = {_layout.quantity(best['N'])}, "
            f"{_layout.quantity(best['B'])} tokens a step, {_layout.quantity(best['S'])} steps, "
            f"{_layout.quantity(best['E'])} tokens, {_layout.quantity(best['C'], 'C')} FLOP"
        )
    title = f"to a loss of {target['L']:g}{size}"
    return _layout.block(title, "\n".join(lines), style=style)


def _filled(headers: list[str], rows: list[list[str]], style: Style) -> str:
    """Return a table without the columns that hold nothing."""
    kept = [i for i in range(len(headers)) if i == 0 or any(row[i] for row in rows)]
    cells = [[row[i] for i in kept] for row in rows]
    align = "".join("<" if i == 0 else ">" for i in kept)
    return _layout.table([headers[i] for i in kept], cells, align=align, style=style)


def _two(found: Mapping[str, Any]) -> tuple[str, str]:
    return _layout.quantity(found["value"]), (
        "" if found["interval"] is None else _layout.interval(found["interval"], _layout.quantity)
    )


def _losses(losses: list[Mapping[str, Any]], style: Style) -> str:
    rows = [
        [
            _layout.quantity(item["S"]),
            _layout.quantity(item["B"]),
            _layout.quantity(item["E"]),
            _layout.value(item["L"]["value"]),
            _layout.interval(item["L"]["interval"]) if item["L"]["interval"] else "",
        ]
        for item in losses
    ]
    body = _filled(["steps", "batch", "tokens", "loss", "interval"], rows, style)
    return _layout.block("loss along the run", body, style=style)
