"""Options, each declared once: frozen dataclasses whose fields are the options of commands.

`command` makes a command of a function that takes such dataclasses: its parameters are all their
fields, in their order. A field is declared by `option` or `argument`; one whose text means more
than Typer can read says by a `Read` how.
"""

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cached_property, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from scaling_cli.cli._terminal import Terminal
from scaling_cli.vocabulary import bounds

if TYPE_CHECKING:
    from scaling_cli.reports._blocks import Block
    from scaling_cli.runs.table import Runs
    from scaling_cli.vocabulary.objective import Objective


@dataclass(frozen=True)
class Read:
    """How a value is read from the text that was typed, or from all texts of a repeated option."""

    read: Callable[[Any], Any]
    repeated: bool = False

    @property
    def typed(self) -> Any:
        """What Typer is to take."""
        return list[str] | None if self.repeated else str | None


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the fields of a function's options one by one.

    Parameters
    ----------
    function : callable
        Every parameter is annotated with a dataclass of this kind.
    """
    groups = get_type_hints(function)
    groups.pop("return")
    declared = {f.name: f for group in groups.values() for f in fields(group)}
    readers = {name: f.metadata.get("read") for name, f in declared.items()}

    @wraps(function)
    def run(**typed: Any) -> None:
        values = {
            name: reader.read(typed[name]) if reader and typed[name] is not None else typed[name]
            for name, reader in readers.items()
        }
        made = {
            name: group(**{f.name: values[f.name] for f in fields(group)})
            for name, group in groups.items()
        }
        with bounds.allowing(_speaking(made), **values.get("allow") or {}):
            function(**made)

    parameters = [_parameter(f, readers[name]) for name, f in declared.items()]
    run.__annotations__ = {}
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _speaking(made: Mapping[str, Any]) -> Callable[[str], None] | None:
    """Return what tells a person that something takes its time."""
    return next((o.terminal.say for o in made.values() if isinstance(o, Asking)), None)


def _parameter(declared: Field[Any], reader: Read | None) -> inspect.Parameter:
    """Return a field as a parameter that Typer understands."""
    annotation: Any = declared.type if reader is None else reader.typed
    if "info" in declared.metadata:
        annotation = Annotated[annotation, declared.metadata["info"]]
    default = inspect.Parameter.empty if declared.default is MISSING else declared.default
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def option(
    metavar: str,
    help: str,
    *names: str,
    default: Any = None,
    read: Read | None = None,
    complete: Callable[[str], list[str]] | None = None,
    envvar: str | None = None,
) -> Any:
    """Declare a field as an option.

    Parameters
    ----------
    metavar : str
        What stands for its value; empty for a flag.
    help : str
    *names : str
        How it is spelled. Default: as the field is called.
    default : object
    read : Read, optional
    complete : function, optional
        Completes its value in a shell.
    envvar : str, optional
        Where it comes from if it is not typed.
    """
    info = typer.Option(
        *names, metavar=metavar or None, help=help, autocompletion=complete, envvar=envvar
    )
    return field(default=default, metadata={"info": info, "read": read})


def argument(
    metavar: str,
    help: str,
    *,
    default: Any = None,
    complete: Callable[[str], list[str]] | None = None,
) -> Any:
    """Declare a field as an argument; MISSING as its default makes it required."""
    info = typer.Argument(metavar=metavar, help=help, show_default=False, autocompletion=complete)
    return field(default=default, metadata={"info": info})


def complete(*lists: str) -> Callable[[str], list[str]]:
    """Return what completes a name by lists, each a `module.function` that is loaded only then."""

    def matching(incomplete: str) -> list[str]:
        places = [text.rpartition(".") for text in lists]
        found = (
            getattr(import_module(f"scaling_cli.{m}"), function)() for m, _, function in places
        )
        return [name for names in found for name in names if name.startswith(incomplete)]

    return matching


FITS, RECIPES = "artefacts.kinds.fit_names", "artefacts.kinds.recipe_names"


def target() -> Any:
    """Declare which column is predicted."""
    return option("COLUMN", "What the law predicts. Default: val_loss if it is logged, else loss.")


def where() -> Any:
    """Declare which rows are kept."""
    return option("EXPR", "Rows to keep: --where 'tokens > 1e9 and params < 1e9'.")


def at() -> Any:
    """Declare which rows of a run are taken."""
    return option("final|all|last:K", "Which rows of a run to fit.", default="final")


def seed() -> Any:
    """Declare the seed."""
    return option("N", "Seed of everything random.", default=0)


def level() -> Any:
    """Declare the coverage of intervals."""
    return option("P", "Nominal coverage of intervals.", default=0.9)


def fit_name() -> Any:
    """Declare the fit that is used."""
    return option(
        "FILE|NAME",
        "A fit file or a certified fit. Default: ./fit.json if it is there, "
        "else chinchilla/besiroglu-2024.",
        complete=complete(FITS),
    )


def mirror() -> Any:
    """Declare what stands in for the network."""
    return option(
        "DIR",
        "Read from this folder instead of the network: DIR/<owner>/<repo>/<commit>/<path>.",
        envvar="SCALING_MIRROR",
    )


def output(help: str, *, name: str = "--output") -> Any:
    """Declare the file that is written."""
    return option("FILE", help, name, "-o")


def run_schedules() -> Any:
    """Declare the schedules of runs."""
    return option(
        "[RUN=]TEXT|FILE",
        "Loss curves: the schedule of a run, or of all that log neither a schedule nor a learning "
        "rate: as text, or a table of step and lr.",
        "--schedule",
    )


def pairs(option: str, form: str = "NAME=VALUE") -> Read:
    """Return the reader of a repeated option of this form."""

    def read(texts: Sequence[str]) -> dict[str, str] | None:
        from scaling_cli.vocabulary.errors import UsageError
        from scaling_cli.vocabulary.reading import as_text

        values: dict[str, str] = {}
        for text in texts:
            name, equals, value = (part.strip() for part in as_text(text).partition("="))
            if not (name and equals and value):
                raise UsageError(
                    f"cannot read {text!r} for --{option}.", hint=f"Write --{option} {form}."
                )
            if name in values:
                raise UsageError(f"--{option} gives {name} twice: {values[name]} and {value}.")
            values[name] = value
        return values or None

    return Read(read, repeated=True)


def _held(texts: Sequence[str], option: str = "fix", example: str = "E=1.6") -> Any:
    """Read repeated `--fix NAME=VALUE` into numbers by name, or None."""
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import parse_number

    values = {}
    for name, text in (pairs(option).read(texts) or {}).items():
        try:
            values[name] = parse_number(text)
        except UsageError as error:
            told = f"--{option} {name}={text}: {text!r} is no number."
            raise UsageError(told, hint=f"Such as --{option} {example}.") from error
    return values or None


def number(symbol: str = "") -> Read:
    """Return the reader of a quantity: `7B`, `1T`."""

    def read(text: str) -> float:
        from scaling_cli.vocabulary.quantities import BY_SYMBOL, parse_number

        return parse_number(text, BY_SYMBOL.get(symbol))

    return Read(read)


def numbers(symbol: str, *, repeated: bool = True, real: bool = False) -> Read:
    """Return the reader of an option, most often repeated, that takes lists too: `7B,13B`.

    With `real` any number is one: a target that stands for the loss may lie below zero.
    """

    def read(texts: str | Sequence[str]) -> list[float]:
        from scaling_cli.cli._inputs import read_list
        from scaling_cli.vocabulary.quantities import BY_SYMBOL, Domain

        several, quantity = [texts] if isinstance(texts, str) else texts, BY_SYMBOL[symbol]
        quantity = replace(quantity, domain=Domain.REAL) if real else quantity
        return read_list(several, quantity, listed=not repeated)

    return Read(read, repeated)


@dataclass(frozen=True)
class Asking:
    """How a command speaks, and what was typed: the options of every command."""

    context: typer.Context
    json: bool = option("", "Print one JSON object instead of text.", "--json", default=False)
    quiet: bool = option(
        "", "Say nothing on standard error but errors.", "--quiet", "-q", default=False
    )
    debug: bool = option("", "Show the traceback of an error.", "--debug", default=False)
    allow: dict[str, float] | None = option(
        "LIMIT=VALUE",
        f"Raise a limit ({', '.join(bounds.BOUNDS)}); a message says when.",
        read=Read(lambda texts: _held(texts, "allow", "points=1e6"), repeated=True),
    )

    @cached_property
    def terminal(self) -> Terminal:
        """Where words go."""
        return Terminal(json=self.json, quiet=self.quiet)

    @property
    def command(self) -> str:
        """The command line, so that a result says how to repeat it."""
        return shlex.join(["scaling", *self.context.obj["arguments"]])

    def curves_fit(self, name: str | None, option: str) -> str:
        """Return the fit of loss curves that is meant; where none is named, say which that is."""
        from scaling_cli.verbs import _stored

        if name is not None:
            return name
        name = _stored.default_of_curves(option)
        self.terminal.say(f"fit: ./{name}")
        return name

    def result(self, record: Any, render: "Callable[[], list[Block]]") -> None:
        """Write the result: one JSON object, or as text the report that `render` makes."""
        self.terminal.result(render, record)

    def typed(self, options: Any) -> list[str]:
        """Return the options of a dataclass that were typed, as they are spelled."""
        spelled = {str(p.name): p.opts[0] for p in self.context.command.params}
        return [spelled[f.name] for f in fields(options) if self.given(f.name, "COMMANDLINE")]

    def given(self, name: str, *by: str) -> bool:
        """Say whether an option comes from the command line, or from the project's file."""
        source = self.context.get_parameter_source(name)
        return source is not None and source.name in (by or ("COMMANDLINE", "DEFAULT_MAP"))


