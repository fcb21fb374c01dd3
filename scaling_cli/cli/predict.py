"""Predict the loss, with an interval, at points or along learning-rate schedules."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write
from scaling_cli.plots import SUFFIXES

if TYPE_CHECKING:
    from scaling_cli.artefacts.curve_fit import Along
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.cli._inputs import Grid

EXAMPLE = """
scaling predict --params 7B --tokens 1T
scaling predict --fit fit.json --params 1B,7B --compute 1e23
scaling predict --fit fit.json --points held_out.csv
scaling predict --params 4M --tokens 50M --save forecast.json
scaling predict --fit loss.json --then down.json --params 7B --tokens 140B
scaling predict --fit curves.json --points run.csv
scaling predict --fit curves.json \\
  --schedule constant:peak=3e-4,steps=24000 \\
  --schedule wsd:peak=3e-4,stable=0.8,steps=24000 -o compared.png
"""
ORDER = 40
TABLE, RECORD = ".csv", ".json"


@dataclass(frozen=True)
class AtPoints(options.Point):
    """Where a law of points predicts."""

    points: str | None = options.option(
        "FILE",
        "A CSV with the law's inputs (params,tokens or N,D); a loss column is compared. With a fit "
        "of loss curves, the log of a run: compared along --schedule, or the rates it logs.",
    )
    sparsity: str | None = options.option(
        "TEXT",
        "Of models pruned while they train: --params counts before 'final=.8,start=25%,end=75%' "
        "(of compute; unit=tokens says otherwise).",
    )


@dataclass(frozen=True)
class AlongSchedules:
    """What else a fit of loss curves is asked."""

    steps: list[float] | None = options.option(
        "S,S,...",
        "With --schedule: values at these steps too.",
        read=options.numbers("S", repeated=False),
    )
    every: int | None = options.option("STEPS", "With --schedule: a value every so many steps.")
    output: str | None = options.output(
        "With --schedule: the whole curves as .csv, or drawn as .png, .svg or .pdf."
    )


@dataclass(frozen=True)
class Predicting:
    """By which fit, along which schedules."""

    fit: str | None = options.fit_name()
    group: str | None = options.option(
        "NAME", "With a fit of groups (fit --by): the group that is meant, as --fit FILE#NAME."
    )
    schedule: list[str] | None = options.option(
        "TEXT|FILE",
        "With a fit of loss curves: predict along this schedule, or a table of step and lr; repeat "
        "it to compare.",
    )
    level: float = options.level()
    law: str | None = options.option("NAME", "With --alone: the law of the fit, for certainty.")
    alone: bool = options.option(
        "",
        "Forecast with the fitted law alone, not with the mean of several.",
        "--alone",
        default=False,
    )
    then: str | None = options.option(
        "FILE|NAME",
        "A fit of a law whose input is the loss (task_error, task_accuracy): its error or accuracy "
        "is predicted, through the forecast loss and the draws of both.",
        complete=options.complete(options.FITS),
    )
    save: str | None = options.option(
        "FILE",
        "Keep the prediction with its fit and date, as .json: 'scaling score FILE RUNS' later says "
        "whether it came true.",
    )


@options.command
def predict(
    how: Predicting, point: AtPoints, along: AlongSchedules, asking: options.Telling
) -> None:
    """Predict the loss, with an interval, at points or along learning-rate schedules.

    Two intervals are given: where the law's curve lies, and where one more run would land.
    Points beyond the data of the fit are marked with the factor by which they are. Along
    schedules, a fit of loss curves gives the end of each and its difference from the first.
    """
    from scaling_cli.vocabulary.errors import UsageError

    how = _of_group(how)
    along_curves = bool(how.schedule) or (point.points is not None and _is_of_curves(how))
    if along_curves and how.save is not None:
        raise UsageError(
            "--save keeps predictions at points, not along schedules.",
            hint="-o FILE.csv writes the curves.",
        )
    if along_curves and how.then is not None:
        raise UsageError("--then follows a law of points, not a fit of loss curves.")
    if point.points is not None and along_curves:
        _measured(how, point, along, asking)
        return
    if how.schedule:
        wrong = [option for option in asking.typed(point) if option != "--params"]
        if wrong:
            raise UsageError(
                f"--schedule and {' and '.join(wrong)} were both given.",
                hint="A fit of loss curves predicts along --schedule, a law of points at the "
                "others.",
            )
        _along(how, point, along, asking)
        return
    if wrong := asking.typed(along):
        raise UsageError(f"{' and '.join(wrong)} needs --schedule.")
    _at_points(how, point, asking)


def _of_group(how: Predicting) -> Predicting:
    """Return the same with the group as part of the fit's name."""
    if how.group is None:
        return how
    from scaling_cli.artefacts.grouped_fit import MARK
    from scaling_cli.verbs import _stored

    return replace(how, fit=f"{how.fit or _stored.default()[0]}{MARK}{how.group}")


def _is_of_curves(how: Predicting) -> bool:
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.verbs import _stored

    return isinstance(kinds.load(_stored.default()[0] if how.fit is None else how.fit), CurveFit)


