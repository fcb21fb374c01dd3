"""A run against its band: checks, patience, and following a log that grows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jobs import CONSTANT, COSINE, STEPS, job
from refusals import refusal

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.following import Band, Update, compare, follow
from scaling_cli.forecasting.job import Diverged, Job
from scaling_cli.vocabulary.errors import DataError, UsageError


def predicted(running: Job) -> Forecast:
    return forecast(running)[0]


@pytest.fixture(scope="module")
def first() -> Forecast:
    return predicted(job(COSINE, seen=2000)[0])


def test_what_comes_as_the_law_says_stays_in_the_band(first: Forecast) -> None:
    watch = compare(Band.of(first), job(COSINE, seen=3000)[0])
    assert len(watch.checks) == 50  # clean losses: every row is a check
    assert (watch.outside, watch.left) == (0, False)
    assert all(check.inside for check in watch.checks)


def test_a_run_leaves_after_so_many_checks_outside(first: Forecast) -> None:
    whole, _ = job(COSINE, seen=3000)
    off = replace(whole, loss=whole.loss * np.where(whole.x > 2500, 1.1, 1.0))
    assert compare(Band.of(first), off.until(2540), 3).outside == 2
    assert not compare(Band.of(first), off.until(2540), 3).left
    watch = compare(Band.of(first), off.until(2560), 3)
    assert (watch.outside, watch.left) == (3, True)
    assert [check.inside for check in watch.checks[-4:]] == [True, False, False, False]


def test_coming_back_ends_the_count_but_not_the_verdict(first: Forecast) -> None:
    whole, _ = job(COSINE, seen=3000)
    out = np.isin(whole.x, [2100, 2120, 2400])
    blip = replace(whole, loss=whole.loss * np.where(out, 1.1, 1.0))
    assert compare(Band.of(first), blip.until(2400), 3).outside == 1
    assert not compare(Band.of(first), blip, 3).left
    assert compare(Band.of(first), blip, 2).left


def test_noisy_rows_are_averaged() -> None:
    """Noise of 2 %: 16 or 17 rows leave half a per cent."""
    running, _ = job(CONSTANT, seen=2000, every=2, noise=0.02)
    whole, _ = job(CONSTANT, seen=2800, every=2, noise=0.02)
    found = predicted(running)
    watch = compare(Band.of(found), whole)
    rows = int(np.ceil((found.noise / 0.005) ** 2))
    assert {check.rows for check in watch.checks} == {rows}
    assert len(watch.checks) == 400 // rows
    assert np.mean([check.inside for check in watch.checks]) >= 0.9
    first = watch.checks[0]
    here = whole.loss[whole.x > 2000][:rows]
    assert first.measured == pytest.approx(np.median(here))


def test_the_band_of_a_record_is_that_of_the_forecast(first: Forecast) -> None:
    record = {"runs": [first.to_dict()]}
    for name in ("run", "another name"):  # a record of one run is that run's
        read = Band.read(record, name)
        for one, other in zip(vars(read).values(), vars(Band.of(first)).values(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("record", [{}, {"runs": [{"run": "run"}]}, [], {"runs": 3}])
def test_what_is_no_forecast(record: Any) -> None:
    assert refusal(DataError, Band.read, record, "run", file="stored.json") == (
        "stored.json: this is no forecast. Write one: scaling forecast RUN --json > forecast.json."
    )


def test_a_record_of_other_runs(first: Forecast) -> None:
    runs = [first.to_dict() | {"run": name} for name in ("one", "two")]
    said = refusal(DataError, Band.read, {"runs": runs}, "three")
    assert said == "there is no forecast of 'three'. Runs: one, two."


def test_axes_must_agree(first: Forecast) -> None:
    tokens = replace(job(COSINE, seen=3000)[0], unit="tokens")
    said = refusal(UsageError, compare, Band.of(first), tokens)
    assert said == "the forecast runs over steps, the log over tokens."


class Log:
    """A log that grows to the next length whenever it is waited for."""

    def __init__(self, whole: Job, ends: list[float], broken: tuple[int, ...] = ()) -> None:
        self.whole, self.ends, self.broken, self.at, self.reads = whole, ends, broken, 0, 0

    def load(self) -> Job:
        self.reads += 1
        if self.reads - 1 in self.broken:
            raise DataError("the last line is cut off.")
        return self.whole.until(self.ends[min(self.at, len(self.ends) - 1)])

    def wait(self) -> bool:
        self.at += 1
        return self.at < len(self.ends)

    def follow(self, predict: Callable[[Job], Forecast] = predicted, **options) -> list[Update]:
        return list(follow(self.load, predict, self.wait, **options))


@pytest.fixture(scope="module")
def whole() -> Job:
    return job(COSINE, seen=STEPS)[0]


def test_a_run_is_followed_to_its_end(whole: Job) -> None:
    updates = Log(whole, [2000, 3000, 4000]).follow()
    assert [u.job.now for u in updates] == [2000, 3000, 4000]
    assert [u.ended for u in updates] == [False, False, True]
    assert [u.forecast is None for u in updates] == [False, False, True]
    assert not any(u.watch.left for u in updates)


def test_following_stops_when_the_band_of_the_first_is_left(whole: Job) -> None:
    off = replace(whole, loss=whole.loss * np.where(whole.x > 2500, 1.1, 1.0))
    updates = Log(off, [2000, 2500, 2540, 2700, 3000]).follow()
    assert [u.job.now for u in updates] == [2000, 2500, 2540, 2700]
    assert [u.watch.left for u in updates] == [False, False, False, True]


def test_a_log_that_did_not_grow_says_nothing(whole: Job) -> None:
    assert len(Log(whole, [2000, 2000, 4000]).follow()) == 2


def test_a_line_half_written_is_waited_for(whole: Job) -> None:
    assert len(Log(whole, [2000, 2500, 3000, 4000], broken=(1, 2)).follow()) == 2
    said = refusal(DataError, Log(whole, [2000, 2500, 3000, 4000], broken=(1, 2, 3)).follow)
    assert said == "the last line is cut off."


def test_a_quiet_log_within_a_row_of_its_end_has_ended(whole: Job) -> None:
    sparse = replace(whole, x=whole.x[8::9], loss=whole.loss[8::9])  # every 180 steps
    updates = Log(sparse, [2000, 3990]).follow()
    assert updates[-1].ended
    assert updates[-1].job.now == 3960


def test_a_run_that_diverges_ends_it(whole: Job) -> None:
    log = Log(whole, [2000, 2500])

    def load() -> Job:
        if log.at == 0:
            return log.load()
        return Job("run", np.arange(1.0, 9), np.array([3, 2.9, 2.8, 2.7, 2.6, 2.5, np.nan, np.nan]))

    with pytest.raises(Diverged):
        list(follow(load, predicted, log.wait))
