"""The critical batch: levels, constants, what losses cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.reports import _checks, _numbers
from scaling_cli.reports._blocks import Block, Command, Labelled, Notes, Table, filled

LEVELS = 5  # on the first screen: from the highest to the lowest loss

MEANINGS = {
    "floor": ("nats/token", "loss after steps without end"),
    "Nc": ("parameters", "size at which the first term is 1"),
    "alpha_N": ("1", "capacity exponent"),
    "Sc": ("steps", "steps at which the loss above the floor is 1"),
    "alpha_S": ("1", "exponent in steps"),
    "B_star": ("tokens", "critical batch at a loss of 1"),
    "alpha_B": ("1", "B_crit grows as L^(-1/alpha_B)"),
}


def blocks(
    fit: BatchFit | None,
    *,
    full: bool = False,
    record: Mapping[str, Any] | None = None,
    written: str | None = None,
) -> list[Block]:
    """Return what `scaling batch` prints: the fit where there is one, then the answers.

    Parameters
    ----------
    fit : BatchFit or None
        None where an earlier one only answers.
    full : bool
        Every level, constants with their meaning, and all checks.
    record : mapping or None
        targets, losses and warnings, as `scaling batch --json` prints them.
    written : str or None
        The file that was written.
    """
    answers = record or {"targets": [], "losses": [], "warnings": []}
    parts = [] if fit is None else _fitted(fit, full=full)
    parts += [_target(target) for target in answers["targets"]]
    parts += [_losses(answers["losses"]), Notes("warn", answers["warnings"])]
    parts.append(Labelled("written", [written] if written else []))
    if fit is not None and record is not None and not answers["targets"]:
        lowest = fit.data["ranges"]["L"][0]
        ask = f"scaling batch --fit {written or 'batch.json'} --target-loss {lowest:.3g}"
        parts.append(Command("next", [ask]))
    return parts


def _fitted(fit: BatchFit, *, full: bool) -> list[Block]:
    if not fit.levels:
        return [_constants(fit, full=full)]
    batches = sorted({b["B"] for level in fit.levels for b in level.batches})
    told = [
        f"{_numbers.count(len(fit.data['runs']), 'run')} at {len(batches)} batch sizes, "
        f"{_numbers.quantity(batches[0])} to {_numbers.quantity(batches[-1])} tokens; "
        f"{fit.n_points} points of smoothed curves",
        f"the loss from step and batch: {_numbers.percent(fit.misfit)} off on average; "
        f"{str(fit.status).replace('_', ' ')}",
    ]
    left = [f"{item.run}: {item.reason}" for item in fit.left_out]
    shown = [str(len(left)), *_numbers.listed(left, 2, full=full)] if left else []
    checks = _checks.everything(fit.checks) if full else _checks.screen(fit.checks)
    return [
        Labelled("data", told),
        Labelled("left out", shown),
        _levels(fit, full=full),
        _constants(fit, full=full),
        *checks,
    ]


def _levels(fit: BatchFit, *, full: bool) -> Table:
    picked = fit.levels if full else _spread(fit.levels)
    rows = []
    for level in picked:
        critical = float(fit.trajectory.critical_batch(level.loss))
        span = fit.interval(lambda t, L=level.loss: t.critical_batch(L))
        pair = None if span is None else (float(span[0]), float(span[1]))
        rows.append(
            [
                _numbers.value(level.loss),
                "" if level.N is None else _numbers.quantity(level.N),
                _numbers.quantity(critical),
                _numbers.interval(pair, _numbers.quantity),
                _alone(level.B_crit),
                _numbers.quantity(level.S_min),
                _numbers.quantity(level.E_min),
                str(len(level.batches)),
                _numbers.percent(level.misfit),
            ]
        )
    headers = ["loss", "N", "B_crit", "90 % interval", "alone", "S_min", "E_min", "batches", "off"]
    kept = [0, 1, 2, 3, 5, 6, *((4, 7, 8) if full else ())]
    kept = [i for i in kept if i != 1 or len({level.N for level in fit.levels}) > 1]
    more = _numbers.more(len(fit.levels) - len(picked))
    note = (
        "B_crit: the critical batch, by all levels together; S_min: fewest steps; E_min: fewest "
        "tokens. Intervals take the laws as true."
    )
    alone = "alone: of this level's runs only. Intervals: a jackknife over batches, Student's t."
    title = "critical batch (tokens) by loss level"
    notes = [*more, note, *([alone] if full else [])]
    cells = [[row[i] for i in kept] for row in rows]
    return Table([headers[i] for i in kept], cells, ">" * len(kept), title=title, notes=notes)


def _spread(levels: Sequence[Any]) -> list[Any]:
    """Return the first and the last level and some evenly between."""
    last = len(levels) - 1
    return [levels[i] for i in sorted({round(k * last / (LEVELS - 1)) for k in range(LEVELS)})]


def _alone(critical: float) -> str:
    if critical == float("inf"):
        return "above all"
    return _numbers.quantity(critical) if critical > 0 else "below all"


def _constants(fit: BatchFit, *, full: bool) -> Table:
    intervals = fit.to_dict()["intervals"]
    rows = []
    for name, value in fit.trajectory.values().items():
        unit, meaning = MEANINGS[name]
        span = intervals.get(name)
        pair = None if span is None else (span["low"], span["high"])
        told = _numbers.interval(pair, _numbers.parameter)
        number = _numbers.parameter(value)
        if not full and pair is not None:
            number, *ends = _numbers.deserved(value, *pair)
            told = " .. ".join(ends)
        rows.append([name, number, told, unit, meaning])
    law = (
        "L = floor + (Sc/S_min)^alpha_S, S = S_min (1 + B_crit(L)/B), B_crit = B_star/L^(1/alpha_B)"
    )
    if fit.trajectory.Nc is not None:
        law = law.replace("floor", "(Nc/N)^alpha_N")
    headers = ["", "value", "90 % interval", "unit", "meaning"]
    return Table(headers, rows, "<><<^", title="constants", notes=[law])


def _target(target: Mapping[str, Any]) -> Table:
    size = "" if target["N"] is None else f" with {_numbers.quantity(target['N'])} parameters"
    level = f"{100 * target['level']:g} %"
    rows = [
        ["far above", *_two(target["S_min"]), "", "", ""],
        ["far below", "", "", *_two(target["E_min"]), ""],
    ]
    for at in target["batches"]:
        compute = "" if at["C"] is None else _numbers.quantity(at["C"], "C")
        rows.append([_numbers.quantity(at["B"]), *_two(at["S"]), *_two(at["E"]), compute])
    lines = [
        "far above the critical batch a run takes the fewest steps, far below it the fewest tokens",
        f"critical batch {' '.join(_two(target['B_crit'])).strip()} tokens; floor "
        f"{_numbers.value(target['floor'])}",
    ]
    if target["optimum"] is not None:
        best = target["optimum"]
        lines.append(
            f"least compute, at the critical batch: N = {_numbers.quantity(best['N'])}, "
            f"{_numbers.quantity(best['B'])} tokens a step, {_numbers.quantity(best['S'])} steps, "
            f"{_numbers.quantity(best['E'])} tokens, {_numbers.quantity(best['C'], 'C')} FLOP"
        )
    title = f"to a loss of {target['L']:g}{size}"
    headers = ["batch", "steps", level, "tokens", level, "FLOP"]
    return filled(Table(headers, rows, "<>>>>>", title=title, notes=lines))


def _two(found: Mapping[str, Any]) -> tuple[str, str]:
    return _numbers.quantity(found["value"]), (
        "" if found["interval"] is None else _numbers.interval(found["interval"], _numbers.quantity)
    )


def _losses(losses: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            _numbers.quantity(item["S"]),
            _numbers.quantity(item["B"]),
            _numbers.quantity(item["E"]),
            _numbers.value(item["L"]["value"]),
            _numbers.interval(item["L"]["interval"]) if item["L"]["interval"] else "",
        ]
        for item in losses
    ]
    headers = ["steps", "batch", "tokens", "loss", "interval"]
    return filled(Table(headers, rows, "<>>>>", title="loss along the run"))
