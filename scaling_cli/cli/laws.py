"""List the laws, or explain one: its equation, units, derived quantities, source and fits."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.laws._law import Law
    from scaling_cli.reports._blocks import Block

EXAMPLE = """
scaling laws
scaling laws chinchilla
"""
ORDER = 60


def laws(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="One law; all without it.",
            show_default=False,
            autocompletion=options.complete_law,
        ),
    ] = None,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """List the laws, or explain one: its equation, units, derived quantities, source and fits."""
    del debug
    from scaling_cli import curve_laws, learning_curves
    from scaling_cli import laws as catalogue
    from scaling_cli.artefacts.curve_fit import AVERAGE, AVERAGED
    from scaling_cli.reports import laws as laws_report

    terminal = Terminal(json=json, quiet=quiet)
    if name == AVERAGE:
        members = [describe(n, curve_laws.get(n)) for n in AVERAGED]
        record = {"schema_version": 1, "laws": [], "curve_laws": members, "learning_curves": []}
        terminal.result(lambda: laws_report.average(members), record)
        return
    along = [n for n in curve_laws.names() if name in (None, n)]
    blind = [n for n in learning_curves.names() if name in (None, n)]
    others = {*along, *blind}
    chosen = list(catalogue.names()) if name is None else [n for n in [name] if n not in others]
    points = [describe(n, catalogue.get(n)) for n in chosen]
    curves = [describe(n, curve_laws.get(n)) for n in along]
    families = [describe(n, learning_curves.get(n)) for n in blind]
    every = [*points, *curves, *families]

    found = {"laws": points, "curve_laws": curves, "learning_curves": families}

    def render() -> "list[Block]":
        return laws_report.blocks(found, full=full) if name is None else laws_report.law(every[0])

    terminal.result(render, {**found})


def describe(name: str, law: "type[Law]") -> dict[str, Any]:
    """Return everything a law declares about itself, and its certified fits."""
    import inspect

    from scaling_cli.artefacts import kinds

    body = (inspect.getdoc(law) or "").partition("\n\n")[2]
    return {
        "name": name,
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
