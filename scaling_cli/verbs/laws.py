"""`sc.laws`: the catalogue of laws, and all that one says of itself."""

import inspect
from typing import Any

from scaling_cli import curve_laws, learning_curves
from scaling_cli import laws as laws_of_points
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import AVERAGE, AVERAGED
from scaling_cli.laws._law import Law
from scaling_cli.verbs._answer import Answer


def laws(name: str | None = None) -> Answer:
    """Return what every law, or one, declares: equation, units, derived quantities, source, fits.

    Raises
    ------
    UsageError
        If there is no law of that name; near names are suggested.
    """
    members = AVERAGED if name == AVERAGE else ()
    along = [n for n in curve_laws.names() if name in (None, n) or n in members]
    blind = [n for n in learning_curves.names() if name in (None, n)]
    one = [] if along or blind or name is None else [name]
    points = laws_of_points.names() if name is None else one
    record = {
        "laws": [_described(n, laws_of_points.get(n)) for n in points],
        "curve_laws": [_described(n, curve_laws.get(n)) for n in along],
        "learning_curves": [_described(n, learning_curves.get(n)) for n in blind],
    }
    return Answer(record, "laws")


def _described(name: str, law: type[Law]) -> dict[str, Any]:
    body = (inspect.getdoc(law) or "").partition("\n\n")[2]
    return {
        "name": name,
        "question": law.question,
        "formula": law.formula(),
        "notes": " ".join(body.split()),
        "inputs": {s: _quantity(q) for s, q in law.inputs().items()},
        "output": {"symbol": law.output().symbol, **_quantity(law.output())},
        "parameters": {
            p.name: {
                "meaning": p.meaning,
                "unit": p.unit,
                "domain": p.domain.value,
                "linear": p.linear,
            }
            for p in law.parameters().values()
        },
        "derived": {
            d.name: {"meaning": d.meaning, "inputs": list(d.inputs), "unit": d.output.unit}
            for d in law.derived_quantities().values()
        },
        "convention": dict(law.convention),
        "reference": law.reference,
        "bibtex": law.bibtex,
        "fits": [fit for fit in kinds.fit_names() if fit.partition("/")[0] == name],
    }


def _quantity(quantity: Any) -> dict[str, str]:
    return {"column": quantity.column, "meaning": quantity.meaning, "unit": quantity.unit}
