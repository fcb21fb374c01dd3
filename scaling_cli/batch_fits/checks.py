"""What runs at several batch sizes do not say: lines with stable codes."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from scaling_cli.artefacts.batch_fit import FEWEST_LEFT_OUT, BatchLevel, BatchTrajectory
from scaling_cli.batch_fits.levels import BatchRun
from scaling_cli.vocabulary.outcomes import Check

NOISY = 0.1  # root mean square of ln steps about a hyperbola
FEW = 5
MISSED = 0.5  # of the levels


def checks(
    runs: Sequence[BatchRun],
    levels: Sequence[BatchLevel],
    trajectory: BatchTrajectory,
    replicates: Sequence[BatchTrajectory],
) -> list[Check]:
    """Return one line per question; a warning says what to do."""
    questions = (
        ("bracket", _bracket(levels, trajectory), "the critical batch lies between those run."),
        ("count", _count(levels, replicates), "there are enough batch sizes for an interval."),
        ("levels", _missed(levels), "every batch gets to most of the levels."),
        ("noise", _noise(levels), "steps to a loss lie near their hyperbola."),
        ("learning_rate", _tuned(runs, levels), "no best rate lies at the edge of its sweep."),
        ("schedule", _schedules(runs), "the rate is constant after the warm-up in every run."),
    )
    return [Check.warned(f"batch.{code}", said, passed) for code, said, passed in questions]


def _bracket(levels: Sequence[BatchLevel], trajectory: BatchTrajectory) -> Iterator[str]:
    batches = sorted({b["B"] for level in levels for b in level.batches})
    losses = np.array([level.loss for level in levels])
    low, high = (float(trajectory.critical_batch(at)) for at in (losses.max(), losses.min()))
    tokens = np.array(batches)
    above, below = (tokens > high).any(), (tokens < low).any()
    if not above or not below:
        side = "below" if not above else "above"
        yield (
            f"the critical batch, {low:.3g} to {high:.3g} tokens, is not between batches that "
            f"were run, {batches[0]:.3g} to {batches[-1]:.3g}: all are {side} it, so it is "
            f"extrapolated. Add runs at {'larger' if not above else 'smaller'} batches."
        )


def _count(levels: Sequence[BatchLevel], replicates: Sequence[BatchTrajectory]) -> Iterator[str]:
    count = len({b["B"] for level in levels for b in level.batches})
    if len(replicates) < FEWEST_LEFT_OUT:
        yield f"{count} batch sizes leave no interval; add some, a factor of four apart."
    elif count < FEW:
        yield f"{count} batch sizes: the intervals rest on leaving out each of few; add some."


def _missed(levels: Sequence[BatchLevel]) -> Iterator[str]:
    often = [B for level in levels for B in level.missed]
    missed = sorted({B for B in often if often.count(B) > MISSED * len(levels)})
    if missed:
        names = ", ".join(f"{B:.6g}" for B in missed)
        yield (
            f"batches of {names} tokens miss more than half of the levels, which lie where most "
            "batches get: train those for longer."
        )


def _noise(levels: Sequence[BatchLevel]) -> Iterator[str]:
    worst = max(level.misfit for level in levels)
    if worst > NOISY:
        yield (
            f"steps to a loss lie up to {100 * worst:.0f} % (root mean square) off the hyperbola: "
            "the learning rate is not tuned at every batch, or the curves are noisy."
        )


def _tuned(runs: Sequence[BatchRun], levels: Sequence[BatchLevel]) -> Iterator[str]:
    groups: dict[tuple[float, float], list[BatchRun]] = {}
    for run in runs:
        groups.setdefault((run.N, run.B), []).append(run)
    if min(len(group) for group in groups.values()) < 2:
        yield (
            "some batches have a single run: if its learning rate is not the best one for that "
            "batch, the critical batch comes out wrong. Sweep the rate at each batch."
        )
    # The first at the lowest level that the batch gets to: levels fall, so the last one counts.
    fastest = {(level.N, b["B"]): b["run"] for level in levels for b in level.batches}
    best = set(fastest.values())
    edges = sorted({B for (_, B), group in groups.items() if _at_an_edge(group, best)})
    if edges:
        yield (
            f"at batches of {', '.join(f'{B:.6g}' for B in edges)} tokens the best learning rate "
            "is the lowest or the highest that was tried: another may need fewer steps. Sweep "
            "further there."
        )


def _at_an_edge(group: Sequence[BatchRun], best: Collection[str]) -> bool:
    """Return whether the best of several rates has none on one of its sides."""
    rates = {run.rate for run in group if np.isfinite(run.rate)}
    own = [run.rate for run in group if run.run in best]
    return len(rates) > 1 and any(rate in (min(rates), max(rates)) for rate in own)


def _schedules(runs: Sequence[BatchRun]) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for run in runs:
        for note in run.notes:
            told.setdefault(note, []).append(run.run)
    for note, names in told.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}: {note}."
