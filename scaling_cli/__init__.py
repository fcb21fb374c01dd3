"""Scaling laws from logs to a forecast: read, fit, predict, plan.

`import scaling_cli as sc; fit = sc.fit(sc.read("runs/*.csv"), law="chinchilla")`.
Names are loaded on first use, so that importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from scaling_cli._version import __version__ as __version__

if TYPE_CHECKING:
    from scaling_cli.artefacts._prediction import Prediction as Prediction
    from scaling_cli.artefacts.curve_fit import CurveFit as CurveFit
    from scaling_cli.artefacts.fit import Fit as Fit
    from scaling_cli.artefacts.forecast import Forecast as Forecast
    from scaling_cli.artefacts.forecast import Forecasts as Forecasts
    from scaling_cli.artefacts.kinds import load as load
    from scaling_cli.curve_fits.best_schedule import best_schedule as best_schedule
    from scaling_cli.curve_fits.fitting import fit_curves as fit_curves
    from scaling_cli.forecasting import forecast as forecast
    from scaling_cli.forecasting.anticipation import Levels as Levels
    from scaling_cli.forecasting.anticipation import anticipate as anticipate
    from scaling_cli.forecasting.families import Extrapolation as Extrapolation
    from scaling_cli.forecasting.families import extrapolate as extrapolate
    from scaling_cli.ingest import read as read
    from scaling_cli.point_fits.backtesting import backtest as backtest
    from scaling_cli.point_fits.fitting import fit as fit
    from scaling_cli.point_fits.intervals import intervals as intervals
    from scaling_cli.runs.curve import Curve as Curve
    from scaling_cli.runs.curves import curves_of as curves_of
    from scaling_cli.runs.points import Points as Points
    from scaling_cli.schedules import parse_schedule as parse_schedule
    from scaling_cli.schedules._identification import Identification as Identification
    from scaling_cli.schedules._identification import identify_schedule as identify_schedule
    from scaling_cli.schedules._schedule import Schedule as Schedule
    from scaling_cli.vocabulary.errors import ScalingError as ScalingError
    from scaling_cli.vocabulary.objective import Objective as Objective

_HOME = {
    "Curve": "runs.curve",
    "CurveFit": "artefacts.curve_fit",
    "Extrapolation": "forecasting.families",
    "Fit": "artefacts.fit",
    "Forecast": "artefacts.forecast",
    "Forecasts": "artefacts.forecast",
    "Identification": "schedules._identification",
    "Levels": "forecasting.anticipation",
    "Objective": "vocabulary.objective",
    "Prediction": "artefacts._prediction",
    "Schedule": "schedules._schedule",
    "load": "artefacts.kinds",
    "ScalingError": "vocabulary.errors",
    "anticipate": "forecasting.anticipation",
    "backtest": "point_fits.backtesting",
    "best_schedule": "curve_fits.best_schedule",
    "curves_of": "runs.curves",
    "extrapolate": "forecasting.families",
    "fit": "point_fits.fitting",
    "fit_curves": "curve_fits.fitting",
    "forecast": "forecasting",
    "identify_schedule": "schedules._identification",
    "parse_schedule": "schedules",
    "intervals": "point_fits.intervals",
    "read": "ingest",
    "Points": "runs.points",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
