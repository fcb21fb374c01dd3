"""`scaling schedule --best`: which options apply, the search, the report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli import _predict_curves
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.reports._blocks import Block
    from scaling_cli.vocabulary.quantities import Quantity

OF_BEST = ("fit", "params", "peak", "low", "warmup", "knots", "level")
OF_LOGS = (
    "sources",
    "batch_tokens",
    "mapped",
    "constants",
    "meta",
    "name",
    "format",
)


def applies(context: typer.Context, best: bool) -> bool:
    """Return whether the best schedule is asked for, and refuse options of the other kind.

    Raises
    ------
    UsageError
        If options were typed that have no use, or there is nothing to do.
    """
    from scaling_cli.vocabulary.errors import UsageError

    wrong = options.given(context, OF_LOGS if best else OF_BEST)
    if wrong:
        named = " and ".join(wrong).replace("sources", "schedules and logs")
        raise UsageError(
            f"{named} cannot be used with --best." if best else f"{named} needs --best."
        )
    if best and context.params["steps"] is None:
        raise UsageError("--best needs the length of the run.", hint="Give --steps 24000.")
    if not best and not context.params["sources"]:
        raise UsageError(
            "no schedule and no log was given.",
            hint="Give FAMILY:option=value,..., a log, or --best --fit FILE --steps N.",
        )
    return best


def best(context: typer.Context, terminal: Terminal) -> None:
    """Search and print."""
    from scaling_cli.curve_fits.best_schedule import best_schedule
    from scaling_cli.vocabulary.quantities import LR, N, S

    chosen: Mapping[str, Any] = context.params
    name, fit = _predict_curves.resolve(chosen["fit"], terminal, what="--best")
    steps = _number(chosen["steps"], S)
    assert steps is not None
    with terminal.status("searching schedules"):
        found = best_schedule(
            fit,
            round(steps),
            peak=_number(chosen["peak"], LR),
            low=_number(chosen["low"], LR),
            warmup=_number(chosen["warmup"], S),
            params=_number(chosen["params"], N),
            knots=chosen["knots"],
            level=chosen["level"],
        )
    record = {"fit": name, **found.to_dict()}

    def render() -> "list[Block]":
        from scaling_cli.reports import best_schedule as best_schedule_report

        return best_schedule_report.blocks(found, fit=fit, full=chosen["full"])

    terminal.result(render, record)


def _number(text: str | None, quantity: "Quantity") -> float | None:
    from scaling_cli.vocabulary.quantities import parse_number

    return None if text is None else parse_number(text, quantity)
