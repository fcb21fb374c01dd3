"""Contract tests over the registry of laws: a new law is tested by being there.

What a law is tested at comes from its certified fits: their parameters, and a grid of inputs that
spans their anchor points. Nothing here is edited for a new law, except that a derived quantity of
a new name needs an oracle in ORACLES.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from hard_tables import certified
from refusals import refusal
from scipy.optimize import minimize_scalar, root_scalar

from scaling_cli import laws
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Domain, Law
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import QUANTITIES, Quantity, recognise

FITS = kinds.fit_names(of_curves=False)
# Read at stated levels of their inputs, in their units.
CENTRED = "farseer routing_floor unique_capacity upcycled_moe vocabulary_power vocabulary_shift "
CENTRED += "rate_batch_valley"
ABSOLUTE = {law: {"N", "D", "U", "lr"} for law in CENTRED.split()}
MANY = 7  # parameters, beyond which a law takes more runs
ULPS = 1e-14  # a handful of float64 roundings, whichever library does the powers

each_law = pytest.mark.parametrize("name", laws.names())
each_fit = pytest.mark.parametrize("fit_name", FITS)
# What is asked of a law's code, not of a fit's numbers: two fits of each say it.
OF_LAWS = [n for i, n in enumerate(FITS) if i < 2 or FITS[i - 2].split("/")[0] != n.split("/")[0]]
two_fits = pytest.mark.parametrize("fit_name", OF_LAWS)
one_fit = pytest.mark.parametrize("fit_name", [*{n.split("/")[0]: n for n in OF_LAWS}.values()])


def certified_of(law: str) -> list[Fit]:
    """Return the certified fits of a law; a law without one fails whatever asks."""
    found = [certified(n) for n in FITS if n.partition("/")[0] == law]
    assert found, f"law {law} has no certified fit in fits/{law}/"
    return found


def design(fit: Fit) -> dict[str, np.ndarray]:
    """Return a product of log-spaced levels of every input, spanning the fit's anchors.

    As many as `own_table` has, where a law's parameters are few: they share executables.
    """
    axes, levels = [], 4 if len(fit.law.inputs()) < 3 else 3
    for symbol in fit.law.inputs():
        values = [a["inputs"][symbol] for a in fit.origin["anchors"]]
        spaced = np.geomspace if min(values) > 0 else np.linspace
        many = levels + (2 if len(fit.parameters) > MANY else 0)
        axes.append(spaced(min(values), max(values), many if len(fit.law.inputs()) > 1 else 15))
    grid = np.array(list(itertools.product(*axes))).T
    return dict(zip(fit.law.inputs(), grid, strict=True))


def close(value: Any, oracle: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(value, float), oracle, rtol=tolerance, atol=0)


# ---- the declaration


@each_law
def test_declares_what_its_parameters_mean(name: str) -> None:
    parameters = laws.get(name).parameters()
    assert parameters
    for parameter in parameters.values():
        assert parameter.meaning.strip()
        assert parameter.unit.strip()
        assert isinstance(parameter.domain, Domain)
        assert all(math.isfinite(s) for s in parameter.starts)
        assert all(s > 0 or not parameter.positive for s in parameter.starts)


@each_law
def test_inputs_and_output_are_quantities(name: str) -> None:
    law = laws.get(name)
    for quantity in (*law.inputs().values(), law.output()):
        assert isinstance(quantity, Quantity)
        # The vocabulary's own, or the law's, under a name that means nothing else.
        assert recognise(quantity.column) in (None, quantity)
        assert quantity.unit
    assert set(law.inputs()) == {q.symbol for q in law.inputs().values()}


@each_law
def test_names_its_source(name: str) -> None:
    law = laws.get(name)
    assert law.formula().strip()
    assert "arXiv:" in law.reference
    assert law.bibtex.strip().startswith("@")
    for symbol, convention in law.convention.items():
        quantity = law.quantity(symbol)
        assert quantity is not None
        assert convention in quantity.conventions


@each_law
def test_says_what_its_derived_quantities_are(name: str) -> None:
    for derived in laws.get(name).derived_quantities().values():
        assert derived.meaning.strip()
        assert derived.inputs
        assert derived.output.unit


@each_law
def test_is_immutable_and_keyword_only(name: str) -> None:
    law = certified_of(name)[0].law
    first = next(iter(law.parameters()))
    with pytest.raises(AttributeError):
        setattr(law, first, 1.0)
    with pytest.raises(TypeError):
        type(law)(*law.values().values())


@each_law
def test_has_a_certified_fit(name: str) -> None:
    assert all(laws.name_of(fit.law) == name for fit in certified_of(name))


def test_unknown_law_suggests_near_names() -> None:
    assert refusal(UsageError, laws.get, "chinchila") == (
        "there is no law 'chinchila'. Did you mean chinchilla or chinchilla_gamma? "
        "'scaling laws' lists them."
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "anealing",
            "there is no law 'anealing'. Did you mean annealing or annealing_size? 'scaling laws' "
            "lists them.",
        ),
        (
            "avrage",
            "there is no law 'avrage'. Did you mean average or coverage? 'scaling laws' lists "
            "them.",
        ),
        (
            "weibul",
            "there is no law 'weibul'. Did you mean weibull or power_law? 'scaling laws' lists "
            "them.",
        ),
        ("xyzzy", "there is no law 'xyzzy'. 'scaling laws' lists them."),
        (
            "annealing",
            "annealing is a law of loss curves, not of points. 'scaling fit' fits it, and tests it "
            "by leaving schedules out.",
        ),
        (
            "average",
            "average is a law of loss curves, not of points. 'scaling fit' fits it, and tests it "
            "by leaving schedules out.",
        ),
        (
            "hill3",
            "hill3 is a family of learning curves, not a law of points. 'scaling forecast --method "
            "families' fits it.",
        ),
        (
            "auto",
            "auto is several laws, not one. 'scaling fit --law auto' tries laws on runs held back.",
        ),
        (
            "ensemble",
            "ensemble is several laws, not one. 'scaling forecast --method ensemble' takes a curve "
            "of one variable further.",
        ),
    ],
)
def test_laws_of_every_kind_are_known_by_their_names(name: str, told: str) -> None:
    assert refusal(UsageError, laws.get, name) == told


# ---- the equation


@each_fit
def test_agrees_with_its_certified_fit(fit_name: str) -> None:
    fit = certified(fit_name)
    for anchor in fit.origin["anchors"]:
        close(fit.law(**anchor["inputs"]), anchor["value"], 1e-12)


@one_fit
def test_same_value_from_floats_numpy_and_jax(fit_name: str) -> None:
    fit = certified(fit_name)
    inputs = design(fit)
    rows = [dict(zip(inputs, row, strict=True)) for row in np.array([*inputs.values()]).T.tolist()]
    floats = [fit.law(**row) for row in rows]
    assert all(isinstance(value, float) for value in floats)
    array = fit.law(**inputs)
    assert array.dtype == np.float64
    close(array, floats, ULPS)
    with jax.enable_x64(True):
        columns = {s: jax.numpy.asarray(v) for s, v in inputs.items()}
        plain = fit.law(**columns)
        assert plain.dtype == np.float64
        close(plain, floats, ULPS)
        close(jax.jit(lambda c: fit.law(**c))(columns), floats, ULPS)
        close(jax.vmap(lambda c: fit.law(**c))(columns), floats, ULPS)


@two_fits
def test_gradient_is_the_derivative(fit_name: str) -> None:
    """jax.grad in every parameter and input against Richardson's extrapolated differences."""
    fit = certified(fit_name)
    middles = {s: (float(v[0]), float(v[-1])) for s, v in design(fit).items()}
    at = {s: math.sqrt(a * b) if a > 0 else (a + b) / 2 for s, (a, b) in middles.items()}
    names = (*fit.law.parameters(), *at)
    point = {**fit.law.values(), **at}

    def loss(values: Mapping[str, Any]) -> Any:
        chosen = type(fit.law)(**{k: values[k] for k in fit.law.parameters()})
        return chosen(**{k: values[k] for k in at})

    with jax.enable_x64(True):
        gradient = jax.grad(loss)({k: jax.numpy.asarray(v) for k, v in point.items()})
    for name in names:
        oracle = difference(lambda v, n=name: loss({**point, n: v}), point[name])
        close(gradient[name], oracle, 1e-8)


