"""`scaling predict --schedule`: loss curves along schedules, their ends compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts._curve_prediction import CurvePrediction
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.reports._blocks import Block

DEFAULT_FILE = "fit.json"
OF_POINTS = ("tokens", "compute", "inputs", "points")
OF_CURVES = ("steps", "every", "output")
TABLE, FIGURES = ".csv", (".png", ".svg", ".pdf")


def applies(context: typer.Context, schedules: list[str] | None) -> bool:
    """Return whether schedules are given, and refuse options of the other kind.

    Raises
    ------
    UsageError
        If points and schedules are mixed.
    """
    from scaling_cli.vocabulary.errors import UsageError

    wrong = options.given(context, OF_POINTS if schedules else OF_CURVES)
    if not wrong:
        return bool(schedules)
    if schedules:
        raise UsageError(
            f"--schedule and {' and '.join(wrong)} were both given.",
            hint="A fit of loss curves predicts along --schedule, a law of points at the others.",
        )
    raise UsageError(f"{' and '.join(wrong)} needs --schedule.")


def predict(context: typer.Context, terminal: Terminal) -> None:
    """Predict along the schedules, write what was asked for, print the ends."""
    chosen: Mapping[str, Any] = context.params
    path = _checked(writable(chosen["output"]))
    name, fit = resolve(chosen["fit"], terminal)
    size = _size(chosen["params"])
    found = _predictions(fit, chosen["schedules"], size=size, level=chosen["level"])
    along = _along(fit, found, chosen["steps"], chosen["every"])
    if path is not None:
        _write(found, path, fit.longest)
    record = _record(name, fit, found, along, path)

    def render() -> "list[Block]":
        from scaling_cli.reports import curve_prediction as curve_prediction_report

        return curve_prediction_report.blocks(
            found, full=chosen["full"], fit=fit, along=along, written=path
        )

    terminal.result(render, record)


def _checked(path: str | None) -> str | None:
    """Return the path, if its suffix says what to write.

    Raises
    ------
    UsageError
        If it does not.
    """
    from scaling_cli.vocabulary.errors import UsageError

    if path is not None and Path(path).suffix.lower() not in (TABLE, *FIGURES):
        raise UsageError(
            f"cannot write curves as {Path(path).name!r}.",
            hint=f"Use a name that ends in {', '.join((TABLE, *FIGURES))}.",
        )
    return path


def resolve(
    name: str | None, terminal: Terminal, what: str = "--schedule"
) -> "tuple[str, CurveFit]":
    """Return the fit of loss curves that was named, or ./fit.json, which is then said."""
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.vocabulary.errors import UsageError

    if name is None and not Path(DEFAULT_FILE).is_file():
        raise UsageError(
            f"{what} needs a fit of loss curves, and there is no ./{DEFAULT_FILE} here.",
            hint="Give --fit FILE, or a certified fit: "
            f"{', '.join(kinds.fit_names(of_curves=True))}.",
        )
    if name is None:
        terminal.say(f"fit: ./{DEFAULT_FILE}")
    found = name or DEFAULT_FILE
    return found, kinds.load(found, CurveFit)


def _size(texts: Sequence[str] | None) -> float | None:
    """Return the one model size asked for.

    Raises
    ------
    UsageError
        If there are several.
    """
    from scaling_cli.cli._inputs import read_list
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import N

    sizes = read_list(list(texts), N) if texts else []
    if len(sizes) > 1:
        raise UsageError("--params takes one model size with --schedule.")
    return float(sizes[0]) if len(sizes) else None


def _predictions(
    fit: "CurveFit", texts: Sequence[str], *, size: float | None, level: float
) -> "list[CurvePrediction]":
    """Return the curve along each schedule.

    Raises
    ------
    UsageError
        If a schedule is given twice or cannot be read.
    """
    from scaling_cli.vocabulary.errors import UsageError

    found = [fit.predict(text, N=size, level=level) for text in texts]
    written = [p.schedule.text() for p in found]
    twice = next((text for i, text in enumerate(written) if text in written[:i]), None)
    if twice is not None:
        raise UsageError(f"the schedule {twice} is given twice.")
    return found


def _along(
    fit: "CurveFit", found: "Sequence[CurvePrediction]", steps: str | None, every: int | None
) -> "list[CurvePrediction]":
    """Return predictions at the steps asked for; none if none are.

    Raises
    ------
    UsageError
        If both options are given, or a step lies outside every schedule.
    """
    import numpy as np

    from scaling_cli.cli._inputs import read_list
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import S

    if steps is None and every is None:
        return []
    if steps is not None and every is not None:
        raise UsageError("--steps and --every were both given.", hint="Give one of them.")
    if every is not None and every < 1:
        raise UsageError(f"--every must be at least 1 step, not {every}.")
    asked = [] if steps is None else read_list([steps], S)
    along = []
    for p in found:
        last = int(np.ceil(p.schedule.length))
        wanted = range(every, last + 1, every) if every else [s for s in asked if s <= last]
        if not len(wanted):
            raise UsageError(
                f"no step asked for lies on the schedule {p.schedule.text()}, of {last} steps."
            )
        along.append(fit.predict(p.schedule, list(wanted), N=p.params, level=p.level))
    return along


def _write(found: "Sequence[CurvePrediction]", path: str, longest: int) -> None:
    from scaling_cli.vocabulary.errors import UsageError

    if Path(path).suffix.lower() != TABLE:
        from scaling_cli import plots
        from scaling_cli.plots import schedules

        plots.save(plots.figure("schedules", schedules.of(found, longest)), path)
        return
    try:
        Path(path).write_text("\n".join(_lines(found)) + "\n", encoding="utf8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from error


def _lines(found: "Sequence[CurvePrediction]") -> list[str]:
    """Return the curves as CSV at full precision, one row per schedule and step."""
    lines = ["schedule,step,lr,loss,mean_low,mean_high,new_run_low,new_run_high"]
    for p in found:
        bands = [*(p.mean or ()), *(p.new_run or ())]
        for i in range(len(p.step)):
            ends = [repr(float(b[i])) for b in bands] or [""] * 4
            cells = [repr(float(p.rate[i])), repr(float(p.value[i])), *ends]
            lines.append(f'"{p.schedule.text()}",{int(p.step[i])},{",".join(cells)}')
    return lines


def _record(
    name: str,
    fit: "CurveFit",
    found: "Sequence[CurvePrediction]",
    along: "Sequence[CurvePrediction]",
    path: str | None,
) -> dict[str, Any]:
    """Return what `--json` prints: the ends, their differences, values along, whole curves."""
    from dataclasses import asdict

    from scaling_cli.artefacts._curve_prediction import compare

    predictions = [p.to_dict() for p in found]
    for p, record in zip(found[1:], predictions[1:], strict=True):
        record["difference"] = asdict(compare(found[0], p, fit.uncertainty))
    return {
        "fit": name,
        "law": fit.name_of_law,
        "tested": fit.uncertainty is not None and fit.uncertainty.schedule is not None,
        "method": None if fit.uncertainty is None else fit.uncertainty.method,
        "predictions": predictions,
        "along": [p.to_dict(i) for p in along for i in range(len(p.step))],
        "curves": [_curve(p) for p in found],
        "file": path,
    }


def _curve(p: "CurvePrediction") -> dict[str, Any]:
    return {
        "schedule": p.schedule.text(),
        "step": p.step.tolist(),
        "lr": p.rate.tolist(),
        "value": p.value.tolist(),
        "mean": None if p.mean is None else [band.tolist() for band in p.mean],
        "new_run": None if p.new_run is None else [band.tolist() for band in p.new_run],
    }
