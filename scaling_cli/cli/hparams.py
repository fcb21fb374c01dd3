"""Say which learning rate and batch suit a model, by a published law or by your own sweep."""

from dataclasses import dataclass

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write

EXAMPLE = """
scaling hparams --params 7B --tokens 1T --seq-len 4096
scaling hparams sweep.csv --params 7B --tokens 1T -o recipe.json
scaling hparams --fit recipe.json --params 13B --tokens 2T
"""
ORDER = 48


@dataclass(frozen=True)
class Advising:
    """What is asked of a recipe, or of a sweep."""

    sources: list[str] | None = options.argument(
        "[SRC...]",
        "A sweep of your own: runs with params, tokens, lr, loss and, if it varied, batch_tokens.",
    )
    params: float | None = options.option(
        "N", "Model parameters, counted as the law counts them: 7B.", read=options.number("N")
    )
    tokens: float | None = options.option("D", "Training tokens: 1T.", read=options.number("D"))
    fit: str | None = options.option(
        "FILE|NAME",
        "What to ask, or to compare the sweep with: a file of -o, a fit of a "
        "learning-rate law, or a certified recipe. Default: li-2025 (Step Law).",
        complete=options.complete(options.RECIPES),
    )
    seq_len: str | None = options.option(
        "T", "Tokens of a sequence: the batch in sequences as well."
    )
    target: str | None = options.target()
    where: str | None = options.where()
    at: str = options.at()
    seed: int = options.seed()
    level: float = options.level()
    output: str | None = options.output("Where to write what the sweep gave.")


@options.command
def hparams(advising: Advising, reading: options.Reading, asking: options.Telling) -> None:
    """Say which learning rate and batch suit a model, by a published law or by your own sweep.

    The interval is where the optimum of such a run lies, by the draws of both laws together. A
    sweep is judged cell by cell (one size on one number of tokens); cells that do not enclose
    their optimum are named. The exit code is 4 where the rest is too little.
    """
    from scaling_cli.reports import hparams as hparams_report
    from scaling_cli.verbs import hparams as verb
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import format_number

    asked = dict(vars(advising))
    sources, output = asked.pop("sources"), asked.pop("output")
    if output is not None and not sources:
        raise UsageError(
            "-o writes what a sweep gave, and no sweep was given.",
            hint="For example: scaling hparams sweep.csv -o recipe.json",
        )
    if not sources:
        options.refuse_alone(asking, advising, reading, "--target", "--where", "--at", "--seed")
    path = writable(output)
    runs = reading.read(sources, asking) if sources else None
    advice = verb.hparams(runs, command=asking.command, **asked)
    record = advice.to_dict()
    given = advising.params is not None
    how = "" if given else ", the largest usable cell of the sweep (--params, --tokens)"
    count = record["convention"] or "convention not stated"
    asking.terminal.say(f"N = {format_number(record['N'])} ({count}){how}")
    asking.terminal.say(f"D = {format_number(record['D'])}")
    if advice.made is not None:
        write(advice.made.to_json, path)
    asking.result(record, lambda: hparams_report.blocks(record, full=asking.full, written=path))
