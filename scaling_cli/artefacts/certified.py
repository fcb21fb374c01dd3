"""The certified fits that are shipped, by name."""

from pathlib import Path

from scaling_cli import curve_laws, laws
from scaling_cli.artefacts import fit as fit_artefact
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import AVERAGE, CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import UsageError, near
from scaling_cli.vocabulary.shipped import folder


def fit_names(*, of_curves: bool | None = None) -> list[str]:
    """Return the names of the certified fits, such as `chinchilla/besiroglu-2024`.

    Parameters
    ----------
    of_curves : bool, optional
        Only those of loss curves, such as `multi_power/luo-2025-25m`, or only the others.
    """
    found = sorted(folder("fits").glob("*/*.json"))
    laws_of_curves = folders()
    return [
        f"{p.parent.name}/{p.stem}"
        for p in found
        if of_curves is None or of_curves == (p.parent.name in laws_of_curves)
    ]


def resolve(text: str) -> Fit:
    """Return the fit of a law of points that a path or a certified name stands for.

    Raises
    ------
    UsageError
        If it is neither; near names are suggested.
    DataError
        If the file is not a fit, or one of loss curves.
    """
    return fit_artefact.load(_path(text))


def resolve_curves(text: str) -> CurveFit:
    """Return the fit of loss curves that a path or a certified name stands for.

    Raises
    ------
    UsageError
        If it is neither (near names are suggested), or a fit of a law of points.
    DataError
        If the file is not a fit.
    """
    found = resolve_any(text)
    if not isinstance(found, CurveFit):
        raise UsageError(
            f"{text} is a fit of {laws.name_of(found.law)}, which sees no schedule.",
            hint="Fit loss curves with 'scaling fit ... --law average', or take a certified fit: "
            f"{', '.join(fit_names(of_curves=True))}.",
        )
    return found


def resolve_any(text: str) -> Fit | CurveFit:
    """Return the fit, of whichever kind, that a path or a certified name stands for.

    Raises
    ------
    UsageError
        If it is neither; near names are suggested.
    DataError
        If the file is not a fit.
    """
    return kinds.load(_path(text))


def _path(text: str) -> Path:
    if Path(text).is_file():
        return Path(text)
    if text in fit_names():
        return folder("fits") / f"{text}.json"
    raise UsageError(
        f"{text!r} is neither a file nor a certified fit.",
        hint=near(text, fit_names(), "certified fits"),
    )


def folders() -> frozenset[str]:
    """Return the folders of certified fits that hold fits of loss curves."""
    return frozenset({AVERAGE, *curve_laws.names()})
