"""`scaling cite`: what it names is what the files name."""

import json
import tomllib

from command_line import run

from scaling_cli import laws
from scaling_cli._version import __version__
from scaling_cli.vocabulary import shipped


def test_a_fit_names_its_law_its_data_and_its_source() -> None:
    record = json.loads(run("cite", "chinchilla/ladder", "--json").stdout)
    card = tomllib.loads((shipped.folder("data") / "ladder/card.toml").read_text("utf-8"))
    assert record["data"] == {
        "name": "ladder",
        **{k: card[k] for k in ("title", "licence", "citation")},
    }
    (law,) = record["laws"]
    assert law["bibtex"] == laws.get("chinchilla").bibtex
    assert record["source"] == "this package, on the points of card ladder"
    assert record["software"]["version"] == __version__


def test_the_text_is_bibtex() -> None:
    text = run("cite", "chinchilla/ladder").stdout
    assert laws.get("chinchilla").bibtex.splitlines()[0] in text
    assert text.count("{") == text.count("}")
    entries = [line for line in text.splitlines() if line.startswith("@")]
    assert [entry.split("{")[0] for entry in entries] == ["@article", "@software"]


def test_a_mean_of_laws_names_each() -> None:
    record = json.loads(run("cite", "average/luo-2025-25m", "--json").stdout)
    assert [law["name"] for law in record["laws"]] == [
        "annealing",
        "area_exponential",
        "functional",
        "multi_power",
    ]
