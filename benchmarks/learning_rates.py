"""What advice on learning rate and batch costs in runs it has not seen, on Step Law's sweep.

Each (N, D) cell is left out in turn, or the larger models, or the longer runs; the laws are fitted
to the rest and asked for the learning rate and batch of what was left out. The loss there is read
off a smooth surface through the cell's own runs; printed is its excess over the surface's least
value at any of them. `python benchmarks/learning_rates.py --mirror DIR` (the data of card
steplaw_dense: scaling data fetch steplaw_dense).
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from scaling_cli import datasets
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.hparam_fits.answer import OTHERS, PUBLISHED
from scaling_cli.hparam_fits.fitting import Design, cells_of, near_best_rule
from scaling_cli.hparam_fits.valley import Cell, Optimum, optimum
from scaling_cli.runs.points import Points

WINDOWS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05)
NEIGHBOURS = 30
SMOOTHING = 1e-4


def sweep(mirror: str | None) -> Points:
    """Return the released runs."""
    table = datasets.fetch("steplaw_dense", mirror=mirror).table
    column = {
        s: table[c].to_numpy()
        for s, c in (("N", "params"), ("D", "tokens"), ("lr", "lr"), ("B_tokens", "batch_tokens"))
    }
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
    return lambda cell: coefficients[0] + (np.log([cell.N, cell.D]) - middle) @ coefficients[1:]


def other_cells(points: Points, cell: Cell) -> np.ndarray:
    """Return which runs are of other cells."""
    return (points.inputs["N"] != cell.N) | (points.inputs["D"] != cell.D)


def smaller(points: Points, cell: Cell) -> np.ndarray:
    """Return the runs of models below 0.4B, if the cell's is above 0.5B; else none."""
    return (points.inputs["N"] < 4e8) & (cell.N > 5e8)


def shorter(points: Points, cell: Cell) -> np.ndarray:
    """Return the runs on less than 30B tokens, if the cell's is on more than 40B; else none."""
    return (points.inputs["D"] < 3e10) & (cell.D > 4e10)


SPLITS = {
    "one cell left out": other_cells,
    "N < 0.4B, asked for N > 0.5B": smaller,
    "D < 30B, asked for D > 40B": shorter,
}


def rules(rest: Points, cell: Cell) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every rule's (ln lr, ln batch) for a cell that is not in the rest."""
    others = cells_of(rest)
    for window in WINDOWS:
        found = [o for o in (optimum(c, near=window) for c in others) if isinstance(o, Optimum)]
        yield f"valleys, runs within {window:.2%}", law_of(found)(cell)
    laws = near_best_rule(rest).laws()
    yield "authors' rule, refitted", np.log([float(law(N=cell.N, D=cell.D)) for law in laws])
    published = kinds.load(PUBLISHED, Recipe)
    rate = published.learning_rate.law(N=cell.N, D=cell.D)
    batch = published.batch.law(D=cell.D) if published.batch else np.nan
    yield "as published", np.log([rate, batch])
    for other in OTHERS:
        if other.batch:
            yield (
                other.name,
                np.log([other.learning_rate(cell.N, cell.D), other.batch(cell.N, cell.D)]),
            )


def costs(
    points: Points, kept: Callable[[Points, Cell], np.ndarray]
) -> Iterator[tuple[str, float]]:
    """Yield what every rule costs in every cell that a split leaves out."""
    for cell in cells_of(points):
        rows = kept(points, cell)
        if rows.any():
            excess = surface(cell)
            yield from ((name, excess(at)) for name, at in rules(points.take(rows), cell))


def main() -> None:
    """Print the excess loss of every rule under every split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror")
    points = sweep(parser.parse_args().mirror)
    for title, kept in SPLITS.items():
        found: dict[str, list[float]] = {}
        for name, value in costs(points, kept):
            found.setdefault(name, []).append(value)
        count = len(next(iter(found.values())))
        print(f"\n{title}: {count} cells{'':6}median      mean     worst")
        for name, values in found.items():
            print(
                f"{name:32}{np.median(values):10.3%}{np.mean(values):10.3%}{np.max(values):10.3%}"
            )


if __name__ == "__main__":
    main()
