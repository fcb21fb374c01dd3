"""A fit of loss curves as text: its runs, laws, errors on schedules left out, checks."""

from collections.abc import Sequence

from scaling_cli import curve_laws
from scaling_cli.cli import _render, _render_fit
from scaling_cli.cli._terminal import Style
from scaling_cli.curve_artefact import AVERAGE, CurveFit, FittedRun

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
    return _render.paragraphs(
        [
            data(fit, sources, style),
            runs(fit, style),
            laws(fit, style),
            parameters(fit, style),
            held_out(fit, style),
            _render_fit.checks(fit.checks, style),
            ending(fit, written, style),
        ]
    )


def data(fit: CurveFit, sources: Sequence[str], style: Style) -> str:
    """Return what was read, its ranges, and what was left out."""
    origin = f" from {', '.join(_render.some(sources, 3))}" if sources else ""
    ranges = fit.data["ranges"]
    lines = [
        f"{_render.count(len(fit.runs), 'run')}, {_render.count(fit.n_points, 'point')}{origin}"
    ]
    rows = [
        ["S", _render.span(ranges["S"], "S"), "steps"],
        ["L", _render.span(ranges["L"], "L"), "nats/token"],
        ["lr", _rates(ranges["lr"]), "at the end of the runs, to the highest"],
    ]
    lines += _render.table(["", "", ""], rows, align="<<<", style=style).splitlines()
    lines += [f"target: {fit.data['target']}."] if fit.data.get("target") else []
    lines += _render.some(_render_fit.reading(fit.data, style), _render_fit.SHOWN)
    parts = [_render.labelled("data", "\n".join(lines), style=style)]
    left = _render_fit.left_out(fit.left_out)
    return "\n".join([*parts, _render.labelled("left out", left, style=style)])


def _rates(pair: Sequence[float]) -> str:
    return f"{pair[0]:g} to {pair[1]:g}"


def runs(fit: CurveFit, style: Style) -> str:
    """Return the runs: how the fit does on each, its schedule and how that is known."""
    headers = ["run", "points", "independent", "misfit", "at its end", "schedule"]
    rows = [
        [r.run, str(r.points), _count(r.effective), _render.percent(r.misfit),
         _render.percent(r.end_error, sign=True), shortened(r.schedule)]
        for r in fit.runs
    ]  # fmt: skip
    body = _render.table(headers, rows, align="<>>>>^", style=style)
    rho = fit.diagnostics.get("autocorrelation")
    lines = [body] if rho is None else [
        body,
        *_render.wrap(
            "misfit: mean |predicted/measured - 1|; at its end: over the last tenth. Successive "
            f"residuals correlate by {rho:.2f}: the points are worth so many independent ones.",
            style.width - 2,
        ),
    ]  # fmt: skip
    lines += [line for note in _known(fit.runs) for line in _render.wrap(note, style.width - 2)]
    return _render.block("runs", "\n".join(lines), style=style)


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
        [name, "-" if f.agree is None else f"{f.agree[0]} of {f.agree[1]}",
         _render.percent(f.misfit), f.warmup]
        for name, f in fit.laws.items()
    ]  # fmt: skip
    table = _render.table(
        ["", "starts that agree", "misfit", "warm-up"], rows, align="<>><", style=style
    )
    body = "\n".join(line for line in lines if line)
    return "\n".join(
        [
            _render.labelled("law", body, style=style),
            _render.block("", table, style=style).lstrip("\n"),
        ]
    )


def _chosen(fit: CurveFit) -> str:
    """Return by which errors the strength of the priors was chosen."""
    tried = fit.diagnostics.get("prior_strengths") or {}
    told = [f"{s}: {_render.percent(e)}" for s, e in tried.items()]
    return f" (least error on schedules left out: {', '.join(told)})" if told else ""


def parameters(fit: CurveFit, style: Style) -> str:
    """Return the parameters of each law with their intervals."""
    rows, held = [], fit.selection.get("fix") or {}
    for name, fitted in fit.laws.items():
        for p, declared in fitted.law.parameters().items():
            span = fit.intervals.get(fit.label(name, p))
            told = "fixed" if p in held else "-" if span is None else _render.interval(
                (span["low"], span["high"]), _render.parameter
            )  # fmt: skip
            number = _render.parameter(getattr(fitted.law, p))
            rows.append([fit.label(name, p), number, told, declared.unit, declared.meaning])
    level = next((f"{100 * s['level']:g} % " for s in fit.intervals.values()), "")
    body = _render.table(
        ["", "value", f"{level}interval", "unit", "meaning"], rows, align="<><<^", style=style
    )
    method = "" if fit.uncertainty is None else f"\nintervals: {fit.uncertainty.method}"
    return _render.block("parameters", body + method, style=style)


def held_out(fit: CurveFit, style: Style) -> str:
    """Return the errors on schedules that were left out in turn."""
    if not fit.held_out:
        return _render.labelled("left out", "in turn: nothing; bands are UNTESTED", style=style)
    rows = [
        [", ".join(fold.runs), _render.percent(fold.error),
         _render.percent(fold.end_error, sign=True), fold.note]
        for fold in fit.held_out
    ]  # fmt: skip
    body = _render.table(
        ["predicted", "rms error", "at its end", ""], rows, align="<>>^", style=style
    )
    note = (
        "estimates of the error on an unseen schedule of this length, not a way to choose a law; "
        "errors on longer runs are several times larger."
    )
    lines = [body, *_render.wrap(note, style.width - 2)]
    return _render.block("each schedule left out in turn", "\n".join(lines), style=style)


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
        _render.labelled("written", written, style=style),
        _render.labelled("next", f"scaling predict{named} --schedule {try_this}", style=style),
    ]
    return "\n".join(lines)
