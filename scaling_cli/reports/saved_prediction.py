"""A saved prediction: what was said, by which fit, when."""

from collections.abc import Callable

from scaling_cli import laws
from scaling_cli.artefacts.saved_prediction import Promise, SavedPrediction
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Command, Labelled, Table, Text

SHOWN = 16  # points on the first screen


def blocks(saved: SavedPrediction, *, full: bool = False) -> list[Block]:
    """Return what `scaling show` prints of a saved prediction."""
    level = _numbers.level(saved.level)
    columns = [
        *((s, ">", _input(s)) for s in saved.law.inputs()),
        (saved.target, ">", lambda p: _numbers.value(p.forecast)),
        (f"{level} mean curve", "<", lambda p: _ends(p.mean) if full else ""),
        (f"{level} new run", "<", lambda p: _ends(p.new_run)),
    ]
    by = f"{saved.fit['name'] or 'a fit'} ({laws.name_of(saved.law)}, {_size(saved)})"
    then = "" if saved.then is None else f", then {laws.name_of(saved.then)}"
    return [
        Text([f"{saved.target} predicted on {saved.date} by {by}{then}"]),
        Table.of(saved.predictions, columns, limit=None if full else SHOWN),
        Labelled("fit", [f"sha256 {saved.fit['sha256']}", saved.command] if full else []),
        Command.of("next", "scaling", "score", saved.name or "FILE", "RUNS"),
    ]


def _input(symbol: str) -> Callable[[Promise], str]:
    return lambda p: _numbers.quantity(p.inputs[symbol], symbol)


def _ends(ends: tuple[float, ...] | None) -> str:
    return "" if ends is None else _numbers.interval(ends)


def _size(saved: SavedPrediction) -> str:
    return _numbers.count(saved.fit["n_points"], "point")
