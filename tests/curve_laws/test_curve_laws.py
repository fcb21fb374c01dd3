"""Laws of loss curves: their equations summed step by step, linear time, and published numbers."""

import math

import numpy as np
import pytest
from curve_truths import TRUTHS
from loss_curves import HELD_OUT, curve
from refusals import refusal

from scaling_cli import curve_laws
from scaling_cli.curve_laws._curve_law import CurveLaw, gamma_spectrum
from scaling_cli.curve_laws.annealing import Annealing
from scaling_cli.curve_laws.multi_power import MultiPower
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._path import CONVENTIONS, Path
from scaling_cli.vocabulary.errors import UsageError

# Warm-up, a jump, a decay to zero, and a rise: everything a schedule can do.
SCHEDULE = parse_schedule(
    "step:peak=1,warmup=20,at=120,to=0.4,steps=200 + wsd:peak=0.7,stable=0.3,steps=150"
)
SIZE = 1e6
STEPS = np.array([19, 20, 60, 119, 120, 121, 199, 200, 260, 300, 349])


def truth(name: str) -> CurveLaw:
    return curve_laws.get(name)(**TRUTHS[name])


def summed(name: str, t: int, rates: list[float]) -> float:
    """Return the loss at step t by the sums of the papers, term by term."""
    p = TRUTHS[name]
    area = [sum(rates[: i + 1]) for i in range(t + 1)]
    if name == "power_steps":
        return p["L0"] + p["A"] * t ** -p["alpha"]
    loss = p["L0"] + p["A"] * area[t] ** -p["alpha"]
    if name == "annealing_size":
        loss += p["B"] * SIZE ** -p["beta"]
        p = {**p, "C": p["C"] * SIZE ** p["gamma"]}
    if "forget" in p:
        m = s2 = 0.0
        for i in range(1, t + 1):
            m = (1 - p["forget"]) * m + (rates[i - 1] - rates[i])
            s2 += m
        return loss - p["C"] * s2
    if name == "forward_momentum":
        return loss - p["C"] * momentum(rates[: t + 1])
    for k in range(1, t + 1) if name != "power_area" else ():
        gap, since = rates[k - 1] - rates[k], area[t] - area[k - 1]
        if name == "area_exponential":
            loss -= p["B"] * gap * (1 - math.exp(-p["C"] * since))
        elif name == "multi_power":
            x = p["C"] * max(rates[k], 1e-8) ** -p["gamma"] * since
            loss -= p["B"] * gap * (1 - (1 + x) ** -p["beta"])
        elif gap > 0:
            size = p["B"] * gap * (p["c"] + area[k] ** -p["alpha"])
            loss -= size * (1 - (1 + p["C"] * since) ** -p["beta"])
    return loss


def momentum(rates: list[float]) -> float:
    """Return M as Adam would move along the drops of the rate, every step a row of the log."""
    m = v = total = 0.0
    for i in range(1, len(rates)):
        drop = rates[i - 1] - rates[i]
        m, v = 0.9 * m + 0.1 * drop, 0.999 * v + 0.001 * drop**2
        v_hat = 1e5 * v / (1 - 0.999 ** (i + 1))
        total += m / (1 - 0.9 ** (i + 1)) / (math.sqrt(v_hat + 1e-8) + 1e-8)
    return total


def test_every_law_has_a_truth_here() -> None:
    assert set(TRUTHS) == set(curve_laws.names())


