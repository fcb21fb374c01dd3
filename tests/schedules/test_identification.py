"""A logged learning rate tells its schedule: from rounded, sparse and incomplete logs."""

from pathlib import Path

import numpy as np
import pytest
from refusals import refusal
from tables import rows

from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._beginning import Beginning, known_from, shared
from scaling_cli.schedules._identification import Verdict, half_units, identify_schedule
from scaling_cli.vocabulary.errors import DataError


def log(text: str, form: str, every: int, stop: int | None = None, start: int = 0):
    """Return steps and rates of a schedule as a log with this number format holds them."""
    schedule = parse_schedule(text)
    step = np.arange(start, int(schedule.length) if stop is None else stop, every)
    return step, np.array([float(form % rate) for rate in schedule.lr(step)])


# One log of every family, dense or sparse, in the number formats of llm.c, Megatron and others.
KNOWN = [
    ("constant:peak=0.0006,warmup=700,steps=20000", "%.6f", 100),
    ("cosine:peak=0.0006,warmup=700,first=1,steps=19560", "%.6f", 4),
    ("cosine:peak=0.0006,warmup=700,min=6e-05,steps=19560", "%.3e", 40),
    ("linear:peak=0.0006,warmup=700,steps=20000", "%.6f", 100),
    ("linear:peak=0.0006,warmup=700,init=1e-05,min=6e-05,steps=20000", "%.8g", 100),
    ("polynomial:peak=0.001,warmup=400,power=2,steps=10000", "%.8g", 100),
    ("exponential:peak=0.001,warmup=400,min=1e-05,steps=10000", "%.6g", 100),
    ("inverse_sqrt:peak=0.001,warmup=4000,steps=100000", "%.8g", 500),
    ("step:peak=0.0006,warmup=700,at=16000/18000,to=0.00019/6e-05,steps=20000", "%.6f", 100),
    ("wsd:peak=0.0006,warmup=256,stable=16000,decay=sqrt,steps=20000", "%.6f", 20),
    ("wsd:peak=0.0006,warmup=256,stable=16000,decay=mirror_cosine,steps=20000", "%.6f", 20),
    ("wsd:peak=0.0006,warmup=256,stable=16000,decay=exponential,min=6e-06,steps=20000", "%.4e", 20),
]


@pytest.mark.parametrize(("text", "form", "every"), KNOWN)
def test_the_schedule_is_found(text: str, form: str, every: int) -> None:
    found = identify_schedule(*log(text, form, every))
    assert (found.schedule.text(), found.verdict) == (text, Verdict.CERTAIN)
    assert found.within == 1
    assert found.misfit <= 1.01 * max(found.rounding, 1e-15)
    assert (found.shift, list(found.rivals)) == (0, [])


def test_a_run_that_is_not_over_tells_where_it_would_end() -> None:
    text = "cosine:peak=0.0006,warmup=700,steps=20000"
    found = identify_schedule(*log(text, "%.6f", 100, stop=12000))
    assert (found.schedule.text(), found.verdict) == (text, Verdict.CERTAIN)
    assert found.notes == ["the log stops at step 11900, before the end at 20000."]


def test_an_early_stretch_is_ambiguous_and_says_what_else_it_could_be() -> None:
    step, lr = log("cosine:peak=0.0006,warmup=700,steps=20000", "%.6f", 100, stop=3000)
    found = identify_schedule(step, lr)
    assert found.verdict == Verdict.AMBIGUOUS
    assert found.rivals
    for rival in found.rivals:
        assert rival.apart > 0.01
        assert np.abs(rival.schedule.lr(step) - lr).max() <= 1.5 * 0.5e-6 + 1e-9
    known = identify_schedule(step, lr, length=20000)
    assert known.schedule.text() == "cosine:peak=0.0006,warmup=700,steps=20000"


def test_a_straight_line_does_not_tell_where_it_ends() -> None:
    step, lr = log("linear:peak=0.0006,warmup=700,steps=20000", "%.7g", 100, stop=12000)
    found = identify_schedule(step, lr)
    assert found.schedule.length == 12000
    assert found.notes == [
        "the log stops at step 11900, within the decay; that the run ends there, at 12000, is "
        "assumed."
    ]
    known = identify_schedule(step, lr, length=20000)
    assert known.schedule.text() == "linear:peak=0.0006,warmup=700,steps=20000"


WSD = "wsd:peak=0.001,{}stable=2000,decay=cosine,min=0.0001,steps=9000"
STEP = "step:peak=0.001,{}at=5000,to=0.0003,steps=9000"
LATE = {  # how it is told where a warm-up ends at its beginning
    "constant:peak=0.001,{}steps=9000": "constant:peak=0.001,{}steps=9000",
    STEP: STEP,
    WSD: "cosine:peak=0.001,{}min=0.0001,steps=9000",
}


