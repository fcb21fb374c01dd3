"""Fit a law to runs, test it on runs held back, and write a fit file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import drawable, writable, write
from scaling_cli.vocabulary.shipped import DEFAULT_FILE

if TYPE_CHECKING:
    from scaling_cli.artefacts.fit import Fit

EXAMPLE = """
scaling fit runs/*.csv -o fit.json
scaling fit runs.csv --where 'tokens > 1e9' --fix E=1.6
scaling fit runs.csv --prior alpha=0.35+-0.05 --weight precision
scaling fit logs/ --name '{params}_{tokens}' --at last:5 --law kaplan_nd
scaling fit runs.csv --by optimizer --shared exponents -o by.json
scaling fit curves/*.csv --schedule cosine:peak=3e-4,warmup=2000,steps=24000
"""
ORDER = 30


@dataclass(frozen=True)
class Writing:
    """How often a fit is repeated, and where it goes."""

    bootstrap: int | None = options.option(
        "N",
        "Bootstrap refits; 0 for none, and intervals by the delta method. Default: 1000, "
        "of loss curves 100.",
    )
    output: str | None = options.output(
        f"Where to write the fit. Default: {DEFAULT_FILE}; with --json, nowhere."
    )
    draw: bool = options.option(
        "", "Draw it in the terminal too (the extra `term`).", "--draw", default=False
    )


@dataclass(frozen=True)
class Refitted(options.OfPoints):
    """How a law of points is fitted, and how its runs are drawn."""

    bootstrap_kind: str = options.option(
        "pairs|wild",
        "Draw runs with replacement, or keep them and draw the signs of their residuals.",
        default="pairs",
    )
    cluster: str = options.option(
        "run|config",
        "What is drawn together: the rows of a run, or also runs of equal inputs (seeds).",
        default="run",
    )

    def asked(self, asking: options.Asking) -> dict[str, Any]:
        """Return the options of a fit of points."""
        drawn = {"bootstrap_kind": self.bootstrap_kind, "cluster": self.cluster}
        return super().asked(asking) | drawn


@dataclass(frozen=True)
class Grouping:
    """Which groups of runs have a law of their own, and what they share."""

    by: str | None = options.option(
        "COLUMN", "Fit the law to each group of runs: those with one value in this column."
    )
    shared: str | None = options.option(
        "exponents|factors|auto|NAME,...",
        "With --by: fit groups at once with these parameters in common; auto: by forecasts of the "
        "dearest runs, held back.",
    )
    through: dict[str, str] | None = options.option(
        "NAME=LAW",
        "With --by: a law of this parameter over the groups, which are numbers: "
        "--by params --through E=power_law is the limit of limits.",
        read=options.pairs("through", "NAME=LAW, such as --through E=power_law"),
    )


@options.command
def fit(
    *,
    given: options.Sources,
    grouping: Grouping,
    fitting: options.Fitting,
    points: Refitted,
    curves: options.OfCurves,
    writing: Writing,
    reading: options.Reading,
    asking: options.Telling,
) -> None:
    """Fit a law to runs, test it on runs held back, and write a fit file.

    Prints what was read and left out, a forecast at ten times the largest run, the parameters,
    the backtest and the checklist. Without a usable fit nothing is written and the exit code
    is 4. Loss curves of one model get a law of loss curves, fitted to every logged step of a few
    runs that differ in their schedules.
    """
    path = writable(writing.output or (None if asking.json else DEFAULT_FILE))
    from scaling_cli.verbs import fit as verb

    if writing.draw:
        drawable(json=asking.json)
    law, seen = fitting.law or verb.DEFAULT, ""
    known = bool(fitting.law or asking.typed(points))
    if known:  # before anything is read
        _kind(law, points, curves, asking)
    runs = reading.read(given.sources, asking)
    if not known:
        law, seen = verb.law_of(runs, curves.schedules)
    along = _kind(law, points, curves, asking)
    if writing.draw:
        _one_of_points(along or grouping.by is not None)
    asked = {**vars(fitting), **vars(grouping), **(vars(curves) if along else points.asked(asking))}
    if writing.bootstrap is not None:
        asked["bootstrap"] = writing.bootstrap
    points.announce(asking)
    with asking.terminal.status(f"fitting {law}, refits, backtest"):
        _cache.enable()
        fitted = verb.fit(runs, command=asking.command, **asked)
    if grouping.by is None:
        _require_usable(fitted, given.sources, asking)
    if seen and grouping.by is None:
        asking.terminal.say(verb.seen_as(fitted, seen))
    written = write(fitted.to_json, path)
    asking.tell(fitted, sources=given.sources, written=written)
    if writing.draw:
        asking.terminal.write(f"\n{_letters(fitted)}")


def _kind(law: str, points: Refitted, curves: options.OfCurves, asking: options.Telling) -> bool:
    """Say whether a law is one of loss curves; refuse options of the other kind."""
    from scaling_cli.verbs import fit as verb

    along = verb.is_of_curves(law)
    if foreign := asking.typed(points if along else curves):
        raise verb.of_other_kind(law, foreign)
    return along


def _one_of_points(other: bool) -> None:
    """Refuse to draw in the terminal what is no single fit of points.

    Raises
    ------
    UsageError
        If it is not.
    """
    from scaling_cli.vocabulary.errors import UsageError

    if other:
        raise UsageError(
            "--draw draws one fit of points.", hint="Leave it out: scaling plot FIT draws others."
        )


def _letters(fitted: "Fit") -> str:
    """Return the runs and the law, drawn in letters."""
    from scaling_cli import plots
    from scaling_cli.plots import _term

    return _term.losses(plots.get("loss").table(fitted))


def _require_usable(fit: "Fit", sources: list[str], asking: options.Asking) -> None:
    """Refuse a fit that is none, after showing everything that is known about it.

    Raises
    ------
    FitError
        With the failed checks as its message.
    """
    from scaling_cli.artefacts.fit import UNUSABLE
    from scaling_cli.reports import fit as fit_report
    from scaling_cli.vocabulary.errors import FitError
    from scaling_cli.vocabulary.outcomes import Level

    failed = [c for c in fit.checks if c.level is Level.FAIL and c.code in UNUSABLE]
    if not failed:
        return
    if not asking.json:
        asking.terminal.report(fit_report.refusal(fit, sources=sources))
    reasons = " ".join(f"{check.code}: {check.message}" for check in failed)
    raise FitError(f"no usable fit, nothing was written. {reasons}")
