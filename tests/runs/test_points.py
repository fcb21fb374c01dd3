"""Points: what is fitted, its digest, its ranges and the axis a forecast reaches along."""

import hashlib
import struct

import numpy as np
import pytest

from scaling_cli import laws
from scaling_cli.runs.points import Points, straddled
from scaling_cli.vocabulary.outcomes import LeftOut

POINTS = Points(
    inputs={"N": np.array([1e8, 3e8, 1e9]), "D": np.array([2e9, 9e9, 1e10])},
    output=np.array([3.5, 3.1, 2.9]),
    runs=["a", "b", "c"],
    conventions={"N": "total"},
    left_out=[LeftOut("d", "no loss")],
    notes=["last row of each run"],
    compute=np.array([1.2e18, 1.6e19, 6e19]),
    counts={"active": np.array([5e7, 2e8, 8e8])},
)


def test_length_is_the_number_of_observations() -> None:
    assert len(POINTS) == 3


@pytest.mark.parametrize("rows", [np.array([True, False, True]), np.array([0, 2])])
def test_take_keeps_everything_else(rows: np.ndarray) -> None:
    some = POINTS.take(rows)
    assert some.runs == ["a", "c"]
    assert some.output.tolist() == [3.5, 2.9]
    assert some.inputs["N"].tolist() == [1e8, 1e9]
    assert some.inputs["D"].tolist() == [2e9, 1e10]
    assert some.compute is not None
    assert some.compute.tolist() == [1.2e18, 6e19]
    assert some.counts["active"].tolist() == [5e7, 8e8]
    assert (some.conventions, some.left_out, some.notes) == (
        POINTS.conventions,
        POINTS.left_out,
        POINTS.notes,
    )


def test_take_may_repeat_and_reorder() -> None:
    assert POINTS.take(np.array([2, 0, 2])).runs == ["c", "a", "c"]
    assert Points(POINTS.inputs, POINTS.output, POINTS.runs).take(np.array([1])).compute is None


def test_digest_is_of_the_sorted_bytes() -> None:
    # Columns in the order of their names, D N output; rows sorted; little-endian doubles.
    table = sorted(zip(POINTS.inputs["D"], POINTS.inputs["N"], POINTS.output, strict=True))
    packed = b"".join(struct.pack("<3d", *row) for row in table)
    assert POINTS.sha256() == hashlib.sha256(b"D,N,output" + packed).hexdigest()


def test_digest_ignores_order_and_sees_every_number() -> None:
    assert POINTS.take(np.array([2, 0, 1])).sha256() == POINTS.sha256()
    renamed = Points({s: POINTS.inputs[s] for s in ("D", "N")}, POINTS.output, ["x", "y", "z"])
    assert renamed.sha256() == POINTS.sha256()
    moved = POINTS.output.copy()
    moved[1] = np.nextafter(moved[1], 4.0)
    assert Points(POINTS.inputs, moved, POINTS.runs).sha256() != POINTS.sha256()
    swapped = {"N": POINTS.inputs["D"], "D": POINTS.inputs["N"]}
    assert Points(swapped, POINTS.output, POINTS.runs).sha256() != POINTS.sha256()
    assert POINTS.take(np.array([0, 1])).sha256() != POINTS.sha256()


def test_ranges() -> None:
    assert POINTS.ranges(laws.get("chinchilla")) == {
        "N": [1e8, 1e9],
        "D": [2e9, 1e10],
        "L": [2.9, 3.5],
        "C": [pytest.approx(1.2e18), pytest.approx(6e19)],
    }


def test_the_range_of_the_output_is_under_its_own_symbol() -> None:
    # The law takes the loss L and gives a batch: neither hides the other.
    batches = Points({"L": np.array([3.5, 2.5])}, np.array([2e5, 9e5]), ["a", "b"])
    assert batches.ranges(laws.get("critical_batch")) == {"L": [2.5, 3.5], "B_tokens": [2e5, 9e5]}


def test_runs_on_both_sides_of_cuts_are_counted() -> None:
    # a has rows at 1 and 9, b at 2 and 3; nothing beyond each edge was fitted.
    runs, values = ["a", "b", "b", "a"], np.array([1.0, 2.0, 3.0, 9.0])
    assert straddled(runs, values, [(3.0, ["a"]), (0.5, ["a", "b"]), (2.0, ["b", "a"])]) == 2
    assert straddled(["a", "b"], np.array([1.0, 2.0]), [(1.0, ["b"])]) == 0
