"""The average parameter count of runs whose pruning schedule is said beside them: a view."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa

from scaling_cli.laws._law import Law
from scaling_cli.runs.table import Layout, Note, Runs, floats
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.errors import MismatchError, UsageError, some
from scaling_cli.vocabulary.pruning import FORM, Pruning, parse_pruning
from scaling_cli.vocabulary.quantities import N_AVERAGE, D, N, S

CODE = "sparsity"  # of the note that a schedule was said


def pruned(runs: Runs, said: Sequence[str]) -> Runs:
    """Return runs with the mean so far of the parameters in force at every point.

    Parameters
    ----------
    runs : Runs
        Their `params` are those before pruning. A curve is taken to be whole: its last step, or the
        planned one where that is known, is its end.
    said : sequence of str
        `[RUN=]final=.8,start=25%,end=75%`; RUN may hold `*`. The last that fits a run counts;
        runs that none fits are dense.

    Raises
    ------
    UsageError
        If a schedule cannot be read or fits no run.
    MismatchError
        If the runs hold an average already, or a size is missing.
    """
    if N_AVERAGE.column in (*runs.points.column_names, *runs.runs.column_names):
        message = f"these runs hold {N_AVERAGE.column} already: it would be another by --sparsity."
        raise MismatchError(message, hint="Leave --sparsity out.")
    names = runs.runs["run_id"].to_pylist()
    schedules = _schedules(names, said)
    view = View.of(runs)
    size = view.column(N.column) if N.column in view.names() else np.full(len(view), np.nan)
    if np.isnan(size).any():
        bare = sorted({view.run_ids()[i] for i in np.flatnonzero(np.isnan(size)).tolist()})
        message = f"--sparsity needs the parameters before pruning of {some(bare)}."
        raise MismatchError(message, hint="Give them: --set params=124M, or --meta runs.csv.")
    share, total = _shares(view, schedules)
    mean = np.full(runs.points.num_rows, np.nan)
    for owner, schedule in enumerate(schedules):
        own = np.flatnonzero(view.owner == owner)
        if not len(own):
            continue
        dense, known = float(size[own[0]]), float(total[own[0]])
        length = None if np.isnan(known) else known
        there = schedule.average_at(dense, share[own], length) if schedule else dense
        mean[view.rows[own]] = there
    points = runs.points.append_column(N_AVERAGE.column, pa.array(mean, from_pandas=True))
    count = sum(schedule is not None for schedule in schedules)
    message = f"{N_AVERAGE.column} of {count} run(s) by the pruning schedule that was given"
    message += f"; the other {len(names) - count} are dense." if count < len(names) else "."
    return replace(runs, points=points, notes=[*runs.notes, Note(CODE, "info", message)])


def refuse_unused(runs: Runs, law: type[Law] | Law) -> None:
    """Refuse a law that would ignore the pruning schedule that was said of its runs.

    Raises
    ------
    UsageError
    """
    if any(note.code == CODE for note in runs.notes) and N_AVERAGE not in law.inputs().values():
        raise UsageError(
            f"--sparsity gives {N_AVERAGE.column}, which {law.called()} does not take.",
            hint="Fit --law average_parameters, or leave --sparsity out.",
        )


def _schedules(names: Sequence[str], said: Sequence[str]) -> list[Pruning | None]:
    """Return the schedule of each run; None where it is dense."""
    schedules: dict[str, Pruning] = {}
    for text in said:
        first, _, rest = text.partition("=")
        named = first.strip() not in Pruning.__dataclass_fields__
        pattern, pruning = (first, parse_pruning(rest)) if named else ("*", parse_pruning(text))
        fits = [name for name in names if fnmatchcase(name, pattern)]
        if not fits:
            hint = f"Write RUN={FORM}; the runs are {some(list(names))}."
            raise UsageError(f"--sparsity {text!r} fits no run.", hint=hint)
        schedules |= dict.fromkeys(fits, pruning)
    return [schedules.get(name) for name in names]


def _shares(view: View, schedules: Sequence[Pruning | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of its run that each point ends, and the run's length in the unit said."""
    curve = np.array([rows != Layout.RUN for rows in view.runs.runs["rows"].to_pylist()])
    share, length = np.full(len(view), np.nan), np.full(len(view), np.nan)
    for name, unit in ((S.column, "steps"), (D.column, "tokens")):
        along = view.column(name) if name in view.names() else np.full(len(view), np.nan)
        end = _ends(view, name, along)[view.owner]
        asked = np.array([s is not None and s.unit == unit for s in schedules])[view.owner]
        length = np.where(asked, end, length)
        share = np.where(np.isnan(share), along / end, share)
    return np.where(curve[view.owner] & ~np.isnan(share), np.minimum(share, 1.0), 1.0), length


def _ends(view: View, name: str, along: np.ndarray) -> np.ndarray:
    """Return where each run ends: as planned, or at its last point."""
    end = np.full(len(view.runs), np.nan)
    np.fmax.at(end, view.owner, along)
    facts = view.runs.runs
    return np.fmax(end, floats(facts[name])) if name in facts.column_names else end
