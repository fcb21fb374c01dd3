"""The critical batch: levels, constants, what losses cost."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.reports import _checks, _fitted, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, filled

if TYPE_CHECKING:
    from scaling_cli.verbs._answer import Answer

LEVELS = 5  # on the first screen: from the highest to the lowest loss
LAW = "L = floor + (Sc/S_min)^alpha_S, S = S_min (1 + B_crit(L)/B), B_crit = B_star/L^(1/alpha_B)"
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
    of: "BatchFit | Answer", *, full: bool = False, written: str | None = None
) -> list[Block]:
    """Return what `scaling batch` prints: the fit where there is one, then the answers.

    Parameters
    ----------
    of : BatchFit or Answer
        Of an answer the fit is told where logs were fitted, not where an earlier one answers.
    full : bool
        Every level, constants with their meaning, and all checks.
    written : str or None
        The file that was written.
    """
    asked = not isinstance(of, BatchFit)
    answers = of if asked else {"targets": [], "losses": [], "warnings": []}
    fit: BatchFit | None = of if isinstance(of, BatchFit) else of.made if of["fit"] else None
    ask = ("", "")
    if fit is not None and asked and not answers["targets"]:
        ask = ("batch", f"--target-loss {fit.data['ranges']['L'][0]:.3g}")
    return [
        *([] if fit is None else _fit(fit, full=full)),
        *map(_target, answers["targets"]),
        _losses(answers["losses"]),
        Notes("warn", answers["warnings"]),
        *_fitted.ending(written, *ask),
    ]


def _fit(fit: BatchFit, *, full: bool) -> list[Block]:
    if not fit.levels:
        return [_constants(fit, full=full)]
    batches = sorted({b["B"] for level in fit.levels for b in level.batches})
    runs = fit.data.get("runs") or ()
    read = f"{_numbers.count(len(runs), 'run')} at " if runs else ""
    told = [
        f"{read}{len(batches)} batch sizes, {_numbers.span((batches[0], batches[-1]))} tokens; "
        f"{fit.n_points} points of smoothed curves",
        f"the loss from step and batch: {_numbers.percent(fit.misfit)} off on average; "
        f"{str(fit.status).replace('_', ' ')}",
    ]
    return [
        Labelled("data", told),
        Labelled("left out", _fitted.left_out(fit.left_out, full=full)),
        _levels(fit, full=full),
        _constants(fit, full=full),
        *(_checks.everything(fit.checks) if full else _checks.screen(fit.checks)),
    ]


def _levels(fit: BatchFit, *, full: bool) -> Table:
    quantity, last = _numbers.quantity, len(fit.levels) - 1
    spread = {round(k * last / (LEVELS - 1)) for k in range(LEVELS)}
    picked = [level for i, level in enumerate(fit.levels) if full or i in spread]
    sizes = len({level.N for level in fit.levels}) > 1
    more = [
        ("alone", ">", lambda level: _alone(level.B_crit)),
        ("batches", ">", lambda level: str(len(level.batches))),
        ("off", ">", lambda level: _numbers.percent(level.misfit)),
    ]
    columns = [
        ("loss", ">", lambda level: _numbers.value(level.loss)),
        ("N", ">", lambda level: quantity(level.N) if sizes and level.N else ""),
        ("B_crit", ">", lambda level: quantity(float(fit.trajectory.critical_batch(level.loss)))),
        ("90 % interval", ">", lambda level: _critical(fit, level.loss)),
        ("S_min", ">", lambda level: quantity(level.S_min)),
        ("E_min", ">", lambda level: quantity(level.E_min)),
        *(more if full else ()),
    ]
    notes = [
        *_numbers.more(len(fit.levels) - len(picked)),
        "B_crit: the critical batch, by all levels together; S_min: fewest steps; E_min: fewest "
        "tokens. Intervals take the laws as true.",
    ]
    if full:
        method = "Intervals: a jackknife over batches, Student's t."
        notes.append(f"alone: of this level's runs only. {method}")
    return Table.of(picked, columns, "critical batch (tokens) by loss level", *notes)


def _critical(fit: BatchFit, loss: float) -> str:
    span = fit.interval(lambda t: t.critical_batch(loss))
    return "" if span is None else _numbers.interval([*map(float, span)], _numbers.quantity)


def _alone(critical: float) -> str:
    if critical == float("inf"):
        return "above all"
    return _numbers.quantity(critical) if critical > 0 else "below all"


def _constants(fit: BatchFit, *, full: bool) -> Table:
    intervals, values = fit.to_dict()["intervals"], fit.trajectory.values()
    listed = [
        _fitted.Parameter(name, value, intervals.get(name), *MEANINGS[name])
        for name, value in values.items()
    ]
    law = LAW if fit.trajectory.Nc is None else LAW.replace("floor", "(Nc/N)^alpha_N")
    return _fitted.parameters(listed, "constants", "90 % ", law, full=full)


def _target(target: Mapping[str, Any]) -> Table:
    quantity = _numbers.quantity
    size = "" if target["N"] is None else f" with {quantity(target['N'])} parameters"
    level = _numbers.level(target["level"])
    rows = [
        ["far above", *_two(target["S_min"]), "", "", ""],
        ["far below", "", "", *_two(target["E_min"]), ""],
    ]
    for at in target["batches"]:
        compute = "" if at["C"] is None else quantity(at["C"], "C")
        rows.append([quantity(at["B"]), *_two(at["S"]), *_two(at["E"]), compute])
    lines = [
        "far above the critical batch a run takes the fewest steps, far below it the fewest tokens",
        f"critical batch {' '.join(_two(target['B_crit'])).strip()} tokens; floor "
        f"{_numbers.value(target['floor'])}",
    ]
    if target["optimum"] is not None:
        N, B, S, E, C = (quantity(target["optimum"][symbol], symbol) for symbol in "NBSEC")
        lines.append(
            f"least compute, at the critical batch: N = {N}, {B} tokens a step, {S} steps, "
            f"{E} tokens, {C} FLOP"
        )
    headers = ["batch", "steps", level, "tokens", level, "FLOP"]
    title = f"to a loss of {target['L']:g}{size}"
    return filled(Table(headers, rows, "<>>>>>", title, lines))


def _two(number: Mapping[str, Any]) -> tuple[str, str]:
    span = number["interval"]
    told = "" if span is None else _numbers.interval(span, _numbers.quantity)
    return _numbers.quantity(number["value"]), told


def _losses(losses: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        ("steps", "<", lambda item: _numbers.quantity(item["S"])),
        ("batch", ">", lambda item: _numbers.quantity(item["B"])),
        ("tokens", ">", lambda item: _numbers.quantity(item["E"])),
        ("loss", ">", lambda item: _numbers.value(item["L"]["value"])),
        ("interval", ">", lambda item: _interval(item["L"]["interval"])),
    ]
    return Table.of(losses, columns, "loss along the run")


def _interval(pair: Sequence[float] | None) -> str:
    return "" if pair is None else _numbers.interval(pair)
