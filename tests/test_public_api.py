"""The public surface is this list: removing a name from it is a line of the changelog."""

import importlib
import importlib.metadata

import pytest
from refusals import refusal

import scaling_cli

PUBLIC = [
    "Curve",
    "CurveFit",
    "Extrapolation",
    "Fit",
    "Forecast",
    "Forecasts",
    "Identification",
    "Levels",
    "Objective",
    "Points",
    "Prediction",
    "ScalingError",
    "Schedule",
    "__version__",
    "anticipate",
    "backtest",
    "best_schedule",
    "curves_of",
    "extrapolate",
    "fit",
    "fit_curves",
    "forecast",
    "identify_schedule",
    "intervals",
    "load",
    "parse_schedule",
    "read",
]


def test_the_surface_is_this_list() -> None:
    assert sorted(scaling_cli.__all__) == PUBLIC
    assert dir(scaling_cli) == PUBLIC


def test_every_name_loads_and_is_documented() -> None:
    values = {name: getattr(scaling_cli, name) for name in PUBLIC}
    assert [name for name, value in values.items() if not (value.__doc__ or "").strip()] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    said = refusal(AttributeError, scaling_cli.__getattr__, "fitt")
    assert said == "module 'scaling_cli' has no attribute 'fitt'"


def test_the_version_is_that_of_the_distribution() -> None:
    try:
        installed = importlib.metadata.version("scaling-cli")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("scaling-cli is not installed here")
    assert scaling_cli.__version__ == installed