@dataclass(frozen=True)
class Telling(Asking):
    """How much a command says."""

    full: bool = option(
        "", "Print everything, where the first screen leaves out.", "--full", default=False
    )

    def tell(self, thing: Any, also: Mapping[str, Any] | None = None, **context: Any) -> None:
        """Write what was made, as JSON with what else is to say, or as a report in its context."""
        from scaling_cli import reports  # late: --help needs none

        self.result(
            {**thing.to_dict(), **(also or {})},
            lambda: reports.blocks(thing, full=self.full, **context),
        )


READ = ("map", "set", "meta", "name", "format", "pattern", "sparsity")


@dataclass(frozen=True)
class Mapped:
    """From which columns and tables facts are read."""

    map: dict[str, str] | None = option(
        "NAME=COLUMN",
        "Read a quantity from this column: --map loss=eval/c4.",
        read=pairs("map", "NAME=COLUMN"),
    )
    meta: str | None = option(
        "FILE", "A table of what the logs lack, keyed by run_id or file name."
    )

    def read(self, sources: Sequence[str], asking: Asking) -> "Runs":
        """Read sources under these options."""
        from scaling_cli.cli import _process

        with asking.terminal.status("reading"):
            _process.keep_pandas_out()
            from scaling_cli import ingest

            return ingest.read(*sources, **self.said)

    @property
    def said(self) -> dict[str, Any]:
        """Return these options as `ingest.read` takes them."""
        return {name: value for name, value in vars(self).items() if name in READ}


