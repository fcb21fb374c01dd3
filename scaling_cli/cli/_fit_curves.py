"""`scaling fit` where the law is one of loss curves: which options apply, and the work."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import write
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.reports._blocks import Block
    from scaling_cli.runs.table import Runs

AVERAGE = "average"
# Options of laws of points that mean nothing along curves, and those that mean nothing elsewhere.
OF_POINTS = (
    "at",
    "objective",
    "delta",
    "space",
    "tie",
    "weight",
    "prior",
    "bootstrap_kind",
    "cluster",
    "executor",
)
OF_CURVES = ("schedules", "warmup", "prior_strength", "start")
READING = ("mapped", "constants", "meta", "name", "format")


def applies(context: typer.Context, law: str) -> bool:
    """Return whether a law is one of loss curves, and refuse options of the other kind.

    Raises
    ------
    UsageError
        If options were typed that the law has no use for.
    """
    from scaling_cli import curve_laws
    from scaling_cli.vocabulary.errors import UsageError

    along = law == AVERAGE or law in curve_laws.names()
    wrong = options.given(context, OF_POINTS if along else OF_CURVES)
    if not wrong:
        return along
    named = " and ".join(wrong)
    if along:
        raise UsageError(
            f"{named} cannot be used with --law {law}, a law of loss curves: it is fitted to every "
            "logged step by the Huber loss (0.001) of ln loss.",
            hint="Its options: --target, --where, --start, --schedule, --warmup, --fix, "
            "--prior-strength, --bootstrap, --seed, --level.",
        )
    raise UsageError(
        f"{named} is for laws of loss curves; {law} sees no schedule.",
        hint=f"Laws of loss curves: {', '.join((AVERAGE, *curve_laws.names()))}.",
    )


def fit(context: typer.Context, terminal: Terminal, path: str | None) -> None:
    """Read the runs, fit the law to their curves, write the fit and print the report."""
    chosen: Mapping[str, Any] = context.params
    runs = read(chosen["sources"], terminal, **{name: chosen[name] for name in READING})
    with terminal.status(f"fitting {chosen['law']} to curves, leaving out each schedule, draws"):
        _cache.enable()
        found = _fitted(context, runs)
    written = write(found.to_json, path)

    def render() -> "list[Block]":
        from scaling_cli.reports import curve_fit as curve_fit_report

        return curve_fit_report.blocks(
            found, full=chosen["full"], sources=chosen["sources"], written=written
        )

    terminal.result(render, found.to_dict())


def _fitted(context: typer.Context, runs: "Runs") -> "CurveFit":
    from dataclasses import asdict, replace

    from scaling_cli.curve_fits import fitting
    from scaling_cli.runs.curves import curves_of
    from scaling_cli.runs.table import default_target

    chosen: Mapping[str, Any] = context.params
    by_run, otherwise = schedules_of(chosen["schedules"])
    curves, left = curves_of(
        runs,
        target=chosen["target"],
        where=chosen["where"],
        schedules=by_run,
        otherwise=otherwise,
        start=chosen["start"],
    )
    draws = chosen["bootstrap"] if options.given(context, ["bootstrap"]) else fitting.DRAWS
    found = fitting.fit_curves(
        curves,
        law=chosen["law"],
        warmup=chosen["warmup"],
        fix=options.numbers(chosen["fix"]),
        prior=_strength(chosen["prior_strength"]),
        bootstrap=draws,
        seed=chosen["seed"],
        level=chosen["level"],
        left_out=left,
        command=options.command_line(context),
    )
    files = runs.sources.select(["uri", "sha256"]).to_pylist()
    data = {
        "sources": [{"path": row["uri"], "sha256": row["sha256"]} for row in files],
        "target": chosen["target"] or default_target(runs),
        "reading": [asdict(note) for note in runs.notes],
    }
    selection = {key: chosen[key] for key in ("target", "where", "start")}
    return replace(found, data={**found.data, **data}, selection={**found.selection, **selection})


def _strength(text: str) -> float | str:
    from scaling_cli.vocabulary.quantities import parse_number

    return text if text == "auto" else parse_number(text)


def schedules_of(texts: list[str] | None) -> tuple[dict[str, str], str | None]:
    """Return schedules by run, and the one of all runs that log none.

    Raises
    ------
    UsageError
        If one is neither TEXT nor RUN=TEXT, or is given twice.
    """
    from scaling_cli.schedules import is_text, parse_schedule
    from scaling_cli.vocabulary.errors import UsageError

    by_run: dict[str, str] = {}
    otherwise: str | None = None
    for text in texts or ():
        run, equals, rest = text.partition("=")
        run = "" if is_text(text) else run.strip()
        schedule = text if not run else rest.strip()
        if not is_text(text) and not (run and equals and is_text(schedule)):
            raise UsageError(
                f"cannot read {text!r} for --schedule.",
                hint="Write --schedule TEXT or --schedule RUN=TEXT, such as "
                "cosine:peak=3e-4,warmup=2000,steps=24000.",
            )
        parse_schedule(schedule)
        if run in by_run or (not run and otherwise is not None):
            raise UsageError(f"--schedule is given twice for {run or 'runs that log none'}.")
        if run:
            by_run[run] = schedule
        else:
            otherwise = schedule
    return by_run, otherwise