@pytest.mark.parametrize("text", LATE)
def test_a_log_that_starts_late_leaves_the_warm_up_to_its_siblings(text: str) -> None:
    found = identify_schedule(*log(text.format("warmup=2000,"), "%.10g", 100, start=2000))
    assert found.schedule.text() == LATE[text].format("warmup=2000,")
    assert found.beginning == Beginning(2000, 2000)
    assert found.notes == ["the log starts at step 2000; a warm-up that ends there is assumed."]
    for other in ("warmup=500,", ""):
        beginning = Beginning(2000, 500 if other else 0)
        told = found.begun(beginning)
        assert told.schedule == parse_schedule(text.format(other))
        assert told.begun(Beginning(2000, 2000)).schedule.lr(range(9000)) == pytest.approx(
            found.schedule.lr(range(9000)), rel=1e-12
        )


def test_a_table_that_starts_late_gets_a_warm_up_too() -> None:
    step, lr = log("cyclic:peak=1e-3,min=1e-4,period=1000,steps=7000", "%.6f", 50, start=2000)
    found = identify_schedule(step, lr).begun(Beginning(2000, 1000))
    assert found.schedule.lr([0, 500, 1000, 1500]) == pytest.approx([0, 5e-4, 1e-3, 1e-3])
    assert found.schedule.lr(step) == pytest.approx(lr)


def test_a_decay_that_was_under_way_tells_where_the_warm_up_had_ended() -> None:
    text = "cosine:peak=0.001,warmup=500,min=0.0001,steps=9000"
    found = identify_schedule(*log(text, "%.10g", 100, start=2000))
    assert (found.schedule.text(), found.beginning) == (text, Beginning(500, 500, decays=True))


def test_what_shows_its_beginning_has_none_that_is_assumed() -> None:
    for start, every in ((0, 100), (1, 100), (100, 100)):
        found = identify_schedule(*log("constant:peak=1e-3,steps=20000", "%g", every, start=start))
        assert found.beginning is None
    text = "constant:peak=0.001,warmup=900,steps=9000"
    rise = identify_schedule(*log(text, "%g", 100, start=300))
    assert (rise.schedule.text(), rise.beginning) == (text, None)


def test_a_round_end_does_not_lie_before_the_last_row() -> None:
    text = "step:peak=0.001,warmup=100,at=5000,to=0.0003,steps=14150"
    step, lr = log(text, "%g", 50)
    assert identify_schedule(step, lr).schedule.length >= step[-1] == 14100


def test_what_no_family_explains_is_taken_as_logged() -> None:
    step, lr = log("cyclic:peak=1e-3,min=1e-4,period=1000,steps=7000", "%.6f", 50)
    found = identify_schedule(step, lr)
    assert (found.verdict, found.schedule.title) == (Verdict.UNEXPLAINED, "knots")
    assert found.schedule.lr(step) == pytest.approx(lr)
    assert found.notes == ["the rate rises again at step 1000."]
    assert len(found.rivals) == 3
    assert found.rivals[0].misfit <= found.rivals[1].misfit <= found.rivals[2].misfit


