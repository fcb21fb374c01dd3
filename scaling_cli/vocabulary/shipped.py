"""Where fits are: the shipped folders, in the wheel or at the checkout's root; the file of a user.

`data` lies beside `fits`.
"""

from pathlib import Path

DEFAULT_FILE = "fit.json"  # where a fit is written, and looked for, if nothing is said


def folder(name: str) -> Path:
    """Return the shipped folder `name`.

    A wheel holds it beside the code as `_<name>`; a checkout holds it at its root. Tests of the
    built wheel prove the first, so the second is only a fallback.
    """
    packed = Path(__file__).resolve().parents[1] / f"_{name}"
    return packed if packed.is_dir() else packed.parents[1] / name
