"""Show what a learning-rate schedule is, or which one a log followed and how surely."""

from dataclasses import dataclass
from typing import Any

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling schedule wsd:peak=3e-4,warmup=2160,stable=0.8,min=3e-5,steps=24000
scaling schedule run.csv --map lr=optim/lr
scaling schedule --best --fit curves.json --steps 24000
"""
ORDER = 25


@dataclass(frozen=True)
class Shown:
    """Schedules and logs that are shown."""

    sources: list[str] | None = options.argument(
        "TEXT|SRC...", "Schedules as FAMILY:option=value,..., or logs with a learning rate."
    )
    batch_tokens: float | None = options.option(
        "N", "Tokens of a step: --batch-tokens 512k.", read=options.number("B_tokens")
    )


@dataclass(frozen=True)
class Wanted:
    """How long a run is, and whether its best schedule is wanted."""

    steps: float | None = options.option(
        "N",
        "Length of the logged runs, where logs stop early; with --best, of the planned one.",
        read=options.number("S"),
    )
    best: bool = options.option(
        "", "Which schedule of --steps ends lowest by a fit of curves.", "--best", default=False
    )


@dataclass(frozen=True)
class OfBest:
    """Where the best schedule is looked for."""

    fit: str | None = options.fit_name()
    params: float | None = options.option(
        "N", "With --best: size, for a fit of several.", read=options.number("N")
    )
    peak: float | None = options.option(
        "LR", "With --best: highest rate, as fitted or less.", read=options.number("lr")
    )
    low: float | None = options.option(
        "LR", "With --best: lowest rate, as fitted or more.", "--min", read=options.number("lr")
    )
    warmup: float | None = options.option(
        "N", "With --best: warm-up, of one fitted run.", read=options.number("S")
    )
    knots: int = options.option(
        "K", "With --best: also any rate of K straight stretches.", default=0
    )
    level: float = options.level()


@options.command
def schedule(
    shown: Shown,
    wanted: Wanted,
    of_best: OfBest,
    reading: options.Reading,
    asking: options.Telling,
) -> None:
    """Show what a learning-rate schedule is, or which one a log followed and how surely.

    A number below 1 is a share of the run; tokens= in place of steps= makes a schedule over
    tokens; + joins schedules. A log is compared with every family of schedules. With --best,
    the shape, length and end of the decay that a fit of loss curves says ends lowest, inside the
    regime that it was fitted in.
    """
    from scaling_cli.verbs import schedule as verb
    from scaling_cli.vocabulary.errors import UsageError

    foreign = (
        [*asking.typed(shown), *asking.typed(reading)] if wanted.best else asking.typed(of_best)
    )
    if foreign:
        named = " and ".join(foreign).replace("sources", "schedules and logs")
        how = "cannot be used with --best." if wanted.best else "needs --best."
        raise UsageError(f"{named} {how}")
    if wanted.best:
        _best(wanted.steps, of_best, asking)
        return
    if not shown.sources:
        raise UsageError(
            "no schedule and no log was given.",
            hint="Give FAMILY:option=value,..., a log, or --best --fit FILE --steps N.",
        )
    sources: list[Any] = [text for text in shown.sources if verb.is_written(text)]
    if logs := [text for text in shown.sources if not verb.is_written(text)]:
        sources += [reading.read(logs, asking)]
    asking.tell(verb.schedule(*sources, batch_tokens=shown.batch_tokens, steps=wanted.steps))


def _best(steps: float | None, of_best: OfBest, asking: options.Telling) -> None:
    """Search and print."""
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.curve_fits.best_schedule import best_schedule
    from scaling_cli.vocabulary.errors import UsageError

    if steps is None:
        raise UsageError("--best needs the length of the run.", hint="Give --steps 24000.")
    asked = dict(vars(of_best))
    name = asking.curves_fit(asked.pop("fit"), "--best")
    fit = kinds.load(name, CurveFit)
    with asking.terminal.status("searching schedules"):
        best = best_schedule(fit, round(steps), **asked)
    asking.tell(best, {"fit": name})