def _measured(
    how: Predicting, point: AtPoints, along: AlongSchedules, asking: options.Telling
) -> None:
    """Compare a measured curve with what is predicted at its steps."""
    from scaling_cli.verbs import predict as verb
    from scaling_cli.vocabulary.errors import UsageError

    foreign = [o for o in (*asking.typed(point), *asking.typed(along)) if o != "--points"]
    if foreign:
        raise UsageError(f"{' and '.join(foreign)} has no place beside a measured curve.")
    if len(how.schedule or ()) > 1:
        raise UsageError("a measured curve followed one schedule: give --schedule once.")
    name = asking.curves_fit(how.fit, "--schedule")
    schedule = how.schedule[0] if how.schedule else None
    compared: Along = verb.predict(name, points=point.points, schedule=schedule, level=how.level)
    for item in compared.left_out:
        asking.terminal.say(f"{item.run}: {item.reason}, not compared")
    asking.tell(compared)


def _at_points(how: Predicting, point: AtPoints, asking: options.Telling) -> None:
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.verbs import _stored
    from scaling_cli.verbs import predict as verb

    path = writable(how.save, "a prediction", (RECORD,))
    name, told = _stored.default() if how.fit is None else (how.fit, "")
    if told:
        asking.terminal.say(told)
    fit = kinds.load(name, Fit)
    tasks = None if how.then is None else kinds.load(how.then, Fit)
    grid = _grid(fit.alone() if how.alone else fit, point, tasks, asking)
    inputs: dict[str, Any] = dict(grid.combined or grid.inputs)
    _refuse_other_law(how, fit)
    asked: dict[str, Any] = {"level": how.level, "alone": how.alone, "then": how.then}
    prediction = verb.predict(fit, measured=grid.measured, **asked, **inputs)
    if path is not None:
        kept = verb.kept(prediction, fit, name=name, then=tasks, command=asking.command)
        write(kept.to_json, path)
    asking.tell(prediction, {"fit": name, **({} if path is None else {"file": path})}, written=path)


def _refuse_other_law(how: Predicting, fit: "Fit") -> None:
    from scaling_cli.laws import name_of
    from scaling_cli.vocabulary.errors import UsageError

    own = name_of(fit.law)
    if how.law not in (None, own):
        raise UsageError(
            f"this fit is one of {own}, not of {how.law}.",
            hint=f"Fit it: scaling fit ... --law {how.law} --alone -o FILE.",
        )
    if how.law is not None and not how.alone:
        raise UsageError("--law needs --alone.", hint=f"Write --law {own} --alone.")


def _grid(fit: "Fit", point: AtPoints, tasks: "Fit | None", asking: options.Asking) -> "Grid":
    from scaling_cli.cli import _inputs
    from scaling_cli.vocabulary.errors import UsageError

    if point.points is None:
        return _in_force(fit, _reaching(fit, point)).grid(fit.law, asking)
    if typed := [option for option in point.named() if option != "--points"]:
        raise UsageError(
            f"--points and {' and '.join(typed)} were both given.",
            hint="A file of points holds all inputs; leave the others out.",
        )
    counted = fit.data.get("conventions")
    measured = fit.measured if tasks is None else tasks.target
    grid = _inputs.read_points(point.points, fit.law, measured, counted)
    options.echo(grid, asking)
    return grid


def _in_force(fit: "Fit", point: AtPoints) -> AtPoints:
    """Return the average sizes in place of those before pruning."""
    if point.sparsity is None:
        return point
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.pruning import parse_pruning
    from scaling_cli.vocabulary.quantities import N_AVERAGE

    schedule = parse_pruning(point.sparsity)
    if N_AVERAGE.symbol not in fit.law.inputs():
        law = "average_parameters"
        raise UsageError(
            "--sparsity needs a law of the average parameter count.",
            hint=f"Fit it: scaling fit ... --law {law} -o FILE.",
        )
    if not point.params:
        raise UsageError("--sparsity needs --params: the size before pruning.")
    return replace(point, params=[schedule.average(size) for size in point.params])


def _reaching(fit: "Fit", point: AtPoints) -> AtPoints:
    """Return the least compute in place of a loss that stands alone."""
    from scaling_cli.verbs.predict import compute_reaching

    if point.named() != ["--loss"] or "compute_for_loss" not in fit.law.derived_quantities():
        return point
    return replace(point, loss=[], compute=[compute_reaching(fit, x) for x in point.loss or ()])


def _along(how: Predicting, point: AtPoints, more: AlongSchedules, asking: options.Telling) -> None:
    """Predict along the schedules, write what was asked for, print the ends."""
    from scaling_cli.verbs import predict as verb

    path = writable(more.output, "curves", (TABLE, *SUFFIXES))
    name = asking.curves_fit(how.fit, "--schedule")
    compared: Along = verb.predict(
        name,
        schedule=how.schedule or (),
        steps=more.steps,
        every=more.every,
        level=how.level,
        N=point.params or (),
    )
    write(lambda path: _write(compared, path), path)
    asking.tell(compared, {"file": path}, written=path)


def _write(compared: "Along", path: str) -> None:
    if Path(path).suffix.lower() == TABLE:
        Path(path).write_text(compared.to_csv(), encoding="utf8")
        return
    from scaling_cli import plots
    from scaling_cli.plots import schedules

    table = schedules.of(compared.curves, compared.fit)
    plots.save(plots.figure("schedules", table), path)
