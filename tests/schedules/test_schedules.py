"""Schedules: what every family promises, its values against closed forms, text, and refusals."""

import math
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal

from scaling_cli import schedules
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Kind, Phase
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.wsd import Wsd
from scaling_cli.vocabulary.errors import DataError, UsageError

# At least one text of every family; shares and other spellings are tested below.
TEXTS = [
    "constant:peak=0.0003,warmup=2160,steps=24000",
    "cosine:peak=0.0003,warmup=2160,min=3e-05,steps=24000",
    "cosine:peak=0.0003,warmup=2000000000,tokens=1000000000000",
    "cosine:peak=0.001,warmup=100,init=1e-05,first=1,steps=1000",
    "cyclic:peak=0.001,period=1000,growth=2,min=0.0001,steps=7000",
    "cyclic:peak=0.001,warmup=50,period=1000,shape=triangle,shrink=0.5,min=0.0001,steps=3050",
    "exponential:peak=0.001,min=1e-05,steps=100",
    "inverse_sqrt:peak=0.001,warmup=4000,steps=100000",
    "inverse_sqrt:peak=0.001,warmup=100,scale=400,min=0.0001,steps=100000",
    "knots:0=0,2160=0.0003,24000=3e-05,steps=24000",
    "linear:peak=0.001,warmup=10,min=1e-05,steps=100",
    "polynomial:peak=0.001,power=2,steps=10",
    "step:peak=0.0003,warmup=2160,at=8000/12000,to=9e-05/3e-05,steps=24000",
    "wsd:peak=0.0003,warmup=2160,stable=19200,min=3e-05,steps=24000",
    "wsd:peak=0.0003,stable=20000,decay=polynomial,power=1.5,steps=24000",
    "wsd:peak=0.007,warmup=100,stable=1638.4,decay=sqrt,steps=2048",
    "constant:peak=0.001,warmup=10,steps=100 + linear:peak=0.001,steps=50",
]


def test_every_family_has_a_text_here() -> None:
    assert {text.partition(":")[0] for text in TEXTS} == set(schedules.names())


@pytest.mark.parametrize("text", TEXTS)
def test_text_reads_back_as_the_same_schedule(text: str) -> None:
    schedule = parse_schedule(text)
    assert schedule.text() == str(schedule) == text
    assert parse_schedule(schedule.text()) == schedule


@pytest.mark.parametrize("text", TEXTS)
def test_phases_cover_the_run_and_meet_its_rates(text: str) -> None:
    schedule = parse_schedule(text)
    phases = schedule.phases()
    assert [p.start for p in phases] == [0.0, *(p.end for p in phases[:-1])]
    assert phases[-1].end == schedule.length
    assert [p.first for p in phases] == pytest.approx(schedule.lr([p.start for p in phases]))
    assert phases[-1].last == pytest.approx(float(schedule.lr(schedule.length)), abs=1e-15)
    assert schedule.lr(2 * schedule.length) == schedule.lr(schedule.length)
    rates = schedule.lr(np.linspace(0, schedule.length, 4001))
    assert rates.min() >= 0
    assert rates.max() <= schedule.highest * (1 + 1e-12)


@pytest.mark.parametrize("name", schedules.names())
def test_families_declare_what_they_are(name: str) -> None:
    family = schedules.get(name)
    assert family.summary().endswith(".")
    assert all(d["meaning"] and isinstance(d["kind"], Kind) for d in family.options().values())
    assert family.usage().startswith(f"Write {name}:")


# Closed forms: peak 1, from 0 to min 0.1 at 100 steps; the value a quarter of the way down.
WAY = 0.25
SHARES = {
    "linear": 1 - WAY,
    "cosine": (1 + math.cos(math.pi * WAY)) / 2,
    "mirror_cosine": 2 * (1 - WAY) - (1 + math.cos(math.pi * WAY)) / 2,
    "sqrt": 1 - math.sqrt(WAY),
    "square": 1 - WAY**2,
    "polynomial": (1 - WAY) ** 3,
}


