"""Recipes: laws through the optima of a sweep, joint draws, certified constants, comparisons."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweeps
from refusals import refusal, refused

import scaling_cli as sc
from scaling_cli import datasets, reference
from scaling_cli.artefacts import hparams, kinds
from scaling_cli.artefacts.hparams import Flatness, Recipe, advise, differences
from scaling_cli.hparam_fits import fitting
from scaling_cli.hparam_fits.answer import OTHERS
from scaling_cli.hparam_fits.fitting import Design, posterior
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, FitError, UsageError


def close(value: Any, oracle: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(value, float), oracle, rtol=tolerance, atol=0)


# ---- published constants


@pytest.mark.parametrize(("name", "lr"), [("li-2025-rounded", "9.17e-04"), ("li-2025", "9.35e-04")])
def test_step_law_at_7b_and_1400b(name: str, lr: str) -> None:
    """The fixture of the papers' constants: 7e9 parameters on 1.4e12 tokens."""
    found = advise(kinds.load(name, Recipe), 7e9, 1.4e12)
    values = found.values()
    assert f"{values['lr']:.2e}" == lr
    assert f"{values['B_tokens']:.2e}" in ("5.00e+06", "5.01e+06")
    assert found.steps == pytest.approx(1.4e12 / values["B_tokens"], rel=1e-14)


def test_published_constants_are_those_printed() -> None:
    rounded = kinds.load("li-2025-rounded", Recipe)
    assert rounded.learning_rate.parameters == {"c": 1.79, "alpha": -0.713, "beta": 0.307}
    assert rounded.batch is not None
    assert rounded.batch.parameters == {"c": 0.58, "beta": 0.571}
    means = kinds.load("li-2025", Recipe)
    assert means.batch is not None
    assert math.log(means.learning_rate.parameters["c"]) == pytest.approx(0.5863, abs=1e-12)
    assert math.log(means.batch.parameters["c"]) == pytest.approx(-0.5435, abs=1e-12)


def test_the_released_runs_say_something_else(shared: Path) -> None:
    """Least squares by NumPy on the original file: N -.766 D .197; batch N -.266 D .623."""
    table = datasets.fetch("steplaw_dense", mirror=shared / "upstream").table
    keep = table["excess"].to_numpy() <= 0.0025
    assert (table.num_rows, int(keep.sum())) == (1911, 129)
    log = {c: np.log(table[c].to_numpy()[keep]) for c in ("params", "tokens", "lr", "batch_tokens")}
    design = np.column_stack([np.ones(129), log["params"], log["tokens"]])
    stored = kinds.load("li-2025-released", Recipe).fits()
    for symbol, column, printed in (
        ("lr", "lr", (-0.766, 0.197)),
        ("B_tokens", "batch_tokens", (-0.266, 0.623)),
    ):
        oracle = np.linalg.lstsq(design, log[column], rcond=None)[0]
        found = stored[symbol].parameters
        close([math.log(found["c"]), found["alpha"], found["beta"]], oracle, 1e-9)
        assert tuple(np.round(oracle[1:], 3)) == printed
        squares = np.sum((log[column] - design @ oracle) ** 2) / 2
        close(stored[symbol].value, squares, 1e-10)


def test_the_released_fits_are_refitted_by_the_engine(shared: Path) -> None:
    names = ["step_learning_rate/li-2025-released", "step_batch_nd/li-2025-released"]
    results = reference.check(names, mirror=shared / "upstream")
    assert [r.status for r in results] == ["pass", "pass"]


@pytest.mark.parametrize("name", ["li-2025", "li-2025-rounded", "li-2025-released"])
def test_draws_belong_together_and_lie_about_the_point(name: str) -> None:
    for fit in kinds.load(name, Recipe).fits().values():
        assert fit.uncertainty is not None
        assert len(fit.uncertainty.sigma) == 500
        inside = hparams.log_draws(fit, 4e8, 2e10)
        far = hparams.log_draws(fit, 7e9, 1.4e12)
        assert inside is not None
        assert far is not None
        # The coefficient alone is known to a factor of four, the law inside the data to 10 %.
        assert np.std(np.log(fit.uncertainty.draws["c"])) > 0.5
        assert np.std(inside) < 0.1 < np.std(far) < 0.4


def test_names_are_suggested() -> None:
    assert kinds.recipe_names() == ["li-2025", "li-2025-released", "li-2025-rounded"]
    with pytest.raises(
        UsageError, match=r"'li-2024' is neither a file nor a certified fit or recipe"
    ):
        kinds.load("li-2024", Recipe)


def test_what_others_say() -> None:
    deepseek, mm1 = OTHERS
    assert deepseek.batch is not None
    C = 6 * 7e9 * 1e12
    assert deepseek.learning_rate(7e9, 1e12) == pytest.approx(0.3118 / C**0.125, rel=1e-12)
    assert deepseek.batch(7e9, 1e12) == pytest.approx(0.292 * C**0.3271, rel=1e-12)
    assert mm1.learning_rate(7e9, 1e12) == pytest.approx(
        math.exp(-0.5535) * 7e9**-0.4214, rel=1e-12
    )


