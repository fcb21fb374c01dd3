"""Compare recipes: who is ahead where, by how much compute or data, until where."""

from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write
from scaling_cli.plots import SUFFIXES

if TYPE_CHECKING:
    from scaling_cli.verbs._answer import Answer

EXAMPLE = """
scaling compare adamw.json muon.json --params 7B --tokens 140B
scaling compare runs.csv --by optimizer
scaling compare runs.csv --by optimizer --shared auto
scaling compare runs.csv --by model --axis hours -o crossing.png
"""
ORDER = 43


@dataclass(frozen=True)
class Recipes:
    """What is compared, and how it is fitted."""

    things: list[str] = options.argument(
        "A B...",
        "Two fit files or certified fits, or more; with --by, logs or a table of runs.",
        default=MISSING,
        complete=options.complete(options.FITS),
    )
    by: str | None = options.option(
        "COLUMN", "The column whose values are the recipes: each is fitted by itself."
    )
    axis: str | None = options.option(
        "COLUMN", "With --by: the loss is a law of this column (hours), not of N and D."
    )
    first: str | None = options.option(
        "NAME", "The recipe that the others are set against. Default: that of most runs."
    )
    shared: str | None = options.option(
        "exponents|factors|auto|NAME,...",
        "Fit recipes together with these parameters in common; factors: they differ by what a "
        "parameter and a token count for; auto: by forecasts of the dearest runs, held back.",
    )
    law: str | None = options.option(
        "NAME",
        "With --by: the law. Default: chinchilla; of an axis, the nearer of power_law and "
        "logarithm.",
    )
    target: str | None = options.target()
    where: str | None = options.where()
    level: float = options.level()
    output: str | None = options.output(
        "Draw what the recipes reach and where they cross: a .png, .svg or .pdf file."
    )


@dataclass(frozen=True)
class Where:
    """At which points."""

    params: list[float] | None = options.option(
        "N", "Model parameters: 7B; 1B,7B for several.", read=options.numbers("N")
    )
    tokens: list[float] | None = options.option(
        "D", "Training tokens: 140B.", read=options.numbers("D")
    )
    compute: list[float] | None = options.option(
        "C",
        "Compute: 1e22. Losses are compared at the first's best split.",
        read=options.numbers("C"),
    )
    input: list[str] | None = options.option("NAME=VALUE", "Any other input: --input x=1e4.")


@options.command
def compare(recipes: Recipes, where: Where, asking: options.Telling) -> None:
    """Compare recipes: who is ahead where, by how much compute or data, until where.

    The difference at a point comes with how likely the second is the better one; the factor of
    compute is what the first needs more of to be where the second is, each at its own best split.
    """
    from scaling_cli.verbs import compare as verb
    from scaling_cli.vocabulary.errors import UsageError

    path = writable(recipes.output, "a comparison", SUFFIXES)
    given = [name for name in ("axis", "law", "target", "where") if getattr(recipes, name)]
    if recipes.by is None and given:
        raise UsageError(f"--{given[0]} needs --by: fits are compared as they are.")
    fitting = {n: getattr(recipes, n) for n in ("law", "target", "where") if getattr(recipes, n)}
    sizes = {"N": where.params, "D": where.tokens, "C": where.compute}
    others = (text.partition("=") for text in where.input or ())
    point = {**{s: v for s, v in sizes.items() if v}, **{n: v for n, _, v in others}}
    with asking.terminal.status("comparing"):
        if recipes.by is not None or recipes.shared is not None:
            _cache.enable()
        answer = verb.compare(
            *recipes.things,
            by=recipes.by,
            axis=recipes.axis,
            first=recipes.first,
            shared=recipes.shared,
            level=recipes.level,
            fitting=fitting,
            **point,
        )
    write(lambda path: _draw(path, answer), path)
    asking.tell(answer)
    if path is not None:
        asking.terminal.say(f"written   {path}")


def _draw(path: str, answer: "Answer") -> None:
    from scaling_cli import plots
    from scaling_cli.plots import _compare
    from scaling_cli.verbs.compare import pairs_of

    plots.save(plots.drawn(_compare, _compare.table(*pairs_of(answer))), path)
