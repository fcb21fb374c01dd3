"""The critical batch: fit it to runs at several batch sizes; what a loss costs at any batch."""

from dataclasses import dataclass

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write

EXAMPLE = """
scaling batch sweep/*.csv --meta sweep.csv -o batch.json
scaling batch --fit batch.json --target-loss 2.9,2.8 --batch-tokens 256k,1M
scaling batch --params 1B --target-loss 2.5
"""
ORDER = 46


@dataclass(frozen=True)
class Batching:
    """What is fitted, and what is asked of the fit."""

    sources: list[str] | None = options.argument(
        "SRC...", "Logs of runs at several batch sizes: files, folders, globs, a store, or -."
    )
    fit: str | None = options.option(
        "FILE",
        "A file that this command wrote with -o, or two certified fits, of kaplan_ns and "
        "of critical_batch, with a comma between. Default: Kaplan et al. 2020.",
    )
    params: float | None = options.option("N", "Model parameters: 1B.", read=options.number("N"))
    target_loss: list[float] | None = options.option(
        "L", "Losses to reach: 2.5, or 2.9,2.8.", read=options.numbers("L")
    )
    batch_tokens: list[float] | None = options.option(
        "B",
        "Tokens per step: 256k,1M. Default: around the critical batch.",
        read=options.numbers("B_tokens"),
    )
    steps: list[float] | None = options.option(
        "S", "Steps at which the loss is wanted: 1k,10k.", read=options.numbers("S")
    )
    target: str | None = options.target()
    start: int | None = options.option(
        "STEP", "First step to take. Default: the end of the warm-up."
    )
    level: float = options.level()
    output: str | None = options.output("Where to write the fit.")


@options.command
def batch(batching: Batching, reading: options.Reading, asking: options.Telling) -> None:
    """Fit the critical batch to runs at several batch sizes; say what a loss costs at any batch.

    At the critical batch a loss takes twice the fewest steps and twice the fewest tokens: larger
    batches buy little time, smaller ones little compute. The theory is one of constant learning
    rates, tuned at each batch.
    """
    from scaling_cli.reports import batch_fit as batch_report
    from scaling_cli.verbs import batch as verb
    from scaling_cli.vocabulary.errors import UsageError

    asked = dict(vars(batching))
    sources, output = asked.pop("sources"), asked.pop("output")
    path = writable(output)
    if path is not None and not sources:
        raise UsageError("there is nothing to write to -o: no logs were fitted.")
    if not sources:
        options.refuse_alone(asking, batching, reading, "--target", "--start")
    if not sources and batching.fit is None:
        asking.terminal.say(
            f"fit: certified {verb.PUBLISHED} (--fit chooses another); N without embeddings"
        )
    runs = reading.read(sources, asking) if sources else None
    with asking.terminal.status("fitting the critical batch"):
        _cache.enable()
        answer = verb.batch(runs, command=asking.command, **asked)
    fitted = answer.made if sources else None
    if fitted is not None:
        write(fitted.to_json, path)
    asking.result(
        answer.record,
        lambda: batch_report.blocks(fitted, full=asking.full, record=answer.record, written=path),
    )
