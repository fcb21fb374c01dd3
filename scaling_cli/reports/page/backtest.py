"""The page of a backtest."""

from collections.abc import Iterator

from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports import backtest as report
from scaling_cli.reports._blocks import Labelled, Notes, Text
from scaling_cli.reports.page import _origins, _parts
from scaling_cli.reports.page._page import Number, Origin, Page, Picture
from scaling_cli.vocabulary.quantities import factor

ASSUMED = (
    "That what held for the larger of these runs holds for runs larger still; a backtest shows "
    "how far that went so far, and no further.",
    "Each refit saw only the runs up to its cut, with the options below.",
)


def of(test: Backtest, name: str) -> Page:
    """Return the page of a backtest."""
    doubt = test.one_sided()
    pictures, why = _parts.pictures(test, *_wanted(test))
    warned = [{"code": "backtest.bias", "level": "warn", "message": doubt}] if doubt else []
    return Page(
        title=f"{test.law} tested on runs that were held back",
        what=test.what,
        name=name,
        answer=[*_answer(test)],
        careful=[
            Notes("warn", [f"backtest.bias: {doubt}"] if doubt else []),
            Text([] if doubt else ["Nothing: misses are few, or lie on both sides."]),
        ],
        backtest=report.scores(test),
        assumed=[Text(ASSUMED)],
        exact=[
            *report.asked(test, ()),
            Labelled("options", [f"{k} = {v}" for k, v in test.selection.items() if v]),
            Labelled("digests", _origins.digests(test.data)),
        ],
        left_out=[Labelled("runs", _fitted.left_out(test.left_out, full=True) or ["none"])],
        numbers=[*_numbers_of(test)],
        command=[*_parts.commands(test.command, name)],
        pictures=pictures,
        without_pictures=why,
        facts={
            "law": test.law,
            "warnings": warned,
            "backtest": [cut.summary() for cut in test.cuts],
            "left_out": [vars(item) for item in test.left_out],
        },
    )


def _answer(test: Backtest) -> Iterator[str]:
    score, count = test.forecasts().score(), len(test.forecasts())
    farthest = max((cut.factor for cut in test.cuts), default=1.0)
    yield (
        f"Runs up to {farthest:.2g} times as large as those that were fitted were forecast to "
        f"within {_numbers.percent(score['mare'])} on average, and "
        f"{round(score['coverage'] * count)} of {_numbers.count(count, 'forecast')} lay in their "
        f"{_numbers.level(test.level)} range."
    )
    bias = _numbers.bias(score["bias"])
    yield f"On average forecasts were {bias} off to one side (+ is too high)."


def _wanted(test: Backtest) -> Iterator[Picture]:
    count = _numbers.count(len(test.forecasts()), "forecast")
    yield Picture(
        "backtest",
        "Errors by how far beyond the fitted runs",
        f"{count}: above zero too high, below too low; bars are what each range allowed.",
        None,
    )
    yield Picture(
        "predicted",
        "Predicted against measured, of runs that were held back",
        f"{count} with their ranges against the line on which they would be right.",
        None,
    )


def _numbers_of(test: Backtest) -> Iterator[Number]:
    score = test.forecasts().score()
    for key, meaning in (("mare", "mean error"), ("bias", "bias"), ("coverage", "inside")):
        why = "all cuts together"
        yield Number(meaning, 100 * score[key], Origin.COMPUTED, why, "%")
    yield from _origins.cuts([cut.summary() for cut in test.cuts], test.axis)
    for reach in test.by_reach():
        name = f"error beyond {factor(reach.low)}"
        yield Number(name, 100 * reach.mare, Origin.COMPUTED, f"{reach.n} forecasts", "%")
    yield from _origins.ranges(test.data, {})
    yield from _origins.counts(test.n_points, len(test.left_out), test.data)
    yield from _origins.options({**vars(test.objective), **test.selection}, test.command)