def difference(function: Callable[[float], float], at: float) -> float:
    """Return the derivative by central differences of three steps, extrapolated to order 6."""
    step = 4e-3 * abs(at)

    def central(h: float) -> float:
        return (function(at + h) - function(at - h)) / (2 * h)

    a, b, c = central(step), central(step / 2), central(step / 4)
    first, second = (4 * b - a) / 3, (4 * c - b) / 3
    return (16 * second - first) / 15


# ---- a law that contains another


@pytest.mark.parametrize("name", [n for n in laws.names() if laws.get(n).nested])
def test_a_law_is_the_one_it_contains_where_it_says_so(name: str) -> None:
    law, inputs = laws.get(name), {"N": np.geomspace(1e7, 1e10, 7), "D": np.geomspace(1e12, 1e8, 7)}
    for inner, held in law.nested.items():
        values = {n: 0.1 + 0.3 * i for i, n in enumerate(laws.get(inner).parameters())}
        assert set(law.parameters()) == values.keys() | held.keys()
        close(law(**values, **held)(**inputs), laws.get(inner)(**values)(**inputs), 1e-12)


# ---- recovery from noiseless data


def refit(fit: Fit, inputs: Mapping[str, np.ndarray], output: np.ndarray) -> Optimum:
    """Return the optimum of the default objective for these data."""
    points = Points(inputs, output, [f"r{i}" for i in range(len(output))])
    return optimise(make_problem(points, type(fit.law), Objective()))