ODD = {
    "stops within the warm-up": ([10, 20, 30, 40], [0.1, 0.2, 0.3, 0.4]),
    "rises ever more slowly": (list(range(35, 75)), (np.linspace(0.1, 1, 40) ** 0.5).tolist()),
    "noise in full precision": (list(range(8, 208)), np.random.default_rng(0).random(200).tolist()),
    "falls to zero within three rows": ([29, 30, 31], [1.02e-05, 2.57e-06, 0.0]),
    "nothing, then the peak": ([0, 1, 2, 3], [0.0, 1e-3, 1e-3, 1e-3]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_logs_are_explained_or_taken_as_they_are(name: str) -> None:
    step, lr = map(np.array, ODD[name])
    found = identify_schedule(step, lr)
    taken = found.schedule.lr(step - found.shift)
    assert taken == pytest.approx(lr, abs=0.01 * lr.max())
    if found.verdict == Verdict.UNEXPLAINED:
        assert taken == pytest.approx(lr, rel=1e-12)


def test_digits_that_were_logged() -> None:
    decimals = np.array([0.000123, 0.0006, 0.00061, 0.000007, 0.0])
    assert half_units(decimals) == pytest.approx(5e-7)
    significant = np.array([1.23e-4, 6e-4, 6.1e-2, 7.01e-6])
    assert half_units(significant) == pytest.approx([5e-7, 5e-7, 5e-5, 5e-9])
    assert half_units(np.array([3e-4, 3e-4, 9e-5])).tolist() == [0, 0, 0]
    assert half_units(np.random.default_rng(0).random(9)).max() < 1e-15


LADDER = [
    "ladder-26k-1.05M",
    "schedule-68k-2.1M-linear",
    "schedule-68k-2.1M-wsd10",
    "schedule-68k-2.1M-wsd40",
    "schedule-68k-2.1M-wsd20sqrt",
    "schedule-68k-2.1M-cosine2x",
    "schedule-68k-2.1M-constant",
]


@pytest.mark.parametrize("run", LADDER)
def test_the_ladders_logs_give_its_recorded_schedules(run: str, root: Path) -> None:
    """Its logs count steps done and hold six digits; the table holds the schedule as text."""
    (fact,) = (r for r in rows(root / "data/ladder/runs.csv") if r["run_id"] == run)
    logged = [r for r in rows(root / f"data/ladder/runs/{run}.csv") if r["lr"]]
    step, lr = (np.array([float(r[name]) for r in logged]) for name in ("step", "lr"))
    found = identify_schedule(step, lr)
    recorded = parse_schedule(fact["schedule"].replace(":", ":first=1,"))
    assert found.verdict == Verdict.CERTAIN
    assert found.schedule.title == recorded.title
    ours, theirs = found.schedule.lr(step - found.shift), recorded.lr(step - 1)
    assert ours == pytest.approx(theirs, abs=3e-6 * recorded.highest)


PUBLISHED = {
    "constant_24000": "constant:peak=0.0003,warmup=2159,steps=24000",
    "cosine_72000": "wsd:peak=0.0003,warmup=2159,stable=2160,decay=cosine,min=3e-05,steps=72000",
    "wsd_20000_24000": "wsd:peak=0.0003,warmup=2159,stable=20000,decay=exponential,min=3e-05,"
    "steps=24000",
    "wsdcon_9": "step:peak=0.0003,warmup=2159,at=8000,to=9e-05,steps=16000",
    "wsdld_20000_24000": "wsd:peak=0.0003,warmup=2159,stable=20000,min=3e-05,steps=24000",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_logs(name: str, shared: Path) -> None:
    logged = rows(shared / f"data/multipowerlaw/schedules/{name}.csv")
    found = identify_schedule([r["step"] for r in logged], [r["lr"] for r in logged])
    assert (found.schedule.text(), found.verdict) == (PUBLISHED[name], Verdict.CERTAIN)
    assert found.misfit < 2e-10


def test_rivals_of_a_log_that_begins_late_rise_no_longer_than_until_they_decay() -> None:
    # Cut at 23920 steps the cosine is no longer one; the nearest decay a step before the log.
    whole = parse_schedule("wsd:peak=3e-4,warmup=2160,stable=2160,decay=cosine,steps=24000")
    step = np.arange(2160, 7000, 80)
    found = identify_schedule(step, whole.lr(step), length=23920)
    assert found.verdict is Verdict.UNEXPLAINED
    assert min(r.schedule.phases()[0].end for r in found.rivals) < 2160
    for rival in found.rivals:
        assert np.abs(rival.schedule.lr(step) - whole.lr(step)).max() < 1e-4 * 3e-4


REFUSED = [
    ([0, 1], [1, 1], "2 row(s) of a learning rate do not tell a schedule; 3 may."),
    ([0, 1, 2], [1, 1], "steps and learning rates differ in shape: (3,), (2,)."),
    ([0, 1, 2], [1, -1, 1], "learning rates must be finite and not negative, and not all zero."),
    ([0, 1, 2], [0, 0, 0], "learning rates must be finite and not negative, and not all zero."),
    (
        [0, 2, 2],
        [1, 1, 1],
        "steps must increase from row to row, from 0 on. Keep the last row of each step where a "
        "log was resumed.",
    ),
]


@pytest.mark.parametrize(("step", "lr", "message"), REFUSED)
def test_refused_with_the_whole_message(step: list, lr: list, message: str) -> None:
    assert refusal(DataError, identify_schedule, step, lr) == message


def test_what_shows_that_no_warm_up_is_longer_is_told() -> None:
    """A cosine in its decay at step 900, by its shape from 400 on; a rate at its peak there."""
    at_peak = Beginning(900.0, 900.0)
    cosine = known_from(at_peak, parse_schedule("cosine:peak=1,warmup=400,steps=8000"))
    assert cosine == Beginning(400.0, 400.0, decays=True)
    assert cosine is not None
    assert {b.source for b in shared([at_peak, cosine])} == {"where a decay begins"}
    assert {b.source for b in shared([at_peak, at_peak])} == {"where the logs begin"}
