"""Which learning-rate schedule every run of a table followed."""

import numpy as np

from scaling_cli.runs.table import Runs
from scaling_cli.runs.view import View
from scaling_cli.schedules._identification import FEWEST_ROWS, Identification, identify_schedule
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.outcomes import LeftOut


def identify_runs(
    runs: Runs, *, length: float | None = None
) -> tuple[dict[str, Identification], list[LeftOut]]:
    """Return the schedule of every run that logged a learning rate, and the other runs.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    length : float, optional
        Steps of the whole run, the same for all, where the logs may stop early.

    Raises
    ------
    DataError
        If no run has steps and a learning rate, or `identify_schedule` cannot use one.
    """
    view = View.of(runs)
    names = runs.runs["run_id"].to_pylist()
    found: dict[str, Identification] = {}
    left: list[LeftOut] = []
    there = np.isin(["step", "lr"], view.names()).all()
    for i, name in enumerate(names):
        rows = view.take(np.flatnonzero(view.owner == i))
        step, lr = (rows.column(c) if there else np.empty(0) for c in ("step", "lr"))
        logged = rows.own("lr") & np.isfinite(step) & np.isfinite(lr) if there else step > 0
        if logged.sum() < FEWEST_ROWS:
            left.append(LeftOut(name, f"{logged.sum()} row(s) with a step and a learning rate"))
            continue
        found[name] = identify_schedule(step[logged], lr[logged], length=length)
    if not found:
        raise DataError(
            "no run has a learning rate along its steps.",
            file=view.files(),
            hint="Say which column it is: --map lr=COLUMN. Columns found: "
            f"{', '.join(view.original_names())}.",
        )
    return found, left
