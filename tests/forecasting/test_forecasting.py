"""`forecast`: schedules known and assumed, guards, what is said, and real curves."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jobs import CONSTANT, COSINE, LAG, LAW, STEPS, WSD, area_and_fall, job
from loss_curves import curve
from processes import loaded_by
from refusals import refusal, refused
from scipy import optimize, stats

import scaling_cli as sc
from scaling_cli import reports
from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.annealed import alone
from scaling_cli.forecasting.despiking import spikes
from scaling_cli.forecasting.future import plan_of
from scaling_cli.forecasting.job import Diverged, Job, binned, jobs_of, read_until
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import DataError, UsageError


def of(running: Job, **options) -> Forecast:
    return forecast(running, **options)[0]


def test_the_end_of_a_known_schedule_is_forecast() -> None:
    running, ends = job(COSINE, seen=3000)
    found = of(running)
    assert found.value == pytest.approx(ends, rel=2e-3)
    assert found.interval[0] < ends < found.interval[1]
    assert (found.until, found.unit, found.run, found.valid) == (4000.0, "steps", "run", True)
    assert (found.seen.step, found.seen.tokens, found.seen.points) == (3000.0, 3e6, 150)
    assert (found.schedule.source, found.schedule.assumed, found.scenarios) == ("column", False, [])
    assert found.path.x[[0, -1]].tolist() == [3000.0, 4000.0]
    assert found.path.loss[-1] == found.value
    assert (found.path.low[-1], found.path.high[-1]) == pytest.approx(found.interval)
    assert found.warnings == []


def test_an_interval_is_wider_for_one_value_by_its_noise() -> None:
    running, _ = job(CONSTANT, seen=2000, every=5, noise=0.01)
    found = of(running)
    assert found.noise == pytest.approx(0.01, rel=0.15)
    half, one = (np.log(high / low) / 2 for low, high in (found.interval, found.one_value))
    assert one**2 - half**2 == pytest.approx((1.6448536 * found.noise) ** 2, rel=1e-6)
    wider = of(running, level=0.99)
    ratio = np.log(wider.interval[1] / wider.interval[0]) / (2 * half)
    assert ratio == pytest.approx(2.5758293 / 1.6448536, rel=1e-6)


def test_the_share_of_the_decay_is_that_of_the_law() -> None:
    running, ends = job(COSINE, seen=3600)
    found = of(running)
    fall = area_and_fall(parse_schedule(COSINE), LAG * STEPS)[1]
    share = LAW["B"] * (fall[STEPS] - fall[3600]) / (running.loss[-1] - ends)
    assert found.decay_share == pytest.approx(share, abs=0.03)
    held = job(CONSTANT, seen=STEPS)[1]
    assert of(job(WSD, seen=3200)[0]).constant_rate == pytest.approx(held, rel=1e-3)
    assert of(job(CONSTANT, seen=2000)[0]).decay_share == pytest.approx(0, abs=1e-5)


def test_a_schedule_over_tokens_is_that_over_steps() -> None:
    running, _ = job(COSINE)
    tokens = COSINE.replace(f"steps={STEPS}", "tokens=4M").replace("warmup=100", "warmup=100k")
    over = of(replace(running, schedule=None), schedule=tokens)
    assert over.until == pytest.approx(4000)
    assert over.value == pytest.approx(of(running).value, rel=1e-6)
    assert refusal(
        DataError, of, replace(running, schedule=None, batch_tokens=None), schedule=tokens
    ) == (
        "run 'run' is logged over steps, its schedule runs over tokens, and the tokens of a step "
        "are not known. Say how many tokens a step takes: --set batch_tokens=512k."
    )


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("24000", 24000.0, "until step 24000"),
        ("24k", 24000.0, "until step 24000"),
        ("24M tokens", 24000.0, "until 2.4e+07 tokens = step 24000"),
        ("24B tokens", 2.4e7, "until 2.4e+10 tokens = step 2.4e+07"),
        ("2B steps", 2e9, "until step 2e+09"),
    ],
)
def test_where_a_run_ends_is_read(text: str, place: float, said: str) -> None:
    assert read_until(text, job()[0]) == (place, said)


def test_a_number_counts_what_the_run_is_logged_over() -> None:
    running = job()[0]
    tokens = replace(running, x=running.x * 1e6, unit="tokens")
    assert read_until("4e9", tokens) == (4e9, "until token 4e+09")
    samples = replace(running, x=running.x * 1e6)
    assert read_until("4e9", samples) == (4e9, "until step 4e+09")
    assert refusal(UsageError, read_until, "1.5T", running) == (
        "--until 1.5T is 7.5e+08 times what run 'run' has logged, step 2000. Say what it counts: "
        "--until '1.5T tokens', or '1.5T steps'."
    )


def test_tokens_need_the_tokens_of_a_step() -> None:
    assert refusal(UsageError, read_until, "24M tokens", replace(job()[0], batch_tokens=None)) == (
        "--until 24M tokens is in tokens, run 'run' is logged over steps, and the tokens of a step "
        "are not known. Say how many tokens a step takes: --set batch_tokens=512k."
    )


# --- schedules that are not known -----------------------------------------------------------


def mixture(found: Forecast, share: float) -> float:
    """Return a quantile of normal distributions mixed, from what is printed of each."""
    z = stats.norm.ppf((1 + found.level) / 2)
    parts = [
        (s.weight, np.log(s.interval).mean(), np.ptp(np.log(s.interval)) / (2 * z))
        for s in found.scenarios
    ]

    def short(x: float) -> float:
        return sum(w * float(stats.norm.cdf(x, middle, sd)) for w, middle, sd in parts) - share

    return float(np.exp(optimize.root_scalar(short, bracket=(-5, 5), xtol=1e-14).root))


def assert_mixed(found: Forecast) -> None:
    """Hold the headline against the scenarios printed beside it."""
    assert sum(s.weight for s in found.scenarios) == pytest.approx(1)
    expected = [mixture(found, share) for share in (0.5, 0.05, 0.95)]
    assert [found.value, *found.interval] == pytest.approx(expected, rel=1e-9)
    assert (found.path.low[-1], found.path.high[-1]) == pytest.approx(found.interval)


def test_without_a_rate_three_kinds_of_schedules_are_mixed() -> None:
    running, ends = job(COSINE, seen=3000, known=False)
    found = of(running, until=STEPS)
    names = ["follows a cosine to 10 %", "cools down in the last 20 %", "stays constant"]
    assert [s.name for s in found.scenarios] == names
    assert (found.schedule.known, found.schedule.assumed, found.decay_share) == (
        *("assumed", True),
        None,
    )
    assert_mixed(found)
    assert found.interval[0] < ends < found.interval[1]
    for scenario in found.scenarios:
        assert scenario.value == pytest.approx(of(running, schedule=scenario.schedule).value)


def test_spikes_are_sought_once_in_each_part_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three kinds of schedules ask for the same parts; a fresh run says the same of each."""
    running, looked = job(COSINE, seen=3000, known=False)[0], []

    def counted(x: np.ndarray, loss: np.ndarray) -> np.ndarray:
        looked.append((x[0], x[-1]))
        return spikes(x, loss)

    monkeypatch.setattr("scaling_cli.forecasting.job.spikes", counted)
    assert len(of(running, until=STEPS).scenarios) == 3
    assert len(looked) == len(set(looked)) > 0
    part = running.until(1000.0)
    assert part is running.until(1000.0)
    assert binned(part, 300.0).loss == pytest.approx(
        binned(replace(running).until(1000.0), 300.0).loss, rel=0
    )


