"""Say how sure a fit is of a parameter or a prediction, by several methods side by side."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.point_fits.intervals import Comparison

EXAMPLE = """
scaling profile fit.json
scaling profile fit.json --of alpha --of E --method profile
scaling profile fit.json --of loss --params 7B --tokens 1T --method delta,profile,nuts
"""
ORDER = 45

FitFile = Annotated[
    str,
    typer.Argument(
        metavar="FIT",
        help="A fit file or a computed certified fit.",
        show_default=False,
        autocompletion=options.complete_fit,
    ),
]
Of = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A parameter; loss, at the inputs given; or a derived quantity such as "
        "optimal_params with --compute. Default: loss if inputs are given, else every parameter.",
    ),
]
Method = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="delta|profile|bootstrap|nuts|backtested",
        help="Methods, repeated or as a list. Default: all but nuts, which needs the extra "
        "posterior (pip install 'scaling-cli[posterior]').",
    ),
]
Params = Annotated[list[str] | None, typer.Option(metavar="N", help="Model parameters: 7B.")]
Tokens = Annotated[list[str] | None, typer.Option(metavar="D", help="Training tokens: 1T.")]
Compute = Annotated[
    list[str] | None,
    typer.Option(
        metavar="C", help="Training FLOP: with N or D it gives the other; alone, the optimum."
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", metavar="NAME=VALUE", help="Any input of another law: --input N_avg=3e8."
    ),
]


def profile(
    *,
    fit: FitFile,
    of: Of = None,
    method: Method = None,
    params: Params = None,
    tokens: Tokens = None,
    compute: Compute = None,
    inputs: Inputs = None,
    level: options.ConfidenceLevel = 0.9,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say how sure a fit is of a parameter or a prediction, by several methods side by side.

    The delta method is the fast answer; the profile refits everything else at every value; the
    bootstrap resamples runs; nuts samples the posterior; backtested is the range that 'scaling
    predict' gives, the only one that allows for the law's own error.
    """
    del debug
    terminal = Terminal(json=json, quiet=quiet)
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.fit import Fit

    found = kinds.load(fit, Fit)
    given = {"params": params, "tokens": tokens, "compute": compute, "input": inputs}
    at = _inputs_of(found, of, given, terminal)
    chosen = [name.strip() for text in method or () for name in text.split(",")]
    with terminal.status("profiles"):
        _cache.enable()
        from scaling_cli.point_fits import intervals as methods

        compared = methods.intervals(found, of, methods=chosen or methods.QUICK, level=level, **at)
    from scaling_cli.reports import profile as profile_report

    terminal.result(
        lambda: profile_report.blocks(compared, fit=found, full=full),
        _record(fit, found, compared, level),
    )


def _inputs_of(
    fit: "Fit", of: list[str] | None, given: dict[str, list[str] | None], terminal: Terminal
) -> dict[str, Any]:
    """Return the inputs that the numbers asked for depend on; nothing is asked of parameters."""
    from scaling_cli.cli import _inputs
    from scaling_cli.reports import _numbers
    from scaling_cli.vocabulary.quantities import C, D, N

    if not any(given.values()):
        return {}
    values = {
        name: _inputs.read_list(given[name], q)
        for name, q in (("params", N), ("tokens", D), ("compute", C))
    }
    derived = [name for name in of or () if name in fit.law.derived_quantities()]
    others = _inputs.read_others(given["input"], fit.law)
    extra = {C.symbol: values["compute"][0]} if derived and values["compute"] else {}
    if derived and len(derived) == len(of or ()):
        return extra | {symbol: numbers[0] for symbol, numbers in others.items()}
    grid = _inputs.grid(fit.law, **values, others=others)
    for symbol, numbers in grid.given.items():
        terminal.say(_numbers.echo(symbol, numbers))
    for note in grid.notes:
        terminal.say(note)
    return {**extra, **grid.inputs}


def _record(name: str, fit: "Fit", compared: "Comparison", level: float) -> dict[str, Any]:
    from scaling_cli import laws
    from scaling_cli.vocabulary.jsonfile import nulls

    head = {"fit": name, "law": laws.name_of(fit.law), "level": level}
    return nulls(head | compared.to_dict())
