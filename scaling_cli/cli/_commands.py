"""The group `scaling`: its commands, and the one place where errors become exit codes."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from scaling_cli.cli import _exits
from scaling_cli.cli._registry import get, in_order, names, summary
from scaling_cli.vocabulary.errors import guess

BROKEN_PIPE = 141  # what a shell reports for a process ended by SIGPIPE


class Commands(TyperGroup):
    """The group `scaling`: finds its commands in the folder and ends with the right exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(in_order())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by name, or None."""
        del ctx
        return get(cmd_name) if cmd_name in names() else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without building any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in in_order()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; for a name that is none, suggest near ones."""
        if args[0] not in names() and not args[0].startswith("-"):
            near = guess(args[0], names(), cutoff=0.5)
            ctx.fail(f"there is no command {args[0]!r}. {near}Commands: {', '.join(in_order())}.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a reader that went away (`scaling runs | head`) is no error."""
        try:
            value = super().invoke(ctx)
            sys.stdout.flush()
            return value
        except BrokenPipeError:
            # What is still buffered must not be written again when Python exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit. The only place where errors become messages and exit codes."""
        del standalone_mode
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(
                arguments,
                prog_name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                obj={"arguments": arguments},
                **extra,
            )
        except Exception as error:
            code = _exits.report(error, arguments)
        sys.exit(code if isinstance(code, int) else 0)
