"""The --where expression against the same conditions written in NumPy; refusals word for word."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from scaling_cli.runs.where import rows_where
from scaling_cli.vocabulary.errors import UsageError

PARAMS = np.array([1e6, 5e8, 2e9, np.nan])
TOKENS = np.array([2e7, 1e10, 4e10, 1e9])
ROLE = np.array(["fit", "held out", "fit", None], object)
C4 = np.array([4.0, 3.0, 2.5, 2.0])
FLAG = np.array(["True", "False", "True", "False"], object)
COLUMNS = {"params": PARAMS, "tokens": TOKENS, "role": ROLE, "eval/c4": C4, "outlier": FLAG}


def where(expression: str) -> list[bool]:
    return rows_where(expression, COLUMNS.__getitem__, list(COLUMNS), 4).tolist()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("params < 1B", PARAMS < 1e9),
        ("params <= 500M", PARAMS <= 5e8),
        ("1M < params < 2e9", (PARAMS > 1e6) & (PARAMS < 2e9)),
        ("tokens / params > 20", TOKENS / PARAMS > 20),
        ("6 * params * tokens <= 3e19", 6 * PARAMS * TOKENS <= 3e19),
        ("tokens == 2**10 * 1e10 / 1024", TOKENS == 1e10),
        ("role == 'fit'", ROLE == "fit"),
        ('role == "fit" and params > 1M', (ROLE == "fit") & (PARAMS > 1e6)),
        ('role == "held out" or params > 1B', (ROLE == "held out") | (PARAMS > 1e9)),
        ("(role == 'fit') & (params > 1M)", (ROLE == "fit") & (PARAMS > 1e6)),
        ("not params < 1B", ~(PARAMS < 1e9)),
        ("role in ['fit', 'test']", ROLE == "fit"),
        ("tokens in (1e10, 1e9)", np.isin(TOKENS, [1e10, 1e9])),
        ("`eval/c4` < 3.5", C4 < 3.5),
        ("outlier == False", FLAG == "False"),
        ("-params < 0", PARAMS > 0),
    ],
)
def test_conditions(expression: str, expected: np.ndarray) -> None:
    assert where(expression) == expected.tolist()


def test_a_missing_value_is_in_no_comparison() -> None:
    assert where("params != 1M") == [False, True, True, False]
    assert where("role != 'fit'") == [False, True, False, False]
    assert where("role not in ['fit']") == [False, True, False, False]
    assert where("params not in [1M]") == [False, True, True, False]


@given(st.floats(1e3, 1e13), st.sampled_from([("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)]))
def test_suffixes_are_powers_of_ten(value: float, suffix: tuple[str, float]) -> None:
    number = round(value / suffix[1], 3)
    assert where(f"tokens < {number:.3f}{suffix[0]}") == (number * suffix[1] > TOKENS).tolist()


def test_a_suffix_inside_text_is_text() -> None:
    sizes = np.array(["7B", "1B"], object)
    found = rows_where("size == '7B'", {"size": sizes}.__getitem__, ["size"], 2)
    assert found.tolist() == [True, False]


EXAMPLE = "Such as 'params < 1B and role == \"fit\"'."
NAMES = "Columns: params, tokens, role, eval/c4, outlier. Text stands in quotes."


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "parms < 1",
            f"--where 'parms < 1': there is no column 'parms'. Did you mean params? {NAMES}",
        ),
        (
            "eval/c4 < 3",
            f"--where 'eval/c4 < 3': there is no column 'eval'. Did you mean `eval/c4`? {NAMES}",
        ),
        ("role == fit", f"--where 'role == fit': there is no column 'fit'. {NAMES}"),
        ("role = 'fit'", "cannot read --where \"role = 'fit'\". Write == to compare."),
        ("params <", f"cannot read --where 'params <'. {EXAMPLE}"),
        ("params + 1", f"--where 'params + 1' is not a condition. {EXAMPLE}"),
        (
            "params and tokens",
            f"--where 'params and tokens': 'params' is not a condition. {EXAMPLE}",
        ),
        ("role < 3", f"--where 'role < 3' compares text with numbers. {EXAMPLE}"),
        (
            "role in 'fit'",
            "--where \"role in 'fit'\": 'in' needs a list. Such as 'schedule in "
            '["cosine", "wsd"]\'.',
        ),
        (
            "abs(params) > 1",
            "--where 'abs(params) > 1' may hold comparisons, and, or, not, in and "
            f"arithmetic, not 'abs(params)'. {EXAMPLE}",
        ),
        (
            "role.upper == 'FIT'",
            "--where \"role.upper == 'FIT'\" may hold comparisons, and, or, "
            f"not, in and arithmetic, not 'role.upper'. {EXAMPLE}",
        ),
        ("params is 1", "--where 'params is 1': 'is' is not known; write ==."),
        ("params % 2 == 1", "--where 'params % 2 == 1': 'params % 2' is not known."),
    ],
)
def test_refusals(expression: str, message: str) -> None:
    error = refused(UsageError, where, expression)
    assert str(error) == message
    assert error.exit_code == 2


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_a_refusal(expression: str) -> None:
    with contextlib.suppress(UsageError):
        assert len(where(expression)) == 4
