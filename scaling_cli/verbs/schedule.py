"""`sc.schedule`: what a learning-rate schedule is, or which one a log followed."""

from pathlib import Path
from typing import Any

from scaling_cli.schedules import is_text, names, parse_schedule
from scaling_cli.schedules._record import describe
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.quantities import B_TOKENS, S, parse_number


def schedule(
    *sources: Any, batch_tokens: float | str | None = None, steps: float | str | None = None
) -> Answer:
    """Return the phases, length and area of schedules, and those that logs followed.

    Parameters
    ----------
    *sources : Schedule, text, or whatever `read` understands
        A log is compared with every family of schedules.
    batch_tokens : float or str, optional
        Tokens of a step.
    steps : float or str, optional
        Length of the logged runs, where logs stop early.
    """
    batch = None if batch_tokens is None else parse_number(batch_tokens, B_TOKENS)
    length = None if steps is None else parse_number(steps, S)
    written = [s for s in sources if isinstance(s, Schedule) or is_written(s)]
    logs = [s for s in sources if not any(s is text for text in written)]
    parsed = [s if isinstance(s, Schedule) else parse_schedule(s) for s in written]
    records = [describe(each, batch) for each in parsed]
    left: list[dict[str, str]] = []
    if logs:
        from scaling_cli.ingest import as_runs
        from scaling_cli.runs.curves import identify_runs

        followed, missing = identify_runs(
            as_runs(logs if len(logs) > 1 else logs[0]), length=length
        )
        records += [
            describe(i.schedule, batch, run=run, identification=i) for run, i in followed.items()
        ]
        left = [{"run": item.run, "reason": item.reason} for item in missing]
    return Answer({"schedules": records, "left_out": left})


def is_written(source: Any) -> bool:
    """Return whether a source is meant as a schedule, not as logs."""
    if not isinstance(source, str):
        return False
    return is_text(source) or (source in names() and not Path(source).exists())
