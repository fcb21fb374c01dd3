"""List the laws, or explain one: its equation, units, derived quantities, source and fits."""

from dataclasses import dataclass

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling laws
scaling laws chinchilla
"""
ORDER = 60


@dataclass(frozen=True)
class Which:
    """Which law."""

    name: str | None = options.argument(
        "[NAME]",
        "One law; all without it.",
        complete=options.complete("verbs.fit.laws", "learning_curves.names"),
    )


@options.command
def laws(which: Which, asking: options.Telling) -> None:
    """List the laws, or explain one: its equation, units, derived quantities, source and fits."""
    from scaling_cli.reports import laws as laws_report
    from scaling_cli.verbs import laws as verb

    record = verb.laws(which.name).to_dict()
    every = [*record["laws"], *record["curve_laws"], *record["learning_curves"]]
    if which.name is None:
        asking.result(record, lambda: laws_report.blocks(record, full=asking.full))
    elif len(every) == 1:
        asking.result(record, lambda: laws_report.law(every[0]))
    else:
        asking.result(record, lambda: laws_report.average(every))
