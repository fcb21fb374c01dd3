"""`sc.profile`: how sure a fit is of a parameter or a prediction, by several methods."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._prediction import by_symbol, completed, taken
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.outcomes import Level, Touches
from scaling_cli.vocabulary.quantities import C

if TYPE_CHECKING:
    from scaling_cli.point_fits.intervals import Comparison


def profile(
    fit: kinds.Named,
    of: str | Sequence[str] | None = None,
    *,
    methods: str | Sequence[str] | None = None,
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

    stored = kinds.load(fit, Fit)
    names = [of] if isinstance(of, str) else list(of or ())
    compared = intervals.intervals(
        stored,
        names or None,
        methods=methods or intervals.QUICK,
        level=level,
        **_at(stored, names, inputs),
    )
    told = stored.concerning(_subjects(stored.law, names, inputs))
    grave = [check.message for check in told if check.level is not Level.PASS]
    return replace(compared, fit=kinds.name_of(fit), notes=[*grave, *compared.notes])


def _subjects(law: Law, names: Sequence[str], inputs: Mapping[str, Any]) -> set[Touches]:
    """Return what is asked about: parameters, a best size, predictions."""
    asked = {Touches.DATA, Touches.FORECAST if inputs else Touches.PARAMETERS}
    asked |= {Touches.PARAMETERS} if any(name in law.parameters() for name in names) else set()
    return asked | ({Touches.OPTIMUM} if only_derived(law, names) else set())


def _at(fit: Fit, names: Sequence[str], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what the numbers asked for depend on: derived ones take the compute itself.

    Raises
    ------
    UsageError
        If a derived quantity is given several values of an input.
    """
    law = fit.law
    given = by_symbol({**taken(law), **law.asked()}, inputs)
    if only_derived(law, names):
        return {symbol: _alone(symbol, values) for symbol, values in given.items()}
    beside = {s: _alone(s, given.pop(s)) for s in [*given] if s not in taken(law)}
    derives = C.symbol in given and any(name in law.derived_quantities() for name in names)
    own = {C.symbol: _alone(C.symbol, given[C.symbol])} if derives else {}
    return {**(completed(law, given) if given else {}), **own, **beside}


def only_derived(law: Law, names: Sequence[str]) -> bool:
    """Return whether all that is asked for is derived: then inputs stay as they were given."""
    return bool(names) and all(name in law.derived_quantities() for name in names)


def _alone(symbol: str, values: Any) -> float:
    """Return the one value of an input of derived quantities."""
    several = np.unique(np.asarray(values, float))
    if len(several) != 1:
        raise UsageError(f"a derived quantity takes one {symbol}, not {len(several)}.")
    return float(several[0])
