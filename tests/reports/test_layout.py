"""How text is laid out: nothing is cut, columns line up, numbers keep the digits they carry."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.vocabulary.quantities import factor

WORDS = st.text("abcdefgh", min_size=1, max_size=12)
ROWS = st.lists(
    st.tuples(WORDS, WORDS, st.lists(WORDS, min_size=1, max_size=8).map(" ".join)), min_size=1
)
HEADERS = ["name", "value", "meaning"]


@given(ROWS)
def test_in_a_pipe_every_row_is_one_line_with_every_cell_whole(
    rows: list[tuple[str, str, str]],
) -> None:
    lines = _layout.table(HEADERS, rows, align="<>^", style=Style()).splitlines()
    assert len(lines) == len(rows) + 1
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.split() == " ".join(row).split()


@given(ROWS, st.integers(min_value=20, max_value=120))
def test_on_a_terminal_the_last_column_is_wrapped_and_nothing_is_lost(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    text = _layout.table(HEADERS, rows, align="<>^", style=Style(table_width=width))
    words = sorted(text.split())
    assert words == sorted([*HEADERS, *(word for row in rows for word in " ".join(row).split())])
    fixed = max(len(row[0]) for row in [HEADERS, *rows]) + max(
        len(row[1]) for row in [HEADERS, *rows]
    )
    room = max(width, fixed + 4 + _layout.NARROWEST)
    assert max(map(len, text.splitlines())) <= room


def test_colour_does_not_move_columns() -> None:
    def drawn(style: Style) -> str:
        rows = [[style.paint("FAIL", "red"), "1"], ["x", "22"]]
        return _layout.table(["", "n"], rows, align="<>", style=style)

    coloured = drawn(Style(colour=True))
    assert "\033[31mFAIL\033[0m" in coloured
    assert (
        re.sub(r"\033\[[0-9;]*m", "", coloured) == drawn(Style()) == "       n\nFAIL   1\nx     22"
    )


def test_a_percent_sign_stays_with_its_number() -> None:
    assert _layout.wrap("about 12 % of it", 9) == ["about", "  12 % of", "  it"]


def test_labels_and_blocks() -> None:
    assert _layout.labelled("next", "one\ntwo", style=Style()) == "next      one\n          two"
    assert _layout.block("title", "one\ntwo", style=Style()) == "title\n  one\n  two"
    assert _layout.paragraphs(["one", "", "two"]) == "one\n\ntwo\n"


NUMBERS = [
    (_layout.value, 2.05125, "2.0513"),
    (_layout.value, 0.012345678, "0.012346"),
    (_layout.value, float("nan"), "nan"),
    (_layout.value, None, "-"),
    (_layout.percent, 0.00812, "0.81 %"),
    (_layout.percent, 0.123, "12.3 %"),
    (_layout.percent, 1.5, "150 %"),
    (_layout.percent, 415.62, "41562 %"),
    (_layout.percent, 8.24e203, "8.2e+205 %"),
    (_layout.percent, None, "-"),
    (factor, 1.04, "x1.04"),
    (factor, 2.83, "x2.8"),
    (factor, 9.97, "x10"),
    (factor, 146.2, "x146"),
    (factor, 2500.0, "x2.5k"),
    (_layout.parameter, 482.01, "482.01"),
    (_layout.interval, None, "-"),
    (_layout.interval, (2.0, 2.5), "[2.0000, 2.5000]"),
    (_layout.span, (4.4e7, 1.62e10), "44M to 16.2B"),
    (_layout.span, (1e9, 1e9), "1B"),
    (lambda pair: _layout.span(pair, "C"), (1.6e11, 4.5e12), "1.6e+11 to 4.5e+12"),
    (lambda pair: _layout.span(pair, "L"), (2.5, 3.0), "2.5000 to 3.0000"),
]


@pytest.mark.parametrize(("write", "number", "text"), NUMBERS)
def test_numbers(write, number, text: str) -> None:
    assert write(number) == text


def test_a_bias_is_printed_as_a_share_of_what_was_measured() -> None:
    """Forecasts of a quarter of what was measured are 75 % too low, not ln 4 = 139 %."""
    assert _layout.bias(math.log(0.25)) == "-75.0 %"
    assert _layout.bias(math.log(2)) == "+100 %"
    assert _layout.bias(None) == "-"


def test_signs_and_counts() -> None:
    assert _layout.percent(0.0046, sign=True) == "+0.46 %"
    assert (_layout.count(1, "run"), _layout.count(2, "run")) == ("1 run", "2 runs")
    assert _layout.echo("N", [7e9, 1.5e8]) == "N = 7e+09, 1.5e+08"
    assert _layout.some(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]
    assert _layout.some(["a", "b"], 2) == ["a", "b"]