@one_fit
def test_recovers_itself_from_its_own_noiseless_data(fit_name: str) -> None:
    fit = certified(fit_name)
    inputs = design(fit)
    found = refit(fit, inputs, fit.law(**inputs))
    assert found.value < 1e-20
    close(found.law(**inputs), fit.law(**inputs), 1e-10)
    between = {
        s: np.sqrt(v[:-1] * v[1:]) if v[0] > 0 else (v[:-1] + v[1:]) / 2 for s, v in inputs.items()
    }
    close(found.law(**between), fit.law(**between), 1e-8)


@two_fits
def test_units_of_the_inputs_do_not_matter(fit_name: str) -> None:
    """Millions of parameters and billions of tokens give the same predictions."""
    fit = certified(fit_name)
    inputs = design(fit)
    each = iter((1e6, 1e9, 1e3, 1e12))
    by_unit = {q.unit: next(each) for q in dict.fromkeys(fit.law.inputs().values())}
    carried = {a.input for p in fit.law.parameters().values() for a in p.absorbs}
    known = {s for s, q in fit.law.inputs().items() if QUANTITIES.get(q.column) is q}
    # Counts of experts or streams, and shares, are themselves: nothing carries a unit of theirs.
    known -= ABSOLUTE.get(fit_name.partition("/")[0], set())
    factors = {s: by_unit[q.unit] for s, q in fit.law.inputs().items() if s in carried | known}
    scaled = {s: v / factors.get(s, 1.0) for s, v in inputs.items()}
    # An irregular wave: of |r| alone, beyond Huber's corner, the minimum of regular residuals on a
    # regular grid can be a whole face.
    wave = 1 + 0.01 * np.sin(np.arange(len(next(iter(inputs.values())))) ** 2)
    plain, other = (refit(fit, x, fit.law(**inputs) * wave) for x in (inputs, scaled))
    close(other.value, plain.value, 1e-9)
    close(other.law(**scaled), plain.law(**inputs), 1e-7)