@pytest.mark.parametrize("shape", [*SHARES, "exponential"])
def test_shapes_of_the_way_down(shape: str) -> None:
    power = ",power=3" if shape == "polynomial" else ""
    schedule = parse_schedule(f"wsd:peak=1,stable=40,decay={shape}{power},min=0.1,steps=80")
    expected = 0.1**WAY if shape == "exponential" else 0.1 + 0.9 * SHARES[shape]
    assert schedule.lr([0, 40, 50, 80, 90]) == pytest.approx([1, 1, expected, 0.1, 0.1], rel=1e-14)
    if shape in schedules.names():
        alone = parse_schedule(f"{shape}:peak=1{power},min=0.1,steps=40")
        assert alone.lr([0, 10, 40]) == pytest.approx([1, expected, 0.1], rel=1e-14)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", [0, 0.25, 0.75, 1]),
        (",first=1", [0.25, 0.5, 1, 1]),
        (",init=0.2", [0.2, 0.4, 0.8, 1]),
        (",init=0.2,first=1", [0.4, 0.6, 1, 1]),
    ],
)
def test_conventions_of_the_warm_up(options: str, expected: list[float]) -> None:
    schedule = parse_schedule(f"constant:peak=1,warmup=4{options},steps=10")
    assert schedule.lr([0, 1, 3, 4]) == pytest.approx(expected)


def test_published_schedules() -> None:
    """The learning rates that three code bases print, from their own formulas."""
    step = np.arange(200)
    ours = parse_schedule("cosine:peak=6e-4,warmup=20,first=1,min=6e-5,steps=200").lr(step)
    way = (step - 20) / (200 - 20)
    llm_c = np.where(
        step < 20, 6e-4 * (step + 1) / 20, 6e-5 + 0.5 * (1 + np.cos(np.pi * way)) * (6e-4 - 6e-5)
    )
    assert ours == pytest.approx(llm_c, rel=1e-13)
    nano = parse_schedule("cosine:peak=6e-4,warmup=20,init=6e-4/21,min=6e-5,steps=200")
    nano_gpt = np.where(step < 20, 6e-4 * (step + 1) / 21, llm_c)
    assert nano.lr(step) == pytest.approx(nano_gpt, rel=1e-13)
    noam = parse_schedule("inverse_sqrt:peak=1e-3,warmup=40,steps=200").lr(step)
    assert noam == pytest.approx(1e-3 * np.minimum(step / 40, np.sqrt(40 / np.maximum(step, 1))))


def test_a_decay_that_starts_at_the_end_never_comes() -> None:
    schedule = parse_schedule("wsd:peak=1,stable=100%,min=0.1,steps=10")
    assert isinstance(schedule, Wsd)
    assert schedule.stable == 10
    assert schedule.lr([0, 9, 10, 11]).tolist() == [1, 1, 1, 1]


def test_step_jumps_at_its_places() -> None:
    schedule = parse_schedule("step:peak=1,at=10/20,to=0.5/0.1,steps=30")
    assert schedule.lr([9, 10, 19, 20, 30]).tolist() == [1, 0.5, 0.5, 0.1, 0.1]


def test_cycles_restart_grow_and_shrink() -> None:
    schedule = parse_schedule("cyclic:peak=1,period=10,growth=2,shrink=0.5,shape=linear,steps=70")
    assert schedule.lr([0, 5, 10, 20, 30, 50]).tolist() == [1, 0.5, 0.5, 0.25, 0.25, 0.125]
    triangle = parse_schedule("cyclic:peak=1,min=0.2,period=10,shape=triangle,steps=20")
    assert triangle.lr([0, 5, 10, 12.5]).tolist() == pytest.approx([0.2, 1, 0.2, 0.6])
    assert triangle.phases()[0] == Phase("cycle 1, up", 0, 5, 0.2, 1)


def test_joined_schedules_have_their_own_clocks() -> None:
    schedule = parse_schedule("constant:peak=2,steps=10 + linear:peak=1,steps=1e+1")
    assert schedule.lr([0, 9.5, 10, 15, 20]).tolist() == [2, 2, 1, 0.5, 0]
    assert schedule.highest == 2
    over_tokens = parse_schedule("constant:peak=2,tokens=1M + linear:peak=1,tokens=1M")
    stepped = over_tokens.in_steps(1e5)
    assert (stepped.length, stepped.unit) == (20, "steps")
    assert stepped.lr(15) == 0.5


def test_a_logged_sequence_is_taken_as_it_is() -> None:
    schedule = Knots.of([0, 10, 30], [0, 1, 0.5])
    assert schedule.text() == "knots:0=0,10=1,30=0.5,steps=31"
    assert schedule.lr([0, 5, 20, 30, 99]).tolist() == [0, 0.5, 0.75, 0.5, 0.5]


