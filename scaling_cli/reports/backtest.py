"""A backtest: each cut, all forecasts by how far they reach, and what they say together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli import laws
from scaling_cli.artefacts.backtest import Backtest, Reach, ScoredCut
from scaling_cli.reports import _numbers
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.vocabulary.quantities import factor

SCORES = ["bias", "|error|", "half-width", "inside", "law alone"]
SHOWN = 8  # cuts on the first screen


def blocks(
    test: Backtest,
    *,
    full: bool = False,
    sources: Sequence[str] = (),
    written: str | None = None,
) -> list[Block]:
    """Return what `scaling backtest` prints."""
    doubt = test.one_sided()
    return [
        *(_asked(test, sources) if full else _briefly_asked(test)),
        _cuts(test, full=full),
        _reaches(test, full=full),
        Text(_meaning(test, full=full)),
        Labelled("untested", _skipped(test, full=full)),
        Notes("warn", [f"backtest.bias: {doubt}"] if doubt else []),
        Labelled("written", [written] if written else []),
    ]


def _briefly_asked(test: Backtest) -> list[Block]:
    score = test.forecasts().score()
    told = (
        f"{test.law}: {_numbers.count(len(test.forecasts()), 'forecast')} of held-back runs, off "
        f"by {_numbers.percent(score['mare'])} on average; {100 * score['coverage']:.0f} % inside "
        f"their {100 * test.level:g} % range"
    )
    read = f"{_numbers.count(test.n_points, 'point')} read"
    data = {**test.data, "notes": [*test.data.get("notes", ()), *test.notes]}
    return [*fit_report.opening(read, test.left_out, data), Text([told])]


def _asked(test: Backtest, sources: Sequence[str]) -> list[Block]:
    """Return what was read, what was left out, and what was fitted."""
    notes = [str(note) for note in (*test.data.get("notes", ()), *test.notes)]
    counted = f"{_numbers.count(test.n_points, 'point')}{fit_report.origin(sources)}"
    law = f"{test.law}: {laws.get(test.law).formula()}"
    return [
        Labelled("data", [counted, *notes, *fit_report.reading(test.data)]),
        Labelled("left out", fit_report.left_out(test.left_out)),
        Labelled("law", [law, f"sum of {test.objective.describe()}"]),
    ]


def _kept(cells: Sequence[str], *, full: bool) -> list[str]:
    """Return a row's scores, without what the law says by itself on the first screen."""
    return list(cells) if full else list(cells[:-1])


def _cuts(test: Backtest, *, full: bool) -> Table:
    headers = ["fitted", f"{test.axis} <=", "tested", "reach", *_kept(SCORES, full=full)]
    rows = [_kept(_cut(cut, test.axis), full=full) for cut in test.cuts]
    shown = rows if full else rows[:SHOWN]
    more = _numbers.more(len(rows) - len(shown))
    title = "cuts (larger runs held back, law refitted)"
    return Table(headers, shown, ">" * len(headers), title=title, notes=more)


def _cut(cut: ScoredCut, axis: str) -> list[str]:
    return [
        str(cut.n_train),
        _numbers.quantity(cut.train_max, axis),
        str(cut.n_test),
        factor(cut.factor),
        *_scores(vars(cut)),
    ]


def _scores(score: Mapping[str, Any]) -> list[str]:
    return [
        _numbers.bias(score["bias"]),
        _numbers.percent(score["mare"]),
        f"+/-{_numbers.percent(score['half_width'])}",
        f"{100 * score['coverage']:.0f} %",
        f"{100 * score['coverage_law']:.0f} %",
    ]


def _reaches(test: Backtest, *, full: bool) -> Table:
    headers = ["reach", "forecasts", *_kept(SCORES, full=full)]
    bins = test.by_reach()
    rows = [_kept([_bin(r), str(r.n), *_scores(vars(r))], full=full) for r in bins]
    title = "all cuts together, by reach beyond the largest fitted run"
    return Table(headers, rows, "<" + ">" * (len(headers) - 1), title=title)


def _bin(reach: Reach) -> str:
    if math.isinf(reach.high):
        return f"beyond x{reach.low:g}"
    return f"x{reach.low:g} to x{reach.high:g}"


def _meaning(test: Backtest, *, full: bool) -> list[str]:
    """Return what the columns mean."""
    alone = "law alone: the same without its drift." if full else ""
    return [
        f"inside: share of the held-back runs in the {100 * test.level:g} % range that scaling "
        f"predict would have printed from the fitted runs alone. {alone} bias: + is a forecast "
        "too high.".replace("  ", " ")
    ]


def _skipped(test: Backtest, *, full: bool) -> list[str]:
    """Return the cuts that were not tested, each with its reason."""
    reasons = [f"{test.axis} <= {s.train_max:.4g}: {s.reason}" for s in test.skipped]
    counted = _numbers.count(len(reasons), "cut")
    return [counted, *_numbers.listed(reasons, 2, full=full)] if reasons else []
