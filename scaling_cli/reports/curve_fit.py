"""A fit of loss curves as text: its runs, laws, errors on schedules left out, checks."""

from collections.abc import Sequence

from scaling_cli import curve_laws
from scaling_cli.artefacts.curve_fit import AVERAGE, CurveFit, FittedRun
from scaling_cli.reports import _layout
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports._style import Style

LONGEST = 90  # of a schedule's text in a table


def report(
    fit: CurveFit, *, sources: Sequence[str] = (), written: str | None = None, style: Style
) -> str:
    """Return everything `scaling fit` prints of a fit of loss curves.

    Parameters
    ----------
    fit : CurveFit
    sources : sequence of str
        What was read.
    written : str or None
        Where the fit was written, in words.
    style : Style
        Of standard output.
    """
    return _layout.paragraphs(
        [
            data(fit, sources, style),
            runs(fit, style),
            laws(fit, style),
            parameters(fit, style),
            held_out(fit, style),
            fit_report.checks(fit.checks, style),
            ending(fit, written, style),
        ]
    )


def data(fit: CurveFit, sources: Sequence[str], style: Style) -> str:
    """Return what was read, its ranges, and what was left out."""
    origin = f" from {', '.join(_layout.some(sources, 3))}" if sources else ""
    ranges = fit.data["ranges"]
    lines = [
        f"{_layout.count(len(fit.runs), 'run')}, {_layout.count(fit.n_points, 'point')}{origin}"
    ]
    rows = [
        ["S", _layout.span(ranges["S"], "S"), "steps"],
        *([["L", _layout.span(ranges["L"], "L"), "nats/token"]] if "L" in ranges else []),
        ["lr", _rates(ranges["lr"]), "at the end of the runs, to the highest"],
    ]
    lines += _layout.table(["", "", ""], rows, align="<<<", style=style).splitlines()
    lines += [f"target: {fit.data['target']}."] if fit.data.get("target") else []
    lines += _layout.some(fit_report.reading(fit.data, style), fit_report.SHOWN)
    parts = [_layout.labelled("data", "\n".join(lines), style=style)]
    left = fit_report.left_out(fit.left_out)
    return "\n".join([*parts, _layout.labelled("left out", left, style=style)])


def _rates(pair: Sequence[float]) -> str:
    return f"{pair[0]:g} to {pair[1]:g}"


def runs(fit: CurveFit, style: Style) -> str:
    """Return the runs: how the fit does on each, its schedule and how that is known."""
    headers = ["run", "points", "independent", "misfit", "at its end", "schedule"]
    rows = [
        [
            r.run,
            str(r.points),
            _count(r.effective),
            _layout.percent(r.misfit),
            _layout.percent(r.end_error, sign=True),
            shortened(r.schedule),
        ]
        for r in fit.runs
    ]
    body = _layout.table(headers, rows, align="<>>>>^", style=style)
    rho = fit.diagnostics.get("autocorrelation")
    lines = (
        [body]
        if rho is None
        else [
            body,
            *_layout.wrap(
                "misfit: mean |predicted/measured - 1|; at its end: over the last tenth. "
                "Successive "
                f"residuals correlate by {rho:.2f}: the points are worth so many independent ones.",
                style.width - 2,
            ),
        ]
    )
    lines += [line for note in _known(fit.runs) for line in _layout.wrap(note, style.width - 2)]
    return _layout.block("runs", "\n".join(lines), style=style)


def _known(found: Sequence[FittedRun]) -> list[str]:
    """Return, by how it is known, whose schedule is."""
    by_note: dict[str, list[str]] = {}
    for run in found:
        words = run.known.removeprefix("schedule: ").replace(f"{run.schedule} ", "")
        by_note.setdefault(words.strip("() "), []).append(run.run)
    if len(by_note) == 1:
        return [f"schedules: {next(iter(by_note))}"]
    return [f"schedule of {', '.join(names)}: {note}" for note, names in by_note.items()]


