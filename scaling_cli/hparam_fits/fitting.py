"""From a sweep to a recipe: the optima of its cells, and the laws that run through them.

Two rules. `fit_recipe` finds the bottom of each cell's valley and lays the laws through the
bottoms; `near_best_rule` is that of Step Law's authors, every run within 0.25 % of its cell's
best being a point. Least squares of ln lr and ln batch on ln N and ln D is exact for both: no
search, no JAX.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Uncertainty, edges
from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.hparam_fits.valley import Cell, Optimum, cells, flatness, near_best, optimum
from scaling_cli.laws._law import Law
from scaling_cli.numerics.quantiles import central
from scaling_cli.runs.direction import refuse_rising, spearman
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.arguments import check_count, check_level
from scaling_cli.vocabulary.errors import DataError, FitError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import LeftOut, Status
from scaling_cli.vocabulary.quantities import LR, BatchTokens, LearningRate, Loss, Params, Tokens

if TYPE_CHECKING:
    from scaling_cli.runs.table import Runs
    from scaling_cli.runs.view import View

DRAWS = 500
COEFFICIENTS = 3  # of c N^alpha D^beta
# sd of ln optimum of a cell about the law: what the cells of Step Law's sweep show. It keeps a
# few cells that happen to lie on a plane from looking exact.
SCATTER_PRIOR = 0.13
SCATTER_PRIOR_CELLS = 3  # weight of that prior
FEWEST_CELLS = COEFFICIENTS + 1
LAWS = ("step_learning_rate", "step_batch_nd")
LEAST_SQUARES = Objective("l2", space="log")

Group = tuple[Cell, np.ndarray]  # a cell and the places of its runs that count as optima, (m, k)


@dataclass(frozen=True)
class Design:
    """Least squares of ln outputs on 1, ln N, ln D about their middle.

    Parameters
    ----------
    points : array, shape (n, 2)
        ln N, ln D.
    outputs : array, shape (n, m)
        ln lr and, if it was swept, ln batch.
    """

    points: np.ndarray
    outputs: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """The design, shape (n, 3); about the middle, so that no digits are lost."""
        return np.column_stack([np.ones(len(self.points)), self.points - self.middle])

    @property
    def middle(self) -> np.ndarray:
        """Means of ln N and ln D."""
        return self.points.mean(axis=0)

    def solve(self) -> np.ndarray:
        """Return coefficients about the middle, shape (3, m)."""
        return np.linalg.lstsq(self.matrix, self.outputs, rcond=None)[0]

    def residuals(self) -> np.ndarray:
        """Return ln output minus the law, shape (n, m)."""
        return self.outputs - self.matrix @ self.solve()

    def parameters(self, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        """Return c, alpha, beta of coefficients about the middle, shape (..., 3)."""
        slopes = coefficients[..., 1:]
        constant = np.exp(coefficients[..., 0] - slopes @ self.middle)
        return {"c": constant, "alpha": slopes[..., 0], "beta": slopes[..., 1]}


def posterior(design: Design, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw coefficients, shape (draws, 3, m), and scatter, shape (draws, m), jointly.

    The posterior of a linear regression with several outputs (Zellner 1971, ch. 8): flat in the
    coefficients, inverse Wishart about SCATTER_PRIOR in the scatter; matrix-t, so that a few
    cells give wide intervals.
    """
    residuals, matrix = design.residuals(), design.matrix
    n, m = residuals.shape
    freedom = n - COEFFICIENTS + SCATTER_PRIOR_CELLS
    root = np.linalg.cholesky(np.linalg.inv(matrix.T @ matrix))
    squares = residuals.T @ residuals + SCATTER_PRIOR_CELLS * SCATTER_PRIOR**2 * np.eye(m)
    drawn = generator.standard_normal((DRAWS, freedom, m))
    inner = np.linalg.cholesky(np.linalg.inv(np.swapaxes(drawn, 1, 2) @ drawn))
    spread = np.linalg.cholesky(squares) @ inner
    noise = generator.standard_normal((DRAWS, COEFFICIENTS, m))
    coefficients = design.solve() + root @ noise @ np.swapaxes(spread, 1, 2)
    return coefficients, np.sqrt(np.sum(spread**2, axis=2))


