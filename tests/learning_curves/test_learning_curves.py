"""The families of learning curves: their formulas by hand, and fits against SciPy's."""

import math

import numpy as np
import pytest
from scipy.optimize import curve_fit, least_squares

from scaling_cli import learning_curves
from scaling_cli.forecasting.family_fits import CORNER, Batch, fit_family
from scaling_cli.learning_curves._family import SEEN, LearningCurve
from scaling_cli.vocabulary.errors import UsageError

TRUTHS = {
    "exp4": {"E": 2.5, "A": 1.2, "a": 0.1, "alpha": 0.7},
    "exponential": {"E": 2.5, "A": 1.0, "rate": 0.03},
    "hill3": {"A": 6.0, "kappa": 8.0, "eta": 0.3},
    "ilog2": {"E": 2.0, "A": 1.0},
    "janoschek": {"E": 2.5, "A": 1.2, "k": 0.1, "delta": 0.7},
    "log_power": {"A": 6.0, "b": 2.0, "c": 0.3},
    "loglog_linear": {"b": 40.0, "a": 6.0},
    "mmf": {"E": 2.5, "A": 2.0, "kappa": 0.3, "delta": 0.8},
    "pow3": {"E": 2.5, "A": 1.5, "alpha": 0.5},
    "pow4": {"E": 2.5, "A": 2.0, "alpha": 0.7, "b": 3.0},
    "vap": {"a": 1.2, "b": 0.4, "c": 0.05},
    "weibull": {"E": 2.5, "A": 1.2, "kappa": 0.05, "delta": 0.7},
}
# At x = 16, worked out from Domhan's formulas with the signs turned round.
BY_HAND = {
    "exp4": 2.5 + math.exp(-0.1 * 16**0.7 + math.log(1.2)),
    "exponential": 2.5 + math.exp(-0.48),
    "hill3": 6.0 * 8.0**0.3 / (8.0**0.3 + 16**0.3),
    "ilog2": 2.0 + 1.0 / math.log(17.0),
    "janoschek": 2.5 - (2.5 - 3.7) * math.exp(-0.1 * 16**0.7),
    "log_power": 6.0 / (1.0 + (16.0 / math.exp(2.0)) ** 0.3),
    "loglog_linear": math.log(-6.0 * math.log(16.0) + 40.0),
    "mmf": 2.5 - (2.5 - 4.5) / (1.0 + 4.8**0.8),
    "pow3": 2.5 + 1.5 / 4.0,
    "pow4": 2.5 + 2.0 * 19.0**-0.7,
    "vap": math.exp(1.2 + 0.4 / 16 - 0.05 * math.log(16.0)),
    "weibull": 2.5 - (2.5 - 3.7) * math.exp(-(0.8**0.7)),
}
X = np.geomspace(5.0, SEEN, 48)
NAMES = learning_curves.names()


def truth(name: str) -> LearningCurve:
    return learning_curves.get(name)(**TRUTHS[name])


def batch(*losses: np.ndarray, scale: float = 1e-3) -> Batch:
    shape = (len(losses), len(X))
    return Batch(
        np.broadcast_to(X, shape), np.array(losses), np.ones(shape), np.full(len(losses), scale)
    )


def noisy(name: str, seed: int = 0, sd: float = 0.003) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(len(X))
    return np.asarray(truth(name)(X)) * np.exp(sd * noise)


def test_domhans_eleven_and_the_exponential_are_there() -> None:
    assert set(NAMES) == set(TRUTHS) == set(BY_HAND)
    assert len(NAMES) == 12
    same = {name for name in NAMES if learning_curves.get(name).same_as}
    assert same == {"exp4", "janoschek", "hill3"}
    assert learning_curves.distinct() == tuple(n for n in NAMES if n not in same)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_declares_what_it_is(name: str) -> None:
    family = learning_curves.get(name)
    declared = family.parameters()
    shapes = {n: p for n, p in declared.items() if not p.linear}
    assert list(family.inputs()) == ["x"]
    assert family.output().symbol == "L"
    assert family.formula().startswith("L(x) = ")
    assert family.reference and family.bibtex and family.rising
    assert set(family.bounds) == set(shapes)
    for parameter, (low, high) in family.bounds.items():
        assert all(low <= start <= high for start in shapes[parameter].starts)
    assert family.same_as in ("", *learning_curves.distinct())
    assert type(truth(name)).__module__ == f"{learning_curves.__name__}.{name}"


