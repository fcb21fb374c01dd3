"""The fit that is meant where none is named."""

from pathlib import Path

from scaling_cli.artefacts import kinds
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.shipped import DEFAULT_FILE

DEFAULT_NAME = "chinchilla/besiroglu-2024"


def default() -> tuple[str, str]:
    """Return the fit that is meant where none is named, and how to say so: that of ./fit.json."""
    if Path(DEFAULT_FILE).is_file():
        return DEFAULT_FILE, f"fit: ./{DEFAULT_FILE}"
    why = f"because there is no ./{DEFAULT_FILE} here (--fit chooses another)"
    return DEFAULT_NAME, f"fit: certified {DEFAULT_NAME}, {why}"


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
