"""`sc.profile`: how sure a fit is of a parameter or a prediction, by several methods."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scaling_cli.artefacts._asked import by_symbol, completed
from scaling_cli.artefacts.fit import Fit
from scaling_cli.verbs import _stored
from scaling_cli.vocabulary.quantities import C

if TYPE_CHECKING:
    from scaling_cli.point_fits.intervals import Comparison


def profile(
    fit: Fit | _stored.Named,
    of: str | Sequence[str] | None = None,
    *,
    methods: Sequence[str] | None = None,
    level: float = 0.9,
    **inputs: Any,
) -> "Comparison":
    """Return intervals of parameters, derived quantities or predictions, side by side.

    Parameters
    ----------
    fit : Fit, path or name
    of, methods, level
        As in `intervals`; default methods: all but nuts.
    **inputs : float, str or array
        As in `predict`: by symbol or column, C giving what is missing.
    """
    from scaling_cli.point_fits import intervals

    stored = _stored.of_points(fit)
    names = [of] if isinstance(of, str) else list(of or ())
    compared = intervals.intervals(
        stored,
        names or None,
        methods=methods or intervals.QUICK,
        level=level,
        **_at(stored, names, inputs),
    )
    return replace(compared, fit=_stored.name_of(fit))


def _at(fit: Fit, names: Sequence[str], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what the numbers asked for depend on: derived ones take the compute itself."""
    given = by_symbol(fit.law, inputs)
    derived = [name for name in names if name in fit.law.derived_quantities()]
    if not given or (names and len(derived) == len(names)):
        return given
    own = {C.symbol: given[C.symbol]} if derived and C.symbol in given else {}
    return {**completed(fit.law, given), **own}