def test_the_losses_shift_what_is_believed_of_the_schedule() -> None:
    """By a quarter of the log evidence, from .6, .25 and .15."""
    running, ends = job(CONSTANT, seen=3600, known=False)
    found = of(running, until=STEPS)
    weight = {s.name.split()[0]: s.weight for s in found.scenarios}
    known = {
        s.name.split()[0]: alone(running, plan_of(running, parse_schedule(s.schedule), "", ""))
        for s in found.scenarios
    }
    prior = {"follows": 0.6, "cools": 0.25, "stays": 0.15}
    shifted = {n: p * np.exp(0.25 * known[n].posterior.evidence) for n, p in prior.items()}
    for name, likely in shifted.items():
        assert weight[name] == pytest.approx(likely / sum(shifted.values()), rel=1e-6)
    assert weight["stays"] > 0.15
    assert found.interval[0] < ends < found.interval[1]


def test_nothing_says_where_the_run_ends() -> None:
    assert refusal(UsageError, of, job(known=False)[0]) == (
        "nothing says where run 'run' ends. Say it: --until 24000 (steps) or --until '100B "
        "tokens', or --schedule TEXT."
    )


def test_a_logged_cosine_is_identified() -> None:
    running, ends = job(COSINE, seen=2000, known=False, logged=True)
    found = of(running)
    assert (found.until, found.schedule.source, found.schedule.verdict) == (
        4000.0,
        "logged",
        "certain",
    )
    assert found.schedule.text == parse_schedule(COSINE).text()
    assert found.value == pytest.approx(ends, rel=6e-3)


