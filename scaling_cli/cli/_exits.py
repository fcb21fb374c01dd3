"""How a run ends: every exception becomes one message and one exit code, here and only here.

0 done, 1 a check failed, 2 usage, 3 bad data, 4 no usable fit, 5 a defect of this program.
"""

import errno
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from scaling_cli.cli._terminal import Terminal
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError

# The base of Typer's own errors, reached by a public subclass: its home differs between releases.
_TyperError = typer.BadParameter.__mro__[2]


_PLACES = {
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "Choose another place, or get the right to use this one.",
    ),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Make room, or choose another place."),
}


# What asking stored fits does without, so that an install for that may be light.
_HEAVY = {"jax", "jaxlib", "matplotlib", "pandas", "pooch", "pyarrow", "scipy"}


class _Internal(ScalingError):
    """A defect of this program."""

    code = "internal"
    exit_code = 5


def report(error: Exception, arguments: Sequence[str]) -> int:
    """Say what went wrong, as JSON too if asked, and return the exit code.

    Parameters
    ----------
    error : Exception
        Whatever ended the command.
    arguments : sequence of str
        The command line: it may have been refused before its options were read.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    terminal = Terminal(json="--json" in options)
    if "--debug" in options:
        traceback.print_exception(error, file=sys.stderr)
    told, usage = as_ours(error)
    if terminal.json:
        with suppress(OSError):  # where standard output is what is wrong
            terminal.result(list, {"error": told.to_dict()})
    prefix = "" if isinstance(told, _Internal) else "error: "
    hint = [f"hint: {told.hint}"] if told.hint else []
    for line in [*usage.splitlines(), prefix + told.placed(), *hint]:
        terminal.complain(line)
    return told.exit_code


def as_ours(error: Exception) -> tuple[ScalingError, str]:
    """Return an error as one of this package's, and the usage line where that helps."""
    if isinstance(error, ScalingError):
        return error, ""
    if isinstance(error, _TyperError | typer.Abort):
        text, context = _words(error)
        return UsageError(text, hint=_example(context)), context.get_usage() if context else ""
    if isinstance(error, OSError) and error.strerror:
        told = error.strerror[:1].lower() + error.strerror[1:]
        place = None if error.filename is None else str(error.filename)
        return DataError(f"{told}.", hint=_PLACES.get(error.errno or 0), file=place), ""
    if isinstance(error, MemoryError):
        return DataError("there is not enough memory for this.", hint="Ask for less at once."), ""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package in _HEAVY:
            return _light(package), ""
    text = f"internal error: {type(error).__name__}: {error}"
    return _Internal(text.rstrip(), hint="Run again with --debug to see where."), ""


def _light(package: str) -> UsageError:
    """Return what a command says that needs a package which a light install leaves out."""
    return UsageError(
        f"this needs the package {package}, which is not installed: reading logs, fitting and "
        "drawing need more than asking stored fits does.",
        hint="pip install scaling-cli installs everything; --no-deps, which leaves it out, is for "
        "predict, plan, hparams, count, show, laws, cite and schedule.",
    )


def _words(error: Any) -> tuple[str, Any]:
    """Return the text of an error of Typer's, as a sentence, and its context."""
    if isinstance(error, typer.Abort):
        return "input ended before an answer.", None
    text = " ".join(error.format_message().split())
    near = getattr(error, "possibilities", None)
    if near:
        text = f"{error.message}. Did you mean {' or '.join(near)}?"
    text = text[:1].lower() + text[1:]
    return text if text.endswith((".", "?")) else f"{text}.", getattr(error, "ctx", None)


def _example(context: Any) -> str | None:
    """Return what to try after a usage error: the command's example and its help."""
    if context is None:
        return None
    from scaling_cli.cli import _registry

    parts = context.command_path.split()[1:]
    example = getattr(_registry.load(parts[0]), "EXAMPLE", "") if parts else ""
    pages = f"all options: {context.command_path} --help"
    first = example.strip().splitlines()[0] if example else ""
    return f"for example: {first} ({pages})" if first else pages