# ---- derived quantities against a numerical optimum


def size_symbol(law: Law) -> str:
    return next(s for s, q in law.inputs().items() if q.unit == "parameters")


@cache
def numerical_optimum(law: Law, C: float, *others: tuple[str, float]) -> tuple[float, float, float]:
    """Return N, D and loss that minimise the loss at 6ND = C, by golden section in ln N."""
    size, held = size_symbol(law), dict(others)

    def loss(log_size: float) -> float:
        N = math.exp(log_size)
        return law(**{size: N, "D": C / (6 * N)}, **held)

    grid = np.linspace(0.02, 0.98, 2001) * math.log(C / 6)
    best = grid[np.argmin(law(**{size: np.exp(grid), "D": C / (6 * np.exp(grid))}, **held))]
    # The minimum is flat: a root of the slope has far more digits than a comparison of values.
    slope = zero(lambda u: difference_at(loss, u), best - 0.1, best + 0.1)
    found: Any = minimize_scalar(loss, bounds=(best - 0.1, best + 0.1), method="bounded")
    assert abs(found.x - slope) < 1e-3
    return math.exp(slope), C / (6 * math.exp(slope)), loss(slope)


def difference_at(function: Callable[[float], float], at: float, step: float = 1e-2) -> float:
    """Return a derivative on a logarithmic axis, by seven-point central differences."""
    weights = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
    return sum(w * (function(at + k * step) - function(at - k * step)) for k, w in weights) / step


def losses_within(fit: Fit) -> list[float]:
    """Return losses between the largest and the smallest that the fit's anchors reach."""
    values = [a["value"] for a in fit.origin["anchors"]]
    return [min(values) + share * (max(values) - min(values)) for share in (0.25, 0.5, 0.75)]


def zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function of one sign at `low` and the other at `high` is zero."""
    found = root_scalar(function, bracket=(low, high), method="brentq", xtol=1e-15)
    return float(found.root)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the x > 0 where a monotone function of x is zero, found in ln x."""
    log_x = zero(lambda u: function(math.exp(u)), math.log(low), math.log(high))
    return math.exp(log_x)


def for_loss(fit: Fit, symbol: str) -> list[tuple[dict[str, float], float]]:
    """Return (L, the value of `symbol` where the loss is L, all other inputs unlimited)."""
    others = {s: math.inf for s in fit.law.inputs() if s != symbol}
    return [
        ({"L": L}, root(lambda v, L=L: fit.law(**{symbol: v, **others}) - L, 1e-30, 1e60))
        for L in losses_within(fit)
    ]


def budgets(fit: Fit) -> list[float]:
    """Return compute at the anchors and far beyond them."""
    size = size_symbol(fit.law)
    anchors = [6 * a["inputs"][size] * a["inputs"]["D"] for a in fit.origin["anchors"]]
    return [min(anchors) / 10, *anchors, 1e3 * max(anchors)]


def least_compute(fit: Fit, L: float) -> float:
    """Return the compute whose best loss is L."""
    known = budgets(fit)
    low, high = 1e-3 * min(known), 1e3 * max(known)
    return root(lambda C: numerical_optimum(fit.law, C)[2] - L, low, high)


Cases = list[tuple[dict[str, float], float]]


def optimal(fit: Fit, which: int) -> Cases:
    """Return the best size, data or loss at budgets, what does not grow as at an anchor."""
    spent = fit.law.size_and_data() or ()
    held = {s: v for s, v in fit.origin["anchors"][-1]["inputs"].items() if s not in spent}
    # Of repeated data the best size without repetition is a kink, where no slope is a number.
    own = sorted(budgets(fit))[-3:-1] if held else budgets(fit)
    return [({"C": C} | held, numerical_optimum(fit.law, C, *held.items())[which]) for C in own]


