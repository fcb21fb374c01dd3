"""Where a backtest cuts: rows by hand for every way to ask, and what cannot be asked."""

from typing import Any

import numpy as np
import pytest
from refusals import refusal

from scaling_cli import laws
from scaling_cli.point_fits.cuts import along, axis_symbol, checked, read_cuts, splits
from scaling_cli.vocabulary.errors import UsageError

# Seven decades, two points on the third: eight points.
DECADES = np.array([1.0, 10.0, 100.0, 100.0, 1e3, 1e4, 1e5, 1e6])


def rows(mask: np.ndarray) -> str:
    return "".join("x" if inside else "." for inside in mask.tolist())


def fitted(cuts: Any, fewest: int = 2) -> list[tuple[str, str]]:
    used, _ = splits(DECADES, cuts, "C", fewest)
    return [(rows(s.train), rows(s.test)) for s in used]


def skipped(cuts: Any, fewest: int = 2) -> list[tuple[float, str]]:
    return [(s.train_max, s.reason) for s in splits(DECADES, cuts, "C", fewest)[1]]


def test_a_number_of_cuts_is_even_in_the_logarithm() -> None:
    # Six decades in three parts: cuts at 1e2 and 1e4, by rising size.
    assert fitted(2) == [("xxxx....", "....xxxx"), ("xxxxxx..", "......xx")]
    assert skipped(2) == []


def test_values_are_the_largest_that_is_fitted_in_any_order() -> None:
    assert fitted([2e4, 1e3]) == [("xxxxx...", ".....xxx"), ("xxxxxx..", "......xx")]


def test_a_value_typed_from_the_table_is_fitted_itself() -> None:
    values = np.array([1.0, 3.0, 1e21 / 3, 1e22])
    used, _ = splits(values, [3.33333333333e20], "C", 2)
    assert rows(used[0].train) == "xxx."


def test_rolling_forecasts_the_next_level_alone() -> None:
    assert fitted("rolling") == [
        ("xx......", "..xx...."),
        ("xxxx....", "....x..."),
        ("xxxxx...", ".....x.."),
        ("xxxxxx..", "......x."),
        ("xxxxxxx.", ".......x"),
    ]
    assert skipped("rolling") == [(1.0, "leaves 1 point to fit, 2 are needed")]


def test_levels_apart_by_rounding_are_one_and_rows_need_no_order() -> None:
    values = np.array([100.0, 1.0, 10.0, 1.0 + 1e-9, 100.0 * (1 - 1e-9)])
    used, _ = splits(values, "rolling", "C", 2)
    assert [(rows(s.train), rows(s.test)) for s in used] == [(".x.x.", "..x.."), (".xxx.", "x...x")]


def test_the_default_hides_a_tenth_to_seven_tenths_of_the_range() -> None:
    # Of six decades: cuts at 10^5.4, 4.8, 4.2, 3.6, 3, 2.4, 1.8; at least three points hidden.
    assert fitted(None) == [
        ("xx......", "..xxxxxx"),
        ("xxxx....", "....xxxx"),
        ("xxxxx...", ".....xxx"),
    ]
    assert [(round(np.log10(at), 6), why) for at, why in skipped(None)] == [
        (3.6, "leaves the same points as C <= 1000"),
        (4.2, "holds back 2 points, 3 are needed"),
        (4.8, "holds back 2 points, 3 are needed"),
        (5.4, "holds back 1 point, 3 are needed"),
    ]


def test_cuts_that_leave_too_little_are_named() -> None:
    assert fitted([1e2, 1e4, 1e7], fewest=5) == [("xxxxxx..", "......xx")]
    assert [why for _, why in skipped([1e2, 1e4, 1e7], fewest=5)] == [
        "leaves 4 points to fit, 5 are needed",
        "holds nothing back",
    ]


@pytest.mark.parametrize(
    ("text", "cuts"),
    [
        ("3", 3),
        ("rolling", "rolling"),
        ("1e20,1e21", [1e20, 1e21]),
        ("1e20", [1e20]),
        (" 2.5e20 , 10^21,", [2.5e20, 1e21]),
    ],
)
def test_cuts_are_read(text: str, cuts: Any) -> None:
    assert read_cuts(text, "chinchilla", "compute") == cuts


def test_cuts_are_read_in_the_quantity_of_the_axis() -> None:
    assert read_cuts("100M,1B", "chinchilla", "params") == [1e8, 1e9]
    assert refusal(UsageError, read_cuts, "1B tokens", "chinchilla", "params") == (
        "'1B tokens' names tokens, but model parameters (N) was asked for. Give N in parameters."
    )


HINT = "Give a number of cuts up to 100, values (1e20,1e21), or rolling."


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        (0, f"0 is no number of cuts. {HINT}"),
        (101, f"101 is no number of cuts. {HINT}"),
        ([], f"cuts are positive values on the axis. {HINT}"),
        ([1e20, -1.0], f"cuts are positive values on the axis. {HINT}"),
        ([float("nan")], f"cuts are positive values on the axis. {HINT}"),
        ("roling", f"cannot read the cuts 'roling'. {HINT}"),
    ],
)
def test_cuts_that_cannot_be_made_are_refused(cuts: Any, message: str) -> None:
    assert refusal(UsageError, checked, cuts) == message


@pytest.mark.parametrize(
    ("law", "on", "symbol"),
    [
        ("chinchilla", "compute", "C"),
        ("chinchilla", "params", "N"),
        ("chinchilla", "tokens", "D"),
        ("average_parameters", "params", "N_avg"),
        ("kaplan_n", "compute", "N"),
        ("kaplan_n", "params", "N"),
        ("power_law", "compute", "x"),
    ],
)
def test_axes(law: str, on: str, symbol: str) -> None:
    assert axis_symbol(laws.get(law), on) == symbol


def test_values_of_an_axis() -> None:
    inputs = {"N": np.array([2.0]), "D": np.array([5.0])}
    assert [along(laws.get("chinchilla"), inputs, s).tolist() for s in ("C", "N", "D")] == [
        [60.0],
        [2.0],
        [5.0],
    ]


@pytest.mark.parametrize(
    ("law", "on", "message"),
    [
        (
            "chinchilla",
            "flops",
            "cannot hold runs back along 'flops'. --on takes compute, params, tokens.",
        ),
        (
            "kaplan_n",
            "tokens",
            "law kaplan_n has no tokens to hold runs back along; it takes N. "
            "--on takes compute or params here.",
        ),
    ],
)
def test_axes_that_are_not_there(law: str, on: str, message: str) -> None:
    assert refusal(UsageError, axis_symbol, laws.get(law), on) == message