@dataclass(frozen=True)
class Logs(Mapped):
    """How logs are read."""

    set: dict[str, str] | None = option(
        "NAME=VALUE",
        "A quantity that is the same in all files: --set params=124M.",
        read=pairs("set"),
    )
    name: str | None = option("PATTERN", "What file names say: --name '{params}_{tokens}'.")
    format: str | None = option("NAME", "The log format, where guessing fails.")
    pattern: str | None = option("REGEX", r"Lines that measure: 'loss (?P<loss>\S+)'.")


@dataclass(frozen=True)
class Reading(Logs):
    """How logs are read and seen: what a store is not asked."""

    sparsity: list[str] | None = option(
        "[RUN=]TEXT", "Pruned while trained: final=.8,start=25%,end=75% (of compute; unit=tokens)."
    )


def refuse_alone(asking: Asking, given: Any, reading: Reading, *names: str) -> None:
    """Refuse options on runs, those of `given` by their names, where no runs are given.

    Raises
    ------
    UsageError
        If one of them was typed.
    """
    from scaling_cli.vocabulary.errors import UsageError

    wrong = [o for o in asking.typed(given) if o in names] + asking.typed(reading)
    if wrong:
        raise UsageError(
            f"{' and '.join(wrong)}: there are no runs to read.",
            hint=f"Give SRC, or leave {'these' if len(wrong) > 1 else 'this'} out.",
        )


