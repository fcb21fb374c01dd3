"""A fit of loss curves: its runs, laws, errors on schedules left out, checks."""

from collections.abc import Sequence

from scaling_cli import curve_laws
from scaling_cli.artefacts.curve_fit import AVERAGE, CurveFit, FittedRun
from scaling_cli.reports import _checks, _numbers
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports import laws as laws_report
from scaling_cli.reports._blocks import Block, Command, Labelled, Section, Table, filled

LONGEST = 90  # of a schedule's text in a table
SHOWN = 6  # runs on the first screen


def blocks(
    fit: CurveFit,
    *,
    full: bool = False,
    sources: Sequence[str] = (),
    written: str | None = None,
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
    if not full:
        return [*_screen(fit, written), *_ending(fit, written)]
    return [
        *data(fit, sources),
        runs(fit),
        Section("law", _law(fit)),
        _laws(fit),
        parameters(fit),
        held_out(fit),
        *_checks.everything(fit.checks),
        *_ending(fit, written),
    ]


# The first screen.


def _screen(fit: CurveFit, written: str | None) -> list[Block]:
    names = {"S": "steps", "L": "loss", "lr": "lr"}
    ranges = fit.data.get("ranges", {})
    read = _numbers.pieces(
        f"{fit.name}:" * bool(fit.name),
        _numbers.count(len(fit.runs), "loss curve") if fit.runs else "",
        _numbers.count(fit.n_points, "point") if fit.n_points else "",
        *(f"{names[s]} {_span(ranges[s], s)}" for s in names if s in ranges),
    )
    where = f"scaling show {written.partition(' (')[0]} --full" if written else "--full"
    return [
        *fit_report.opening(read, fit.left_out, fit.data),
        _run_table(fit),
        _brief_law(fit),
        *_tested(fit),
        *_checks.screen(fit.checks),
        *_checks.counted(fit.checks, where),
    ]


def _run_table(fit: CurveFit) -> Table:
    rows = [
        [
            r.run,
            "" if r.misfit is None else _numbers.percent(r.misfit),
            "" if r.end_error is None else _numbers.percent(r.end_error, sign=True),
            shortened(r.schedule),
        ]
        for r in fit.runs[:SHOWN]
    ]
    more = _numbers.more(len(fit.runs) - len(rows))
    return filled(Table(["run", "misfit", "at its end", "schedule"], rows, "^>>^", notes=more))


def _brief_law(fit: CurveFit) -> Table:
    """Return the law; of an average, a line for each law in it."""
    status = str(fit.status).replace("_", " ")
    if fit.name_of_law == AVERAGE:
        title = f"average: the mean of {len(fit.laws)} laws, in equal parts; {status}"
        rows = [[name, _numbers.percent(f.misfit)] for name, f in fit.laws.items()]
        return Table(["law", "misfit"], rows, "<>", title=title)
    formula = laws_report.equation(curve_laws.get(fit.name_of_law).formula())
    rows = []
    for name, fitted in fit.laws.items():
        for p in fitted.law.parameters():
            span, number = fit.intervals.get(fit.label(name, p)), getattr(fitted.law, p)
            if span is None:
                rows.append([p, f"{number:.4g}", ""])
            else:
                shown, *ends = _numbers.deserved(number, span["low"], span["high"])
                rows.append([p, shown, " .. ".join(ends)])
    title = _numbers.pieces(fit.name_of_law, formula, status)
    return filled(Table(["", "", _level(fit) + "range"], rows, "<><", title=title))


def _tested(fit: CurveFit) -> list[Block]:
    errors = [fold.error for fold in fit.held_out if fold.error is not None]
    if not errors:
        return [Labelled("backtest", ["UNTESTED: no schedule could be left out and predicted"])]
    low, high = _numbers.percent(min(errors)), _numbers.percent(max(errors))
    off = low if low == high else f"{low.removesuffix(' %')} to {high}"
    count = _numbers.count(len(errors), "time")
    told = f"a schedule left out and predicted, {count}: off by {off}; more on longer runs"
    return [Labelled("backtest", [told])]


def _level(fit: CurveFit) -> str:
    return next((f"{100 * s['level']:g} % " for s in fit.intervals.values()), "")


def _ending(fit: CurveFit, written: str | None) -> list[Block]:
    """Return where the fit is and what to do next."""
    if written is None:
        return []
    path = written.partition(" (")[0]
    named = "" if path == "fit.json" else f" --fit {path}"
    steps = max(run.last or 0 for run in fit.runs)
    peak = fit.data["ranges"]["lr"][1]
    try_this = f"wsd:peak={peak:g},stable=0.9,decay=linear,steps={steps}"
    return [
        Labelled("written", [written]),
        Command("next", [f"scaling predict{named} --schedule {try_this}"]),
    ]


# Everything.


def data(fit: CurveFit, sources: Sequence[str]) -> list[Block]:
    """Return what was read, its ranges, and what was left out."""
    units = {"S": "steps", "L": "nats/token", "lr": "at the end of the runs, to the highest"}
    ranges = fit.data.get("ranges", {})
    rows = [[s, _span(ranges[s], s), unit] for s, unit in units.items() if s in ranges]
    notes = [f"target: {fit.data['target']}."] if fit.data.get("target") else []
    counted = f"{_numbers.count(len(fit.runs), 'run')}, {_numbers.count(fit.n_points, 'point')}"
    title = f"data: {counted}{fit_report.origin(sources)}"
    return [
        Table(
            ["", "", ""], rows, "<<^", title=title, notes=[*notes, *fit_report.reading(fit.data)]
        ),
        Labelled("left out", fit_report.left_out(fit.left_out)),
    ]


def _span(pair: Sequence[float], symbol: str) -> str:
    return f"{pair[0]:g} to {pair[1]:g}" if symbol == "lr" else _numbers.span(pair, symbol)


def runs(fit: CurveFit) -> Table:
    """Return the runs: how the fit does on each, its schedule and how that is known."""
    headers = ["run", "points", "independent", "misfit", "at its end", "schedule"]
    rows = [
        [
            r.run,
            str(r.points),
            "-" if r.effective is None else f"{r.effective:.0f}",
            _numbers.percent(r.misfit),
            _numbers.percent(r.end_error, sign=True),
            shortened(r.schedule),
        ]
        for r in fit.runs
    ]
    rho = fit.diagnostics.get("autocorrelation")
    told = (
        f"misfit: mean |predicted/measured - 1|; at its end: over the last tenth. Successive "
        f"residuals correlate by {rho:.2f}: the points are worth so many independent ones."
        if rho is not None
        else ""
    )
    notes = [told] * bool(told) + _known(fit.runs)
    return Table(headers, rows, "^>>>>^", title="runs", notes=notes)


def _known(runs: Sequence[FittedRun]) -> list[str]:
    """Return, by how it is known, whose schedule is."""
    by_note: dict[str, list[str]] = {}
    for run in runs:
        words = run.known.removeprefix("schedule: ").replace(f"{run.schedule} ", "")
        by_note.setdefault(words.strip("() "), []).append(run.run)
    if len(by_note) == 1:
        return [f"schedules: {next(iter(by_note))}"]
    return [f"schedule of {', '.join(names)}: {note}" for note, names in by_note.items()]


def shortened(text: str) -> str:
    """Return a schedule's text, or its beginning where it is a whole log."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]},..."


def _law(fit: CurveFit) -> list[str]:
    """Return what was fitted, what was minimised and how that ended."""
    if fit.name_of_law == AVERAGE:
        head = f"average: the mean of {', '.join(fit.laws)}, in equal parts"
    else:
        head = f"{fit.name_of_law}: {curve_laws.get(fit.name_of_law).formula()}"
    lines = [
        head,
        f"sum of {fit.objective.describe()} = {fit.value:.9e}" if fit.value is not None else "",
        f"priors of strength {fit.selection.get('prior_strength', 0):g}{_strengths(fit)}; learning "
        f"rates are divided by {fit.unit:g}",
        f"status: {str(fit.status).replace('_', ' ')}",
    ]
    return [line for line in lines if line]


def _laws(fit: CurveFit) -> Table:
    """Return the laws: starts that agree, misfit, warm-up convention."""
    rows = [
        [
            name,
            "-" if f.agree is None else f"{f.agree[0]} of {f.agree[1]}",
            _numbers.percent(f.misfit),
            f.warmup,
        ]
        for name, f in fit.laws.items()
    ]
    return Table(["law", "starts that agree", "misfit", "warm-up"], rows, "<>><")


def _strengths(fit: CurveFit) -> str:
    """Return by which errors the strength of the priors was chosen."""
    tried = fit.diagnostics.get("prior_strengths") or {}
    told = [f"{s}: {_numbers.percent(e)}" for s, e in tried.items()]
    return f" (least error on schedules left out: {', '.join(told)})" if told else ""


def parameters(fit: CurveFit) -> Table:
    """Return the parameters of each law with their intervals."""
    rows, held = [], fit.selection.get("fix") or {}
    for name, fitted in fit.laws.items():
        for p, declared in fitted.law.parameters().items():
            span = fit.intervals.get(fit.label(name, p))
            pair = None if span is None else (span["low"], span["high"])
            told = _numbers.interval(pair, _numbers.parameter)
            number = _numbers.parameter(getattr(fitted.law, p))
            told = "fixed" if p in held else told
            rows.append([fit.label(name, p), number, told, declared.unit, declared.meaning])
    headers = ["", "value", f"{_level(fit)}interval", "unit", "meaning"]
    method = [] if fit.uncertainty is None else [f"intervals: {fit.uncertainty.method}"]
    return Table(headers, rows, "<><^^", title="parameters", notes=method)


def held_out(fit: CurveFit) -> Block:
    """Return the errors on schedules that were left out in turn."""
    if not fit.held_out:
        return Labelled("left out", ["in turn: nothing; bands are UNTESTED"])
    rows = [
        [
            ", ".join(fold.runs),
            _numbers.percent(fold.error),
            _numbers.percent(fold.end_error, sign=True),
            fold.note,
        ]
        for fold in fit.held_out
    ]
    note = (
        "estimates of the error on an unseen schedule of this length, not a way to choose a law; "
        "errors on longer runs are several times larger."
    )
    table = Table(["predicted", "rms error", "at its end", ""], rows, "^>>^", notes=[note])
    return filled(Table(**{**vars(table), "title": "each schedule left out in turn"}))
