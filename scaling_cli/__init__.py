"""Scaling laws from logs to a forecast: read, fit, predict, plan.

`import scaling_cli as sc; fit = sc.fit(sc.read("runs/*.csv"), law="chinchilla")`.
Names are loaded on first use, so that importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_cli.anticipation import Levels as Levels
    from scaling_cli.anticipation import anticipate as anticipate
    from scaling_cli.artefact import Fit as Fit
    from scaling_cli.artefact import Objective as Objective
    from scaling_cli.artefact import Prediction as Prediction
    from scaling_cli.backtesting import backtest as backtest
    from scaling_cli.curve import Curve as Curve
    from scaling_cli.curve_artefact import CurveFit as CurveFit
    from scaling_cli.curve_fitting import fit_curves as fit_curves
    from scaling_cli.curves import curves_of as curves_of
    from scaling_cli.errors import ScalingError as ScalingError
    from scaling_cli.extrapolation import Extrapolation as Extrapolation
    from scaling_cli.extrapolation import extrapolate as extrapolate
    from scaling_cli.fit_file import load as load
    from scaling_cli.fitting import fit as fit
    from scaling_cli.forecasting import forecast as forecast
    from scaling_cli.forecasting.record import Forecast as Forecast
    from scaling_cli.forecasting.record import Forecasts as Forecasts
    from scaling_cli.identification import Identification as Identification
    from scaling_cli.identification import identify_schedule as identify_schedule
    from scaling_cli.ingest import read as read
    from scaling_cli.methods import intervals as intervals
    from scaling_cli.points import Points as Points
    from scaling_cli.schedule import Schedule as Schedule
    from scaling_cli.schedule_optimum import best_schedule as best_schedule
    from scaling_cli.schedules import parse_schedule as parse_schedule

__version__ = "0.1.0"

_HOME = {
    "Curve": "curve",
    "CurveFit": "curve_artefact",
    "Extrapolation": "extrapolation",
    "Fit": "artefact",
    "Forecast": "forecasting.record",
    "Forecasts": "forecasting.record",
    "Identification": "identification",
    "Levels": "anticipation",
    "Objective": "artefact",
    "Prediction": "artefact",
    "Schedule": "schedule",
    "load": "fit_file",
    "ScalingError": "errors",
    "anticipate": "anticipation",
    "backtest": "backtesting",
    "best_schedule": "schedule_optimum",
    "curves_of": "curves",
    "extrapolate": "extrapolation",
    "fit": "fitting",
    "fit_curves": "curve_fitting",
    "forecast": "forecasting",
    "identify_schedule": "identification",
    "parse_schedule": "schedules",
    "intervals": "methods",
    "read": "ingest",
    "Points": "points",
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
