"""The command line in this process: what is typed, and what comes back."""

from typing import Any

from typer.testing import CliRunner, Result

from scaling_cli.cli import app


def run(*arguments: object, **options: Any) -> Result:
    """Return the exit code, standard output and standard error of `scaling ARGUMENTS`."""
    return CliRunner().invoke(app, [*map(str, arguments)], prog_name="scaling", **options)
