"""Scaling laws from logs to a forecast: read, fit, predict.

`import scaling_cli as sc; fit = sc.fit(sc.read("runs/*.csv"), law="chinchilla")`.
Names are loaded on first use, so that importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from scaling_cli._version import __version__ as __version__

if TYPE_CHECKING:
    from scaling_cli.artefacts._prediction import Prediction as Prediction
    from scaling_cli.artefacts.backtest import Backtest as Backtest
    from scaling_cli.artefacts.batch_fit import BatchFit as BatchFit
    from scaling_cli.artefacts.curve_fit import CurveFit as CurveFit
    from scaling_cli.artefacts.fit import Fit as Fit
    from scaling_cli.artefacts.forecast import Forecast as Forecast
    from scaling_cli.artefacts.forecast import Forecasts as Forecasts
    from scaling_cli.artefacts.hparams import Recipe as Recipe
    from scaling_cli.artefacts.kinds import load as load
    from scaling_cli.artefacts.saved_prediction import SavedPrediction as SavedPrediction
    from scaling_cli.curve_fits.best_schedule import best_schedule as best_schedule
    from scaling_cli.curve_fits.fitting import fit_curves as fit_curves
    from scaling_cli.forecasting import forecast as forecast
    from scaling_cli.forecasting.anticipation import Levels as Levels
    from scaling_cli.forecasting.anticipation import anticipate as anticipate
    from scaling_cli.forecasting.explanation import Explanation as Explanation
    from scaling_cli.forecasting.explanation import explain as explain
    from scaling_cli.forecasting.families import Extrapolation as Extrapolation
    from scaling_cli.forecasting.families import extrapolate as extrapolate
    from scaling_cli.ingest import read as read
    from scaling_cli.laws._formula import law as law
    from scaling_cli.point_fits.backtesting import backtest as backtest
    from scaling_cli.point_fits.intervals import intervals as intervals
    from scaling_cli.reports.page import Report as Report
    from scaling_cli.reports.page import report as report
    from scaling_cli.runs.curve import Curve as Curve
    from scaling_cli.runs.curves import curves_of as curves_of
    from scaling_cli.runs.exported import export as export
    from scaling_cli.runs.points import Points as Points
    from scaling_cli.runs.table import Runs as Runs
    from scaling_cli.schedules import parse_schedule as parse_schedule
    from scaling_cli.schedules._identification import Identification as Identification
    from scaling_cli.schedules._identification import identify_schedule as identify_schedule
    from scaling_cli.schedules._schedule import Schedule as Schedule
    from scaling_cli.verbs._answer import Answer as Answer
    from scaling_cli.verbs.batch import batch as batch
    from scaling_cli.verbs.check import assert_fit_matches as assert_fit_matches
    from scaling_cli.verbs.check import check as check
    from scaling_cli.verbs.cite import cite as cite
    from scaling_cli.verbs.compare import compare as compare
    from scaling_cli.verbs.count import count as count
    from scaling_cli.verbs.fit import fit as fit
    from scaling_cli.verbs.forecast import follow as follow
    from scaling_cli.verbs.forecast import watch as watch
    from scaling_cli.verbs.hparams import hparams as hparams
    from scaling_cli.verbs.next_runs import next_runs as next_runs
    from scaling_cli.verbs.plan import plan as plan
    from scaling_cli.verbs.plot import Drawing as Drawing
    from scaling_cli.verbs.plot import plot as plot
    from scaling_cli.verbs.predict import predict as predict
    from scaling_cli.verbs.profile import profile as profile
    from scaling_cli.verbs.schedule import schedule as schedule
    from scaling_cli.verbs.score import score as score
    from scaling_cli.vocabulary.errors import CheckFailed as CheckFailed
    from scaling_cli.vocabulary.errors import DataError as DataError
    from scaling_cli.vocabulary.errors import FitError as FitError
    from scaling_cli.vocabulary.errors import MismatchError as MismatchError
    from scaling_cli.vocabulary.errors import ScalingError as ScalingError
    from scaling_cli.vocabulary.errors import UsageError as UsageError
    from scaling_cli.vocabulary.objective import Objective as Objective

# Where the names live.
_HOMES = {
    "artefacts.backtest": "Backtest",
    "artefacts.batch_fit": "BatchFit",
    "artefacts.curve_fit": "CurveFit",
    "artefacts._prediction": "Prediction",
    "artefacts.fit": "Fit",
    "artefacts.forecast": "Forecast Forecasts",
    "artefacts.hparams": "Recipe",
    "artefacts.kinds": "load",
    "artefacts.saved_prediction": "SavedPrediction",
    "curve_fits.best_schedule": "best_schedule",
    "curve_fits.fitting": "fit_curves",
    "forecasting": "forecast",
    "forecasting.anticipation": "Levels anticipate",
    "forecasting.explanation": "Explanation explain",
    "forecasting.families": "Extrapolation extrapolate",
    "ingest": "read",
    "laws._formula": "law",
    "point_fits.backtesting": "backtest",
    "point_fits.intervals": "intervals",
    "reports.page": "Report report",
    "runs.curve": "Curve",
    "runs.curves": "curves_of",
    "runs.exported": "export",
    "runs.points": "Points",
    "runs.table": "Runs",
    "schedules": "parse_schedule",
    "schedules._identification": "Identification identify_schedule",
    "schedules._schedule": "Schedule",
    "verbs._answer": "Answer",
    "verbs.batch": "batch",
    "verbs.check": "assert_fit_matches check",
    "verbs.cite": "cite",
    "verbs.compare": "compare",
    "verbs.count": "count",
    "verbs.fit": "fit",
    "verbs.forecast": "follow watch",
    "verbs.hparams": "hparams",
    "verbs.next_runs": "next_runs",
    "verbs.plan": "plan",
    "verbs.plot": "Drawing plot",
    "verbs.predict": "predict",
    "verbs.profile": "profile",
    "verbs.schedule": "schedule",
    "verbs.score": "score",
    "vocabulary.errors": "CheckFailed DataError FitError MismatchError ScalingError UsageError",
    "vocabulary.objective": "Objective",
}
_PLACES = {name: home for home, names in _HOMES.items() for name in names.split()}
# Packages that answer a call too: `sc.laws()` lists what `sc.laws` holds.
_ASKED = ("ingest", "laws")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _ASKED:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*_PLACES, *_ASKED, "__version__"])