SPELLINGS = [
    ("cosine:peak=3e-4,warmup=9%,steps=24k", "cosine:peak=0.0003,warmup=2160,steps=24000"),
    ("wsd: peak=3e-4, stable=0.55, steps=1000", "wsd:peak=0.0003,stable=550,steps=1000"),
    ("wsd:peak=1,decay=0.2,shape=sqrt,steps=100", "wsd:peak=1,stable=80,decay=sqrt,steps=100"),
    ("wsd:peak=1,decay=20%,steps=100", "wsd:peak=1,stable=80,steps=100"),
    ("step:peak=1,at=80%/0.9,to=0.1/0.01,steps=50", "step:peak=1,at=40/45,to=0.1/0.01,steps=50"),
    ("wsd:peak=1,decay=20,tokens=100", "wsd:peak=1,stable=80,tokens=100"),
    ("constant:peak=0.007,min=0.007,steps=9", "constant:peak=0.007,steps=9"),
    ("linear:peak=1,tokens=2.5B", "linear:peak=1,tokens=2500000000"),
    ("knots:10=1,0=2", "knots:0=2,10=1,steps=10"),
]


@pytest.mark.parametrize(("spelled", "canonical"), SPELLINGS)
def test_other_spellings(spelled: str, canonical: str) -> None:
    assert parse_schedule(spelled).text() == canonical


def test_from_tokens_to_steps() -> None:
    schedule = parse_schedule("step:peak=1,warmup=4M,at=8M,to=0.5,tokens=16M")
    assert schedule.in_steps(1e6).text() == "step:peak=1,warmup=4,at=8,to=0.5,steps=16"
    assert schedule.in_steps(1e6).per_step().tolist() == [0, 0.25, 0.5, 0.75] + 4 * [1] + 8 * [0.5]
    knots = parse_schedule("knots:0=1,2M=0.5,tokens=4M")
    assert knots.in_steps(1e6).text() == "knots:0=1,2=0.5,steps=4"
    assert refusal(UsageError, schedule.per_step) == (
        f"the schedule runs over tokens: {schedule.text()}. Say how many tokens a step takes "
        "(in_steps, --batch-tokens)."
    )


