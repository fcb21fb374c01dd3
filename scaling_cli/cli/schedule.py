"""Show what a learning-rate schedule is, or which one a log followed and how surely."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _best_schedule
from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.schedules._identification import Identification
    from scaling_cli.schedules._schedule import Schedule

EXAMPLE = """
scaling schedule wsd:peak=3e-4,warmup=2160,stable=0.8,decay=linear,min=3e-5,steps=24000
scaling schedule run.csv --map lr=optim/lr
scaling schedule --best --fit curves.json --steps 24000
"""
ORDER = 25


def schedule(
    context: typer.Context,
    *,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT|SRC...",
            help="Schedules as FAMILY:option=value,..., or logs with a learning rate.",
            show_default=False,
        ),
    ] = None,
    batch_tokens: Annotated[
        str | None, typer.Option(metavar="N", help="Tokens of a step: --batch-tokens 512k.")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Length of the logged runs, where logs stop early; with --best, of "
            "the planned one.",
        ),
    ] = None,
    best: Annotated[
        bool,
        typer.Option("--best", help="Which schedule of --steps ends lowest by a fit of curves."),
    ] = False,
    fit: options.FitName = None,
    params: Annotated[
        str | None, typer.Option(metavar="N", help="With --best: size, for a fit of several.")
    ] = None,
    peak: Annotated[
        str | None, typer.Option(metavar="LR", help="With --best: highest rate, as fitted or less.")
    ] = None,
    low: Annotated[
        str | None,
        typer.Option("--min", metavar="LR", help="With --best: lowest rate, as fitted or more."),
    ] = None,
    warmup: Annotated[
        str | None, typer.Option(metavar="N", help="With --best: warm-up, of one fitted run.")
    ] = None,
    knots: Annotated[
        int,
        typer.Option(metavar="K", help="With --best: also any rate of K straight stretches."),
    ] = 0,
    level: options.ConfidenceLevel = 0.9,
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
    """Show what a learning-rate schedule is, or which one a log followed and how surely.

    A number below 1 is a share of the run; tokens= in place of steps= makes a schedule over
    tokens; + joins schedules. A log is compared with every family of schedules. With --best,
    the shape, length and end of the decay that a fit of loss curves says ends lowest, inside the
    regime that it was fitted in.
    """
    del debug, fit, params, peak, low, warmup, knots, level
    if _best_schedule.applies(context, best):
        _best_schedule.best(context, Terminal(json=json, quiet=quiet))
        return
    sources = sources or []
    from scaling_cli import schedules
    from scaling_cli.reports import schedule as schedule_report
    from scaling_cli.vocabulary.quantities import B_TOKENS, S, parse_number

    terminal = Terminal(json=json, quiet=quiet)
    batch = None if batch_tokens is None else parse_number(batch_tokens, B_TOKENS)
    length = None if steps is None else parse_number(steps, S)
    texts = [source for source in sources if schedules.is_text(source)]
    records = [describe(schedules.parse_schedule(text), batch) for text in texts]
    left: list[dict[str, str]] = []
    if logs := [source for source in sources if source not in texts]:
        from scaling_cli.cli._reading import read
        from scaling_cli.runs.curves import identify_runs

        runs = read(
            logs, terminal, mapped=mapped, constants=constants, meta=meta, name=name, format=format
        )
        found, missing = identify_runs(runs, length=length)
        records += [
            describe(i.schedule, batch, run=run, identification=i) for run, i in found.items()
        ]
        left = [{"run": item.run, "reason": item.reason} for item in missing]
    record = {"schedules": records, "left_out": left}
    terminal.result(lambda: schedule_report.blocks(record, full=full), record)


def describe(
    schedule: "Schedule",
    batch_tokens: float | None,
    *,
    run: str | None = None,
    identification: "Identification | None" = None,
) -> dict[str, Any]:
    """Return what `scaling schedule --json` prints of one schedule.

    `area` is S1, the learning rate summed over the steps of the run; None for a schedule over
    tokens of which the tokens of a step are not known.
    """
    from dataclasses import asdict

    stepped = schedule
    if batch_tokens is not None:
        stepped = schedule.in_steps(batch_tokens)
    known = stepped.unit == "steps"
    tokens = schedule.length if schedule.unit == "tokens" else None
    if tokens is None and batch_tokens is not None:
        tokens = schedule.length * batch_tokens
    return {
        "run": run,
        "text": schedule.text(),
        "family": schedule.title,
        "unit": schedule.unit,
        "steps": stepped.length if known else None,
        "tokens": tokens,
        "batch_tokens": batch_tokens,
        "peak": schedule.highest,
        "last": schedule.phases()[-1].last,
        "area": float(stepped.per_step().sum()) if known else None,
        "phases": [asdict(phase) for phase in schedule.phases()],
        "identification": None if identification is None else _identified(identification),
    }


def _identified(found: "Identification") -> dict[str, Any]:
    return {
        "verdict": str(found.verdict),
        "misfit": found.misfit,
        "within": found.within,
        "rounding": found.rounding,
        "shift": found.shift,
        "rows": found.rows,
        "rivals": [
            {"text": r.schedule.text(), "misfit": r.misfit, "within": r.within, "apart": r.apart}
            for r in found.rivals
        ],
        "notes": list(found.notes),
    }
