"""The check that runs differ in the law's inputs alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, item, percent
from scaling_cli.runs.likeness import OFTEN, VOCABULARIES, literal, one_of, seldom, short_name
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.loss_kinds import FACT, LossKind
from scaling_cli.vocabulary.outcomes import Touches
from scaling_cli.vocabulary.quantities import L

FEWEST_TO_SPARE = 3  # points beyond what is fitted, below which residuals tell nothing
# A setting tells if it has this F beside the law's own parameters, explains this share of the
# squared residuals and moves ln loss by this: much of few residuals, or some of very many.
TELLING = ((12.0, 0.5, 0.003), (25.0, 0.05, 0.01))
FEW = 3  # settings named


@dataclass(frozen=True)
class Apart:
    """How much of what the law leaves over a setting explains, beside the law's parameters."""

    share: float
    F: float
    shifts: np.ndarray  # of ln loss, by column

    @property
    def telling(self) -> bool:
        """Whether that is more than chance, and enough to matter."""
        shift = float(np.max(np.abs(self.shifts)))
        return any(self.F > F and self.share > of and shift > by for F, of, by in TELLING)


@item("data.alike", "", "do the runs differ in more than the law's inputs?", Touches.DATA)
def alike(e: Evidence) -> Verdict:
    """Settings that the law does not see, and data seen again, against what the law leaves over."""
    told = [*_settings(e), *_again(e), *_through(e)]
    fine = "no column says that losses of these runs are of two kinds"
    tested = sorted({*e.points.settings, *e.points.passes, *e.points.unseen})
    fine += f" ({some(tested)}: the law misses by no more for it)" if tested else ""
    return Verdict.judged(" ".join(told[:FEW]) or None, f"{fine}.")


def _settings(e: Evidence) -> Iterator[str]:
    """Name settings that make two kinds of losses, once for all columns that say the same."""
    same: dict[tuple[int, ...], list[str]] = {}
    for name, values in e.points.settings.items():
        if name == FACT and e.points.target != L.column:
            continue
        codes = np.unique([repr(v) for v in values.tolist()], return_inverse=True)[1]
        order = dict.fromkeys(codes.tolist())  # by appearance: names of values do not matter
        place = {code: i for i, code in enumerate(order)}
        same.setdefault(tuple(place[c] for c in codes.tolist()), []).append(name)
    for codes, names in same.items():
        apart = None if _nested(e, codes) else explained(e, dummies(np.array(codes)))
        certain = e.points.conventions.get("L", "").endswith("/token") and any(
            short_name(name) in VOCABULARIES for name in names
        )
        certain = certain or (names[0] == FACT and _shifts(e.points.settings[FACT]))
        if certain or (apart is not None and apart.telling):
            yield _setting(e, names, np.array(codes), apart)


def _shifts(kinds: np.ndarray) -> bool:
    """Say whether a loss of one of these kinds lies off those of the others."""
    return any(LossKind(kind).shifts for kind in kinds.tolist() if kind in [*LossKind])


def _nested(e: Evidence, codes: tuple[int, ...]) -> bool:
    """Say whether every value of a setting goes with one value of an input: a name of a size."""
    groups = np.array(codes)
    return any(
        all(len(np.unique(values[groups == code])) == 1 for code in set(codes))
        for values in e.problem.inputs.values()
    )


def _setting(e: Evidence, names: list[str], codes: np.ndarray, apart: Apart | None) -> str:
    counts = np.bincount(codes)
    most = int(np.argmax(counts))
    values, runs = e.points.settings[names[0]], np.array(e.points.runs, object)
    usual = values[codes == most][0]
    others = list(dict.fromkeys(v for v in values[codes != most].tolist() if v is not None))
    who = some(list(dict.fromkeys(runs[codes != most].tolist())), 3)
    shown = some([literal(v) for v in others], 3)
    by = ""
    if apart is not None and apart.telling:
        far = float(apart.shifts[np.argmax(np.abs(apart.shifts))])
        side = f"{percent(abs(far)).lstrip('+')} {'above' if far > 0 else 'below'}"
        by = f", whose {e.points.target} lies {side} what the law and the others make of it"
    share = "val_loss" if names[0] == FACT else "bits per byte"
    return (
        f"{', '.join(names)} differs: {shown} beside {literal(usual)}, in {who}{by}. Losses of "
        f"two kinds are no one law's: fit one of them (--where '{one_of(names[0], [usual])}'), or "
        f"a target that they share, such as {share}."
    )


def _again(e: Evidence) -> Iterator[str]:
    """Name the column that says that data were seen again so often that it shows."""
    for name, times in e.points.passes.items():
        known = np.nan_to_num(np.asarray(times, float), nan=1.0)
        apart = explained(e, np.log(np.maximum(known, 1.0))[:, None])
        often = known > OFTEN
        if not often.any() and not (apart is not None and apart.telling):
            continue
        most = OFTEN if often.any() else 1
        runs = list(dict.fromkeys(np.array(e.points.runs, object)[known > most].tolist()))
        advice = f"fit the others (--where '{seldom(name, most)}')"
        if (known > most).all():
            advice = "no forecast of runs on fresh tokens follows from them"
        yield (
            f"{name}: data were seen up to {known.max():.3g} times, in {len(runs)} runs more than "
            f"{f'{most:g} times' if most > 1 else 'once'} ({some(runs, 3)}). A token seen again "
            f"teaches less than a fresh one: {advice}."
        )
        return


def _through(e: Evidence) -> Iterator[str]:
    """Name the size or the tokens that move what a loss is to tell alone."""
    for name, values in e.points.unseen.items():
        apart = explained(e, np.log10(values)[:, None])
        if apart is not None and apart.telling:
            far = float(apart.shifts[0])
            yield (
                f"at equal loss {e.points.target} moves with {name}: by {percent(far)} with ten "
                "times as many. The loss does not tell it alone: fit runs like those that are "
                "forecast (--where), or expect that."
            )


def dummies(codes: np.ndarray) -> np.ndarray:
    """Return a column for each value but the most frequent; values of one point have none."""
    counts = np.bincount(codes)
    several = [c for c in range(len(counts)) if counts[c] > 1 and c != int(np.argmax(counts))]
    return (
        np.stack([codes == c for c in several], axis=1).astype(float)
        if several
        else np.empty((len(codes), 0))
    )


def explained(e: Evidence, columns: np.ndarray) -> Apart | None:
    """Return what columns explain of the residuals, beside the law's parameters and a factor.

    The law is taken as linear in its parameters about the fit. None where too few points are to
    spare, or there is nothing to explain.
    """
    left = -e.residuals()
    slopes = np.nan_to_num(e.problem.sensitivity(e.optimum.u))
    own = np.column_stack([np.ones(len(left)), slopes])
    both = np.column_stack([own, columns])
    spare = len(left) - int(np.linalg.matrix_rank(both))
    added = int(np.linalg.matrix_rank(both)) - int(np.linalg.matrix_rank(own))
    if spare < FEWEST_TO_SPARE or not added:
        return None
    before, after = (_squares(matrix, left) for matrix in (own, both))
    if before[0] <= len(left) * np.finfo(float).eps:
        return None
    share = 1 - after[0] / before[0]
    F = (before[0] - after[0]) / added / max(after[0] / spare, np.finfo(float).tiny)
    return Apart(share, F, after[1][own.shape[1] :])


def _squares(matrix: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of squares that least squares leave, and the coefficients."""
    coefficients = np.linalg.lstsq(matrix, values, rcond=None)[0]
    return float(np.sum((values - matrix @ coefficients) ** 2)), coefficients
