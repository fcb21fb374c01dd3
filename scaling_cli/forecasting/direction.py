"""Whether what is forecast rises or falls, and how what rises is turned round to be forecast.

The law falls towards a floor. What rises is forecast as what is left to its limit, and the
forecast is turned back; a limit below what falls makes room for values that are not positive.
"""

from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts.forecast import Forecast, Pair, Past, Path
from scaling_cli.forecasting.despiking import noise_of
from scaling_cli.forecasting.job import Job
from scaling_cli.runs.direction import spearman
from scaling_cli.vocabulary.errors import DataError, FitError, ScalingError, UsageError

FIRST, LAST = 0.05, 0.9  # of the rows at the start, of those before the end, that are compared
SURE = 3.0  # standard errors of what they differ by
ALONG = 0.5  # rank correlation with the place along the run, on the same side
# Words in the name of a column that holds what rises, and of that whose best is a hundred.
RISES = {
    *("acc", "accuracy", "top1", "top5", "pass", "bleu", "rouge", "chrf", "f1", "auc", "auroc"),
    *("map", "miou", "iou", "reward", "return", "em", "exact", "score", "psnr", "winrate"),
    *("recall", "precision"),
}
ENDLESS = {"reward", "return", "score", "psnr"}

LIMITED = "its limit (--limit)"  # how a first screen knows the note that says which was taken


@dataclass(frozen=True)
class Turn:
    """How values are made what the law can follow.

    Parameters
    ----------
    limit : float
        What the values never pass.
    rising : bool
    """

    limit: float = 0.0
    rising: bool = False

    @property
    def worse(self) -> str:
        """What values do that no longer get better."""
        return "falling" if self.rising else "rising"

    @property
    def low(self) -> str:
        """The side on which forecasts miss that expect less than is left in the end."""
        return "high" if self.rising else "low"

    def there(self, job: Job) -> Job:
        """Return the job whose losses are what is left to the limit.

        Raises
        ------
        DataError, UsageError
            If a value lies at the limit or beyond it.
        """
        left = self.limit - job.loss if self.rising else job.loss - self.limit
        if (left <= 0).any():
            raise _passed(job, self, int(np.argmax(left <= 0)))
        return job if self == Turn() else replace(job, loss=left, notes=job.notes)

    def left(self, value: float | None) -> float | None:
        """Return what a level that is asked for leaves to the limit.

        Raises
        ------
        UsageError
            If it lies at the limit or beyond it.
        """
        if value is None:
            return None
        left = self.limit - value if self.rising else value - self.limit
        if not left > 0:
            side = "below" if self.rising else "above"
            raise UsageError(
                f"--target-loss {value:g} cannot be reached: the limit is {self.limit:g}.",
                hint=f"Give a value {side} it, or another --limit.",
            )
        return left

    def value(self, left: float) -> float:
        """Return a value from what is left to its limit."""
        return self.limit - left if self.rising else self.limit + left

    def relative(self, left: float, before: float) -> float:
        """Return by which share a value has changed."""
        return (self.value(left) - self.value(before)) / abs(self.value(before))

    def pair(self, ends: Pair) -> Pair:
        """Return both ends of an interval, the lower first."""
        low, high = sorted(map(self.value, ends))
        return low, high

    def back(self, forecast: Forecast) -> Forecast:
        """Return a forecast of what is left to the limit as one of the values."""
        if self == Turn():
            return forecast
        seen, path, value = forecast.seen, forecast.path, self.value
        rate, reaches = forecast.constant_rate, forecast.reaches
        ends = np.sort([self.values(path.low), self.values(path.high)], axis=0)
        pasts = []
        for past in forecast.backtests:
            told, measured = value(past.predicted), value(past.measured)
            pasts.append(Past(past.cut, told, measured, (told - measured) / abs(measured)))
        return replace(
            forecast,
            seen=replace(seen, loss=value(seen.loss)),
            value=value(forecast.value),
            interval=self.pair(forecast.interval),
            one_value=self.pair(forecast.one_value),
            scenarios=[
                replace(s, value=value(s.value), interval=self.pair(s.interval))
                for s in forecast.scenarios
            ],
            constant_rate=None if rate is None else value(rate),
            backtests=pasts,
            noise=forecast.noise * seen.loss / abs(value(seen.loss)),
            path=Path(path.x, self.values(path.loss), *ends),
            reaches=None if reaches is None else replace(reaches, loss=value(reaches.loss)),
        )

    def values(self, left: np.ndarray) -> np.ndarray:
        """Return values from what is left to their limit."""
        return self.limit - left if self.rising else self.limit + left


