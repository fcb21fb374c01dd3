"""Runs that differ in more than the law's inputs, against what the law leaves over."""

from dataclasses import replace

import numpy as np
import pytest
from evidence import evidence, line, table
from scipy import stats

from scaling_cli.point_fits.checklist.alike import dummies, explained
from scaling_cli.vocabulary.outcomes import Level


def by_hand(e, columns: np.ndarray) -> tuple[float, np.ndarray]:
    """Return F and coefficients by normal equations, a second way to the same numbers."""
    left = -e.residuals()
    own = np.column_stack([np.ones(len(left)), e.problem.sensitivity(e.optimum.u)])
    both = np.column_stack([own, columns])

    def squares(matrix: np.ndarray) -> tuple[float, np.ndarray]:
        beta = np.linalg.pinv(matrix) @ left
        return float(np.sum((left - matrix @ beta) ** 2)), beta

    (before, _), (after, beta) = squares(own), squares(both)
    spare = len(left) - np.linalg.matrix_rank(both)
    return (before - after) / columns.shape[1] / (after / spare), beta[own.shape[1] :]


def moved(shift: float, noise: float = 0.002):
    """Return evidence in which every other run lies higher by a factor."""
    points = table("chinchilla")
    rng = np.random.default_rng(5)
    codes = np.arange(len(points)) % 2
    output = points.output * np.exp(shift * codes + noise * rng.normal(size=len(points)))
    return evidence(replace(points, output=output)), codes


def test_a_shift_is_found_with_its_size_and_its_F() -> None:
    e, codes = moved(0.03)
    found = explained(e, dummies(codes))
    assert found is not None and found.telling
    F, shifts = by_hand(e, dummies(codes))
    assert pytest.approx(F, rel=1e-3) == found.F
    assert abs(found.shifts[0]) == pytest.approx(abs(shifts[0]), rel=1e-6)
    assert abs(found.shifts[0]) == pytest.approx(0.03, abs=0.005)


def test_chance_tells_nothing() -> None:
    telling = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        points = table("chinchilla")
        output = points.output * np.exp(0.004 * rng.normal(size=len(points)))
        e = evidence(replace(points, output=output))
        found = explained(e, dummies(rng.permutation(np.arange(len(points)) % 2)))
        telling += bool(found and found.telling)
    # F of one column and nine to spare exceeds 12 by chance in 0.7 % of tables.
    assert stats.f.sf(12, 1, 9) < 0.01
    assert telling <= 5


def test_a_value_of_one_run_explains_nothing() -> None:
    assert dummies(np.array([0, 0, 0, 1, 2, 2])).tolist() == [[0], [0], [0], [0], [1], [1]]


def test_the_setting_is_named_with_runs_and_the_condition() -> None:
    e, codes = moved(0.03)
    values = np.array(["c4" if c == 0 else "pile" for c in codes], object)
    told = line(replace(e, points=replace(e.points, settings={"dataset": values})), "data.alike")
    assert told.level is Level.WARN
    runs = [r for r, c in zip(e.points.runs, codes, strict=True) if c == 1]
    assert told.message.startswith(
        f'dataset differs: "pile" beside "c4", in {", ".join(runs[:3])} and {len(runs) - 3} more, '
        "whose loss lies 3"
    )
    assert told.message.endswith(
        "above what the law and the others make of it. Losses of two kinds are no one law's: fit "
        "one of them (--where 'dataset == \"c4\"'), or a target that they share, such as bits per "
        "byte."
    )


def test_two_vocabularies_are_told_whatever_is_left_over() -> None:
    e = evidence()
    values = np.array([50257.0] * 10 + [128256.0] * (len(e.points) - 10), object)
    points = replace(e.points, settings={"vocab_size": values}, conventions={"L": "nats/token"})
    assert line(replace(e, points=points), "data.alike").level is Level.WARN
    shared = replace(points, conventions={"L": "bits/byte"})
    assert line(replace(e, points=shared), "data.alike").level is Level.PASS


def test_a_name_of_a_size_is_no_setting() -> None:
    e, _ = moved(0.03)
    names = np.array([f"m{n:g}" for n in e.points.inputs["N"]], object)
    told = line(replace(e, points=replace(e.points, settings={"family": names})), "data.alike")
    assert told.level is Level.PASS


def test_data_seen_again_too_often() -> None:
    e = evidence()
    times = np.ones(len(e.points))
    times[:2] = 20
    told = line(replace(e, points=replace(e.points, passes={"epochs": times})), "data.alike")
    assert told.message == (
        f"epochs: data were seen up to 20 times, in 2 runs more than 4 times ({e.points.runs[0]}, "
        f"{e.points.runs[1]}). A token seen again teaches less than a fresh one: fit the others "
        "(--where 'epochs <= 4')."
    )
    every = replace(e.points, passes={"epochs": times * 0 + 9})
    assert (
        "no forecast of runs on fresh tokens"
        in line(replace(e, points=every), "data.alike").message
    )
