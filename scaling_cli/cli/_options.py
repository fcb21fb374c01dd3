"""The options that several commands share, each declared once."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scaling_cli.cli._terminal import Terminal
    from scaling_cli.vocabulary.objective import Objective


def _choices(*values: str) -> str:
    return "|".join(values)


def complete_law(incomplete: str) -> list[str]:
    """Complete the name of a law."""
    from scaling_cli import curve_laws, laws

    names = [*laws.names(), "average", *curve_laws.names()]
    return [name for name in names if name.startswith(incomplete)]


def complete_fit(incomplete: str) -> list[str]:
    """Complete the name of a certified fit."""
    from scaling_cli.artefacts import kinds

    return [name for name in kinds.fit_names() if name.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing on standard error but errors.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Print everything, where the first screen leaves out.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SRC...",
        help="Files, folders, globs, a store, or - for standard input.",
        show_default=False,
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=COLUMN",
        help="Read a quantity from this column: --map loss=eval/c4.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A quantity that is the same in all files: --set params=124M.",
    ),
]
Meta = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="A table of what the logs lack, keyed by run_id or file name."
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="PATTERN", help="What file names say: --name '{params}_{tokens}'."),
]
Format = Annotated[
    str | None, typer.Option(metavar="NAME", help="The log format, where guessing fails.")
]

Law = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="The law ('scaling laws' lists them).", autocompletion=complete_law
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="What the law predicts. Default: val_loss if it is logged, else loss.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(metavar="EXPR", help="Rows to keep: --where 'tokens > 1e9 and params < 1e9'."),
]
At = Annotated[
    str,
    typer.Option(metavar=_choices("final", "all", "last:K"), help="Which rows of a run to fit."),
]
ObjectiveName = Annotated[
    str,
    typer.Option(
        "--objective", metavar=_choices("huber", "l2", "lad"), help="What is summed over points."
    ),
]
Delta = Annotated[float, typer.Option(metavar="X", help="Corner of the Huber loss.")]
Space = Annotated[
    str, typer.Option(metavar=_choices("log", "linear"), help="Residuals of ln loss or of loss.")
]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="NAME=VALUE", help="Hold a parameter: --fix E=1.6."),
]
Tie = Annotated[
    list[str] | None,
    typer.Option("--tie", metavar="NAME=NAME", help="Keep two equal: --tie alpha=beta."),
]
Weight = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="How much each point counts: a relative precision that multiplies its term of the "
        "objective. 0 leaves a point out.",
    ),
]
Prior = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="NAME=CENTER+-SD",
        help="A belief about a parameter, weighed against the data: --prior alpha=0.35+-0.05 or "
        "--prior A=400+-50%. Lognormal with this median where the parameter is positive.",
    ),
]
Bootstrap = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Bootstrap refits; 0 for none, and intervals by the delta method. Of loss curves: "
        "100 unless given.",
    ),
]
BootstrapKind = Annotated[
    str,
    typer.Option(
        "--bootstrap-kind",
        metavar=_choices("pairs", "wild"),
        help="Draw runs with replacement, or keep them and draw the signs of their residuals.",
    ),
]
Cluster = Annotated[
    str,
    typer.Option(
        metavar=_choices("run", "config"),
        help="What is drawn together: the rows of a run, or also runs of equal inputs (seeds).",
    ),
]
RunSchedules = Annotated[
    list[str] | None,
    typer.Option(
        "--schedule",
        metavar="[RUN=]TEXT",
        help="Loss curves: the schedule of a run, or of all that log neither a schedule nor a "
        "learning rate.",
    ),
]
Warmup = Annotated[
    str | None,
    typer.Option(
        metavar=_choices("as_trained", "area", "at_peak"),
        help="Loss curves: how the warm-up counts. Default: as_trained in the average, else as the "
        "law's authors have it.",
    ),
]
PriorStrength = Annotated[
    str,
    typer.Option(
        "--prior-strength",
        metavar=_choices("0", "1", "10", "auto"),
        help="Loss curves: weight of the weak priors; auto takes what predicts training schedules "
        "best that are left out.",
    ),
]
Start = Annotated[
    int | None,
    typer.Option(
        metavar="STEP", help="Loss curves: first step to fit. Default: the end of the warm-up."
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")]
ConfidenceLevel = Annotated[
    float, typer.Option("--level", metavar="P", help="Nominal coverage of intervals.")
]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="WHERE",
        help="What refits run on: serial, or a dask scheduler's workers: dask:tcp://HOST:PORT. "
        "The results are the same.",
    ),
]
FitName = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="FILE|NAME",
        help="A fit file or a certified fit. Default: ./fit.json if it is there, "
        "else chinchilla/besiroglu-2024.",
        autocompletion=complete_fit,
    ),
]
Mirror = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        envvar="SCALING_MIRROR",
        help="Read from this folder instead of the network: DIR/<owner>/<repo>/<commit>/<path>.",
    ),
]


def given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Return the options among these parameters that were typed, as they are spelled."""
    spelled = {str(p.name): p.opts[0] for p in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in names}
    return [spelled[n] for n, s in sources.items() if s is not None and s.name == "COMMANDLINE"]


def pairs(values: list[str] | None, option: str) -> dict[str, str] | None:
    """Split repeated `NAME=VALUE` options.

    Raises
    ------
    UsageError
        If one has no `=`, an empty side, or a name that came before.
    """
    from scaling_cli.vocabulary.errors import UsageError

    if not values:
        return None
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(
                f"cannot read {text!r} for --{option}.", hint=f"Write --{option} NAME=VALUE."
            )
        if name in found:
            raise UsageError(f"--{option} gives {name} twice: {found[name]} and {value}.")
        found[name] = value
    return found


def numbers(values: list[str] | None) -> dict[str, float] | None:
    """Return the parameters that repeated `--fix NAME=VALUE` options hold, and at what."""
    held = pairs(values, "fix")
    return None if held is None else {name: _held(name, text) for name, text in held.items()}


def _held(name: str, text: str) -> float:
    """Read the value of --fix.

    Raises
    ------
    UsageError
        If it is no number.
    """
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import parse_number

    try:
        return parse_number(text)
    except UsageError as error:
        raise UsageError(
            f"--fix {name}={text}: {text!r} is no number.", hint=f"Such as --fix {name}=1.6."
        ) from error


def objective(context: typer.Context) -> "Objective":
    """Return what is minimised, as --objective, --delta and --space say.

    Raises
    ------
    UsageError
        If --delta was typed for an objective without a corner, or one of them means nothing.
    """
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.objective import Objective

    chosen = context.params
    found = Objective(chosen["objective"], chosen["delta"], chosen["space"])
    if found.name != "huber" and given(context, ("delta",)):
        raise UsageError(
            f"--delta is the corner of the Huber loss; --objective {found.name} has none.",
            hint="Leave one of the two out.",
        )
    return found


def announce(executor: str, terminal: "Terminal") -> None:
    """Say that a cluster may keep one waiting."""
    from scaling_cli.engine.executors import SERIAL_NAME, WORKER_WITHIN

    if executor != SERIAL_NAME:
        terminal.say(
            f"connecting to {executor}; waits up to {WORKER_WITHIN:g} s for a first worker"
        )


def command_line(context: typer.Context) -> str:
    """Return the command line, so that a result says how to repeat it."""
    import shlex

    return shlex.join(["scaling", *context.obj["arguments"]])
