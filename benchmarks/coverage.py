"""Do the intervals cover? Leave-largest-out on real sets: coverage and width by how far they reach.

    SCALING_SHARED=../shared python benchmarks/coverage.py [--law chinchilla_gamma]
    python benchmarks/coverage.py --simulate [--replicates 30]

For every table, runs above Cmax / {2, 3, 10, 30, 100, 300, 1000} are hidden, the rest is fitted
exactly as `scaling fit` does (with its own backtests, which never see the hidden runs), and the
hidden runs are predicted. Up to 8 of them per bin of C / C_train_max are scored. Beside it, on the
same runs, the recipe this began from (the largest drift of any cut, at least 1 % per decade), and
the product's rule with its constants chosen without the family it is scored on.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

import coverage_simulated
import numpy as np
from coverage_scores import (
    BINS,
    EVERYTHING,
    Forecast,
    Rule,
    guide,
    held_out,
    interval_score,
    no_drift,
    product,
    scored,
)
from coverage_tables import Table, tables

from scaling_cli import laws
from scaling_cli.artefacts._prediction import centred, intervals, scatter
from scaling_cli.point_fits.certainty.uncertainty import CUT_SHARES, assemble, backtest, backtests
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.search.optimum import make_problem, optimise, refuse
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective

FACTORS = (2, 3, 10, 30, 100, 300, 1000)
SMALLEST = 7
SCORED_PER_BIN = 8
LEVEL = 0.9
GUIDE_FLOOR, GUIDE_FLOOR_FEW, GUIDE_ENOUGH = 0.01, 0.02, 3  # of the recipe; not the product's
GUIDE_WIDTHS = (3.2, 6.8, 11, 16)  # that it was reported with, per cent, on more tables


def forecasts(one: Table, law: str) -> Iterator[Forecast]:
    """Hide the largest runs of a table at every factor; cuts that hide the same runs count once."""
    sizes = set()
    for factor in FACTORS:
        train = np.max(one.C) / factor >= one.C
        if np.sum(train) < SMALLEST or np.sum(train) in sizes:
            continue
        sizes.add(np.sum(train))
        made = _forecast(one, factor, train, law)
        if made is not None:
            yield made


def _forecast(one: Table, factor: float, train: np.ndarray, law: str) -> Forecast | None:
    points = one.points(train)
    problem = make_problem(points, laws.get(law), Objective())
    try:
        refuse(points, problem)
        fitted = Fitted(points, problem, optimise(problem))
    except FitError:
        return None
    law_, tested = fitted.law, backtests(fitted)
    certain = assemble(fitted, tested.cuts, tested.law)
    reach = one.C / np.max(one.C[train])
    chosen = _chosen(reach, ~train)
    at = {"N": one.N[chosen], "D": one.D[chosen]}
    value = np.asarray(law_(**at), float)
    bare = replace(certain, drift=0.0, companion=None)
    (low, high), _, _ = intervals(law_, bare, at, value, LEVEL)
    return Forecast(
        family=one.family,
        table=one.name,
        cut=factor,
        n=len(points),
        reach=reach[chosen],
        error=np.log(value / one.L[chosen]),
        shift=centred(np.log(value), certain.companion, at) - np.log(value),
        below=np.log(value / low),
        above=np.log(high / value),
        noise=scatter(certain.sigma, LEVEL),
        learned=certain.drift,
        guide=_guide_drift(fitted),
        cuts=tested.cuts,
    )


def _guide_drift(fitted: Fitted) -> float:
    """Return the drift per decade of the recipe: the law alone, the largest of all cuts."""
    log_values = np.log(fitted.law.along(fitted.points.inputs))
    top, span = np.max(log_values), np.ptp(log_values)
    masks = [log_values <= top - share * span for share in CUT_SHARES]
    fewest = max(len(fitted.u) + 3, 8)
    distinct = {m.tobytes(): m for m in masks if fewest <= np.sum(m) < len(m)}
    cuts = backtest(fitted, list(distinct.values()))
    floor = GUIDE_FLOOR if len(cuts) >= GUIDE_ENOUGH else GUIDE_FLOOR_FEW
    return max(floor, *(cut.drift for cut in cuts), 0.0)


def _chosen(reach: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return up to eight hidden rows per bin, spread evenly in reach."""
    picked: list[int] = []
    for low, high in BINS:
        inside = np.flatnonzero(hidden & (reach >= low) & (reach < high))
        inside = inside[np.argsort(reach[inside], kind="stable")]
        if len(inside) > SCORED_PER_BIN:
            inside = inside[np.linspace(0, len(inside) - 1, SCORED_PER_BIN).round().astype(int)]
        picked += inside.tolist()
    return np.array(picked, int)