@pytest.mark.parametrize("text", [WSD, CONSTANT])
def test_a_rate_that_has_not_fallen_may_be_held_or_cooled_down(text: str) -> None:
    """Its interval holds the end of either; nothing is certain of what comes."""
    running, ends = job(text, seen=3000, known=False, logged=True)
    found = of(running, until=STEPS)
    assert [s.name for s in found.scenarios] == ["stays as it is", "cools down in the last 20 %"]
    assert [s.weight for s in found.scenarios] == pytest.approx([0.5, 0.5])
    assert (found.schedule.verdict, found.schedule.known) == ("constant so far", "assumed")
    assert found.valid
    assert_mixed(found)
    assert found.interval[0] < ends < found.interval[1]
    told = {parse_schedule(s.schedule).text(): s.value for s in found.scenarios}
    assert told[parse_schedule(text).text()] == pytest.approx(ends, rel=0.01)


def test_a_rate_that_no_family_explains_has_a_nearest_one() -> None:
    running, _ = job(COSINE, seen=2000, known=False, logged=True)
    lr = np.asarray(running.lr) * (1 - 0.005 * np.sin(running.x / 300))
    found = of(replace(running, lr=lr), until=STEPS)
    assert found.schedule.verdict == "unexplained"
    assert {s.name for s in found.scenarios} == {
        *("goes on as a cosine", "stays as it is", "cools down in the last 20 %")
    }
    assert_mixed(found)


TO_ZERO = f"cosine:peak=0.001,warmup=100,min=0.0001,steps=3200 + linear:peak=0.0001,steps={800}"


def test_a_cosine_that_ends_before_the_run_may_go_on_to_zero() -> None:
    """The line that follows it in the end is the likelier, its last rate the other."""
    running, ends = job(TO_ZERO, seen=2400, known=False, logged=True)
    found = of(running, until=STEPS)
    assert [(s.name, round(s.weight, 2)) for s in found.scenarios] == [
        ("falls to 0 then", 0.75),
        ("stays then", 0.25),
    ]
    assert found.schedule.why == (
        "the logged rate follows a schedule that ends at step 3200; what comes then is an "
        "assumption"
    )
    line, truth = parse_schedule(found.scenarios[0].schedule), parse_schedule(TO_ZERO)
    at = np.arange(100, STEPS)
    np.testing.assert_allclose(line.lr(at), truth.lr(at), atol=0.02 * 0.001)
    assert found.scenarios[0].value == pytest.approx(of(running, schedule=TO_ZERO).value, rel=1e-3)
    assert found.interval[0] < ends < found.interval[1]