@pytest.mark.parametrize("name", NAMES)
def test_the_formula_is_the_published_one_turned_round(name: str) -> None:
    assert float(truth(name)(16.0)) == pytest.approx(BY_HAND[name], rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_falls_and_stays_positive(name: str) -> None:
    x = np.geomspace(0.5, 1e6, 200) if name != "loglog_linear" else np.geomspace(0.5, 600, 200)
    loss = np.asarray(truth(name)(x))
    assert (np.diff(loss) <= 0).all()
    assert (loss > 0).all()


def test_the_family_without_floor_says_nothing_beyond_its_zero() -> None:
    law = truth("loglog_linear")
    assert float(law(math.exp(39.0 / 6.0))) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(float(law(math.exp(41.0 / 6.0))))


@pytest.mark.parametrize("name", NAMES)
def test_noiseless_curves_give_themselves_back(name: str) -> None:
    fits = fit_family(learning_curves.get(name), batch(np.asarray(truth(name)(X))), priors=False)
    assert fits.law(0).values() == pytest.approx(TRUTHS[name], rel=1e-6)
    assert fits.predict(np.array([[400.0]]))[0, 0] == pytest.approx(float(truth(name)(400.0)))


@pytest.mark.parametrize("name", [n for n in NAMES if learning_curves.get(n).same_as])
def test_twins_draw_the_same_curve(name: str) -> None:
    family = learning_curves.get(name)
    measured = batch(noisy(family.same_as))
    own = fit_family(family, measured, priors=False)
    twin = fit_family(learning_curves.get(family.same_as), measured, priors=False)
    assert own.value == pytest.approx(twin.value, rel=1e-6)
    assert own.predict(2 * X[None]) == pytest.approx(twin.predict(2 * X[None]), rel=1e-4)


@pytest.mark.parametrize("name", ["pow3", "exponential", "ilog2", "vap", "log_power"])
def test_least_squares_agree_with_curve_fit(name: str) -> None:
    family, loss = learning_curves.get(name), noisy(name)
    fits = fit_family(family, batch(loss, scale=1.0), priors=False)  # no residual is at the corner
    names = list(TRUTHS[name])

    def log_loss(x: np.ndarray, *values: float) -> np.ndarray:
        return np.log(np.asarray(family(**dict(zip(names, values, strict=True)))(x)))

    start = np.array(list(TRUTHS[name].values()))
    found, _ = curve_fit(log_loss, X, np.log(loss), p0=start, xtol=1e-15, ftol=1e-15)
    error = float(np.sum((log_loss(X, *found) - np.log(loss)) ** 2))
    assert 2 * fits.value[0] == pytest.approx(error, rel=1e-9)
    assert list(fits.law(0).values().values()) == pytest.approx(found.tolist(), rel=1e-4)


@pytest.mark.parametrize("name", ["pow4", "mmf", "weibull", "pow3", "log_power"])
def test_robust_fits_reach_what_many_starts_of_scipy_reach(name: str) -> None:
    family, loss = learning_curves.get(name), noisy(name, seed=3)
    loss[[7, 30]] *= 1.05
    scale = 0.003
    fits = fit_family(family, batch(loss, scale=scale), priors=False)
    declared = family.parameters()
    low = [family.bounds.get(n, (0.0, np.inf))[0] for n in declared]
    high = [family.bounds.get(n, (0.0, np.inf))[1] for n in declared]

    def residuals(values: np.ndarray) -> np.ndarray:
        level = np.asarray(family(**dict(zip(declared, values, strict=True)))(X))
        return (np.log(np.maximum(level, 1e-12)) - np.log(loss)) / scale

    generator = np.random.default_rng(1)
    best = math.inf
    for _ in range(12):
        factor = np.exp(0.5 * generator.standard_normal(len(declared)))
        start = np.clip(np.array(list(TRUTHS[name].values())) * factor, low, high)
        start = np.maximum(start, 1e-3)
        found = least_squares(
            residuals,
            start,
            bounds=(low, high),
            loss="huber",
            f_scale=CORNER,
            x_scale="jac",
            ftol=1e-14,
            xtol=1e-14,
            gtol=1e-12,
            max_nfev=2000,
        )
        best = min(best, float(found.cost))
    assert fits.value[0] <= best * (1 + 1e-6)


def test_priors_are_felt_where_data_say_nothing_and_nowhere_else() -> None:
    flat = batch(np.full(len(X), 3.0))
    assert fit_family(learning_curves.get("pow3"), flat).law(0)(1e4) == pytest.approx(3.0, rel=1e-3)
    clean = batch(np.asarray(truth("pow3")(X)))
    assert fit_family(learning_curves.get("pow3"), clean).law(0).values() == pytest.approx(
        TRUTHS["pow3"], rel=1e-3
    )


def test_curves_of_a_batch_do_not_see_one_another() -> None:
    family = learning_curves.get("mmf")
    together = fit_family(family, batch(noisy("mmf"), noisy("pow3")))
    for i, name in enumerate(("mmf", "pow3")):
        alone = fit_family(family, batch(noisy(name)))
        assert together.value[i] == pytest.approx(alone.value[0], rel=1e-9)


def test_padding_does_not_count() -> None:
    loss = noisy("pow3")
    short = Batch(X[None, 20:], loss[None, 20:], np.ones((1, 28)), np.full(1, 1e-3))
    weight = np.zeros((1, 48))
    weight[0, 20:] = 1.0
    padded = Batch(X[None], np.where(weight > 0, loss, 99.0), weight, np.full(1, 1e-3))
    family = learning_curves.get("pow3")
    assert fit_family(family, padded).law(0).values() == pytest.approx(
        fit_family(family, short).law(0).values(), rel=1e-6
    )


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no family of learning curves 'pow5'"):
        learning_curves.get("pow5")