@pytest.mark.parametrize("name", curve_laws.names())
def test_the_equation_is_that_of_the_paper(name: str) -> None:
    rates = SCHEDULE.per_step().tolist()
    expected = [summed(name, int(t), rates) for t in STEPS]
    assert truth(name)(Path.of(SCHEDULE, STEPS, params=SIZE)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", curve_laws.names())
def test_linear_time_gives_the_same_numbers(name: str) -> None:
    law, every = truth(name), np.random.default_rng(0).permutation(np.arange(19, 350))
    path = Path.of(SCHEDULE, every, params=SIZE)
    assert law.curve(path) == pytest.approx(law(path), abs=1e-9)
    early = Path.of(SCHEDULE, [5, 3, 9, 7, 11], params=SIZE)
    assert law.curve(early) == pytest.approx(law(early))
    # One step alone is summed drop by drop: what the spectrum says of it among all.
    alone = law.curve(Path.of(SCHEDULE, every[-1:], params=SIZE))
    assert alone == pytest.approx(law.curve(path)[-1:], abs=1e-9)


@pytest.mark.parametrize("name", curve_laws.names())
def test_laws_declare_what_they_are(name: str) -> None:
    law = curve_laws.get(name)
    assert law.formula().startswith("L(t) = L0 + A ")
    assert law.reference
    assert law.bibtex.startswith("@")
    assert law.warmup in CONVENTIONS
    assert law.clock in ("area", "steps", "none")
    for parameter in law.parameters().values():
        assert parameter.meaning
        assert parameter.linear or parameter.starts
    assert curve_laws.name_of(law) == curve_laws.name_of(truth(name)) == name


@pytest.mark.parametrize(
    "name", [n for n in curve_laws.names() if curve_laws.get(n).clock != "none"]
)
def test_a_drop_takes_effect_from_nothing_and_ever_more(name: str) -> None:
    moved = truth(name).relaxed(np.array([0.0, 1.0, 10.0, 1e3, 1e9]), np.full(5, 0.5))
    assert moved[0] == 0
    assert (np.diff(moved) >= 0).all()
    assert moved[-1] <= 1


@pytest.mark.parametrize("beta", [0.1, 0.6, 1.0, 3.0])
def test_a_power_law_is_a_sum_of_exponentials(beta: float) -> None:
    scale, x = np.array([1e-3, 1.0, 300.0]), np.geomspace(1e-3, 1e5, 60)
    rates, shares = gamma_spectrum(beta, scale, x.max())
    moved = (shares[:, :, None] * -np.expm1(-rates[:, None] * x)).sum(1)
    assert moved == pytest.approx(1 - (1 + scale[:, None] * x) ** -beta, abs=1e-9)


def test_conventions_of_the_warm_up() -> None:
    schedule = parse_schedule("linear:peak=1,warmup=4,steps=8")
    trained, area, peak = (Path.of(schedule, [7], warmup=w) for w in CONVENTIONS)
    assert (
        trained.area == area.area == pytest.approx([0 + 0.25 + 0.5 + 0.75 + 1 + 0.75 + 0.5 + 0.25])
    )
    assert peak.area == pytest.approx([4 + 1 + 0.75 + 0.5 + 0.25])
    assert trained.gap.tolist() == [-0.25] * 4 + [0.25] * 3
    assert area.gap.tolist() == peak.gap.tolist() == [0.25] * 3
    assert peak.drop_area.tolist() == [5, 5.75, 6.25]
    halved = Path.of(schedule, [7], unit=0.5)
    assert (halved.area, halved.gap.tolist()) == (2 * trained.area, (2 * trained.gap).tolist())
    early = Path.of(schedule, [2], warmup="at_peak")
    assert (early.area.tolist(), len(early.gap)) == ([3.0], 0)


@pytest.mark.parametrize("name", curve_laws.names())
def test_few_drops_stand_for_many(name: str) -> None:
    schedule = parse_schedule("cosine:peak=1,warmup=500,min=0.1,steps=8000")
    path = Path.of(schedule, np.arange(500, 8000, 250), params=SIZE)
    law = truth(name)
    few = law.prepared(path).compressed()
    assert len(few.gap) < len(path.gap) / 50
    for power in range(4):  # what a Gauss rule of two nodes keeps, over all stretches together
        moments = [p.gap @ p.drop_step**power for p in (few, path)]
        assert moments[0] == pytest.approx(moments[1], rel=1e-9)
    assert law(few) == pytest.approx(law(path), abs=1e-4)


@pytest.mark.parametrize("name", curve_laws.names())
def test_few_drops_stand_for_many_cycles(name: str) -> None:
    """Down to zero and up again, eighty times: what is lost in each must not add up."""
    schedule = parse_schedule("cyclic:peak=1,warmup=50,period=100,shape=triangle,steps=8000")
    law, path = truth(name), Path.of(schedule, np.arange(600, 8000, 250), params=SIZE)
    path = law.prepared(path)
    assert law(path.compressed()) == pytest.approx(law(path), abs=1e-4)


def test_a_functional_of_the_path_is_computed_before_drops_are_compressed() -> None:
    law = truth("forward_momentum")
    path = Path.of(parse_schedule("cosine:peak=3e-4,warmup=500,steps=8000"), [600, 7999])
    halved = Path.of(
        parse_schedule("cosine:peak=3e-4,warmup=500,steps=8000"), [600, 7999], unit=1.5e-4
    )
    assert law.prepared(halved).functional == pytest.approx(law.prepared(path).functional)
    prepared = law.prepared(path)
    assert law.prepared(prepared) is prepared
    with pytest.raises(ValueError, match="prepare the path before compressing it"):
        law(path.compressed())


def test_momentum_sees_the_direction_of_a_large_drop_not_its_size() -> None:
    ends = []
    for to in ("1e-4", "1e-5"):
        schedule = parse_schedule(f"step:peak=3e-4,at=4000,to={to},steps=8000")
        (end,) = truth("forward_momentum").prepared(Path.of(schedule, [7999])).functional
        ends.append(end)
    assert ends[0] == pytest.approx(ends[1], rel=5e-3)


def test_refused_with_the_whole_message() -> None:
    assert refusal(UsageError, Path.of, SCHEDULE, [1], warmup="peak") == (
        "there is no warm-up convention 'peak'. Did you mean at_peak or area? Known conventions: "
        "as_trained, area, at_peak."
    )
    for steps in ([1.5], [-1], []):
        assert refusal(UsageError, Path.of, SCHEDULE, steps) == (
            "a loss is asked for at steps that are not whole numbers from 0 on."
        )
    assert refusal(UsageError, curve_laws.get, "anealing") == (
        "there is no curve law 'anealing'. Did you mean annealing or annealing_size? Known curve "
        f"laws: {', '.join(curve_laws.names())}."
    )


# The 25M row of arXiv:2503.12811's repository: parameters (rates as they are), and the means over
# the six held-out curves of R2, MAE, RMSE, mean and worst relative error.
PUBLISHED = MultiPower(
    L0=3.04045406,
    A=0.52468604,
    alpha=0.50786857,
    B=363.78751622,
    C=2.06560812,
    beta=0.58279013,
    gamma=0.64142257,
)


def test_published_parameters_give_the_published_metrics(shared) -> None:
    found = []
    for name in HELD_OUT:
        held = curve(shared, name)
        predicted = PUBLISHED.curve(Path.of(held.schedule, held.step))
        off = predicted - held.loss
        relative = np.abs(off) / held.loss
        r2 = 1 - (off**2).sum() / ((held.loss - held.loss.mean()) ** 2).sum()
        found.append(
            [r2, np.abs(off).mean(), np.sqrt((off**2).mean()), relative.mean(), relative.max()]
        )
    means = np.mean(found, axis=0)
    assert [f"{means[0]:.4f}", *(f"{m:.5f}" for m in means[1:])] == [
        "0.9988",
        "0.00376",
        "0.00465",
        "0.00110",
        "0.00409",
    ]


def test_published_law_in_linear_time_agrees_with_the_quadratic_sum() -> None:
    schedule = parse_schedule(
        "wsd:peak=0.0003,warmup=2159,stable=2160,decay=cosine,min=3e-05,steps=72000"
    )
    path = Path.of(schedule, [2160, 10_000, 71_999])
    assert PUBLISHED.curve(path) == pytest.approx(PUBLISHED(path), abs=1e-10)


def test_the_annealing_area_of_a_single_drop() -> None:
    """S2 of one drop g at step k is g (1 - lambda^(t-k+1))/(1 - lambda)."""
    law = Annealing(L0=0.0, A=0.0, alpha=1.0, C=1.0, forget=0.1)
    path = Path.of(parse_schedule("step:peak=1,at=5,to=0.75,steps=20"), [4, 5, 14])
    expected = [0, -0.25, -0.25 * (1 - 0.9**10) / 0.1]
    assert law.curve(path) == pytest.approx(expected, rel=1e-12)