def test_a_straight_line_that_comes_to_zero_at_the_end_is_followed() -> None:
    running, ends = job(TO_ZERO, seen=3600, known=False, logged=True)
    found = of(running, until=STEPS)
    assert (found.scenarios, found.schedule.source) == ([], "logged")
    assert found.schedule.why == "the last 5 logged rates lie on a straight line to 0 at the end"
    assert found.value == pytest.approx(ends, rel=3e-3)
    elsewhere = of(running, until=1.5 * STEPS)
    assert elsewhere.schedule.assumed


def test_siblings_lend_their_schedule() -> None:
    running, ends = job(COSINE, seen=2000, known=False)
    finished, _ = job(COSINE, seen=STEPS, run="finished", L0=2.7)
    found = of(running, siblings=[finished])
    assert (found.schedule.source, found.until) == ("siblings", 4000.0)
    assert found.siblings == ["finished"]
    assert found.value == pytest.approx(ends, rel=2e-3)


# --- guards ---------------------------------------------------------------------------------


def test_many_passes_over_the_data_are_warned_about() -> None:
    running, _ = job(COSINE)
    found = of(running, unique_tokens=5e5)
    assert (found.epochs, found.valid) == (8.0, False)
    assert found.warnings == [
        "8.0 passes over the data are planned: after 4 the loss stalls or rises as no law here "
        "foresees, and forecasts have been too low by up to 10 %. The interval does not hold."
    ]
    assert (of(running, unique_tokens=1e6).epochs, of(running, unique_tokens=1e6).valid) == (
        4,
        True,
    )


def test_tokens_of_a_step_are_needed_to_count_passes() -> None:
    assert refusal(
        UsageError, of, replace(job(COSINE)[0], batch_tokens=None), unique_tokens=1e6
    ).startswith("--unique-tokens is given, run 'run' is logged over steps")


def test_a_logged_rate_that_is_not_the_schedules_is_said() -> None:
    """A cosine over 4000 steps was logged, one over 3000 is given: at 2000 they differ by 23 %."""
    running, _ = job(COSINE, seen=2000, known=False, logged=True)
    other = COSINE.replace(f"steps={STEPS}", "steps=3000")
    apart = parse_schedule(COSINE).lr(2000) - parse_schedule(other).lr(2000)
    (warning,) = of(running, schedule=other).warnings
    assert warning.startswith(
        f"the logged learning rate is not that of the schedule: at step 2000 they are "
        f"{1e5 * apart:.0f} % of the peak apart."
    )
    assert of(running, schedule=COSINE).warnings == []


def test_a_negative_rate_is_refused_and_a_rounded_zero_is_not() -> None:
    running, _ = job(COSINE, seen=2000, known=False, logged=True)
    lr = np.asarray(running.lr).copy()
    lr[3] = -1e-7
    assert replace(running, lr=lr).rates()[1][3] == 0
    lr[3] = -1e-4
    assert refusal(DataError, replace, running, lr=lr).startswith(
        "run 'run': the learning rate at step 80 is -0.0001;"
    )


def test_few_points_are_warned_about_and_fewer_refused() -> None:
    running, _ = job(COSINE, seen=2000, every=200)
    assert of(running).warnings == ["10 points are few: below 12 the forecast is uncertain."]
    said = refusal(DataError, job, COSINE, seen=800, every=200)
    assert said == (
        "run 'run': 4 point(s) of its loss; a forecast needs 5. Do 'scaling runs' and its notes "
        "show all that was logged? --map step=COLUMN names another axis, --target COLUMN another "
        "loss."
    )


def test_a_run_that_diverged_is_refused() -> None:
    running, _ = job()
    loss = np.append(running.loss, [np.nan, np.inf])
    assert refusal(Diverged, Job, "run", np.append(running.x, [2020, 2040]), loss) == (
        "run 'run' diverged: its loss is not finite after step 2000. Resume it from a checkpoint "
        "before that; the rows of the resumed part then replace these."
    )