def best_partner(law: Law, N_d: float) -> float:
    """Return the encoder of which a decoder is the best partner at their sum, by its slope."""

    def slope(log_e: float) -> float:
        N_e, h = math.exp(log_e), 1e-4
        total = N_e + N_d
        more, less = (
            law(N_e=N_e * (1 + h), N_d=total - N_e * (1 + h)),
            law(N_e=N_e * (1 - h), N_d=total - N_e * (1 - h)),
        )
        return more - less

    return math.exp(zero(slope, math.log(N_d / 30), math.log(30 * N_d)))


def least_work(fit: Fit, which: str) -> Cases:
    """Return the size, or the steps, of least N S_min at losses, by the slope of ln S in ln N."""

    def steps(N: float, L: float) -> float:
        return root(lambda S: fit.law(N=N, S_min=S) - L, 1e-6, 1e30)

    def best(L: float) -> dict[str, float]:
        low = fit.law.derive("min_params_for_loss", L=L)

        def work(u: float) -> float:
            return u + math.log(steps(math.exp(u), L))

        ends = math.log(1.5 * low), math.log(99 * low)
        N = math.exp(zero(lambda u: difference_at(work, u), *ends))
        return {"N": N, "S_min": steps(N, L)}

    return [({"L": L}, best(L)[which]) for L in losses_within(fit)]


def unlimited(fit: Fit) -> Cases:
    """Return the loss of sizes with data, or steps, without end."""
    others = dict.fromkeys((s for s in fit.law.inputs() if s != "N"), math.inf)
    return [({"N": N}, float(fit.law(N=N, **others))) for N in (1e6, 1e9, 1e12)]


ORACLES: dict[str, Callable[[Fit], Cases]] = {
    "optimal_params": lambda f: optimal(f, 0),
    "optimal_tokens": lambda f: optimal(f, 1),
    "optimal_loss": lambda f: optimal(f, 2),
    "optimal_multiplier": lambda f: [
        ({"C": C}, numerical_optimum(f.law, C)[1] / numerical_optimum(f.law, C)[0])
        for C in budgets(f)
    ],
    "compute_for_loss": lambda f: (
        [({"L": L}, least_compute(f, L)) for L in losses_within(f)]
        if f.law.size_and_data()
        else for_loss(f, "C")
    ),
    "context_for_loss": lambda f: for_loss(f, "context"),
    "attempts_for_coverage": lambda f: for_loss(f, "k"),
    "worth_of_streams": lambda f: [
        (
            a["inputs"],
            root(lambda N, L=a["value"]: f.law(N=N, streams=1.0) - L, 1e3, 1e30),
        )
        for a in f.origin["anchors"]
    ],
    "best_encoder": lambda f: [({"N_d": N_d}, best_partner(f.law, N_d)) for N_d in (1e7, 1e8, 1e9)],
    "min_params_for_loss": lambda f: for_loss(f, size_symbol(f.law)),
    "min_tokens_for_loss": lambda f: for_loss(f, "D"),
    "converged_loss": unlimited,
    "optimal_params_for_loss": lambda f: least_work(f, "N"),
    "optimal_steps_for_loss": lambda f: least_work(f, "S_min"),
    "tokens_against_overfitting": lambda f: [
        (at, root(lambda D, at=at, L=L: f.law(D=D, **at) - 1.02 * L, 1e3, 1e30))
        for at, L in unlimited(f)
    ],
    "value_for_loss": lambda f: for_loss(f, next(iter(f.law.inputs()))),
}


