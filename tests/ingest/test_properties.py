"""Properties: a log cut at any byte, any number as people write it, any bytes at all."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import counting, write

from scaling_cli import ingest
from scaling_cli.ingest._columns import number
from scaling_cli.vocabulary.errors import DataError, ScalingError
from scaling_cli.vocabulary.quantities import N

ROWS = [(10 * i, 1000.0 * i, round(7 - i**0.5, 6), None if i % 3 else 6.5) for i in range(1, 12)]
LONG_CURVE = "step,tokens,loss,val_loss\n" + "".join(
    f"{s},{t!r},{a!r},{'' if v is None else v}\n" for s, t, a, v in ROWS
)


@pytest.mark.parametrize("variant", ["plain", "crlf", "quoted", "tsv", "resumed", "jsonl"])
def test_a_curve_cut_at_any_byte(tmp_path: Path, variant: str) -> None:
    """What survives is a prefix of the original; what does not is refused as bad data."""
    header, first, *rest = LONG_CURVE.splitlines(keepends=True)
    text = {
        "plain": LONG_CURVE,
        "crlf": LONG_CURVE.replace("\n", "\r\n"),
        "quoted": LONG_CURVE.replace(first, '"' + first.replace(",", '","').strip() + '"\n'),
        "tsv": LONG_CURVE.replace(",", "\t"),
        "resumed": "".join([header, first, *rest[:4], header, *rest[4:]]),
        "jsonl": "".join(
            json.dumps({"step": s, "tokens": t, "loss": a, "val_loss": v}) + "\n"
            for s, t, a, v in ROWS
        ),
    }[variant]
    content = text.encode()
    survived = set()
    for cut in range(len(content) + 1):
        file = write(tmp_path, "f.jsonl" if variant == "jsonl" else "f.csv", content[:cut])
        try:
            runs = ingest.read(file)
        except DataError:
            continue
        names = ("step", "tokens", "loss", "val_loss")
        got = list(zip(*(counting(runs, name) for name in names), strict=True))
        assert got == ROWS[: len(got)], cut
        survived.add(len(got))
    assert survived == set(range(1, len(ROWS) + 1))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_float_survives_being_written(value: float) -> None:
    got = number(repr(value))
    np.testing.assert_equal(got, value)


@given(st.integers(-(10**15), 10**15))
def test_any_number_with_thousands_separators(value: int) -> None:
    assert number(f"{value:,}") == value


@given(st.integers(1, 999), st.sampled_from([("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)]))
def test_any_suffixed_count(value: int, suffix: tuple[str, float]) -> None:
    assert number(f"{value}{suffix[0]}", N) == value * suffix[1]


@given(st.text(max_size=12))
def test_no_text_is_read_as_another_number(text: str) -> None:
    """Whatever is accepted is what Python, after removing separators, says it is."""
    try:
        got = number(text)
    except ValueError:
        return
    if got is not None:
        np.testing.assert_equal(got, float(text.strip().replace(",", "")))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_runs_or_a_refusal(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("f.csv", "f.jsonl", "f.parquet", "f.csv.gz"):
            try:
                ingest.read(write(Path(folder), name, content))
            except ScalingError as error:
                assert error.exit_code == 3