def test_values_that_are_not_finite_are_left_out_and_said() -> None:
    running, _ = job()
    loss = running.loss.copy()
    loss[[3, 7]] = np.nan
    gapped = Job("run", running.x, loss)
    assert len(gapped.x) == len(running.x) - 2
    assert gapped.notes == ("2 row(s) with a loss that is not finite left out, first at 80.",)


def test_a_loss_is_positive() -> None:
    running = Job("run", np.arange(1.0, 9), np.array([3, 2, 1, 0.5, 0.2, 0.1, -0.1, -0.2]))
    assert refusal(DataError, of, running, until=20) == (
        "run 'run': the loss at step 7 is -0.1; a cross-entropy is positive. Forecast the loss "
        "itself, not its logarithm or a difference; or say what it cannot fall below: --limit X."
    )


def test_a_resumed_log_is_merged() -> None:
    whole, _ = job()
    x = np.concatenate([whole.x[:60], whole.x[50:]])
    loss = np.concatenate([whole.loss[:50], np.full(10, 9.0), whole.loss[50:]])
    merged = Job("run", x, loss)
    np.testing.assert_array_equal(merged.x, whole.x)
    np.testing.assert_array_equal(merged.loss, whole.loss)
    assert merged.notes == (
        "the log goes back 1 time(s), first to step 1020: 10 row(s) that later ones replace are "
        "left out.",
    )


def test_a_finished_run_has_no_forecast() -> None:
    assert refusal(DataError, of, job(COSINE, seen=STEPS)[0]).startswith(
        "run 'run' has reached its end: step 4000 of 4000; "
    )


def test_a_rate_that_will_rise_takes_nothing_off() -> None:
    running, _ = job(COSINE, seen=1000, known=False)
    cycles = "cosine:peak=0.001,warmup=100,steps=2000 + cosine:peak=0.001,warmup=100,steps=2000"
    found = of(running, schedule=cycles)
    assert not found.valid
    assert found.parameters["B"] == pytest.approx(0, abs=1e-6)
    assert found.warnings == [
        "the learning rate rises again before the end: no decay is taken off, and the interval "
        "does not hold."
    ]


def test_beyond_its_end_a_schedule_keeps_its_last_rate() -> None:
    found = of(job(COSINE, seen=2000)[0], until=5000)
    assert found.until == 5000
    assert found.warnings == [
        "the schedule ends at step 4000; from there to 5000 its last rate is taken to stay."
    ]


def test_a_loss_past_its_minimum_is_told_with_the_side_of_its_backtests() -> None:
    """It falls for 1200 of 2000 steps and has turned up since: each forecast of it is too low."""
    steps = np.arange(20.0, 2001.0, 20.0)
    loss = 3 + 40 / steps + 0.4 * np.maximum(steps / 1200 - 1, 0) ** 1.2
    noise = np.exp(5e-4 * np.random.default_rng(3).standard_normal(len(steps)))
    running = Job("worn", steps, loss * noise, schedule=parse_schedule(CONSTANT), target="val_loss")
    found = of(running)
    assert not found.valid
    assert all(b.error < 0 for b in found.backtests)
    warning = next(w for w in found.warnings if w.startswith("the loss has been rising since step"))
    assert 1100 <= float(warning.split()[7]) <= 1300
    rise = 100 * (loss[-1] / loss.min() - 1)
    assert float(warning.split("(+")[1].split("%")[0]) == pytest.approx(rise, abs=0.6)
    assert warning.endswith(
        "no law here foresees that, and the interval does not hold. All 5 backtests were too low."
    )


