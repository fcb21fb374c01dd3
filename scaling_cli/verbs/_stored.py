"""Fits as verbs are given them: the thing itself, its file, the name of a certified one."""

import os
from pathlib import Path
from typing import Any

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import UsageError

DEFAULT_FILE = "fit.json"
DEFAULT_NAME = "chinchilla/besiroglu-2024"
Named = str | os.PathLike[str]


def default() -> str:
    """Return the fit that is meant where none is named: ./fit.json, else a certified one."""
    return DEFAULT_FILE if Path(DEFAULT_FILE).is_file() else DEFAULT_NAME


def default_of_curves(what: str) -> str:
    """Return ./fit.json.

    Raises
    ------
    UsageError
        If it is not there: no fit of loss curves stands for all models.
    """
    if Path(DEFAULT_FILE).is_file():
        return DEFAULT_FILE
    raise UsageError(
        f"{what} needs a fit of loss curves, and there is no ./{DEFAULT_FILE} here.",
        hint=f"Give --fit FILE, or a certified fit: {', '.join(kinds.fit_names(of_curves=True))}.",
    )


def of_points(fit: Any) -> Fit:
    """Return a fit of a law of points."""
    return fit if isinstance(fit, Fit) else kinds.load(fit, Fit)


def of_curves(fit: Any) -> CurveFit:
    """Return a fit of loss curves."""
    return fit if isinstance(fit, CurveFit) else kinds.load(fit, CurveFit)


def name_of(fit: Record | Named) -> str:
    """Return how a fit was named."""
    return fit.name if isinstance(fit, Record) else str(fit)
