"""Say which learning rate and batch suit a model, by a published law or by your own sweep."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.hparams import Recipe
    from scaling_cli.hparam_fits.fitting import NearBest
    from scaling_cli.runs.points import Points

EXAMPLE = """
scaling hparams --params 7B --tokens 1T --seq-len 4096
scaling hparams sweep.csv --params 7B --tokens 1T -o recipe.json
scaling hparams --fit recipe.json --params 13B --tokens 2T
"""
ORDER = 48


def complete_recipe(incomplete: str) -> list[str]:
    """Complete the name of a certified recipe."""
    from scaling_cli.artefacts import kinds

    return [name for name in kinds.recipe_names() if name.startswith(incomplete)]


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SRC...]",
        help="A sweep of your own: runs with params, tokens, lr, loss and, if it varied, "
        "batch_tokens.",
        show_default=False,
    ),
]
Params = Annotated[
    str | None,
    typer.Option(metavar="N", help="Model parameters, counted as the law counts them: 7B."),
]
Tokens = Annotated[str | None, typer.Option(metavar="D", help="Training tokens: 1T.")]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="FILE|NAME",
        help="What to ask, or to compare the sweep with: a file of -o, a fit of a learning-rate "
        "law, or a certified recipe. Default: li-2025 (Step Law).",
        autocompletion=complete_recipe,
    ),
]
SequenceLength = Annotated[
    str | None,
    typer.Option(metavar="T", help="Tokens of a sequence: the batch in sequences as well."),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to write what the sweep gave."),
]


def hparams(
    *,
    context: typer.Context,
    sources: Sources = None,
    params: Params = None,
    tokens: Tokens = None,
    fit: RecipeName = None,
    seq_len: SequenceLength = None,
    target: options.Target = None,
    where: options.Where = None,
    at: options.At = "final",
    seed: options.Seed = 0,
    level: options.ConfidenceLevel = 0.9,
    output: Output = None,
    mapped: options.Map = None,
    constants: options.Set = None,
    meta: options.Meta = None,
    name: options.Name = None,
    format: options.Format = None,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say which learning rate and batch suit a model, by a published law or by your own sweep.

    The interval is where the optimum of such a run lies, by the draws of both laws together. A
    sweep is judged cell by cell (one size on one number of tokens); cells that do not enclose
    their optimum are named. The exit code is 4 where the rest is too little.
    """
    del debug
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.hparams import Recipe
    from scaling_cli.hparam_fits.answer import PUBLISHED, report
    from scaling_cli.reports import hparams as hparams_report

    terminal = Terminal(json=json, quiet=quiet)
    point = _point(params, tokens, sources)
    length = _length(seq_len)
    path = _path(output, sources)
    own, rule = None, None
    if sources:
        points = _sweep(
            sources,
            terminal,
            (target, where, at),
            mapped=mapped,
            constants=constants,
            meta=meta,
            name=name,
            format=format,
        )
        own, rule = _fitted(points, seed, level, options.command_line(context))
    rival = kinds.load(fit or PUBLISHED, Recipe)
    found = report(
        own or rival,
        rival if own else None,
        point,
        level=level,
        sequence=length,
        rule=rule,
        released=fit is None,
    )
    _echo(found, terminal, given=point is not None)
    if own is not None and path is not None:
        own.to_json(path)
    terminal.result(lambda: hparams_report.blocks(found, full=full, written=path), found)


def _point(
    params: str | None, tokens: str | None, sources: list[str] | None
) -> tuple[float, float] | None:
    """Return N and D as typed; None where neither was and a sweep gives its own largest cell.

    Raises
    ------
    UsageError
        If one of the two is missing, or both and there is no sweep.
    """
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import D, N, parse_number

    if params is None and tokens is None and sources:
        return None
    if params is None or tokens is None:
        raise UsageError(
            "say for which model and how many tokens: --params and --tokens.",
            hint="For example: scaling hparams --params 7B --tokens 1T",
        )
    return parse_number(params, N), parse_number(tokens, D)


def _length(text: str | None) -> float | None:
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import parse_number

    if text is None:
        return None
    length = parse_number(text)
    if not (length >= 1 and length == int(length)):
        raise UsageError(f"--seq-len must be a whole number of tokens, not {text!r}.")
    return length


def _path(output: str | None, sources: list[str] | None) -> str | None:
    from scaling_cli.vocabulary.errors import UsageError

    if output is not None and not sources:
        raise UsageError(
            "-o writes what a sweep gave, and no sweep was given.",
            hint="For example: scaling hparams sweep.csv -o recipe.json",
        )
    return writable(output)


def _sweep(
    sources: list[str],
    terminal: Terminal,
    chosen: tuple[str | None, str | None, str],
    **reading: Any,
) -> "Points":
    from scaling_cli.cli._reading import read
    from scaling_cli.hparam_fits.fitting import sweep_points

    target, where, at = chosen
    runs = read(sources, terminal, **reading)
    return sweep_points(runs, target=target, where=where, at=at)


def _fitted(points: "Points", seed: int, level: float, command: str) -> "tuple[Recipe, NearBest]":
    from scaling_cli.hparam_fits import fitting

    own = fitting.fit_recipe(points, seed=seed, level=level, command=command)
    return own, fitting.near_best_rule(points, seed=seed)


def _echo(found: dict[str, Any], terminal: Terminal, *, given: bool) -> None:
    """Say once how N and D were read, and how N counts."""
    from scaling_cli.vocabulary.quantities import format_number

    how = "" if given else ", the largest usable cell of the sweep (--params, --tokens)"
    count = found["convention"] or "convention not stated"
    terminal.say(f"N = {format_number(found['N'])} ({count}){how}")
    terminal.say(f"D = {format_number(found['D'])}")
