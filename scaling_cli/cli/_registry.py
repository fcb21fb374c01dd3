"""The registry of commands: a folder is the list, a file is a command, loaded when it is used.

A command file `cli/<name>.py` starts with a sentence (its line in `scaling --help`), defines a
function `<name>` (or, for a command with parts, a Typer `app`), and may set `EXAMPLE` (shown in
its help and after a mistake) and `ORDER` (its place in the list). Its top stays light: whatever
is slow to import is imported inside the function.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command as build

from scaling_cli.cli import _defaults
from scaling_cli.cli._terminal import Terminal
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.registry import Modules

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


_COMMANDS = Modules(__package__ or "", "command")
names, load = _COMMANDS.names, _COMMANDS.module


@cache
def in_order() -> tuple[str, ...]:
    """Return the commands in the order of work, as the help lists them."""
    return tuple(sorted(names(), key=lambda name: (getattr(load(name), "ORDER", 90), name)))


def summary(name: str) -> str:
    """Return the first sentence of a command's file."""
    return (load(name).__doc__ or "").split("\n")[0]


@cache
def get(name: str) -> Any:
    """Return a command, built by Typer from its file."""
    module = load(name)
    if hasattr(module, "app"):
        return build(module.app)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    declare = alone.command(name, cls=Command, context_settings=CONTEXT, epilog=epilog(module))
    declare(getattr(module, name))
    return build(alone)


def epilog(module: ModuleType) -> str | None:
    """Return the example under a command's help, kept line by line."""
    example = getattr(module, "EXAMPLE", None)
    return None if example is None else "\b\nExample:\n" + indent(example)


def indent(text: str) -> str:
    """Indent every line by two spaces."""
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


class Command(TyperCommand):
    """A command that is strict about repeated options, and shows arguments as they are typed.

    In its usage line stands `SRC...`, not `{SRC...}...`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; an option of one value given twice is refused, none is lost."""
        typed = list(args)
        asks = not ctx.resilient_parsing and not {*CONTEXT["help_option_names"]} & {*args}
        file = _defaults.place() if asks and ctx.info_name in names() else None
        if file is not None:
            repeated = {p.name: p.multiple for p in self._options()}
            ctx.default_map = _defaults.of_command(file, ctx.info_name, repeated, _every())
        rest = super().parse_args(ctx, args)  # first, as --help goes before any refusal
        if file is not None:
            _tell(ctx, file)
        if not ctx.resilient_parsing:
            _refuse_repeats(ctx.command_path, self.make_parser(ctx).parse_args(args=typed)[2])
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name in its usage line."""
        del ctx
        return ["[OPTIONS]", *(str(argument.metavar) for argument in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the options."""
        arguments = [(str(a.metavar), str(a.help)) for a in self._arguments()]
        options = [
            p.get_help_record(ctx) for p in self.get_params(ctx) if p not in self._arguments()
        ]
        for title, records in (("Arguments", arguments), ("Options", options)):
            if records:
                with formatter.section(title):
                    formatter.write_dl([record for record in records if record is not None])

    def _arguments(self) -> list[Any]:
        return [p for p in self.params if p.param_type_name == "argument"]

    def _options(self) -> list[Any]:
        return [p for p in self.params if p.param_type_name == "option"]


def _every() -> dict[str, Callable[[], list[str]]]:
    """Return all commands with what returns the options of each; built when that is asked."""
    return {name: partial(_option_names, name) for name in names()}


def _option_names(name: str) -> list[str]:
    """Return the options of a command; one with parts has none of its own."""
    return [str(p.name) for p in get(name).params if p.param_type_name == "option"]


def _tell(ctx: Any, file: Path) -> None:
    """Say which defaults of a file count, and let them be part of the command line."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.default_map}
    own = {n: ctx.default_map[n] for n, s in sources.items() if s and s.name == "DEFAULT_MAP"}
    if words := _defaults.typed({n: v for n, v in own.items() if v is not False}):
        ctx.obj["arguments"] += words
        Terminal(quiet=bool(ctx.params.get("quiet"))).say(_defaults.sentence(file, words))


def _refuse_repeats(command: str, order: Sequence[Any]) -> None:
    """Refuse a command line whose last value of an option would silently replace the others.

    Raises
    ------
    UsageError
        For the first option that is neither a list nor a plain flag and stands there twice.
    """
    options = Counter(p for p in order if p.param_type_name == "option")
    for option, times in options.items():
        if times > 1 and not (option.multiple or option.is_flag):
            raise UsageError(
                f"{option.opts[0]} is given {times} times, and '{command}' takes one.",
                hint=f"Keep one, or run '{command}' once for each.",
            )
