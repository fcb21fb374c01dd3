"""`forecast` of decays that the log breaks off, and of those that have ended."""

import pytest
from jobs import COSINE, STEPS, WSD, job
from refusals import refusal

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.job import Job
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import DataError


def of(running: Job) -> Forecast:
    return forecast(running)[0]


FALLING = [
    (WSD, 3500),
    (WSD, 3920),
    (f"wsd:peak=0.001,warmup=100,stable=3000,decay=sqrt,steps={STEPS}", 3400),
    (f"linear:peak=0.001,warmup=100,steps={STEPS}", 2500),
]


@pytest.mark.parametrize(("text", "seen"), FALLING)
def test_a_decay_that_the_log_breaks_off_goes_on_to_zero(text: str, seen: int) -> None:
    """It was said to have reached its end, where the log stops."""
    running, ends = job(text, seen=seen, known=False, logged=True)
    found = of(running)
    assert (found.until, found.schedule.source) == (STEPS, "logged")
    assert parse_schedule(found.schedule.text).length == STEPS
    assert found.schedule.why.endswith(
        "logged rates; that the run ends at step 4000, where the decay comes to 0, is an assumption"
    )
    assert found.value == pytest.approx(ends, rel=5e-3)


LOW = "linear:peak=0.001,warmup=100,min=0.0001,steps=4000"


@pytest.mark.parametrize("text", [WSD, LOW, LOW.replace("0.0001", "0.00005")])
def test_a_decay_that_ends_at_a_round_step_has_ended_there(text: str) -> None:
    running, _ = job(text, seen=STEPS, known=False, logged=True)
    assert refusal(DataError, of, running).startswith(
        "run 'run' has reached its end: step 4000 of 4000; its loss is "
    )


def test_a_place_is_a_whole_step() -> None:
    running, _ = job(COSINE, seen=3000)
    assert [running.place(x) for x in (3322.79, 3e7, 99.5)] == [
        "step 3323",
        "step 3e+07",
        "step 99.5",
    ]
