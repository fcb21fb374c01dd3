"""The page of a prediction that was kept to be scored."""

import shlex
from collections.abc import Iterator

from scaling_cli import laws, reports
from scaling_cli.artefacts.saved_prediction import Promise, SavedPrediction
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Labelled, Text
from scaling_cli.reports.page import _parts
from scaling_cli.reports.page._page import Number, Origin, Page

MOST = 20  # points that are told one by one
KEPT = (
    "That the fit which made it holds for these runs; nothing of it was changed since. "
    "'scaling score' says whether it came true."
)


def of(saved: SavedPrediction, name: str) -> Page:
    """Return the page of a saved prediction."""
    score = shlex.join(["scaling", "score", name or "FILE", "RUNS"])
    return Page(
        title=f"What was predicted on {saved.date[:10]}",
        what=saved.what,
        name=name,
        answer=[_answer(saved, promise) for promise in saved.predictions[:MOST]],
        careful=[Text(["A kept prediction is not changed: look at the report of its fit."])],
        assumed=[Text([KEPT])],
        exact=[
            *reports.blocks(saved, full=True)[:-1],
            Labelled("law", [saved.law.formula()]),
            Labelled("fit", [f"{k}: {v}" for k, v in saved.fit.items() if k != "runs"]),
            Labelled("versions", [f"{k} {v}" for k, v in saved.versions.items()]),
        ],
        left_out=[Labelled("runs", ["none: the fit's own report lists its runs"])],
        numbers=[*_numbers_of(saved)],
        command=[*_parts.commands(saved.command, name), score],
        facts={"date": saved.date, "fit": dict(saved.fit), "warnings": []},
    )


def _at(promise: Promise) -> str:
    return ", ".join(f"{s} = {_numbers.rounded(v, s)}" for s, v in promise.inputs.items())


def _answer(saved: SavedPrediction, promise: Promise) -> str:
    if promise.new_run is None:
        value = _numbers.value(promise.forecast)
        return f"A run with {_at(promise)} reaches a {saved.target} of {value}; no range was given."
    value, low, high = _numbers.deserved(promise.forecast, *promise.new_run)
    return (
        f"A run with {_at(promise)} was predicted to reach a {saved.target} of about {value}, with "
        f"a probability of {_numbers.level(saved.level)} between {low} and {high}."
    )


def _numbers_of(saved: SavedPrediction) -> Iterator[Number]:
    for promise in saved.predictions:
        at, level = _at(promise), saved.level
        yield Number(
            f"{saved.target} at {at}",
            promise.forecast,
            Origin.COMPUTED,
            "the fit",
            ends=promise.new_run,
            level=level,
        )
        law = laws.name_of(saved.law)
        yield Number(f"  by {law} alone", promise.value, Origin.COMPUTED, law, ends=promise.mean)
        for symbol, value in promise.inputs.items():
            yield Number(f"  {symbol}", value, Origin.DECLARED, "what was asked")
    yield Number("points of the fit", float(saved.fit["n_points"]), Origin.READ, "the fit")
