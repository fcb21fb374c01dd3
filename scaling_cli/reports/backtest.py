"""A backtest: each cut, all forecasts by how far they reach, and what they say together."""

import math
from collections.abc import Sequence

from scaling_cli import laws
from scaling_cli.artefacts.backtest import Backtest, Reach
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.vocabulary.quantities import factor

SHOWN = 8  # cuts on the first screen
# What a cut and a reach both say of their forecasts; the last only in full.
SCORES = [
    ("bias", ">", lambda score: _numbers.bias(score.bias)),
    ("|error|", ">", lambda score: _numbers.percent(score.mare)),
    ("range", ">", lambda score: _numbers.either_side(score.half_width)),
    ("inside", ">", lambda score: _numbers.share(score.coverage)),
    ("alone", ">", lambda score: _numbers.share(score.coverage_law)),
]


def blocks(
    test: Backtest, *, full: bool = False, sources: Sequence[str] = (), written: str | None = None
) -> list[Block]:
    """Return what `scaling backtest` prints."""
    doubt = test.one_sided()
    return [
        *(asked(test, sources) if full else _briefly_asked(test)),
        *scores(test, full=full),
        Notes("warn", [f"backtest.bias: {doubt}"] if doubt else []),
        *_fitted.ending(written),
    ]


def scores(test: Backtest, *, full: bool = True) -> list[Block]:
    """Return how forecasts did, by cut and by reach, and the cuts that could not be made."""
    alone = "alone: share in the range of the fitted law by itself. " if full else ""
    meaning = (
        f"inside: share of the held-back runs in the {_numbers.level(test.level)} range that "
        f"scaling predict would have printed from the fitted runs alone. {alone}bias: + is a "
        "forecast too high."
    )
    reasons = [f"{test.axis} <= {s.train_max:.4g}: {s.reason}" for s in test.skipped]
    skipped = [_numbers.count(len(reasons), "cut"), *_numbers.listed(reasons, 2, full=full)]
    return [
        _cuts(test, full=full),
        _reaches(test, full=full),
        Text([meaning]),
        Labelled("untested", skipped if reasons else []),
    ]


def _briefly_asked(test: Backtest) -> list[Block]:
    score = test.forecasts().score()
    told = (
        f"{test.law}: {_numbers.count(len(test.forecasts()), 'forecast')} of held-back runs, off "
        f"by {_numbers.percent(score['mare'])} on average; {_numbers.share(score['coverage'])} "
        f"inside their {_numbers.level(test.level)} range"
    )
    read = f"{_numbers.count(test.n_points, 'point')} read"
    data = {**test.data, "notes": [*test.data.get("notes", ()), *test.notes]}
    return [*_fitted.opening(read, test.left_out, data), Text([told])]


def asked(test: Backtest, sources: Sequence[str]) -> list[Block]:
    """Return what was read, what was left out, and what was fitted."""
    notes = [str(note) for note in (*test.data.get("notes", ()), *test.notes)]
    counted = f"{_numbers.count(test.n_points, 'point')}{_fitted.origin(sources)}"
    law = laws.get(test.law)
    minimised = test.objective.describe(law.output().column)
    return [
        Labelled("data", [counted, *notes, *_fitted.reading(test.data)]),
        Labelled("left out", _fitted.left_out(test.left_out, full=True) or ["no run"]),
        Labelled("law", [f"{test.law}: {law.formula()}", f"sum of {minimised}"]),
    ]


def _cuts(test: Backtest, *, full: bool) -> Table:
    columns = [
        ("fitted", ">", lambda cut: str(cut.n_train)),
        (f"{test.axis} <=", ">", lambda cut: _numbers.quantity(cut.train_max, test.axis)),
        ("tested", ">", lambda cut: str(cut.n_test)),
        ("reach", ">", lambda cut: factor(cut.factor)),
        *(SCORES if full else SCORES[:-1]),
    ]
    title = "cuts (larger runs held back, law refitted)"
    return Table.of(test.cuts, columns, title, limit=None if full else SHOWN)


def _reaches(test: Backtest, *, full: bool) -> Table:
    columns = [
        ("reach", "<", _bin),
        ("forecasts", ">", lambda reach: str(reach.n)),
        *(SCORES if full else SCORES[:-1]),
    ]
    title = "all cuts together, by reach beyond the largest fitted run"
    return Table.of(test.by_reach(), columns, title)


def _bin(reach: Reach) -> str:
    if math.isinf(reach.high):
        return f"beyond x{reach.low:g}"
    return f"x{reach.low:g} to x{reach.high:g}"