class LearningRateRuns(Law):
    """Not a law of the catalogue: it names the columns that a sweep of learning rates needs."""

    def __call__(self, N: Params, D: Tokens, lr: LearningRate) -> Loss:
        """Evaluate nothing: only the declaration is used."""
        raise NotImplementedError


class SweepRuns(Law):
    """The same for a sweep in which the batch is known."""

    def __call__(self, N: Params, D: Tokens, lr: LearningRate, B_tokens: BatchTokens) -> Loss:
        """Evaluate nothing: only the declaration is used."""
        raise NotImplementedError


def sweep_points(
    runs: "Runs", *, target: str | None = None, where: str | None = None, at: str = "final"
) -> Points:
    """Take the runs of a sweep: inputs N, D, lr (the peak of each run) and, if known, B_tokens.

    Raises
    ------
    DataError, MismatchError, UsageError
        As `scaling_cli.runs.selection.select`.
    """
    from scaling_cli.runs.selection import select
    from scaling_cli.runs.view import View

    view = View.of(runs)
    _require_columns(view)
    known = "batch_tokens" in view.names() and not view.missing("batch_tokens").all()
    columns = SweepRuns if known else LearningRateRuns
    found = select(runs, columns, target=target, where=where, at=at)
    _require_falling(found)
    rates = view.column(LR.column)
    ids = np.array(view.run_ids(), object)
    peaks = {run: float(np.nanmax(rates[ids == run])) for run in dict.fromkeys(found.runs)}
    peak = np.array([peaks[run] for run in found.runs])
    notes = list(found.notes)
    if np.any(peak > found.inputs["lr"]):
        notes.append("lr: the highest of each run (its peak), not that of its last row.")
    return replace(found, inputs={**found.inputs, "lr": peak}, notes=notes)


def _require_falling(points: Points) -> None:
    """Refuse a target that has no logarithm, or whose least is its worst.

    Raises
    ------
    DataError
        If it is not positive.
    FitError
        If it rises as runs grow.
    """
    low = int(np.argmin(points.output))
    if not points.output[low] > 0:
        raise DataError(
            f"{points.target} is {points.output[low]:g} in {points.runs[low]}: valleys are those "
            "of its logarithm.",
            hint="Give a column that is positive: the loss itself (--target, --map).",
        )
    compute = points.inputs["N"] * points.inputs["D"]
    cells_ = np.unique(compute)
    if len(cells_) >= FEWEST_CELLS and not points.measures_loss():
        middle = [float(np.median(points.output[compute == each])) for each in cells_]
        refuse_rising(points.target, "N x D", [spearman(cells_, np.array(middle))])


