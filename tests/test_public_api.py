"""The public surface is this list: removing a name from it is a line of the changelog."""

import importlib
import importlib.metadata

import formats_page
import pytest
import python_page
from refusals import refusal

import scaling_cli

PUBLIC = [
    "Answer",
    "Backtest",
    "BatchFit",
    "CheckFailed",
    "Curve",
    "CurveFit",
    "DataError",
    "Drawing",
    "Explanation",
    "Extrapolation",
    "Fit",
    "FitError",
    "Forecast",
    "Forecasts",
    "Identification",
    "Levels",
    "MismatchError",
    "Objective",
    "Points",
    "Prediction",
    "Recipe",
    "Report",
    "Runs",
    "SavedPrediction",
    "ScalingError",
    "Schedule",
    "UsageError",
    "__version__",
    "anticipate",
    "assert_fit_matches",
    "backtest",
    "batch",
    "best_schedule",
    "check",
    "cite",
    "compare",
    "count",
    "curves_of",
    "explain",
    "export",
    "extrapolate",
    "fit",
    "fit_curves",
    "follow",
    "forecast",
    "hparams",
    "identify_schedule",
    "ingest",
    "intervals",
    "law",
    "laws",
    "load",
    "next_runs",
    "parse_schedule",
    "plan",
    "plot",
    "predict",
    "profile",
    "read",
    "report",
    "schedule",
    "score",
    "watch",
]


def test_the_surface_is_this_list() -> None:
    assert dir(scaling_cli) == PUBLIC


def test_every_name_loads_and_is_documented() -> None:
    values = {name: getattr(scaling_cli, name) for name in PUBLIC}
    assert [name for name, value in values.items() if not (value.__doc__ or "").strip()] == []


def test_the_page_of_formats_is_up_to_date() -> None:
    written = formats_page.PAGE.read_text(encoding="utf8")
    assert written == formats_page.page(), "python tests/formats_page.py"


def test_the_page_of_python_is_up_to_date() -> None:
    assert python_page.PAGE.read_text(encoding="utf8") == python_page.page(), (
        "python tests/python_page.py"
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    said = refusal(AttributeError, scaling_cli.__getattr__, "fitt")
    assert said == "module 'scaling_cli' has no attribute 'fitt'"


def test_the_version_is_that_of_the_distribution() -> None:
    try:
        installed = importlib.metadata.version("scaling-cli")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("scaling-cli is not installed here")
    assert scaling_cli.__version__ == installed