def test_a_law_that_has_not_foreseen_its_own_prefix_is_half_as_sure() -> None:
    """A loss that falls faster in its last fifth than the law, or anything, could tell."""
    sound, _ = job(CONSTANT, seen=2000)
    bent = replace(sound, loss=sound.loss - 0.25 * np.maximum(sound.x / 1200 - 1, 0) ** 2)
    found = of(bent)
    errors = [b.error for b in found.backtests if b.cut in (0.65, 0.8)]
    assert min(errors) > 0.003
    (warning,) = found.warnings
    assert warning == (
        "the law has not foreseen the end of what is logged (off by "
        f"{errors[0]:+.1%} and {errors[1]:+.1%} from its first 65 and 80 %): the interval is twice "
        "as wide as it would be."
    )
    law = alone(bent, plan_of(bent, parse_schedule(CONSTANT), "given", ""))
    half = np.log(found.interval[1] / found.interval[0]) / 2
    assert half == pytest.approx(2 * 1.6448536 * law.at(np.array([4000.0]))[1][0], rel=1e-6)


def test_sound_curves_are_not_called_broken_or_rising() -> None:
    for text in (COSINE, CONSTANT, WSD):
        for seen in (800, 1600, 2400, 3200, 3800):
            for noise in (0.0, 0.01):
                assert of(job(text, seen=seen, noise=noise)[0]).warnings == []


def test_spikes_and_jumps_are_told_apart() -> None:
    clean, ends = job(CONSTANT, seen=2000, every=2, noise=0.003)
    spiked = clean.loss.copy()
    for at in np.random.default_rng(5).integers(50, 950, 12):
        spiked[at : at + 8] *= 1.3
    found = of(replace(clean, loss=spiked))
    assert found.value == pytest.approx(ends, rel=3e-3)
    assert any("left out as spikes" in note for note in found.notes)
    jumped = clean.loss * np.where(clean.x > 1000, 1.1, 1.0)
    moved = of(replace(clean, loss=jumped))
    assert moved.value == pytest.approx(1.1 * ends, rel=5e-3)
    (warning,) = moved.warnings
    assert warning.startswith("the loss jumps by +1")
    cooled, _ = job(COSINE, seen=2000, every=2, noise=0.003)
    fallen = of(replace(cooled, loss=cooled.loss * np.where(cooled.x > 1000, 0.95, 1.0)))
    assert fallen.warnings[0].startswith("the loss jumps by -")  # the rate fell by 4 % there
    assert warning.endswith("stays there: only what was logged since is fitted.")


# --- what is returned, methods, real curves -------------------------------------------------


def test_a_forecast_shows_itself() -> None:
    found = of(job(COSINE, seen=3000)[0])
    low, high = found.interval
    assert repr(found) == (
        f"<forecast of run: {found.value:.4f} [{low:.4f}, {high:.4f}] at step 4000, from "
        f"{found.seen.loss:.4f} at 3000>"
    )
    page = found._repr_html_()
    assert page == reports.short_html(found)
    assert f"{found.value:.2f}" in page
    record = json.loads(json.dumps(forecast(job(COSINE, seen=3000)[0]).to_dict()))
    assert record["runs"][0]["value"] == found.value
    assert record["runs"][0]["path"]["x"][-1] == 4000


def test_other_methods_see_no_rate() -> None:
    running, ends = job(CONSTANT, seen=2000)
    running = replace(running, schedule=None)
    power, families = (of(running, method=m, until=STEPS) for m in ("power", "families"))
    assert power.value == pytest.approx(ends, rel=0.01)
    assert families.value == pytest.approx(ends, rel=0.01)
    direct = sc.extrapolate(running.x, running.loss, STEPS)
    assert (families.value, families.interval) == (
        pytest.approx(direct.value),
        pytest.approx(direct.interval),
    )
    assert power.schedule.source == families.schedule.source == "none"
    error = refused(UsageError, of, running, method="magic")
    assert error.message == "there is no method 'magic'."


@pytest.mark.parametrize(("text", "seen"), [(COSINE, 3000), (WSD, 3000)])
def test_families_see_a_known_rate(text: str, seen: int) -> None:
    """Blind, they miss the decay; over the area under the rate, its drop put back, they do not."""
    running, ends = job(text, seen=seen)
    seeing = of(running, method="families")
    blind = of(replace(running, schedule=None), method="families", until=STEPS)
    assert seeing.value == pytest.approx(ends, rel=6e-3)
    assert abs(seeing.value / ends - 1) < 0.3 * abs(blind.value / ends - 1)
    assert seeing.interval[0] < ends < seeing.interval[1]
    assert (seeing.schedule.source, blind.schedule.source) == ("column", "none")


