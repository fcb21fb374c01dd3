"""What advice on learning rate and batch costs in runs it has not seen, on Step Law's sweep.

Every (N, D) cell is left out in turn, the laws are fitted to the others and asked for its learning
rate and batch. The loss there is read off a smooth surface through the cell's own runs; printed is
its excess over the surface's least value at any of them. `python benchmarks/learning_rates.py --mirror DIR`
(the data of card steplaw_dense: scaling data fetch steplaw_dense).
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from scaling_cli import datasets
from scaling_cli.points import Points
from scaling_cli.recipe_catalogue import OTHERS, PUBLISHED, resolve_recipe
from scaling_cli.recipe_fitting import Design, near_best_rule
from scaling_cli.valley import Cell, Optimum, cells, optimum

WINDOWS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05)
NEIGHBOURS = 30
SMOOTHING = 1e-4


def sweep(mirror: str | None) -> Points:
    """Return the released runs."""
    table = datasets.fetch("steplaw_dense", mirror=mirror).table
    column = {s: table[c].to_numpy() for s, c in
              (("N", "params"), ("D", "tokens"), ("lr", "lr"), ("B_tokens", "batch_tokens"))}
    return Points(column, table["loss_smooth"].to_numpy(), table["run_id"].to_pylist())


def surface(cell: Cell) -> Callable[[np.ndarray], float]:
    """Return the excess loss of a cell as a function of (ln lr, ln batch)."""
    from scipy.interpolate import RBFInterpolator

    smooth = RBFInterpolator(cell.axes, cell.log_loss, neighbors=NEIGHBOURS, smoothing=SMOOTHING)
    least = float(np.min(smooth(cell.axes)))
    return lambda at: float(np.expm1(smooth(at[None])[0] - least))


def law_of(optima: list[Optimum]) -> Callable[[Cell], np.ndarray]:
    """Return least squares through the bottoms of valleys."""
    design = Design(
        np.log([[o.cell.N, o.cell.D] for o in optima]), np.stack([o.at for o in optima])
    )
    coefficients, middle = design.solve(), design.middle
    return lambda cell: (
        coefficients[0] + (np.log([cell.N, cell.D]) - middle) @ coefficients[1:]
    )


def without(points: Points, cell: Cell) -> Points:
    """Return the runs of the other cells."""
    return points.take((points.inputs["N"] != cell.N) | (points.inputs["D"] != cell.D))


def rules(points: Points, cell: Cell) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every rule's (ln lr, ln batch) for a cell it has not seen."""
    rest = without(points, cell)
    others = cells(*(rest.inputs[s] for s in ("N", "D", "lr", "B_tokens")), rest.output)
    for window in WINDOWS:
        found = [o for o in (optimum(c, near=window) for c in others) if isinstance(o, Optimum)]
        yield f"valleys, runs within {window:.2%}", law_of(found)(cell)
    laws = near_best_rule(rest).laws()
    yield "authors' rule, refitted", np.log([float(law(N=cell.N, D=cell.D)) for law in laws])
    published = resolve_recipe(PUBLISHED)
    rate = published.learning_rate.law(N=cell.N, D=cell.D)
    batch = published.batch.law(D=cell.D) if published.batch else np.nan
    yield "as published", np.log([rate, batch])
    for other in OTHERS:
        if other.learning_rate and other.batch:
            yield other.name, np.log([other.learning_rate(cell.N, cell.D),
                                      other.batch(cell.N, cell.D)])


def main() -> None:
    """Print the excess loss of every rule over all cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror")
    points = sweep(parser.parse_args().mirror)
    costs: dict[str, list[float]] = {}
    columns = (points.inputs[s] for s in ("N", "D", "lr", "B_tokens"))
    for cell in cells(*columns, points.output):
        excess = surface(cell)
        for name, at in rules(points, cell):
            costs.setdefault(name, []).append(excess(at))
    print(f"{'rule':32}{'median':>10}{'mean':>10}{'worst':>10}   excess loss, {len(costs)} rules")
    for name, values in costs.items():
        print(f"{name:32}{np.median(values):10.3%}{np.mean(values):10.3%}{np.max(values):10.3%}")


if __name__ == "__main__":
    main()
