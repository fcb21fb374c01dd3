"""Whether kept forecasts came true: hold them against the runs that are there now."""

from dataclasses import MISSING, dataclass

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling score forecast.json runs.csv
scaling score forecasts/ runs/*.csv
scaling score forecast.json runs.csv --where 'role == "heldout"' --json
"""
ORDER = 44


@dataclass(frozen=True)
class Held:
    """What is held against what."""

    things: list[str] = options.argument(
        "FORECAST... SRC...",
        "What 'predict --save' or 'forecast -o' wrote, or a folder of these; then logs or tables "
        "of runs.",
        default=MISSING,
    )
    target: str | None = options.option(
        "COLUMN", "The column that was measured. Default: what was predicted."
    )
    where: str | None = options.where()


@options.command
def score(held: Held, reading: options.Reading, asking: options.Telling) -> None:
    """Whether kept forecasts came true: hold them against the runs that are there now.

    A run is held against the prediction of its own point (within 10 %; the law then says what the
    difference changes), or against the forecast of its name. Over several forecasts, how many of
    their ranges held, and how many of right ones would. If no run is there yet, the exit code is 3.
    """
    from scaling_cli.verbs import score as verb

    asking.tell(
        verb.score(
            *held.things,
            target=held.target,
            where=held.where,
            read=lambda sources: reading.read(sources, asking),
        )
    )
