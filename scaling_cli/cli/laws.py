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
        "[NAME]", "One law; all without it.", complete=options.complete_law
    )


@options.command
def laws(which: Which, asking: options.Asking) -> None:
    """List the laws, or explain one: its equation, units, derived quantities, source and fits."""
    from scaling_cli.reports import laws as laws_report
    from scaling_cli.verbs import laws as verb

    record = verb.laws(which.name).to_dict()
    every = [*record["laws"], *record["curve_laws"], *record["learning_curves"]]
    asking.result(
        record,
        lambda style: (
            laws_report.catalogue(every, style=style)
            if which.name is None
            else laws_report.law(every[0], style=style)
        ),
    )