def report(made: Sequence[Forecast]) -> None:
    """Print coverage and half-width of every rule by reach, and of the product by family."""
    runs = sum(len(one.reach) for one in made)
    sets = {(one.family, one.table) for one in made}
    families = len({family for family, _ in sets})
    print(
        f"{runs} hidden runs at {len(made)} cuts of {len(sets)} tables, {families} families; "
        f"nominal {LEVEL:.0%}, new run\n"
        "Every family has the same weight, in it every table, in it every cut. Half-widths are\n"
        "weighted medians in % of the loss, in brackets the plain median over runs. below: misses\n"
        "below the interval.\n"
    )
    chosen, rule = held_out(made)
    _by_reach(made, "what `scaling predict` prints", product)
    _by_reach(made, "its constants chosen without the family that is scored", rule)
    _by_reach(made, "the recipe it began from (law alone, largest drift, floor 1 %)", guide)
    _by_reach(made, "the law alone, without drift", no_drift)
    print(f"  the recipe was reported with half-widths of {GUIDE_WIDTHS} %, on more tables\n")
    _by_family(made, chosen)


def _by_reach(made: Sequence[Forecast], title: str, rule: Rule) -> None:
    print(f"{title}; interval score {100 * interval_score(made, rule):.1f}")
    print(
        f"{'reach':>12} {'runs':>5} {'covered':>8} {'half-width':>16} {'below':>6} {'|error|':>8}"
    )
    for low, high in (*BINS, EVERYTHING):
        score = scored(made, rule, low, high)
        name = "all" if low == 0 else f"{low:g}-{high:g}x"
        plain = 100 * np.median(score.half_width)
        missed = np.sum(score.weight * (~score.inside & (score.error > 0))) / np.sum(score.weight)
        print(
            f"{name:>12} {len(score.reach):5d} {score.covered():8.2f} "
            f"{100 * score.median(score.half_width):8.1f} ({plain:5.1f}) {missed:6.2f} "
            f"{100 * score.median(np.abs(score.error)):7.2f}%"
        )
    print()


def _by_family(made: Sequence[Forecast], chosen: dict[str, tuple[float, float]]) -> None:
    print(
        f"{'family':>12} {'runs':>5} {'covered':>8} {'recipe':>7} {'half-width':>10} "
        f"{'recipe':>7}  prior without it"
    )
    for family, (median, log_sd) in chosen.items():
        some = [one for one in made if one.family == family]
        ours, theirs = scored(some, product, *EVERYTHING), scored(some, guide, *EVERYTHING)
        print(
            f"{family:>12} {len(ours.reach):5d} {ours.covered():8.2f} {theirs.covered():7.2f} "
            f"{100 * ours.median(ours.half_width):10.1f} "
            f"{100 * theirs.median(theirs.half_width):7.1f}  "
            f"median {100 * median:g} %, sd of ln {log_sd:g}"
        )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--law", default="chinchilla")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--replicates", type=int, default=30)
    options = parser.parse_args()
    if options.simulate:
        coverage_simulated.report(options.replicates)
    else:
        report([made for one in tables() for made in forecasts(one, options.law)])


if __name__ == "__main__":
    main()
