"""A fit of loss curves: its runs, laws, errors on schedules left out, checks."""

import re
from collections.abc import Iterator, Sequence

from scaling_cli import curve_laws
from scaling_cli.artefacts.curve_fit import AVERAGE, CurveFit, FittedRun
from scaling_cli.reports import _checks, _fitted, _numbers
from scaling_cli.reports import laws as laws_report
from scaling_cli.reports._blocks import Block, Labelled, Table, section
from scaling_cli.vocabulary.quantities import LR, L, S

LONGEST = 90  # of a schedule's text in a table
SHOWN = 6  # runs on the first screen
COLUMNS = {S: "steps", L: L.column, LR: LR.column}  # as the first screen calls them


def blocks(
    fit: CurveFit, *, full: bool = False, sources: Sequence[str] = (), written: str | None = None
) -> list[Block]:
    """Return what `scaling fit` prints of a fit of loss curves.

    Parameters
    ----------
    fit : CurveFit
    full : bool
        Everything; otherwise the first screen.
    sources : sequence of str
        What was read.
    written : str or None
        Where the fit was written, in words.
    """
    ending = _fitted.ending(written, "predict", _try_this(fit) if written else "")
    if not full:
        return [
            *_fitted.opening(_read(fit), fit.left_out, fit.data),
            *hidden_warmup(fit, full=False),
            runs(fit, full=False),
            _brief_law(fit),
            Labelled("backtest", [tested(fit)]),
            *_checks.screen(fit.checks),
            *_checks.counted(fit.checks, written),
            *ending,
        ]
    read = _fitted.counted(fit.data, fit.n_points, len(fit.runs))
    title = f"data: {read}{_fitted.origin(sources)}"
    target = [f"target: {fit.data['target']}."] if fit.data.get("target") else []
    units = {S: S.unit, L: fit.loss_unit, LR: "at the end of the runs, to the highest"}
    return [
        _fitted.ranges(
            fit.data,
            {q.symbol: u for q, u in units.items()},
            title,
            *target,
            *_fitted.reading(fit.data),
        ),
        Labelled("left out", _fitted.left_out(fit.left_out, full=True) or ["no run"]),
        *hidden_warmup(fit, full=True),
        *specification(fit),
        held_out(fit),
        *_checks.everything(fit.checks),
        *ending,
    ]


def specification(fit: CurveFit) -> list[Block]:
    """Return the runs, what was minimised, the laws and their parameters."""
    law = section("law", list(_law(fit)))
    return [runs(fit, full=True), law, _laws(fit, full=True), parameters(fit, full=True)]


def _try_this(fit: CurveFit) -> str:
    steps, peak = max(run.last or 0 for run in fit.runs), fit.data["ranges"]["lr"][1]
    warmup = "".join(f"warmup={end:g}," for end in fit.warmups[:1] if end)
    return f"--schedule wsd:peak={peak:g},{warmup}stable=0.9,decay=linear,steps={steps}"


def _read(fit: CurveFit) -> str:
    ranges = fit.data.get("ranges", {})
    return _numbers.pieces(
        f"{fit.name}:" * bool(fit.name),
        _numbers.count(len(fit.runs), "loss curve") if fit.runs else "",
        _numbers.count(fit.n_points, "point") if fit.n_points else "",
        *(
            f"{name} {_numbers.span(ranges[q.symbol], q.symbol)}"
            for q, name in COLUMNS.items()
            if q.symbol in ranges
        ),
    )


def runs(fit: CurveFit, *, full: bool) -> Table:
    """Return the runs: how the fit does on each, its schedule and how that is known."""
    effective = {r.run: "-" if r.effective is None else f"{r.effective:.0f}" for r in fit.runs}
    columns = [
        ("run", "^", lambda r: r.run),
        ("points", ">", lambda r: str(r.points) if full else ""),
        ("independent", ">", lambda r: effective[r.run] if full else ""),
        ("misfit", ">", lambda r: _off(r.misfit)),
        ("at its end", ">", lambda r: _off(r.end_error, sign=True)),
        ("schedule", "^", lambda r: shortened(r.schedule) if full else _family(r.schedule)),
    ]
    limit, notes, rho = None if full else SHOWN, [], fit.diagnostics.get("autocorrelation")
    if full and rho is not None:
        notes.append(
            "misfit: mean |predicted/measured - 1|; at its end: over the last tenth. Successive "
            f"residuals correlate by {rho:.2f}: the points are worth so many independent ones."
        )
    notes += _known(fit.runs) if full else []
    return Table.of(fit.runs, columns, "runs" * full, *notes, limit=limit)


def hidden_warmup(fit: CurveFit, *, full: bool) -> list[Block]:
    """Return, once for all runs, what is taken of the warm-up before logs that do not show it."""
    hidden = fit.hidden_warmup
    if hidden is None:
        return []
    taken = f"ends at step {hidden.warmup:.0f}" if hidden.warmup else "none"
    lines = [f"{taken}, {hidden.source}" if hidden.warmup else taken]
    lines[0] += f": one fact of all runs, whose rates are known from step {hidden.until:.0f} on"
    if hidden.interval is None:
        lines.append(f"{fit.name_of_law} does not see how the rate rose")
    else:
        low, high = (f"{end:.0f}" for end in hidden.interval)
        told = ", ".join(f"{k} {_numbers.percent(v)}" for k, v in hidden.misfits.items())
        lines.append(f"the curves say {low} to {high}" + f"; misfit by warm-up: {told}" * full)
    return [Labelled("warm-up", lines)]


