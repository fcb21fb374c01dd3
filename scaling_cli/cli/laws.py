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
    from scaling_cli.verbs import laws as verb

    asking.tell(verb.laws(which.name))
