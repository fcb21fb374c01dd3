"""Hard tables for every law, made from its certified fits: few points, outliers, wide, narrow."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.quantities import Domain

ROWS = 15  # padded to sixteen: one executable per law and space


@dataclass(frozen=True)
class Case:
    """A law with the values that made the points, before noise."""

    truth: Law
    points: Points


@cache
def certified(name: str) -> Fit:
    """Return a certified fit, read once."""
    return kinds.load(name, Fit)


def fit_of(law: str) -> Fit:
    """Return a certified fit of a law."""
    return certified(next(n for n in kinds.fit_names() if n.partition("/")[0] == law))


def spans(fit: Fit) -> dict[str, tuple[float, float]]:
    """Return [smallest, largest] of every input over the fit's anchors, in ln if it is positive."""
    anchors = [a["inputs"] for a in fit.origin["anchors"]]
    ends = {s: [f(a[s] for a in anchors) for f in (min, max)] for s in fit.law.inputs()}
    spreads = {s: q.domain.spread(ends[s]) for s, q in fit.law.inputs().items()}
    return {s: (float(low), float(high)) for s, (low, high) in spreads.items()}


def scattered(
    fit: Fit, rng: np.random.Generator, *, rows: int = ROWS, decades: float | None = None
) -> dict[str, np.ndarray]:
    """Return inputs scattered in the anchors' box, or in one of so many decades around it."""
    columns = {}
    for symbol, (low, high) in spans(fit).items():
        middle, half = (low + high) / 2, (high - low) / 2
        half = half if decades is None else decades * np.log(10) / 2
        drawn = middle + half * rng.uniform(-1, 1, rows)
        positive = fit.law.inputs()[symbol].domain is Domain.POSITIVE
        columns[symbol] = np.exp(drawn) if positive else drawn
    return columns


def made(truth: Law, columns: Mapping[str, np.ndarray], errors: np.ndarray) -> Case:
    """Return the points of a law with these errors in ln output."""
    output = np.asarray(truth(**columns), float) * np.exp(errors)
    return Case(truth, Points(columns, output, [f"run{i:02d}" for i in range(len(output))]))


def changed(law: Law, **values: float) -> Law:
    """Return a law with some of its values replaced."""
    return type(law)(**(law.values() | values))


def noise(fit: Fit, rng: np.random.Generator) -> Case:
    return made(fit.law, scattered(fit, rng), 0.01 * rng.standard_normal(ROWS))


