"""`scaling check`: what is stored, checked kind by kind, one file a kind.

A fit file is checked in three ways, each where it can be: its law reproduces the predictions
stored at anchor points (to 1e-12); its derived quantities come out again; and, where the data are
at hand, a refit reaches the stored objective and predictions. Coefficients are never compared:
A and B of one and the same surface differ by percents. Of the other kinds, what is stored of the
data is computed again, and what is stored twice must agree.
"""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.reference._result import CheckResult, Verdict, disagreement
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError
from scaling_cli.vocabulary.jsonfile import read_json
from scaling_cli.vocabulary.shipped import folder

File = str | Path


def check(
    paths: Sequence[File] | None = None, *, update: bool = False, mirror: File | None = None
) -> list[CheckResult]:
    """Check stored things: the certified fits, or those given.

    Parameters
    ----------
    paths : sequence of paths or certified names, optional
        Files, folders of them (searched through, stores left out), names such as
        `kaplan_n/kaplan-2020`.
    update : bool
        Whether a computed fit is rewritten where a refit is better.
    mirror : path, optional
        Where card data may be copied from (see datasets.fetch); nothing is downloaded here.

    Raises
    ------
    UsageError
        If a path is empty or does not exist, or a folder holds no fit file.
    DataError
        If a file is named that is none (*.json).
    """
    given = kinds.fit_names() if paths is None else paths
    files = [file for path in given for file in _files(path)]
    return [_check(path, update=update, mirror=mirror) for path in files]


def _files(path: File) -> list[Path]:
    given = Path(path)
    if path == "":
        raise UsageError("a path is empty.", hint="The folder that you are in is '.'.")
    if given.is_dir():
        from scaling_cli.runs.stored import apart  # late: it imports pyarrow

        files = apart(sorted(given.rglob("*.json")))[0]
        if not files:
            raise UsageError(f"no fit file (*.json) in the folder {given}.")
        return files
    if not given.is_file() and str(path) in kinds.recipe_names():
        return [kinds.path_of(name) for name in kinds.recipe_parts(str(path))]
    file = kinds.path_of(str(path))
    if file.suffix != ".json":
        hint = "Name fit files (*.json) or folders of them."
        raise DataError("not a fit file.", hint=hint, file=str(path))
    return [file]


def _check(path: Path, *, update: bool, mirror: File | None) -> CheckResult:
    """Check one file; whatever is wrong with it is a failed result, not an exception."""
    shipped = folder("fits")
    name = path.relative_to(shipped).with_suffix("") if shipped in path.parents else path
    result = CheckResult(str(name), Verdict.FAIL, None, None, None, "", str(path))
    try:
        thing = kinds.load(path)
        result = replace(result, reference_objective=getattr(thing, "value", None))
        wrong = _computed(thing, path)
        if wrong is not None:
            return replace(result, message=f"stored twice, and not the same: {wrong}.")
        module = importlib.import_module(f"{__name__}.{thing.kind}")
        return module.check(thing, result, update=update, mirror=mirror)
    except ScalingError as error:
        return replace(result, reference_objective=None, message=str(error))


def _computed(thing: Record, path: Path) -> str | None:
    """Return which of the keys that are written for readers says something else than the rest."""
    record, again = read_json(path), thing.to_dict()
    told = (disagreement(again[key], record.get(key), key) for key in thing.COMPUTED)
    return next((wrong for wrong in told if wrong is not None), None)
