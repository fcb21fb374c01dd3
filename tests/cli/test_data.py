"""`scaling data`: cards listed, a data set fetched from a mirror, hashes checked."""

import hashlib
import json
from functools import partial
from pathlib import Path

import command_line
import pytest

from scaling_cli import datasets
from scaling_cli.vocabulary import shipped

ROWS = "size,flop,loss\n1e8,6e18,3.1\n2e8,12e18,2.9\n"
COMMIT = "a" * 40
CARD = f"""\
schema_version = 1
title = "A small table"
licence = "CC0"
citation = "nobody"
layout = "csv_runs"
notes = ["made for a test"]
source = {{owner = "someone", repo = "somewhere", commit = "{COMMIT}", url = "https://x/{{path}}"}}
file = [{{path = "runs.csv", sha256 = "SHA256", size = {len(ROWS)}}}]
column = [
  {{name = "run_id", from = "run"}},
  {{name = "params", from = "size", unit = "parameters", convention = "total"}},
  {{name = "flops", from = "flop", unit = "FLOP", convention = "6ND"}},
  {{name = "tokens", formula = "flops / (6 * params)", unit = "tokens"}},
  {{name = "loss", from = "loss", unit = "nats/token"}},
]
"""


run = partial(command_line.run, "data")


def test_list_names_every_card() -> None:
    result = run("list")
    assert (result.exit_code, result.stderr) == (0, "")
    heads = [block.splitlines()[0] for block in result.stdout.split("\n\n")]
    assert heads == [*datasets.names(), "'scaling data fetch NAME' brings one to this machine."]


def test_list_as_json() -> None:
    record = json.loads(run("list", "--json").stdout)
    assert record["schema_version"] == 1
    assert [card["name"] for card in record["datasets"]] == datasets.names()
    for card in record["datasets"]:
        assert list(card) == [
            "name",
            "title",
            "licence",
            "citation",
            "shipped",
            "source",
            "files",
            "columns",
            "notes",
        ]


def test_bare_data_is_a_usage_error() -> None:
    result = run()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: scaling data [OPTIONS] COMMAND [ARGS]...\n")


def test_unknown_data_set() -> None:
    result = run("fetch", "chinchila_epoch")
    assert result.exit_code == 2
    assert "chinchilla_epoch" in result.stderr


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a card and a mirror that holds its file."""
    card = tmp_path / "data" / "small" / "card.toml"
    card.parent.mkdir(parents=True)
    card.write_text(CARD.replace("SHA256", hashlib.sha256(ROWS.encode()).hexdigest()))
    mirror = tmp_path / "mirror"
    file = mirror / "someone" / "somewhere" / COMMIT / "runs.csv"
    file.parent.mkdir(parents=True)
    file.write_text(ROWS)
    monkeypatch.setattr(shipped, "folder", lambda name: tmp_path / name)
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SCALING_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
    return mirror


NORMALISED = (
    "run_id,params,flops,tokens,loss\n"
    "{0},100000000.0,6e+18,10000000000.0,3.1\n{1},200000000.0,1.2e+19,10000000000.0,2.9\n"
)


def rows(text: str) -> list[list[str]]:
    """Return the cells without the name of the run, which the data set's reader chooses."""
    return [line.split(",")[1:] for line in text.splitlines()]


def test_fetch_from_a_mirror(mirror: Path) -> None:
    result = run("fetch", "small", "--mirror", str(mirror), "-o", "out.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows(Path("out.csv").read_text()) == rows(NORMALISED)
    assert result.stdout == (
        "small: A small table\n"
        "2 rows, SHA-256 of 1 file as the card says\n"
        "licence: CC0\n"
        "made for a test\n"
        "\n"
        "column  unit        convention\n"
        "run_id  text\n"
        "params  parameters  total\n"
        "flops   FLOP        6ND\n"
        "tokens  tokens\n"
        "loss    nats/token\n"
        "\n"
        "table     out.csv\n"
        "next      scaling fit out.csv\n"
    )


def test_fetch_to_standard_output(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_MIRROR", str(mirror))
    assert rows(run("fetch", "small", "-o", "-").stdout) == rows(NORMALISED)


def test_fetch_as_json(mirror: Path) -> None:
    result = run("fetch", "small", "--mirror", str(mirror), "--json")
    record = json.loads(result.stdout)
    assert (record["schema_version"], record["name"], record["rows"]) == (1, "small", 2)
    assert rows(Path(record["table"]).read_text()) == rows(NORMALISED)
    assert Path(record["local_files"]["runs.csv"]).read_text() == ROWS
    assert record["columns"][1] == {"name": "params", "unit": "parameters", "convention": "total"}


def test_a_changed_file_is_refused(mirror: Path) -> None:
    file = mirror / "someone" / "somewhere" / COMMIT / "runs.csv"
    file.write_text(ROWS + "3e8,18e18,2.8\n")
    result = run("fetch", "small", "--mirror", str(mirror), "--json")
    assert result.exit_code == 3
    error = json.loads(result.stdout)["error"]
    assert (error["code"], error["file"]) == ("data", str(file))
    assert "SHA-256" in error["message"]


def test_a_table_that_cannot_be_written(mirror: Path) -> None:
    result = run("fetch", "small", "--mirror", str(mirror), "-o", "nowhere/out.csv")
    assert result.exit_code == 2
    assert result.stderr == "error: cannot write nowhere/out.csv: No such file or directory.\n"
