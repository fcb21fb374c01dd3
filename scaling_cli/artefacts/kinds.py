"""Fit files of every kind: `load` reads whichever it is."""

import os
from collections.abc import Mapping

from scaling_cli.artefacts.curve_fit import KIND, CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.jsonfile import read_fit_record


def load(path: str | os.PathLike[str]) -> Fit | CurveFit:
    """Read a fit file: a `Fit`, or a `CurveFit` where its kind says so.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or is not a fit.
    """
    record = read_fit_record(path)
    curves = isinstance(record, Mapping) and record.get("kind") == KIND
    return (CurveFit if curves else Fit).from_dict(record, file=str(path))