REFUSED = {
    "cosine": "cosine: a family alone is no schedule. Write cosine:peak=...,[warmup=...],"
    "[init=...],[first=...],[min=...],steps=....",
    "cosines": "cannot read the schedule 'cosines'. Write FAMILY:option=value,... as in "
    "cosine:peak=3e-4,warmup=2160,steps=24000, or name a table of step and lr that ends in .csv. "
    "Known schedules: constant, cosine, cyclic, exponential, inverse_sqrt, knots, linear, "
    "polynomial, step, wsd.",
    "cosin:peak=1": "there is no schedule 'cosin'. Did you mean cosine or constant? Known "
    "schedules: constant, cosine, cyclic, exponential, inverse_sqrt, knots, linear, polynomial, "
    "step, wsd.",
    "linear:peek=1,steps=3": "linear has no option 'peek'. Did you mean peak? Known options of "
    "linear: peak, warmup, init, first, min, steps, tokens.",
    "linear:warmup=3": "linear needs peak and steps (or tokens). Write "
    "linear:peak=...,[warmup=...],[init=...],[first=...],[min=...],steps=....",
    "linear:peak": "linear: cannot read 'peak'. Write "
    "linear:peak=...,[warmup=...],[init=...],[first=...],[min=...],steps=....",
    "linear:peak=1,peak=2,steps=3": "linear: peak is given twice.",
    "linear:peak=1,steps=3,tokens=9": "linear: give steps or tokens, not both.",
    "linear:peak=a,steps=3": "peak=a is not a number. Write 7B, 7e9, 124M, 1T, 2**20 or 1.5e24; a "
    "mixture such as 8x7B needs one number (say which count: total or active).",
    "linear:peak=1,warmup=0.01%,steps=100": "warmup lies within the first step, at 0.01 of it. "
    "Leave it out, or give a schedule over whole steps.",
    "linear:peak=1,min=10%,steps=3": "min=10% is not a number. Write 7B, 7e9, 124M, 1T, 2**20 or "
    "1.5e24; a mixture such as 8x7B needs one number (say which count: total or active).",
    "linear:peak=0,steps=3": "linear: peak must be positive, not 0.",
    "linear:peak=1,min=-1,steps=3": "linear: min must be zero or positive, not -1.",
    "linear:peak=1,min=2,steps=3": "linear: min=2 lies above peak=1.",
    "linear:peak=1,init=2,steps=3": "linear: init=2 lies above peak=1.",
    "linear:peak=1,first=2,steps=3": "linear: first is 0 or 1, not 2.",
    "linear:peak=1,steps=0": "linear: steps must be positive, not 0.",
    "linear:peak=1,warmup=20,steps=10": "linear: warmup=20 lies outside the run of 10 steps. A "
    "number below 1 is a share of the run.",
    "constant:peak=1,min=0.5,steps=9": "constant: min=0.5 contradicts peak=1.",
    "exponential:peak=1,steps=3": "exponential: an exponential decay never reaches 0. Give "
    "min=..., the rate at the end.",
    "polynomial:peak=1,power=0,steps=3": "polynomial: power must be positive, not 0.",
    "inverse_sqrt:peak=1,steps=3": "inverse_sqrt needs scale or warmup. The rate is peak "
    "sqrt(scale/step).",
    "step:peak=1,at=5,to=1/2,steps=9": "step: 1 place(s) in at, but 2 rate(s) in to.",
    "step:peak=1,at=5/5,to=1/2,steps=9": "step: the places in at must increase, from the warm-up "
    "on.",
    "wsd:peak=1,stable=5,decay=lin,steps=9": "wsd: there is no decay 'lin'. Did you mean linear or "
    "cosine? Known decays: linear, cosine, mirror_cosine, sqrt, square, polynomial, exponential.",
    "wsd:peak=1,stable=5,decay=0.2,steps=9": "wsd: stable=5 and decay=0.2 say the same twice. "
    "decay is the name of the way down, or its length in place of stable.",
    "wsd:peak=1,warmup=6,stable=5,steps=9": "wsd: the decay starts at 5, before the end of the "
    "warm-up at 6.",
    "wsd:peak=1,stable=5,power=2,steps=9": "wsd: power belongs to a polynomial decay, not to "
    "linear.",
    "cyclic:peak=1,period=5,growth=0,steps=9": "cyclic: period and growth must be positive, and "
    "shrink between 0 and 1.",
    "cyclic:peak=1,period=1,growth=0.5,steps=9": "cyclic: more than 10000 cycles: period=1 is too "
    "short.",
    "knots:steps=3": "knots needs points, and steps or tokens. Write "
    "knots:STEP=RATE,STEP=RATE,...,steps=....",
    "knots:0=1,0.0=2,steps=9": "knots: places must increase, from 0 on.",
    "knots:0=-1,steps=9": "knots: the rate at 0 must be zero or positive, not -1.",
    "linear:peak=1,steps=3 + linear:peak=1,tokens=3": "parts of a schedule run over steps and over "
    "tokens; give one unit.",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_the_whole_message(text: str) -> None:
    assert refusal(UsageError, parse_schedule, text) == REFUSED[text]


@pytest.mark.parametrize(("step", "told"), [(-1.0, "-1"), (math.nan, "nan"), (math.inf, "inf")])
def test_steps_that_are_none(step: float, told: str) -> None:
    said = refusal(UsageError, parse_schedule(TEXTS[0]).lr, [0, step])
    assert said == f"a learning rate is asked for at steps {told}."


def test_tokens_of_a_step_must_be_some() -> None:
    schedule = parse_schedule("linear:peak=1,warmup=10,tokens=1e6")
    assert refusal(UsageError, schedule.in_steps, 0) == "batch_tokens must be positive, not 0."
    assert refusal(UsageError, schedule.in_steps, 1000) == (
        "warmup lies within the first step, at 0.01 of it. Leave it out, or give a schedule over "
        "whole steps."
    )


def test_a_table_is_a_schedule(tmp_path: Path) -> None:
    schedule = parse_schedule("wsd:peak=0.001,warmup=20,stable=80,decay=cosine,steps=100")
    path = tmp_path / "plan.csv"
    rows = [f"{s},{float(schedule.lr(s))!r},x" for s in range(100)]
    path.write_text("\n".join(["step,lr,comment", *rows]) + "\n\n")
    table = parse_schedule(str(path))
    assert (table.length, table.unit) == (100, "steps")
    assert table.per_step() == pytest.approx(schedule.per_step(), rel=1e-15)
    path.write_text("tokens\tlearning_rate\n0\t1e-3\n1B\t1e-4\n")
    sparse = parse_schedule(str(path))
    assert sparse.text() == "knots:0=0.001,1000000000=0.0001,tokens=1000000000"


BAD_TABLES = [
    (
        "step,loss\n1,2\n",
        "{}, row 1: a table of a learning rate needs the columns step (or "
        "tokens) and lr. Found: step, loss.",
    ),
    ("step,lr\n0,1\n1,high\n", "{}, row 3, column 'lr': 'high' is not a number."),
    ("step,lr\n0,1\n", "{}: 1 row(s) do not make a schedule."),
    ("step,lr\n5,1\n4,1\n", "{}: knots: places must increase, from 0 on."),
    ("step,lr\n0,1\n1,-1\n", "{}: knots: the rate at 1 must be zero or positive, not -1."),
    (None, "{}: cannot read the schedule: No such file or directory."),
]


@pytest.mark.parametrize(("text", "message"), BAD_TABLES)
def test_tables_that_are_no_schedule(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    if text is not None:
        path.write_text(text)
    assert refusal(DataError, parse_schedule, str(path)) == message.format(path)