def directed(
    job: Job, rising: bool = False, limit: float | None = None
) -> tuple[Job, Turn, list[str]]:
    """Return a job that falls towards zero, how it was turned, and the notes on it.

    Raises
    ------
    DataError
        If a value passes its limit.
    FitError
        If it rises and nothing says that it should, or falls though it should rise.
    """
    notes, way = list(job.notes), direction(job)
    named = bool(RISES & _words(job.target))
    if not rising and (way > 0 or (way == 0 and named)):
        raise _refused(job, named)
    if rising and way < 0:
        raise FitError(
            f"run {job.run!r}: {job.noun} falls along the run, from {_ends(job)}; --rising is for "
            "what rises.",
            hint="Leave --rising out.",
        )
    turn = Turn(0.0 if limit is None else limit, rising)
    if rising and limit is None:
        turn, note = _limit(job)
        notes.append(note)
    return turn.there(job), turn, notes


def direction(job: Job) -> int:
    """Return whether values rise (1) or fall (-1) along a run, 0 where that is not sure."""
    count = max(1, round(FIRST * len(job.x)))
    first, last = job.loss[:count], job.loss[job.x > LAST * job.now]
    reach = float(np.ptp(job.loss)) or 1.0
    # The noise of rows is that of logarithms; values may be negative.
    noise = reach * noise_of(np.exp((job.loss - job.loss.mean()) / reach))
    error = noise * np.sqrt(1 / len(first) + 1 / len(last))
    change = float(last.mean() - first.mean())
    along = spearman(job.x, job.loss) if np.ptp(job.loss) > 0 else 0.0
    sure = abs(change) > SURE * error and along * np.sign(change) > ALONG
    return int(np.sign(change)) if sure else 0


def _words(name: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _ends(job: Job) -> str:
    return f"{job.loss[0]:.4g} to {job.level():.4g}"


def _refused(job: Job, named: bool) -> FitError:
    """Return why what rises is no loss, and what to do."""
    hint = "What should rise is forecast with --rising, and --limit where its best is known "
    hint += "(--limit 1, or 100 for percentages)."
    if not named:
        hint += " A loss that rises all along is followed by no law here."
    return FitError(
        f"run {job.run!r}: {job.noun} rises along the run, from {_ends(job)}; the law falls.",
        hint=hint,
    )


def _limit(job: Job) -> tuple[Turn, str]:
    """Return the limit that what rises has, as far as its name and values say, and a note."""
    top, words = float(job.loss.max()), _words(job.target)
    if not words & ENDLESS and job.loss.min() >= 0 and top <= 100:
        limit = 1.0 if top < 1 else 100.0
        return Turn(limit, rising=True), f"{job.noun} is taken to have {limit:g} as {LIMITED}."
    reach = float(job.level() - job.loss[0])
    limit = max(job.level() + 2 * reach, top + reach)
    return Turn(limit, rising=True), f"{job.noun} is forecast without knowing {LIMITED}."


def _passed(job: Job, turn: Turn, row: int) -> ScalingError:
    """Return what is wrong with a value beyond the limit."""
    value, place = job.loss[row], job.place(job.x[row])
    if turn == Turn():
        return DataError(
            f"run {job.run!r}: the {job.noun} at {place} is {value:g}; a cross-entropy is "
            "positive.",
            hint="Forecast the loss itself, not its logarithm or a difference; or say what it "
            "cannot fall below: --limit X.",
        )
    side = "above" if turn.rising else "below"
    return UsageError(
        f"run {job.run!r}: the {job.noun} at {place} is {value:g}; --limit is {turn.limit:g}.",
        hint=f"Nothing logged may lie at the limit or {side} it; that of percentages is 100.",
    )
