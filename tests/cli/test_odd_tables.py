"""Odd tables from the command line: what must be said of each, and the parameters behind it."""

from pathlib import Path

import odd_tables
import pytest

# Refusals cost no fit; of what is fitted, one or two of each kind. The rest: tests/odd_tables.py.
FITTED = {
    "accuracy fitted",
    "log-likelihood fitted",
    "below zero, linear",
    "two of config/tokenizer",
    "two of gradient_accumulation_steps",
    "a context that does not matter",
    "a name of the size",
    "repeated",
    "epochs",
    "state is crashed",
    "is_diverged is 1",
    "asked for",
    "all of them",
    "a loss of -1",
    "a loss of 1e+10",
    "params (M), tokens (B)",
    "N [1e6], D [1e9]",
    "a typing error",
    "embeddings counted",
    "a batch of one device",
    "ppl",
    "counted compute",
    "three sizes",
    "open downwards",
}
TABLES = [odd for odd in odd_tables.all_of_them() if odd.code or odd.name in FITTED]


def test_every_name_is_that_of_a_table() -> None:
    names = [odd.name for odd in odd_tables.all_of_them()]
    assert set(names) >= FITTED
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("odd", TABLES, ids=lambda odd: odd.name)
def test_an_odd_table(odd: odd_tables.Odd, tmp_path: Path) -> None:
    assert odd_tables.answer(odd, tmp_path) == ""
