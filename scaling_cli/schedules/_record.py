"""What `scaling schedule --json` prints of a schedule, and of one that a log followed."""

from dataclasses import asdict
from typing import Any

from scaling_cli.schedules._identification import Identification
from scaling_cli.schedules._schedule import Schedule


def describe(
    schedule: Schedule,
    batch_tokens: float | None,
    *,
    run: str | None = None,
    identification: Identification | None = None,
) -> dict[str, Any]:
    """Return what `scaling schedule --json` prints of one schedule.

    `area` is S1, the learning rate summed over the steps of the run; None for a schedule over
    tokens of which the tokens of a step are not known.
    """
    stepped = schedule if batch_tokens is None else schedule.in_steps(batch_tokens)
    known = stepped.unit == "steps"
    tokens = schedule.length if schedule.unit == "tokens" else None
    if tokens is None and batch_tokens is not None:
        tokens = schedule.length * batch_tokens
    return {
        "run": run,
        "text": schedule.text(),
        "family": schedule.title,
        "unit": schedule.unit,
        "steps": stepped.length if known else None,
        "tokens": tokens,
        "batch_tokens": batch_tokens,
        "peak": schedule.highest,
        "last": schedule.phases()[-1].last,
        "area": float(stepped.per_step().sum()) if known else None,
        "phases": [asdict(phase) for phase in schedule.phases()],
        "identification": None if identification is None else _identified(identification),
    }


def _identified(identification: Identification) -> dict[str, Any]:
    record = {key: value for key, value in vars(identification).items() if key != "schedule"}
    rivals = [
        {"text": r.schedule.text(), "misfit": r.misfit, "within": r.within, "apart": r.apart}
        for r in identification.rivals
    ]
    before = identification.beginning
    record |= {"verdict": str(identification.verdict), "notes": list(identification.notes)}
    if before is None:
        del record["beginning"]
    else:
        record["beginning"] = asdict(before)
    return {**record, "rivals": rivals}