@pytest.mark.parametrize(
    ("fit_name", "quantity"),
    [
        (fit, quantity)
        for fit in FITS
        for quantity in laws.get(fit.partition("/")[0]).derived_quantities()
    ],
)
def test_derived_quantity_agrees_with_a_numerical_optimum(fit_name: str, quantity: str) -> None:
    fit = certified(fit_name)
    assert quantity in ORACLES, f"derived quantity {quantity} has no oracle: add one to ORACLES"
    for inputs, oracle in ORACLES[quantity](fit):
        flat = not hasattr(fit.law, quantity) and quantity != "optimal_loss"  # a searched place
        close(fit.law.derive(quantity, **inputs), oracle, 1e-4 if flat else 1e-7)


def test_what_kaplan_et_al_say_of_their_laws() -> None:
    """Overfitting stays below 2 % with 5e3 N^0.74 tokens; training stops 10 % above the end."""
    joint = certified("kaplan_nd/kaplan-2020").law
    for N in (1e8, 1e10):
        tokens = joint.derive("tokens_against_overfitting", N=N)
        assert tokens / N**0.74 == pytest.approx(5e3, rel=0.12)  # printed with one digit
    steps = certified("kaplan_ns/kaplan-2020-headline").law
    for L in (2.0, 3.0):
        N = steps.derive("optimal_params_for_loss", L=L)
        S = steps.derive("optimal_steps_for_loss", L=L)
        assert float(steps(N=N, S_min=S)) == pytest.approx(L, rel=1e-12)
        assert L / steps.derive("converged_loss", N=N) == pytest.approx(1.10, abs=0.002)


# ---- what grows


@pytest.mark.parametrize(
    ("law", "inputs", "axis", "value"),
    [
        ("chinchilla", {"N": 1e9, "D": 2e10}, "C", 1.2e20),
        ("average_parameters", {"N_avg": 1e9, "D": 2e10}, "C", 1.2e20),
        ("kaplan_n", {"N": 1e9}, "N", 1e9),
        ("kaplan_d", {"D": 1e9}, "D", 1e9),
        ("power_law", {"x": 5.0}, "x", 5.0),
        ("kaplan_ns", {"N": 2.0, "S_min": 3.0}, "N*S_min", 6.0),
    ],
)
def test_the_axis_of_a_law(law: str, inputs: dict[str, float], axis: str, value: float) -> None:
    assert laws.get(law).axis() == axis
    assert laws.get(law).along(inputs) == pytest.approx(value)
    there = laws.get(law).reached(inputs, 10.0)
    assert laws.get(law).along(there) == pytest.approx(10 * value, rel=1e-12)
    assert [there[s] / v for s, v in inputs.items()] == pytest.approx(
        [10 ** (1 / len(inputs))] * len(inputs)
    )


def test_an_axis_beyond_every_number_is_infinite_without_a_word() -> None:
    law = laws.get("chinchilla")
    values = law.along({"N": np.array([1e300, 1.0]), "D": np.array([1e300, 2.0])})
    assert values.tolist() == [np.inf, 12.0]


class Attending(Chinchilla):
    """A law that counts attention too: C = 6ND + 1e-3 N^1.5 D."""

    @classmethod
    def compute(cls, **inputs: Any) -> Any:
        """Return 6ND and what attention takes."""
        return 6 * inputs["N"] * inputs["D"] + 1e-3 * inputs["N"] ** 1.5 * inputs["D"]


def test_a_law_that_counts_compute_itself() -> None:
    at = {"N": 1e9, "D": 2e10}
    assert Attending.axis() == "C"
    assert Attending.compute_in_words() == "C"
    C = 6 * 1e9 * 2e10 + 1e-3 * 1e9**1.5 * 2e10
    assert Attending.along(at) == pytest.approx(C, rel=1e-14)
    assert Attending.spending(C, N=1e9)["D"] == pytest.approx(2e10, rel=1e-11)
    assert Attending.spending(C, D=2e10)["N"] == pytest.approx(1e9, rel=1e-11)
    far = Attending.reached(at, 100.0)
    assert Attending.along(far) == pytest.approx(100 * C, rel=1e-11)
    assert far["N"] / 1e9 == pytest.approx(far["D"] / 2e10, rel=1e-12)
