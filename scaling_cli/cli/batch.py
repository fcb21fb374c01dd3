"""The critical batch: fit it to runs at several batch sizes; what a loss costs at any batch."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.batch_fit import BatchFit

EXAMPLE = """
scaling batch sweep/*.csv --meta sweep.csv -o batch.json
scaling batch --fit batch.json --target-loss 2.9,2.8 --batch-tokens 256k,1M
scaling batch --params 1B --target-loss 2.5
"""
ORDER = 46
PUBLISHED = "kaplan_ns/kaplan-2020-headline,critical_batch/kaplan-2020"

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SRC...",
        help="Logs of runs at several batch sizes: files, folders, globs, a store, or -.",
        show_default=False,
    ),
]
FitName = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="FILE",
        help="A file that this command wrote with -o, or two certified fits, of kaplan_ns and of "
        "critical_batch, with a comma between. Default: Kaplan et al. 2020.",
    ),
]
Params = Annotated[str | None, typer.Option(metavar="N", help="Model parameters: 1B.")]
Losses = Annotated[
    list[str] | None,
    typer.Option("--target-loss", metavar="L", help="Losses to reach: 2.5, or 2.9,2.8."),
]
Batches = Annotated[
    list[str] | None,
    typer.Option(
        "--batch-tokens",
        metavar="B",
        help="Tokens per step: 256k,1M. Default: around the critical batch.",
    ),
]
StepsAsked = Annotated[
    list[str] | None,
    typer.Option("--steps", metavar="S", help="Steps at which the loss is wanted: 1k,10k."),
]
Start = Annotated[
    int | None,
    typer.Option(metavar="STEP", help="First step to take. Default: the end of the warm-up."),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to write the fit."),
]


def batch(
    *,
    context: typer.Context,
    sources: Sources = None,
    fit: FitName = None,
    params: Params = None,
    losses: Losses = None,
    batches: Batches = None,
    steps: StepsAsked = None,
    target: options.Target = None,
    start: Start = None,
    level: options.ConfidenceLevel = 0.9,
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
    """Fit the critical batch to runs at several batch sizes; say what a loss costs at any batch.

    At the critical batch a loss takes twice the fewest steps and twice the fewest tokens: larger
    batches buy little time, smaller ones little compute. The theory is one of constant learning
    rates, tuned at each batch.
    """
    del debug
    from scaling_cli.cli import _batch
    from scaling_cli.reports import batch_fit as batch_fit_report

    terminal = Terminal(json=json, quiet=quiet)
    asked = _batch.asked(params, losses, batches, steps)
    path = writable(output)
    if sources:
        _batch.refuse_both(fit)
        runs = read(
            sources,
            terminal,
            mapped=mapped,
            constants=constants,
            meta=meta,
            name=name,
            format=format,
        )
        found = _fit(runs, terminal, target, start, options.command_line(context))
    else:
        _batch.refuse_output(path)
        found = _batch.resolve(fit, terminal, PUBLISHED)
        _batch.refuse_nothing(asked)
    record = _batch.answer(found, asked, level)
    if path is not None:
        found.to_json(path)
    shown: dict[str, Any] = {
        "fit": found.to_dict() if sources else None,
        **record,
    }
    terminal.result(
        lambda: batch_fit_report.blocks(
            found if sources else None, full=full, record=record, written=path
        ),
        shown,
    )


def _fit(
    runs: Any, terminal: Terminal, target: str | None, start: int | None, command: str
) -> "BatchFit":
    from dataclasses import replace

    from scaling_cli.batch_fits.levels import batch_runs_of
    from scaling_cli.runs.table import default_target

    with terminal.status("fitting the critical batch"):
        _cache.enable()
        from scaling_cli.batch_fits.fitting import fit_batches

        curves, left = batch_runs_of(runs, target=target, start=start)
        found = fit_batches(curves, left_out=left)
    selection = {"target": target or default_target(runs), "start": start}
    return replace(found, selection=selection, command=command)