def shortened(text: str) -> str:
    """Return a schedule's text, or its beginning where it is a whole log."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]},..."


def _count(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f}"


def laws(fit: CurveFit, style: Style) -> str:
    """Return the laws: starts that agree, misfit, warm-up convention."""
    if fit.name_of_law == AVERAGE:
        head = f"average: the mean of {', '.join(fit.laws)}, in equal parts"
    else:
        head = f"{fit.name_of_law}: {curve_laws.get(fit.name_of_law).formula()}"
    lines = [
        head,
        f"sum of {fit.objective.describe()} = {fit.value:.9e}" if fit.value is not None else "",
        f"priors of strength {fit.selection.get('prior_strength', 0):g}{_chosen(fit)}; learning "
        f"rates are divided by {fit.unit:g}",
        f"status: {str(fit.status).replace('_', ' ')}",
    ]
    rows = [
        [
            name,
            "-" if f.agree is None else f"{f.agree[0]} of {f.agree[1]}",
            _layout.percent(f.misfit),
            f.warmup,
        ]
        for name, f in fit.laws.items()
    ]
    table = _layout.table(
        ["", "starts that agree", "misfit", "warm-up"], rows, align="<>><", style=style
    )
    body = "\n".join(line for line in lines if line)
    return "\n".join(
        [
            _layout.labelled("law", body, style=style),
            _layout.block("", table, style=style).lstrip("\n"),
        ]
    )


def _chosen(fit: CurveFit) -> str:
    """Return by which errors the strength of the priors was chosen."""
    tried = fit.diagnostics.get("prior_strengths") or {}
    told = [f"{s}: {_layout.percent(e)}" for s, e in tried.items()]
    return f" (least error on schedules left out: {', '.join(told)})" if told else ""


def parameters(fit: CurveFit, style: Style) -> str:
    """Return the parameters of each law with their intervals."""
    rows, held = [], fit.selection.get("fix") or {}
    for name, fitted in fit.laws.items():
        for p, declared in fitted.law.parameters().items():
            span = fit.intervals.get(fit.label(name, p))
            told = (
                "fixed"
                if p in held
                else "-"
                if span is None
                else _layout.interval((span["low"], span["high"]), _layout.parameter)
            )
            number = _layout.parameter(getattr(fitted.law, p))
            rows.append([fit.label(name, p), number, told, declared.unit, declared.meaning])
    level = next((f"{100 * s['level']:g} % " for s in fit.intervals.values()), "")
    body = _layout.table(
        ["", "value", f"{level}interval", "unit", "meaning"], rows, align="<><<^", style=style
    )
    method = "" if fit.uncertainty is None else f"\nintervals: {fit.uncertainty.method}"
    return _layout.block("parameters", body + method, style=style)


def held_out(fit: CurveFit, style: Style) -> str:
    """Return the errors on schedules that were left out in turn."""
    if not fit.held_out:
        return _layout.labelled("left out", "in turn: nothing; bands are UNTESTED", style=style)
    rows = [
        [
            ", ".join(fold.runs),
            _layout.percent(fold.error),
            _layout.percent(fold.end_error, sign=True),
            fold.note,
        ]
        for fold in fit.held_out
    ]
    body = _layout.table(
        ["predicted", "rms error", "at its end", ""], rows, align="<>>^", style=style
    )
    note = (
        "estimates of the error on an unseen schedule of this length, not a way to choose a law; "
        "errors on longer runs are several times larger."
    )
    lines = [body, *_layout.wrap(note, style.width - 2)]
    return _layout.block("each schedule left out in turn", "\n".join(lines), style=style)


def ending(fit: CurveFit, written: str | None, style: Style) -> str:
    """Return where the fit is and what to do next."""
    if written is None:
        return ""
    path = written.split(" (")[0]
    named = "" if path == "fit.json" else f" --fit {path}"
    steps = max(run.last or 0 for run in fit.runs)
    peak = fit.data["ranges"]["lr"][1]
    try_this = f"wsd:peak={peak:g},stable=0.9,decay=linear,steps={steps}"
    lines = [
        _layout.labelled("written", written, style=style),
        _layout.labelled("next", f"scaling predict{named} --schedule {try_this}", style=style),
    ]
    return "\n".join(lines)
