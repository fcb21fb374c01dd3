"""Fit a law to runs, test it on runs held back, and write a fit file."""

from typing import TYPE_CHECKING, Annotated

import typer

from scaling_cli.cli import _cache, _fit_curves
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.runs.table import Runs

EXAMPLE = """
scaling fit runs/*.csv -o fit.json
scaling fit runs.csv --where 'tokens > 1e9' --fix E=1.6
scaling fit runs.csv --prior alpha=0.35+-0.05 --weight precision
scaling fit logs/ --name '{params}_{tokens}' --at last:5 --law kaplan_nd
scaling fit curves/*.csv --law average --schedule cosine:peak=3e-4,warmup=2000,steps=24000
"""
ORDER = 30
DEFAULT_FILE = "fit.json"
# Checks whose failure means that there is no fit; other failures forbid a use of it, and say which.
UNUSABLE = {"fit.convergence"}

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help=f"Where to write the fit. Default: {DEFAULT_FILE}; with --json, nowhere.",
    ),
]


def fit(
    *,
    context: typer.Context,
    sources: options.Sources,
    law: options.Law = "chinchilla",
    target: options.Target = None,
    where: options.Where = None,
    at: options.At = "final",
    objective: options.ObjectiveName = "huber",
    delta: options.Delta = 1e-3,
    space: options.Space = "log",
    fix: options.Fix = None,
    tie: options.Tie = None,
    weight: options.Weight = None,
    prior: options.Prior = None,
    bootstrap: options.Bootstrap = 1000,
    bootstrap_kind: options.BootstrapKind = "pairs",
    cluster: options.Cluster = "run",
    schedules: options.RunSchedules = None,
    warmup: options.Warmup = None,
    prior_strength: options.PriorStrength = "1",
    start: options.Start = None,
    seed: options.Seed = 0,
    level: options.ConfidenceLevel = 0.9,
    executor: options.ExecutorName = "serial",
    output: Output = None,
    mapped: options.Map = None,
    constants: options.Set = None,
    meta: options.Meta = None,
    name: options.Name = None,
    format: options.Format = None,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fit a law to runs, test it on runs held back, and write a fit file.

    Prints what was read and left out, a forecast at ten times the largest run, the parameters,
    the backtest and the checklist. Without a usable fit nothing is written and the exit code
    is 4. A law of loss curves, or their average, is fitted to every logged step of a few runs
    that differ in their schedules.
    """
    del debug, objective, delta, space, schedules, warmup, prior_strength, start
    from scaling_cli.reports import fit as fit_report

    terminal = Terminal(json=json, quiet=quiet)
    path = writable(output or (None if json else DEFAULT_FILE))
    if _fit_curves.applies(context, law):
        _fit_curves.fit(context, terminal, path)
        return
    chosen = {
        "law": law,
        "target": target,
        "where": where,
        "at": at,
        "objective": options.objective(context),
        "fix": options.numbers(fix),
        "tie": options.pairs(tie, "tie"),
        "weights": weight,
        "prior": options.pairs(prior, "prior"),
        "bootstrap": bootstrap,
        "bootstrap_kind": bootstrap_kind,
        "cluster": cluster,
        "seed": seed,
        "level": level,
        "executor": executor,
        "command": options.command_line(context),
    }
    runs = read(
        sources, terminal, mapped=mapped, constants=constants, meta=meta, name=name, format=format
    )
    options.announce(executor, terminal)
    with terminal.status(f"fitting {law}, {bootstrap} bootstrap refits, backtest"):
        _cache.enable()
        from scaling_cli.point_fits import fitting

        found = _with_reading(fitting.fit(runs, **chosen), runs)
    _require_usable(found, sources, terminal)
    written = write(found.to_json, path)
    terminal.result(
        lambda: fit_report.blocks(found, full=full, sources=sources, written=written),
        found.to_dict(),
    )


def _with_reading(fit: "Fit", runs: "Runs") -> "Fit":
    """Return the fit with what reading noticed: rows dropped, lines cut, facts assumed."""
    from dataclasses import asdict, replace

    return replace(fit, data={**fit.data, "reading": [asdict(note) for note in runs.notes]})


def _require_usable(fit: "Fit", sources: list[str], terminal: Terminal) -> None:
    """Refuse a fit that is none, after showing everything that is known about it.

    Raises
    ------
    FitError
        With the failed checks as its message.
    """
    from scaling_cli.reports import fit as fit_report
    from scaling_cli.vocabulary.errors import FitError
    from scaling_cli.vocabulary.outcomes import Level

    failed = [c for c in fit.checks if c.level is Level.FAIL and c.code in UNUSABLE]
    if not failed:
        return
    if not terminal.json:
        terminal.report(fit_report.refusal(fit, sources=sources))
    reasons = " ".join(f"{check.code}: {check.message}" for check in failed)
    raise FitError(f"no usable fit, nothing was written. {reasons}")
