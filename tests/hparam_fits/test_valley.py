"""The valley over learning rate and batch, against quadratics whose bottom is known."""

import numpy as np
import pytest
import sweeps

from scaling_cli.artefacts._record import written_fields
from scaling_cli.artefacts.hparams import Flatness
from scaling_cli.hparam_fits import valley
from scaling_cli.hparam_fits.fitting import cells_of
from scaling_cli.hparam_fits.valley import Cell, Optimum


def cell(axes: object, log_loss: object) -> Cell:
    return Cell(1e8, 1e9, np.asarray(axes, float), np.asarray(log_loss, float), None)


def found(swept: bool = True) -> list[Cell]:
    return cells_of(sweeps.points(sweeps.rows(swept=swept)))


@pytest.mark.parametrize("swept", [True, False])
def test_the_bottom_of_a_quadratic_is_found_to_rounding(swept: bool) -> None:
    judged = [(one, valley.optimum(one)) for one in found(swept)]
    assert len(judged) == 9
    for one, bottom in judged:
        assert isinstance(bottom, Optimum)
        k = 2 if swept else 1
        truth = sweeps.optimum(one.N, one.D)[:k]
        np.testing.assert_allclose(bottom.at, truth, rtol=0, atol=1e-9)
        np.testing.assert_allclose(bottom.hessian, sweeps.HESSIAN[:k, :k], atol=1e-10)
        floor = np.log(3) - 0.05 * np.log(one.N * one.D)
        assert bottom.log_loss == pytest.approx(floor, abs=1e-12)


def test_a_batch_that_was_not_swept_divides_cells() -> None:
    N, D, loss = np.full(6, 1e8), np.full(6, 1e9), np.ones(6)
    lr = np.array([1, 2, 3, 1, 2, 3]) * 1e-3
    two = valley.cells(N, D, lr, np.repeat([1e5, 2e5], 3), loss)
    assert [(c.batch, len(c), c.axes.shape[1]) for c in two] == [(1e5, 3, 1), (2e5, 3, 1)]
    (one,) = valley.cells(N, D, lr, None, loss)
    assert (one.batch, len(one)) == (None, 6)


LEVELS = np.log([1e-3, 2e-3, 4e-3])[:, None]


@pytest.mark.parametrize(
    ("axes", "log_loss", "reason"),
    [
        (LEVELS[:2], [1, 0], "too few points: 2 values of lr, 3 are needed"),
        (
            LEVELS,
            [0, 1, 2],
            "edge: its best lr, 0.001, is the smallest tried; the optimum may lie beyond",
        ),
        (
            LEVELS,
            [2, 1, 0],
            "edge: its best lr, 0.004, is the largest tried; the optimum may lie beyond",
        ),
        (np.repeat(LEVELS, 2, axis=1), [1, 0, 1], "too few points: 3 runs, 8 are needed"),
    ],
)
def test_a_cell_that_does_not_enclose_its_optimum_says_why(
    axes: np.ndarray, log_loss: list[float], reason: str
) -> None:
    assert valley.optimum(cell(axes, log_loss)) == reason


def test_a_saddle_is_not_an_optimum() -> None:
    grid = np.array([[x, y] for x in (-1.0, 0, 1) for y in (-1.0, 0, 1)])
    values = np.array([0.02 if np.any(p) else 0.0 for p in grid])
    values[np.all(np.abs(grid) == 1, axis=1)] = 0.001
    assert valley.optimum(cell(grid, values)) == (
        "its losses do not curve upwards: more runs around the best are needed"
    )


def test_near_best_keeps_what_the_rule_keeps() -> None:
    one = cell(LEVELS, np.log([1.0, 1.0025, 1.0026]))
    assert valley.near_best(one).ravel().tolist() == LEVELS[:2].ravel().tolist()


def test_widths_follow_from_the_curvature() -> None:
    flat = Flatness(sweeps.HESSIAN, -0.05)
    a, b, c = 0.015, -0.004, 0.012
    assert flat.factors(0.01)["lr"] == pytest.approx(np.exp(np.sqrt(0.02 / a)), rel=1e-14)
    retuned = np.exp(np.sqrt(0.02 / (a - b**2 / c)))
    assert flat.retuned(0.01)["lr"] == pytest.approx(retuned, rel=1e-12)
    assert flat.rate_per_batch() == pytest.approx(-b / a, rel=1e-14)
    offset = np.array([0.3, -0.2])
    quadratic = (a * 0.09 + 2 * b * 0.3 * -0.2 + c * 0.04) / 2
    assert flat.excess(offset) == pytest.approx(np.expm1(quadratic), rel=1e-12)
    assert flat.compute(0.01) == pytest.approx(np.expm1(0.2), rel=1e-12)


def test_what_loss_is_worth_comes_from_the_floor() -> None:
    optima = [valley.optimum(one) for one in found()]
    flat = valley.flatness([o for o in optima if isinstance(o, Optimum)])
    assert flat.per_compute == pytest.approx(-0.05, abs=1e-12)
    again = Flatness.of_record(written_fields(flat))
    assert again.per_compute == flat.per_compute
    assert np.array_equal(again.hessian, flat.hessian)