def few(fit: Fit, rng: np.random.Generator) -> Case:
    """One configuration more than parameters, each run several times."""
    needed = len(fit.law.parameters()) + 1
    columns = scattered(fit, rng, rows=needed)
    again = np.repeat(np.arange(needed), ROWS // needed)
    columns = {symbol: values[again] for symbol, values in columns.items()}
    return made(fit.law, columns, 0.01 * rng.standard_normal(len(again)))


def outliers(fit: Fit, rng: np.random.Generator) -> Case:
    """Three of fifteen runs are wrong by 10 to 200 %, up or down."""
    errors = 0.005 * rng.standard_normal(ROWS)
    errors[:3] += rng.choice([-1, 1], 3) * np.log(rng.uniform(1.1, 3.0, 3))
    return made(fit.law, scattered(fit, rng), errors)


def worst_at_the_end(fit: Fit, rng: np.random.Generator) -> Case:
    """The run of the smallest input is far too high: a steep term can take it in."""
    columns = scattered(fit, rng)
    errors = 0.005 * rng.standard_normal(ROWS)
    errors[np.argmin(next(iter(columns.values())))] += rng.uniform(0.2, 0.8)
    return made(fit.law, columns, errors)


def collinear(fit: Fit, rng: np.random.Generator) -> Case:
    """Every input follows the first up to 10 %: their effects can hardly be told apart."""
    columns = scattered(fit, rng)
    place = rng.uniform(0, 1, ROWS)
    for symbol, (low, high) in spans(fit).items():
        jitter = 0.1 * rng.standard_normal(ROWS)
        columns[symbol] = np.exp(low + (high - low) * place + jitter)
    return made(fit.law, columns, 0.005 * rng.standard_normal(ROWS))


def wide(fit: Fit, rng: np.random.Generator) -> Case:
    """Ten decades of every input."""
    return made(fit.law, scattered(fit, rng, decades=10.0), 0.01 * rng.standard_normal(ROWS))


def narrow(fit: Fit, rng: np.random.Generator) -> Case:
    """Half a decade of every input."""
    return made(fit.law, scattered(fit, rng, decades=0.5), 0.002 * rng.standard_normal(ROWS))


def uneven(fit: Fit, rng: np.random.Generator) -> Case:
    """Errors from 0.01 to 10 %."""
    size = 10 ** rng.uniform(-4, -1, ROWS)
    return made(fit.law, scattered(fit, rng), size * rng.standard_normal(ROWS))


def no_floor(fit: Fit, rng: np.random.Generator) -> Case:
    """The truth has no irreducible loss."""
    return made(changed(fit.law, E=0.0), scattered(fit, rng), 0.01 * rng.standard_normal(ROWS))


def all_floor(fit: Fit, rng: np.random.Generator) -> Case:
    """Everything but the floor is a fiftieth of what it was."""
    last = changed(fit.law, E=50 * fit.law.values()["E"])
    return made(last, scattered(fit, rng), 1e-3 * rng.standard_normal(ROWS))


def equal_exponents(fit: Fit, rng: np.random.Generator) -> Case:
    """Both exponents are one number, and both terms the same size in the middle."""
    columns, law = scattered(fit, rng), fit.law.values()
    N, D = (np.exp(np.mean(np.log(columns[s]))) for s in fit.law.inputs())
    same = changed(fit.law, beta=law["alpha"], B=law["A"] * (D / N) ** law["alpha"])
    return made(same, columns, 0.005 * rng.standard_normal(ROWS))


def absent_term(fit: Fit, rng: np.random.Generator) -> Case:
    """The last term is not there."""
    last = [n for n, p in fit.law.parameters().items() if p.linear][-1]
    without = changed(fit.law, **{last: 0.0})
    return made(without, scattered(fit, rng), 0.005 * rng.standard_normal(ROWS))


def kinked(fit: Fit, rng: np.random.Generator) -> Case:
    """Nearly flat, with two outliers: a kink fits best, and a kink is the limit of a law."""
    columns = scattered(fit, rng)
    errors = 0.01 * rng.standard_normal(ROWS)
    errors[:2] += rng.choice([-1, 1], 2) * rng.uniform(0.1, 0.8, 2)
    flat = made(fit.law, columns, errors)
    output = 2.5 * np.exp(errors)
    return Case(flat.truth, Points(columns, output, flat.points.runs))


def collinear_outliers(fit: Fit, rng: np.random.Generator) -> Case:
    """Inputs that move together, and two runs that are wrong."""
    case = collinear(fit, rng)
    errors = np.zeros(ROWS)
    errors[:2] = rng.choice([-1, 1], 2) * rng.uniform(0.1, 0.8, 2)
    output = case.points.output * np.exp(errors)
    return Case(case.truth, Points(case.points.inputs, output, case.points.runs))


Maker = Callable[[Fit, np.random.Generator], Case]


def generator(law: str, maker: Maker, seed: int) -> np.random.Generator:
    """Return random numbers that stay what they are when laws and makers are added."""
    return np.random.default_rng([seed, *(zlib.crc32(n.encode()) for n in (law, maker.__name__))])


# Tables on which a law may have no minimum but an endless valley: a power or an exponent runs to
# infinity or to zero, together with coefficients, until floats end. For gamma's law this is seen
# with the sum of its terms taken in logarithms, where floats do not end: as gamma goes to zero (a
# kink) or to infinity (a product) the least sum falls on, or is least where A is exp(900).
ENDLESS: dict[str, tuple[Maker, ...]] = {
    "kaplan_nd": (narrow, kinked, collinear_outliers),
    "chinchilla_gamma": (
        few,
        outliers,
        worst_at_the_end,
        narrow,
        uneven,
        collinear,
        no_floor,
        all_floor,
        kinked,
        collinear_outliers,
    ),
    "chinchilla": (kinked, collinear_outliers),
}
ANY_LAW: tuple[Maker, ...] = (noise, few, outliers, worst_at_the_end, wide, narrow, uneven)


def makers(law: str) -> tuple[Maker, ...]:
    """Return the hard tables that a law can have."""
    declared = laws.get(law).parameters()
    terms = [n for n, p in declared.items() if p.linear and n != "E"]
    # A law of tasks is an exponential of a loss, which no runs spread over ten decades.
    found = [m for m in ANY_LAW if m is not wide or not laws.get(law).moves]
    found += [collinear] if len(laws.get(law).inputs()) > 1 else []
    found += [no_floor, all_floor] if "E" in declared else []
    found += [absent_term] if len(terms) > 1 else []
    found += [equal_exponents] if {"alpha", "beta", "A", "B"} <= set(declared) else []
    return tuple(m for m in found if m not in ENDLESS.get(law, ()))