def test_families_under_a_constant_rate_are_those_over_steps() -> None:
    text = CONSTANT.replace("warmup=100,", "")
    running, _ = job(text, seen=2000)
    seeing = of(running, method="families")
    direct = sc.extrapolate(running.x, running.loss, STEPS)
    assert seeing.value == pytest.approx(direct.value, rel=1e-6)
    average = of(running, method="families", combine="average")
    direct = sc.extrapolate(running.x, running.loss, STEPS, combine="average")
    assert average.value == pytest.approx(direct.value, rel=1e-6)
    error = refused(UsageError, of, running, combine="vote")
    assert error.message == "there is no combination 'vote'."


def test_levels_of_anticipation() -> None:
    running, _ = job(CONSTANT, seen=3000)
    levels = of(running, threshold=0.05).levels
    assert levels is not None
    assert levels["threshold"] == 0.05
    assert of(running).levels is None


def test_curves_and_frames_are_welcome() -> None:
    running, _ = job(COSINE, seen=2000)
    whole = sc.Curve("run", parse_schedule(COSINE), running.x.astype(int), running.loss)
    assert sc.forecast(whole)[0].value == pytest.approx(of(running).value, rel=1e-9)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"step": running.x.astype(int), "loss": running.loss})
    found = sc.forecast(frame, schedule=COSINE)
    assert found[0].value == pytest.approx(of(running).value, rel=1e-9)
    assert found[found[0].run] is found[0]


def test_runs_that_cannot_be_forecast_are_listed() -> None:
    found = forecast([job(COSINE)[0], job(COSINE, seen=STEPS, run="done")[0]])
    assert [f.run for f in found] == ["run"]
    (left,) = found.left_out
    assert left.run == "done"
    assert "has reached its end" in left.reason


def test_forecasts_load_neither_jax_nor_scipy() -> None:
    loaded = loaded_by(
        "from jobs import job, COSINE\nfrom scaling_cli.forecasting import forecast\n"
        "forecast(job(COSINE)[0], siblings=[job(COSINE, seen=4000, run='other')[0]])"
    )
    assert loaded & {"jax", "scipy", "pandas", "matplotlib", "typer"} == set()


def ladder(root: Path) -> list[Job]:
    runs = sc.read(
        str(root / "data/ladder/runs/schedule-*.csv"), meta=root / "data/ladder/runs.csv"
    )
    return jobs_of(runs)[0]


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_the_ladder_ends_within_its_intervals(root: Path, share: float) -> None:
    """Sixteen runs, held-out losses, 6 to 11 points seen; nothing here was fitted to the ends."""
    inside = []
    for whole in ladder(root):
        length = whole.schedule.length if whole.schedule else 0.0
        if whole.now < 0.99 * length:
            continue
        found = of(whole.until(share * length))
        inside.append(found.interval[0] <= whole.loss[-1] <= found.interval[1])
    assert len(inside) == 14
    assert np.mean(inside) >= 0.78


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("constant_24000", 2e-3),
        ("cosine_24000", 7e-3),
        ("cosine_72000", 7e-3),
        ("wsd_20000_24000", 8e-3),
        ("wsdld_20000_24000", 8e-3),
    ],
)
def test_published_curves_at_half_of_the_run(shared: Path, name: str, most: float) -> None:
    """Measured curves of Luo et al. (arXiv:2503.12811), whose schedules are known."""
    whole = curve(shared, name)
    half = whole.step <= whole.schedule.length / 2
    seen = replace(whole, step=whole.step[half], loss=whole.loss[half])
    found = sc.forecast(seen)[0]
    assert found.value == pytest.approx(whole.loss[-1], rel=most)
    assert found.interval[0] < whole.loss[-1] < found.interval[1]