# ---- a sweep of one's own


def test_a_noiseless_sweep_gives_its_laws_back() -> None:
    found = fitting.fit_recipe(sweeps.points(sweeps.rows()))
    assert found.batch is not None
    close(list(found.learning_rate.parameters.values()), sweeps.RATE, 1e-6)
    close(list(found.batch.parameters.values()), sweeps.BATCH, 1e-6)
    assert found.learning_rate.n_points == 9
    assert found.left_out == []


def test_optima_are_fitted_by_least_squares() -> None:
    found = fitting.fit_recipe(sweeps.points(sweeps.rows(scatter=0.1)))
    cells = found.cells
    design = np.log([[math.e, c["N"], c["D"]] for c in cells])
    for fit, column in ((found.learning_rate, "lr"), (found.batch, "batch_tokens")):
        assert fit is not None
        oracle = np.linalg.lstsq(design, np.log([c[column] for c in cells]), rcond=None)[0]
        close(fit.law(N=7e9, D=1e12), np.exp(oracle @ [1, np.log(7e9), np.log(1e12)]), 1e-9)


def test_draws_of_many_cells_have_the_classic_covariance() -> None:
    """With 400 cells the prior counts for nothing and the t is a normal: s^2 (X'X)^-1."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(400, 2))
    errors = generator.normal(size=(400, 2)) @ np.array([[0.2, 0.1], [0.0, 0.3]])
    design = Design(x, errors)
    drawn, scatter = posterior(design, np.random.default_rng(0))
    residuals = (
        errors
        - np.column_stack([np.ones(400), x])
        @ np.linalg.lstsq(np.column_stack([np.ones(400), x]), errors, rcond=None)[0]
    )
    covariance = residuals.T @ residuals / 397
    inverse = np.linalg.inv(design.matrix.T @ design.matrix)
    sd = np.sqrt(np.diag(inverse)[:, None] * np.diag(covariance))
    close(drawn.std(axis=0), sd, 0.12)  # of 500 draws: 3 % at one sd
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert np.corrcoef(drawn[:, 1, 0], drawn[:, 1, 1])[0, 1] == pytest.approx(correlation, abs=0.1)
    close(scatter.mean(axis=0), np.sqrt(np.diag(covariance)), 0.02)


def test_the_interval_holds_the_optima_of_unseen_cells() -> None:
    """Half the cells are hidden, 40 times; the 90 % interval should hold nine in ten."""
    sizes, tokens = np.geomspace(1e8, 1e9, 4), np.geomspace(4e9, 1e11, 4)
    hits, generator = [], np.random.default_rng(11)
    for _ in range(40):
        x = np.log([[n, d] for n in sizes for d in tokens])
        y = 0.1 * generator.standard_normal((16, 1)) + x @ [[-0.7], [0.3]]
        rows = generator.permutation(16)
        design = Design(x[rows[:8]], y[rows[:8]])
        drawn, scatter = posterior(design, generator)
        at = np.column_stack([np.ones(8), x[rows[8:]] - design.middle])
        new = drawn[:, :, 0] @ at.T + scatter * generator.standard_normal((500, 8))
        low, high = np.quantile(new, [0.05, 0.95], axis=0)
        hits += ((low <= y[rows[8:], 0]) & (y[rows[8:], 0] <= high)).tolist()
    assert 0.85 <= np.mean(hits) <= 0.98


def test_the_authors_rule_is_least_squares_of_near_best_runs() -> None:
    points = sweeps.points(sweeps.rows(scatter=0.1))
    found = fitting.near_best_rule(points)
    keep = np.zeros(len(points), bool)
    for n in sweeps.SIZES:
        for d in sweeps.TOKENS:
            rows = (points.inputs["N"] == n) & (points.inputs["D"] == d)
            keep |= rows & (points.output <= 1.0025 * points.output[rows].min())
    design = np.log(
        np.column_stack(
            [np.full(keep.sum(), math.e), points.inputs["N"][keep], points.inputs["D"][keep]]
        )
    )
    oracle = np.linalg.lstsq(design, np.log(points.inputs["lr"][keep]), rcond=None)[0]
    assert found.points == keep.sum()
    first = found.parameters[0]
    close([math.log(first["c"]), first["alpha"], first["beta"]], oracle, 1e-9)


def test_released_sweep_by_its_valleys(shared: Path) -> None:
    """Fifteen of fifteen cells of the tidy table enclose their optimum."""
    runs = sc.read(shared / "data" / "steplaw" / "dense.csv")
    points = fitting.sweep_points(runs, target="loss_smooth")
    found = fitting.fit_recipe(points)
    assert (len(points), len(found.cells)) == (1746, 15)
    for cell in found.cells:
        rows = (points.inputs["N"] == cell["N"]) & (points.inputs["D"] == cell["D"])
        best = np.argmin(np.where(rows, points.output, np.inf))
        steps = math.log(cell["lr"] / points.inputs["lr"][best]) / math.log(2**0.5)
        assert abs(steps) < 2.5  # of the grid, whose best run is picked by noise as well
        close(cell["loss"], points.output[best], 2e-3)


# ---- what a sweep cannot give


def fails(points: Points, message: str) -> None:
    assert message in refusal(FitError, fitting.fit_recipe, points)


def test_refusals() -> None:
    one = sweeps.points(sweeps.rows(sizes=(1e8,), tokens=(1e9, 2e9, 4e9, 8e9)))
    fails(one, "N is the same in every usable cell, so nothing shows how the optimum moves with it")
    few = sweeps.points(sweeps.rows(sizes=(1e8,), tokens=(1e9,))[:3])
    fails(few, "0 of 1 cells (one N on one D) enclose their optimum; 4 are needed")
    line = [r for n in (1e8, 2e8, 4e8, 8e8) for r in sweeps.rows(sizes=(n,), tokens=(20 * n,))]
    fails(sweeps.points(line), "D is a power of N in all usable cells")


# ---- comparing


def test_differences_are_of_predictions_in_joint_sd() -> None:
    one = fitting.fit_recipe(sweeps.points(sweeps.rows(scatter=0.1)))
    other = kinds.load("li-2025", Recipe)
    for d in differences(one, other, 7e9, 1e12):
        fits = (one.fits()[d.symbol], other.fits()[d.symbol])
        spreads = [hparams.log_draws(fit, 7e9, 1e12) for fit in fits]
        sd = math.hypot(*(float(np.std(s)) for s in spreads if s is not None))
        assert d.distance == pytest.approx(abs(math.log(d.here / d.there)) / sd, rel=1e-12)


def test_the_cost_of_another_recipe_is_read_in_the_valley() -> None:
    one = fitting.fit_recipe(sweeps.points(sweeps.rows()))
    other = kinds.load("li-2025", Recipe)
    found = differences(one, other, 1e9, 1e11)
    off = np.log([d.there / d.here for d in found])
    assert hparams.cost(one, found) == pytest.approx(
        math.expm1(off @ sweeps.HESSIAN @ off / 2), rel=1e-6
    )
    assert hparams.cost(one, found[:1]) is None


@pytest.mark.parametrize(
    ("tokens", "whole"), [(4.12e6, [1024]), (5e6, [1024, 1216]), (1e5, [32]), (2.6e5, [64])]
)
def test_whole_batches(tokens: float, whole: list[int]) -> None:
    assert hparams.whole_batches(tokens, 4096) == whole


# ---- files


def test_a_recipe_file_reads_back(tmp_path: Path) -> None:
    one = fitting.fit_recipe(sweeps.points(sweeps.rows(scatter=0.1)))
    one.to_json(tmp_path / "recipe.json")
    again = kinds.load(str(tmp_path / "recipe.json"), Recipe)
    assert again.to_dict() == one.to_dict()
    assert advise(again, 7e9, 1e12).to_dict() == advise(one, 7e9, 1e12).to_dict()


def test_a_fit_of_a_learning_rate_is_a_recipe_without_a_batch() -> None:
    path = reference.folder("fits") / "step_learning_rate" / "li-2025.json"
    found = kinds.load(path, Recipe)
    assert found.batch is None
    assert isinstance(found.flatness, Flatness)
    assert advise(found, 7e9, 1e12).correlation is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a file of schema version 1"),
        (
            json.dumps({"schema_version": 1, "kind": "hparams"}),
            "the file is broken: the file lacks learning_rate, batch, valley, cells. Write it "
            "again with 'scaling hparams SRC -o recipe.json'.",
        ),
        (json.dumps({"kind": "fit"}), "not a file of schema version 1"),
    ],
)
def test_broken_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    error = refused(DataError, kinds.load, path, Recipe)
    assert message in str(error)
    assert str(path) in str(error)


def test_a_loss_law_gives_no_learning_rate() -> None:
    with pytest.raises(UsageError, match="not a recipe for learning rate and batch"):
        kinds.load("kaplan_n/kaplan-2020", Recipe)


@pytest.mark.parametrize(
    ("turned", "error", "message"),
    [
        (
            lambda loss: 1 - loss / 9,
            FitError,
            "acc rises with N x D (+1.00, by rank correlation), and the least is taken for the "
            "best here. Fit a column that falls as runs get better: a loss, or of an accuracy "
            "what is left to its limit, written to a column of its own.",
        ),
        (
            lambda loss: loss - 9,
            DataError,
            ": valleys are those of its logarithm. Give a column that is positive: the loss "
            "itself (--target, --map).",
        ),
    ],
)
def test_a_sweep_of_what_has_no_valley_is_refused(
    tmp_path: Path, turned: Any, error: type[Exception], message: str
) -> None:
    table = [{**row, "acc": turned(row["loss"])} for row in sweeps.rows(swept=False)]
    made = [{name: v for name, v in row.items() if name != "loss"} for row in table]
    runs = sc.read(str(sweeps.write(tmp_path / "sweep.csv", made)))
    assert refusal(error, fitting.sweep_points, runs, target="acc").endswith(message)
