"""Do the intervals cover? Leave-largest-out on real sets: coverage and width by how far they reach.

    SCALING_SHARED=../shared python benchmarks/coverage.py [--law chinchilla_gamma] [--alone]
    python benchmarks/coverage.py --simulate [--replicates 30]

For every table, runs above the largest compute / {2, 3, 10, 30, 100, 300, 1000} are hidden, the
rest is fitted exactly as `scaling fit` does, and the hidden runs are predicted as `scaling predict`
does; the same with runs hidden by their tokens and by their tokens per parameter. Up to 8 hidden
runs of each bin of reach are scored. Beside it, on the same runs, the fitted law alone without
drift, and the product's rule with its constants chosen without the family it is scored on.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import coverage_simulated
import numpy as np
from coverage_scores import (
    BARE,
    BINS,
    EVERYTHING,
    PRODUCT,
    Forecast,
    Rule,
    held_out,
    interval_score,
    scored,
)
from coverage_tables import Table, tables

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Uncertainty, band, decades, middle, scatter
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty.companion import beside, companions
from scaling_cli.point_fits.certainty.uncertainty import assemble
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.search.optimum import make_problem, optimise, refuse
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective

AXES = {"compute": (2, 3, 10, 30, 100, 300, 1000), "tokens": (3, 10, 30), "D/N": (3, 10, 30)}
SMALLEST = 7
SCORED_PER_BIN = 8
LEVEL = 0.9
TOO_FEW = 0.7  # inside their intervals: a cut that failed


@dataclass(frozen=True)
class Options:
    """Which law is fitted, whether it forecasts alone, and along which axes runs are hidden."""

    law: str = "chinchilla"
    alone: bool = False
    axes: tuple[str, ...] = tuple(AXES)


def forecasts(one: Table, options: Options) -> Iterator[Forecast]:
    """Hide the largest runs of a table at every factor; cuts that hide the same runs count once."""
    for axis in options.axes:
        values = {"compute": one.C, "tokens": one.D, "D/N": one.D / one.N}[axis]
        sizes = set()
        for factor in AXES[axis]:
            train = np.max(values) / factor >= values
            if np.sum(train) < SMALLEST or np.sum(train) in sizes:
                continue
            sizes.add(np.sum(train))
            chosen = _chosen(values / np.max(values[train]), ~train, axis)
            made = _forecast(one, train, chosen, options)
            if made is not None:
                reach = (values / np.max(values[train]))[chosen]
                yield replace(made, cut=(axis, factor), n=int(np.sum(train)), reach=reach)


def _forecast(one: Table, train: np.ndarray, chosen: np.ndarray, how: Options) -> Forecast | None:
    points = one.points(train)
    problem = make_problem(points, laws.get(how.law), Objective())
    try:
        refuse(points, problem)
        fitted = Fitted(points, problem, optimise(problem), alone=how.alone)
    except FitError:
        return None
    others = companions(problem, [np.ones(len(points))], alone=how.alone)
    certain = assemble(fitted, beside(others, 0), tested=True)
    return _scored(one, chosen, fitted.law, certain)


def _scored(one: Table, chosen: np.ndarray, law: Law, certain: Uncertainty) -> Forecast:
    at, measured = {"N": one.N[chosen], "D": one.D[chosen]}, np.log(one.L[chosen])
    printed = band(law, certain, at, LEVEL)
    bare = replace(certain, drift=0.0, widening=1.0, beside=())
    alone = band(law, bare, at, LEVEL)
    own, centre = np.log(alone.forecast), np.log(printed.forecast)
    every = np.log([values for values, _ in printed.members.values()])
    weights = np.array([1.0, *(b.weight for b in certain.beside)])
    return Forecast(
        family=one.family,
        table=one.name,
        cut=("", 0.0),
        n=0,
        reach=np.zeros(0),
        error=centre - measured,
        own_error=own - measured,
        sides=_sides(centre, printed.new_run),
        alone=_sides(own, alone.new_run),
        draws=_sides(own, alone.mean),
        noise=scatter(certain.sigma, LEVEL),
        decades=decades(law, at, certain.largest),
        spread=middle(every, weights).spread,
        widening=certain.widening,
    )


def _sides(centre: np.ndarray, ends: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.stack([centre - np.log(ends[0]), np.log(ends[1]) - centre])


def _chosen(reach: np.ndarray, hidden: np.ndarray, axis: str) -> np.ndarray:
    """Return up to eight hidden rows per bin, spread evenly in reach.

    Of compute, what is hidden within 1.5x of the data is no forecast.
    """
    picked: list[int] = []
    for low, high in BINS if axis == "compute" else ((1.0, BINS[0][0]), *BINS):
        inside = np.flatnonzero(hidden & (reach >= low) & (reach < high))
        inside = inside[np.argsort(reach[inside], kind="stable")]
        if len(inside) > SCORED_PER_BIN:
            inside = inside[np.linspace(0, len(inside) - 1, SCORED_PER_BIN).round().astype(int)]
        picked += inside.tolist()
    return np.array(picked, int)


def report(made: Sequence[Forecast]) -> None:
    """Print coverage and half-width of every rule by reach, by axis and by family."""
    main = [one for one in made if one.cut[0] == "compute"]
    runs = sum(len(one.error) for one in main)
    sets = {(one.family, one.table) for one in main}
    families = len({family for family, _ in sets})
    print(
        f"{runs} hidden runs at {len(main)} cuts by compute of {len(sets)} tables, {families} "
        f"families; nominal {LEVEL:.0%}, new run\n"
        "Every family has the same weight, in it every table, in it every cut. Half-widths are\n"
        "weighted medians in % of the loss, in brackets the plain median over runs. below: misses\n"
        "below the interval.\n"
    )
    chosen, rule = held_out(main)
    _by_reach(main, "what `scaling predict` prints", PRODUCT)
    _by_reach(main, "its constants chosen without the family that is scored", rule)
    _by_reach(main, "the law alone, without drift", BARE)
    _by_kind(made)
    _by_family(main, chosen)


def _by_reach(made: Sequence[Forecast], title: str, rule: Rule) -> None:
    print(f"{title}; interval score {100 * interval_score(made, rule):.2f}")
    print(
        f"{'reach':>12} {'runs':>5} {'covered':>8} {'half-width':>16} {'below':>6} {'|error|':>8}"
    )
    for low, high in (*BINS, EVERYTHING):
        score = scored(made, rule, low, high)
        name = "all" if low == 0 else f"{low:g}-{high:g}x"
        plain = 100 * np.median(score.half_width)
        missed = score.mean((score.inside == 0) & (score.error > 0))
        print(
            f"{name:>12} {len(score.error):5d} {score.mean(score.inside):8.2f} "
            f"{100 * score.median(score.half_width):8.1f} ({plain:5.1f}) {missed:6.2f} "
            f"{100 * score.mean(np.abs(score.error)):7.2f}%"
        )
    print()


def _by_kind(made: Sequence[Forecast]) -> None:
    """Print what the product does by the axis that was cut, by runs fitted, and without a floor."""
    compute = [one for one in made if one.cut[0] == "compute"]
    kinds = {f"cuts by {axis}": [one for one in made if one.cut[0] == axis] for axis in AXES}
    kinds |= {
        "fewer than 16": [one for one in compute if one.n < 16],
        "16 and more": [one for one in compute if one.n >= 16],
        "no floor": [one for one in compute if one.widening > 1],
    }
    print(
        f"{'':>16} {'cuts':>5} {'failed':>6} {'covered':>8} {'half-width':>10} {'score':>6} "
        f"{'|error|':>8} {'law alone':>10}"
    )
    for name, some in kinds.items():
        if not some:
            continue
        score, own = (scored(some, rule, *EVERYTHING) for rule in (PRODUCT, BARE))
        failed = sum(np.mean(scored([one], PRODUCT, *EVERYTHING).inside) < TOO_FEW for one in some)
        errors = [100 * each.mean(np.abs(each.error)) for each in (score, own)]
        print(
            f"{name:>16} {len(some):5d} {failed:6d} {score.mean(score.inside):8.2f} "
            f"{100 * score.median(score.half_width):10.1f} "
            f"{100 * interval_score(some, PRODUCT):6.2f} "
            f"{errors[0]:7.2f}% {errors[1]:9.2f}%"
        )
    print()


def _by_family(made: Sequence[Forecast], chosen: dict[str, tuple[float, float]]) -> None:
    print(f"{'family':>12} {'runs':>5} {'covered':>8} {'half-width':>10}  constants without it")
    for family, (drift, spread) in chosen.items():
        some = [one for one in made if one.family == family]
        ours = scored(some, PRODUCT, *EVERYTHING)
        print(
            f"{family:>12} {len(ours.error):5d} {ours.mean(ours.inside):8.2f} "
            f"{100 * ours.median(ours.half_width):10.1f}  drift {drift:g}, spread {spread:g}"
        )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--law", default="chinchilla")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--axes", nargs="+", default=list(AXES))
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--replicates", type=int, default=30)
    options = parser.parse_args()
    if options.simulate:
        coverage_simulated.report(options.replicates)
        return
    how = Options(options.law, options.alone, tuple(options.axes))
    report([made for one in tables() for made in forecasts(one, how)])


if __name__ == "__main__":
    main()
