"""How numbers and lists are written: with the digits that they carry."""

import math

import pytest

from scaling_cli.reports import _numbers
from scaling_cli.vocabulary.quantities import factor

NUMBERS = [
    (_numbers.value, 2.05125, "2.0513"),
    (_numbers.value, 0.012345678, "0.012346"),
    (_numbers.value, float("nan"), "nan"),
    (_numbers.value, None, "-"),
    (_numbers.percent, 0.00812, "0.81 %"),
    (_numbers.percent, 0.123, "12.3 %"),
    (_numbers.percent, 1.5, "150 %"),
    (_numbers.percent, 415.62, "41562 %"),
    (_numbers.percent, 8.24e203, "8.2e+205 %"),
    (_numbers.percent, None, "-"),
    (factor, 1.04, "x1.04"),
    (factor, 2.83, "x2.8"),
    (factor, 9.97, "x10"),
    (factor, 146.2, "x146"),
    (factor, 2500.0, "x2.5k"),
    (_numbers.parameter, 482.01, "482.01"),
    (_numbers.interval, None, "-"),
    (_numbers.interval, (2.0, 2.5), "[2.0000, 2.5000]"),
    (_numbers.span, (4.4e7, 1.62e10), "44M to 16.2B"),
    (_numbers.span, (1e9, 1e9), "1B"),
    (lambda pair: _numbers.span(pair, "C"), (1.6e11, 4.5e12), "1.6e+11 to 4.5e+12"),
    (lambda pair: _numbers.span(pair, "L"), (2.5, 3.0), "2.5000 to 3.0000"),
]


@pytest.mark.parametrize(("write", "number", "text"), NUMBERS)
def test_numbers(write, number, text: str) -> None:
    assert write(number) == text


def test_a_bias_is_printed_as_a_share_of_what_was_measured() -> None:
    """Forecasts of a quarter of what was measured are 75 % too low, not ln 4 = 139 %."""
    assert _numbers.bias(math.log(0.25)) == "-75.0 %"
    assert _numbers.bias(math.log(2)) == "+100 %"
    assert _numbers.bias(None) == "-"


def test_signs_and_counts() -> None:
    assert _numbers.percent(0.0046, sign=True) == "+0.46 %"
    assert (_numbers.count(1, "run"), _numbers.count(2, "run")) == ("1 run", "2 runs")
    assert _numbers.echo("N", [7e9, 1.5e8]) == "N = 7e+09, 1.5e+08"
    assert _numbers.some(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]
    assert _numbers.some(["a", "b"], 2) == ["a", "b"]
    assert _numbers.listed(["a", "b", "c"], 2, full=False) == ["a", "b", "and 1 more (--full)"]
    assert _numbers.listed(["a", "b", "c"], 2, full=True) == ["a", "b", "c"]
    assert _numbers.pieces("a b", "", "c") == "a\u00a0b   c"


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.8087, 0.670565, 0.91089), ("0.81", "0.67", "0.91")),  # 0.102: two digits
        ((0.422114, 0.3082, 0.497191), ("0.42", "0.31", "0.50")),  # 0.075: one
        ((330.887, 216.229, 1227.13), ("330", "220", "1230")),
        ((41.9617, 14.909, 84.3779), ("42", "15", "84")),
        ((0.0, 0.0, 0.02), ("0.000", "0.000", "0.020")),
        ((307090.0, 129582.0, 727759.0), ("310k", "130k", "730k")),
        ((2.5e7, 1e7, 4e7), ("2.5e+07", "1e+07", "4e+07")),
        ((0.005662, 9.03e-5, 0.534), ("0.0057", "9e-05", "0.53")),  # not 0.000
        ((1.23456, 1.23456, 1.23456), ("1.235", "1.235", "1.235")),
        ((1.23456, 1.0, math.inf), ("1.235", "1", "inf")),
    ],
)
def test_an_interval_says_how_many_digits_are_known(
    ends: tuple[float, float, float], shown: tuple[str, str, str]
) -> None:
    assert _numbers.deserved(*ends) == shown


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.095772, 0.15431), "[0.0958, 0.1543]"),
        ((-0.15431, -0.095772), "[-0.1543, -0.0958]"),
        ((0.00054321, 0.15431), "[0.00054321, 0.1543]"),  # not 0.0005
        ((0.012345, 0.095772), "[0.012345, 0.095772]"),
        ((math.inf, 0.2), "[inf, 0.2000]"),
    ],
)
def test_both_ends_have_the_same_decimals(ends: tuple[float, float], shown: str) -> None:
    assert _numbers.interval(ends) == shown
