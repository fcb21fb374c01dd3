"""Hold the largest runs back, refit, forecast them, and say how good the forecasts were."""

from typing import TYPE_CHECKING, Annotated

import typer

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.backtest import Backtest
    from scaling_cli.runs.table import Runs

EXAMPLE = """
scaling backtest runs/*.csv
scaling backtest runs.csv --law kaplan_nd --on params --cuts 100M,1B
scaling backtest runs.csv --cuts rolling -o backtest.png
"""
ORDER = 35
RECORD = ".json"

On = Annotated[
    str,
    typer.Option(
        metavar="compute|params|tokens",
        help="What is large: the axis along which runs are held back.",
    ),
]
CutsText = Annotated[
    str | None,
    typer.Option(
        "--cuts",
        metavar="CUTS",
        help="A number of cuts; the largest values to fit (1e20,1e21); or rolling: each level "
        "forecast from all below it. Default: the cuts that every fit is tested by.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--plot",
        "-o",
        metavar="FILE",
        help="Draw the errors (.png, .svg, .pdf), or write the numbers (.json).",
    ),
]
Bootstrap = Annotated[
    int | None, typer.Option(metavar="N", help="As for fit, but nothing here depends on it.")
]


def backtest(
    *,
    context: typer.Context,
    sources: options.Sources,
    law: options.Law = "chinchilla",
    on: On = "compute",
    cuts: CutsText = None,
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
    bootstrap: Bootstrap = None,
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
    """Hold the largest runs back, refit, forecast them, and say how good the forecasts were.

    Every cut is treated as if its runs were all there is: what is scored is the interval that
    'scaling predict' would have printed, with the drift that was learned from those runs alone.
    If no cut leaves enough to fit, the exit code is 4.
    """
    del debug, objective, delta, space

    terminal = Terminal(json=json, quiet=quiet)
    path = _named(writable(output))
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
        "on": on,
        "seed": seed,
        "level": level,
        "executor": executor,
        "command": options.command_line(context),
    }
    if bootstrap is not None:
        terminal.say("--bootstrap: nothing in a backtest depends on it")
    _cache.enable()
    from scaling_cli.point_fits.cuts import read_cuts

    wanted = None if cuts is None else read_cuts(cuts, law, on)
    runs = read(
        sources, terminal, mapped=mapped, constants=constants, meta=meta, name=name, format=format
    )
    options.announce(executor, terminal)
    with terminal.status(f"backtest of {law} along {on}"):
        from scaling_cli.point_fits import backtesting

        found = _with_reading(backtesting.backtest(runs, cuts=wanted, **chosen), runs)
    written = _write(found, path)
    from scaling_cli.reports import backtest as backtest_report

    terminal.result(
        lambda: backtest_report.blocks(found, full=full, sources=sources, written=written),
        found.to_dict(),
    )


def _with_reading(found: "Backtest", runs: "Runs") -> "Backtest":
    """Return the backtest with what reading noticed: rows dropped, lines cut, facts assumed."""
    from dataclasses import asdict, replace

    return replace(found, data={**found.data, "reading": [asdict(note) for note in runs.notes]})


def _named(path: str | None) -> str | None:
    """Refuse, before the work, a file that is neither a figure nor JSON.

    Raises
    ------
    UsageError
        If the suffix is none of these.
    """
    from pathlib import Path

    from scaling_cli import plots
    from scaling_cli.vocabulary.errors import UsageError

    known = (*plots.SUFFIXES, RECORD)
    if path is not None and Path(path).suffix.lower() not in known:
        raise UsageError(
            f"cannot write a backtest as {Path(path).name!r}.",
            hint=f"Use a name that ends in {', '.join(known)}.",
        )
    return path


def _write(found: "Backtest", path: str | None) -> str | None:
    """Draw the figure or write the numbers; return where."""
    from scaling_cli import plots
    from scaling_cli.vocabulary.errors import UsageError

    if path is None:
        return None
    try:
        if path.lower().endswith(RECORD):
            found.to_json(path)
        else:
            plots.save(plots.figure("backtest", plots.get("backtest").table(found)), path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from error
    return path