@dataclass(frozen=True)
class Sources:
    """What is read."""

    sources: list[str] = argument(
        "SRC...", "Files, folders, globs, a store, or - for standard input.", default=MISSING
    )


@dataclass(frozen=True)
class Fitting:
    """What is fitted, whatever the kind of law."""

    law: str | None = option(
        "NAME|FORMULA",
        "The law ('scaling laws' lists them); auto, those that forecast held-back runs best; or "
        "your own: 'E + A/N**alpha'. Default: chinchilla; of loss curves of one model, average.",
        complete=complete("verbs.fit.laws"),
    )
    target: str | None = target()
    where: str | None = where()
    fix: dict[str, float] | None = option(
        "NAME=VALUE", "Hold a parameter: --fix E=1.6.", read=Read(_held, repeated=True)
    )
    seed: int = seed()
    level: float = level()


@dataclass(frozen=True)
class OfPoints:
    """How a law of points is fitted."""

    at: str = at()
    best_of: str | None = option(
        "config|frontier", "The best of equal inputs (a random search); or the lower envelope."
    )
    objective: str = option("huber|l2|lad", "What is summed over points.", default="huber")
    delta: float = option("X", "Corner of the Huber loss.", default=0.001)
    space: str = option("log|linear", "Residuals of ln loss or of loss.", default="log")
    rising: bool = option(
        "",
        "The target rises as runs grow (an accuracy): its distance from --limit is fitted.",
        "--rising",
        default=False,
    )
    limit: float | None = option(
        "X", "What a rising target cannot pass. Default: 1, of percentages 100."
    )
    tie: dict[str, str] | None = option(
        "NAME=NAME",
        "Keep two equal: --tie alpha=beta.",
        read=pairs("tie", "NAME=NAME, such as --tie alpha=beta"),
    )
    weight: str | None = option(
        "COLUMN",
        "How much each point counts: a factor of its term of the objective; 0 leaves it out.",
    )
    prior: dict[str, str] | None = option(
        "NAME=CENTER+-SD",
        "A belief about a parameter, weighed against the data: --prior alpha=0.35+-0.05 "
        "or --prior A=400+-50%. Lognormal with this median where the parameter is positive.",
        read=pairs("prior", "NAME=CENTER+-SD, such as --prior alpha=0.35+-0.05"),
    )
    alone: bool = option(
        "",
        "Forecast with this law alone, not with the mean of it and of the laws beside it.",
        "--alone",
        default=False,
    )
    executor: str = option(
        "WHERE",
        "What refits run on: serial, or dask:tcp://HOST:PORT. The results are the same.",
        default="serial",
    )

    def asked(self, asking: Asking) -> dict[str, Any]:
        """Return the options of `point_fits`."""
        return {
            "at": self.at,
            "best_of": self.best_of,
            "rising": self.rising,
            "limit": self.limit,
            "objective": self._objective(asking),
            "tie": self.tie,
            "weights": self.weight,
            "prior": self.prior,
            "alone": self.alone,
            "executor": self.executor,
        }

    def _objective(self, asking: Asking) -> "Objective | None":
        if not any(map(asking.given, ("objective", "delta", "space"))):
            return None
        from scaling_cli.vocabulary.objective import Objective

        objective = Objective(self.objective, self.delta, self.space)
        if objective.name != "huber" and asking.given("delta"):
            raise objective.without_corner()
        return objective

    def announce(self, asking: Asking) -> None:
        """Say that a cluster may keep one waiting."""
        from scaling_cli.engine.executors import DASK_PREFIX, WORKER_WITHIN

        if self.executor.startswith(DASK_PREFIX):
            asking.terminal.say(
                f"connecting to {self.executor}; waits up to {WORKER_WITHIN:g} s for a first worker"
            )


