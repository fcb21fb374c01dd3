"""The command line: `app`, whose commands are the files of this folder."""

from typing import Annotated

import typer

from scaling_cli.cli._commands import Commands
from scaling_cli.cli._registry import CONTEXT
from scaling_cli.cli._terminal import Terminal

BRIEF = """\
scaling: from training logs to a scaling law, a forecast and its interval.

  scaling fit runs/*.csv                        fit a law, write fit.json
  scaling predict --params 7B --tokens 1T       the loss there, with an interval

'scaling --help' lists the commands; 'scaling COMMAND --help' explains one.
"""

app = typer.Typer(
    cls=Commands,
    name="scaling",
    invoke_without_command=True,
    context_settings=CONTEXT,
    rich_markup_mode=None,  # plain help: it needs no import beyond Typer itself
    pretty_exceptions_enable=False,
    epilog="\b\nExample:\n  scaling fit runs/*.csv && scaling predict --params 7B --tokens 1T",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from scaling_cli._version import __version__

        print(f"scaling {__version__}")
        raise typer.Exit


@app.callback()
def scaling(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """From training logs to a scaling law, a forecast with an honest interval, and its checks."""
    del version
    if context.invoked_subcommand is None:
        Terminal().write(BRIEF)