def _off(error: float | None, *, sign: bool = False) -> str:
    return "" if error is None else _numbers.percent(error, sign=sign)


def _known(runs: Sequence[FittedRun]) -> list[str]:
    """Return, by how it is known, whose schedule is."""
    words = (r.known.removeprefix("schedule: ").replace(f"{r.schedule} ", "") for r in runs)
    by_note = _numbers.grouped((w.strip("() "), r.run) for w, r in zip(words, runs, strict=True))
    if len(by_note) == 1:
        return [f"schedules: {next(iter(by_note))}"]
    return [f"schedule of {', '.join(names)}: {note}" for note, names in by_note.items()]


def _family(schedule: str) -> str:
    """Return the family of a schedule, and how it decays where that is a choice."""
    decay = re.search(r"decay=(\w+)", schedule)
    return f"{schedule.partition(':')[0]} {decay[1] if decay else ''}".rstrip()


def shortened(text: str, longest: int = LONGEST, rest: str = "") -> str:
    """Return a schedule's text, or its beginning where it is a whole log."""
    return text if len(text) <= longest else f"{text[:longest].rpartition(',')[0]},...{rest}"


def _brief_law(fit: CurveFit) -> Table:
    """Return the law; of an average, a line for each law in it."""
    status = str(fit.status).replace("_", " ")
    if fit.name_of_law != AVERAGE:
        formula = laws_report.equation(curve_laws.get(fit.name_of_law).formula())
        return parameters(fit, _numbers.pieces(fit.name_of_law, formula, status))
    title = f"average: the mean of {len(fit.laws)} laws, in equal parts; {status}"
    return _laws(fit, title, full=False)


def tested(fit: CurveFit) -> str:
    """Return in a sentence how schedules did that were left out."""
    errors = [fold.error for fold in fit.held_out if fold.error is not None]
    if not errors:
        return "UNTESTED: no schedule could be left out and predicted"
    off, count = _numbers.ends(errors, _numbers.percent), _numbers.count(len(errors), "time")
    return f"a schedule left out and predicted, {count}: off by {off}; more on longer runs"


def _law(fit: CurveFit) -> Iterator[str]:
    """Yield what was fitted, what was minimised and how that ended."""
    if fit.name_of_law == AVERAGE:
        yield f"average: the mean of {', '.join(fit.laws)}, in equal parts"
    else:
        yield f"{fit.name_of_law}: {curve_laws.get(fit.name_of_law).formula()}"
    if fit.value is not None:
        yield f"sum of {fit.objective.describe(L.column)} = {fit.value:.9e}"
    strengths = fit.diagnostics.get("prior_strengths") or {}
    tried = ", ".join(f"{s}: {_numbers.percent(e)}" for s, e in strengths.items())
    chosen = f" (least error on schedules left out: {tried})" if tried else ""
    yield (
        f"priors of strength {fit.selection.get('prior_strength', 0):g}{chosen}; learning rates "
        f"are divided by {fit.unit:g}"
    )
    yield f"status: {str(fit.status).replace('_', ' ')}"


def _laws(fit: CurveFit, title: str = "", *, full: bool) -> Table:
    """Return the laws and their misfit; in full, starts that agree and the warm-up convention."""
    laws = fit.laws
    columns = [
        ("law", "<", lambda name: name),
        ("starts that agree", ">", lambda name: _agree(laws[name].agree) if full else ""),
        ("misfit", ">", lambda name: _numbers.percent(laws[name].misfit)),
        ("warm-up", "<", lambda name: laws[name].warmup if full else ""),
    ]
    return Table.of(laws, columns, title)


def _agree(starts: tuple[int, int] | None) -> str:
    return "-" if starts is None else f"{starts[0]} of {starts[1]}"


def parameters(fit: CurveFit, title: str = "parameters", *, full: bool = False) -> Table:
    """Return the parameters of each law with their intervals."""
    held, spans = fit.selection.get("fix") or {}, fit.intervals
    listed = [
        _fitted.Parameter(
            *(label, getattr(fitted.law, p), spans.get(label)),
            *(d.unit.replace(L.unit, fit.loss_unit), d.meaning, p in held),
        )
        for name, fitted in fit.laws.items()
        for p, d in fitted.law.parameters().items()
        for label in [fit.label(name, p)]
    ]
    method = [] if fit.uncertainty is None else [f"intervals: {fit.uncertainty.method}"]
    return _fitted.parameters(listed, title, _fitted.level(spans), *method * full, full=full)


def held_out(fit: CurveFit) -> Block:
    """Return the errors on schedules that were left out in turn."""
    if not fit.held_out:
        return Labelled("left out", ["in turn: nothing; bands are UNTESTED"])
    columns = [
        ("predicted", "^", lambda fold: ", ".join(fold.runs)),
        ("rms error", ">", lambda fold: _numbers.percent(fold.error)),
        ("at its end", ">", lambda fold: _numbers.percent(fold.end_error, sign=True)),
        ("", "^", lambda fold: fold.note),
    ]
    note = (
        "estimates of the error on an unseen schedule of this length, not a way to choose a law; "
        "errors on longer runs are several times larger."
    )
    return Table.of(fit.held_out, columns, "each schedule left out in turn", note)