def by_cell(
    groups: Sequence[Group], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw c, alpha, beta, shape (draws, 3, m), by drawing whole cells; and their scatter.

    A resample of cells that do not span N and D is drawn again.
    """
    drawn, scatter = [], []
    for resample in resamples(groups, generator):
        design = stacked(resample)
        parameters = design.parameters(design.solve().T)
        drawn.append(np.stack([np.log(parameters["c"]), parameters["alpha"], parameters["beta"]]))
        ends = np.cumsum([len(places) for _, places in resample])[:-1]
        means = np.array([part.mean(axis=0) for part in np.split(design.residuals(), ends)])
        spare = max(1, len(resample) - COEFFICIENTS)
        scatter.append(np.sqrt(np.sum(means**2, axis=0) / spare))
    return np.array(drawn), np.array(scatter)


def resamples(groups: Sequence[Group], generator: np.random.Generator) -> Iterator[list[Group]]:
    """Yield cells drawn with replacement, as often as draws are made."""
    drawn = 0
    while drawn < DRAWS:
        resample = [groups[i] for i in generator.integers(0, len(groups), len(groups))]
        places = np.array([cell.place for cell, _ in resample])
        if np.linalg.matrix_rank(places - places.mean(axis=0), tol=1e-8) == 2:
            drawn += 1
            yield resample


def stacked(groups: Sequence[Group]) -> Design:
    """Return the design of all runs that cells keep."""
    points = [cell.place for cell, places in groups for _ in places]
    return Design(np.array(points), np.concatenate([places for _, places in groups]))


def fit_recipe(points: Points, *, seed: int = 0, level: float = 0.9, command: str = "") -> Recipe:
    """Fit a learning-rate law and, if the batch was swept, a batch law to a sweep.

    Parameters
    ----------
    points : Points
        Of `sweep_points`.
    seed : int
        Of the draws.
    level : float
        Of the intervals of the parameters.
    command : str
        Kept in the file, so that it says how to repeat it.

    Raises
    ------
    UsageError
        If the level or the seed cannot be used.
    FitError
        If too few cells enclose their optimum, or these do not vary N and D independently.
    """
    check_level(level)
    check_count("seed", seed)
    found = cells_of(points)
    judged = [(cell, optimum(cell)) for cell in found]
    optima = [o for _, o in judged if isinstance(o, Optimum)]
    left = [LeftOut(_name(cell), str(o)) for cell, o in judged if not isinstance(o, Optimum)]
    _require_enough(found, optima, left)
    places = np.array([o.cell.place for o in optima])
    design = Design(places, np.stack([o.at for o in optima]))
    _require_both(places)
    drawn, scatter = posterior(design, np.random.default_rng(seed))
    method = f"matrix-t posterior of least squares through the optima of {len(optima)} cells, "
    method += f"{DRAWS} joint draws"
    values = design.parameters(design.solve().T)
    draws = {name: v.T for name, v in design.parameters(np.swapaxes(drawn, 1, 2)).items()}
    sizes = {s: np.array([getattr(o.cell, s) for o in optima]) for s in ("N", "D")}
    inputs, runs = dict(zip("ND", np.exp(places.T), strict=True)), [_name(o.cell) for o in optima]
    fits: list[Fit] = []
    for i, output in enumerate(np.exp(design.outputs.T)):
        own = {k: v[i] for k, v in draws.items()}
        law = laws.get(LAWS[i])(**{name: float(v[i]) for name, v in values.items()})
        table = Points(inputs, output, runs, points.conventions)
        noise = {"draws": own, "sigma": scatter[:, i], "drift": 0.0}
        most = edges(type(law), sizes)
        sure = Uncertainty(**noise, largest=most, tested=False, method=method)
        fits.append(_fit(law, table, sure, points, level=level, command=command))
    rate, batch = fits[0], fits[1] if len(fits) > 1 else None
    notes = [*points.notes, *([] if batch else [_batch_note(points.inputs.get("B_tokens"))])]
    bottoms, told = [o.to_dict() for o in optima], [*points.left_out, *left]
    head = {"name": "your sweep", "left_out": told, "command": command}
    return Recipe(rate, batch, flatness(optima), bottoms, notes, **head)


def _require_columns(view: "View") -> None:
    for quantity in LearningRateRuns.inputs().values():
        name = quantity.column
        if name not in view.names() or view.missing(name).all():
            raise DataError(
                f"a sweep needs {name} ({quantity.meaning}); no run has it.",
                file=view.files(),
                hint=f"Say which column it is: --map {name}=COLUMN; or --set {name}=..., "
                f"--meta runs.csv. Columns found: {', '.join(view.original_names())}.",
            )


def cells_of(points: Points) -> list[Cell]:
    """Return the cells of a sweep: its runs by N and D, and by a batch that was not swept."""
    columns = points.inputs
    return cells(columns["N"], columns["D"], columns["lr"], columns.get("B_tokens"), points.output)


def _name(cell: Cell) -> str:
    batch = "" if cell.batch is None else f", batch {cell.batch:.4g}"
    return f"cell N = {cell.N:.4g}, D = {cell.D:.4g}{batch}"


def _require_enough(
    found: Sequence[Cell], optima: Sequence[Optimum], left: Sequence[LeftOut]
) -> None:
    if len(optima) >= FEWEST_CELLS:
        return
    told = "; ".join(f"{item.run}: {item.reason}" for item in left[:3])
    more = f"; and {len(left) - 3} more" if len(left) > 3 else ""
    raise FitError(
        f"{len(optima)} of {len(found)} cells (one N on one D) enclose their optimum; "
        f"{FEWEST_CELLS} are needed to see how it moves with N and D and how far it scatters.",
        hint="Sweep the learning rate at more sizes and more numbers of tokens, wide enough that "
        f"the best run is not at the edge.{f' Of no use: {told}{more}.' if told else ''}",
    )


def _require_both(places: np.ndarray) -> None:
    """Refuse cells along one line of ln N and ln D: their optima are a law of one variable.

    Raises
    ------
    FitError
    """
    centred = places - places.mean(axis=0)
    for name, column in zip(("N", "D"), centred.T, strict=True):
        if np.ptp(column) < 1e-6:
            raise FitError(
                f"{name} is the same in every usable cell, so nothing shows how the optimum moves "
                f"with it.",
                hint=f"Sweep at another {name} as well.",
            )
    if np.linalg.matrix_rank(centred, tol=1e-2) < 2:
        raise FitError(
            "D is a power of N in all usable cells (one number of tokens per parameter), so what "
            "N does cannot be told from what D does.",
            hint="Sweep one size on more tokens as well.",
        )


def _fit(
    law: Law, table: Points, uncertainty: Uncertainty, points: Points, *, level: float, command: str
) -> Fit:
    residuals = np.log(table.output) - np.log(np.asarray(law(**table.inputs), float))
    conventions = {s: how for s, how in points.conventions.items() if s in law.inputs()}
    ends = {name: central(values, level) for name, values in uncertainty.draws.items()}
    swept = points.inputs[law.output().symbol]
    ranges = replace(table, output=swept).ranges(law)
    data = {"sha256": table.sha256(), "ranges": ranges, "conventions": conventions}
    return Fit(
        law=law,
        status=Status.CONVERGED,
        objective=LEAST_SQUARES,
        value=float(np.sum(residuals**2) / 2),
        n_points=len(table),
        intervals={n: {"level": level, "low": a, "high": b} for n, (a, b) in ends.items()},
        uncertainty=uncertainty,
        data=data | {"target": law.output().column, "points": table.to_dict()},
        command=command,
    )


def _batch_note(batch: np.ndarray | None) -> str:
    """Say what the batch did where no law of it can be fitted."""
    if batch is None:
        return "the batch is not known, so the law of the learning rate holds for whatever it was."
    low, high = float(np.min(batch)), float(np.max(batch))
    if low == high:
        return f"the batch was not varied: the learning rates hold at {low:.6g} tokens a step."
    return (
        f"the batch was not swept within a cell but lies between {low:.6g} and {high:.6g} tokens: "
        "the law of the learning rate holds for how it was chosen."
    )


@dataclass(frozen=True)
class NearBest:
    """The laws by the rule of Step Law's authors, with draws that resample whole cells.

    Parameters
    ----------
    parameters : sequence of mapping
        c, alpha and beta of the learning rate and, if it was swept, of the batch.
    draws : array, shape (draws, 3, m)
        Of ln c, alpha, beta.
    scatter : array, shape (draws, m)
    points : int
        Runs that the rule keeps.
    cells : int
    """

    parameters: Sequence[Mapping[str, float]]
    draws: np.ndarray
    scatter: np.ndarray
    points: int
    cells: int

    def laws(self) -> list[Law]:
        """Return the laws, the learning rate's first."""
        return [laws.get(n)(**p) for n, p in zip(LAWS, self.parameters, strict=False)]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without draws."""
        pairs = zip(LAWS, self.parameters, strict=False)
        return {"points": self.points, "cells": self.cells} | {n: dict(p) for n, p in pairs}


def near_best_rule(points: Points, *, seed: int = 0) -> NearBest:
    """Return least squares through all runs within 0.25 % of the best of their cell.

    Raises
    ------
    FitError
        If the cells do not vary N and D independently.
    """
    groups = [(cell, near_best(cell)) for cell in cells_of(points)]
    _require_both(np.array([cell.place for cell, _ in groups]))
    design = stacked(groups)
    drawn, scatter = by_cell(groups, np.random.default_rng(seed))
    fitted = design.parameters(design.solve().T)
    m = design.outputs.shape[1]
    values = [{name: float(v[i]) for name, v in fitted.items()} for i in range(m)]
    return NearBest(values, drawn, scatter, len(design.outputs), len(groups))
