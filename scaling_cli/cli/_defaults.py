"""A project's own defaults: `scaling.toml` in this folder or, in a repository, one above in it.

    [all]                          # every command that has the option
    map.loss = "eval/c4"
    [fit]
    bootstrap = 2000

What is typed goes before it, and so does what the environment says. SCALING_CONFIG names another
file, or none if it is empty.
"""

import os
import shlex
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling_cli.vocabulary.errors import DataError, guess
from scaling_cli.vocabulary.reading import read_file

FILE = "scaling.toml"
VARIABLE = "SCALING_CONFIG"
ALL = "all"
# What is decided for a command line alone.
_NEVER = ("help", "json", "quiet", "debug", "full", "output")


def place() -> Path | None:
    """Return the file of this project's defaults."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    here = Path.cwd()
    above = [here, *here.parents]
    # Outside a repository a folder above is anyone's: /tmp, say.
    root = next((folder for folder in above if (folder / ".git").exists()), here)
    own = above[: above.index(root) + 1]
    return next((folder / FILE for folder in own if (folder / FILE).is_file()), None)


def of_command(
    file: Path,
    command: str,
    repeated: Mapping[str, bool],
    every: Mapping[str, Callable[[], Sequence[str]]],
) -> dict[str, Any]:
    """Return the defaults of a command, by its parameters' names.

    Parameters
    ----------
    file : Path
    command : str
    repeated : mapping of option to bool
        The command's options, and which of them can be given more than once.
    every : mapping of command to callable
        All commands, with what returns the options of each.

    Raises
    ------
    DataError
        If the file is not TOML, or names a command or an option that there is not.
    """
    tables = _tables(file)
    for name in tables:
        if name not in (ALL, *every):
            raise _unknown(file, f"there is no command {name!r}", name, (ALL, *every))
    own, shared = tables.get(command, {}), tables.get(ALL, {})
    _require(file, own, f"'scaling {command}' has", repeated)
    if not shared.keys() <= repeated.keys():
        known = dict.fromkeys(option for options in every.values() for option in options())
        _require(file, shared, "no command has", list(known))
    given = {**{n: v for n, v in shared.items() if n in repeated}, **own}
    return {n: _value(file, n, v, repeated=repeated[n]) for n, v in given.items()}


def _require(file: Path, table: Mapping[str, Any], whose: str, options: Collection[str]) -> None:
    """Refuse the name of what is no option.

    Raises
    ------
    DataError
    """
    known = sorted(option.replace("_", "-") for option in options if option not in _NEVER)
    for name in table:
        if name not in options or name in _NEVER:
            shown = name.replace("_", "-")
            none = " no" if whose.startswith("'") else " a"
            raise _unknown(file, f"{whose}{none} default for {shown!r}", shown, known)


def typed(values: Mapping[str, Any]) -> list[str]:
    """Return defaults as they would be typed."""
    words: list[str] = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        for item in value if isinstance(value, list) else [value]:
            words += [option] if item is True else [option, str(item)]
    return words


def sentence(file: Path, words: Sequence[str]) -> str:
    """Return what is said of defaults that count."""
    return f"{file.name}: {shlex.join(words)}"


def _tables(file: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of a file, their options as parameters are called."""
    try:
        content = tomllib.loads(read_file(file, str(file))[0].decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"it is not TOML: {error}.", file=str(file)) from error
    for name, table in content.items():
        if not isinstance(table, dict):
            hint = f"Write it under [{ALL}], or under the command that it is for."
            raise DataError(f"{name!r} stands outside a table.", file=str(file), hint=hint)
    return {
        name: {option.replace("-", "_"): value for option, value in table.items()}
        for name, table in content.items()
    }


def _unknown(file: Path, told: str, name: str, known: Sequence[str]) -> DataError:
    near = guess(name, known, cutoff=0.5).strip()
    return DataError(f"{told}.", file=str(file), hint=near or None)


def _value(file: Path, name: str, value: Any, *, repeated: bool) -> Any:
    """Return a value as the command line takes it: texts, `NAME=VALUE` for tables.

    Raises
    ------
    DataError
        If there are several for an option of one.
    """
    if isinstance(value, dict):
        value = [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, list) and not repeated:
        raise DataError(f"{name!r} takes one value, not {len(value)}.", file=str(file))
    if repeated:
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    return value if isinstance(value, bool) else str(value)