@dataclass(frozen=True)
class OfCurves:
    """How a law of loss curves is fitted."""

    schedules: list[str] | None = run_schedules()
    warmup: str | None = option(
        "STEP|as_trained|area|at_peak",
        "Loss curves: where the warm-up ends that logs do not show; or how the warm-up counts: "
        "by default as_trained in the average, else as the law's authors have it.",
    )
    prior_strength: str = option(
        "0|1|10|auto",
        "Loss curves: weight of the weak priors; auto takes what predicts training "
        "schedules best that are left out.",
        default="1",
    )
    start: int | None = option(
        "STEP", "Loss curves: first step to fit. Default: the end of the warm-up."
    )


@dataclass(frozen=True)
class Point:
    """Inputs of a law, as lists: every combination is meant."""

    params: list[float] | None = option(
        "N", "Model parameters: 7B; 1B,7B or repeated for a grid.", read=numbers("N")
    )
    tokens: list[float] | None = option("D", "Training tokens: 1T.", read=numbers("D"))
    compute: list[float] | None = option(
        "C",
        "Training FLOP: 1e24. With N or D it gives the other by C = 6ND; alone, the law's "
        "own optimum.",
        read=numbers("C"),
    )
    loss: list[float] | None = option(
        "L",
        "A loss, for what is derived from one: predict at the least compute that reaches it.",
        read=numbers("L", real=True),
    )
    input: list[str] | None = option("NAME=VALUE", "Any input of another law: --input N_avg=3e8.")

    def typed(self, law: Any) -> dict[str, list[float]]:
        """Return what was typed, by the symbols of the law."""
        from scaling_cli.cli import _inputs

        return _inputs.typed(law, **self._by_option(law))

    def grid(self, law: Any, asking: Asking) -> Any:
        """Return every combination, completed through C = 6ND, and say once how it was read."""
        from scaling_cli.cli import _inputs

        grid = _inputs.grid(law, command=asking.command, **self._by_option(law))
        echo(grid, asking)
        return grid

    def _by_option(self, law: Any) -> dict[str, Any]:
        from scaling_cli.cli._inputs import read_others

        names = ("params", "tokens", "compute", "loss")
        sizes = {name: getattr(self, name) or [] for name in names}
        return {**sizes, "others": read_others(self.input, law)}

    def named(self) -> list[str]:
        """Return the options that were given."""
        return [f"--{f.name}" for f in fields(self) if getattr(self, f.name)]


def echo(grid: Any, asking: Asking) -> None:
    """Say once how every quantity was read."""
    from scaling_cli.reports import _numbers

    for symbol, values in grid.given.items():
        asking.terminal.say(_numbers.echo(symbol, values))
    for note in grid.notes:
        asking.terminal.say(note)
    if grid.rows:
        asking.terminal.say(f"{_numbers.count(len(grid.rows), 'point')} read")
