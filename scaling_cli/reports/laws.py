"""The catalogue of laws: grouped by the question each answers, or all of one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports._blocks import Block, Section, Table, Text

_CITATION = re.compile(r" \((?:[A-Z][\w-]+,? )+(?:[^()]|\([^()]*\))*\)?$")
Record = Mapping[str, Any]
ALL = "'scaling laws NAME' tells all of one; --full lists equations, parameters and fits."
AVERAGE = {
    "name": "average",
    "formula": "the mean of four curve laws, in equal parts: the default for loss curves",
}


def blocks(record: Mapping[str, Sequence[Record]], *, full: bool = False) -> list[Block]:
    """Return the catalogue: laws by the question they answer, with their equations."""
    questions = {
        "loss of parameters, tokens and other facts of a run": [],
        "learning rate and batch": [],
        "one variable": [],
        "loss along a run, from its learning rates (curve laws)": [
            AVERAGE,
            *record["curve_laws"],
        ],
    }
    asked = list(questions)
    for law in record["laws"]:
        questions[asked[_question(law)]].append(law)
    shapes = "loss along a run, from its own shape (learning curves)"
    families = record["learning_curves"]
    if full:
        told = [*questions.items(), (shapes, families)]
        return [*(part for title, laws in told for part in _entries(title, laws)), Text([ALL])]
    names = Section(shapes, [", ".join(law["name"] for law in families)])
    return [*(_brief(title, laws) for title, laws in questions.items()), names, Text([ALL])]


def _question(law: Record) -> int:
    """Return which question a law of points answers: it declares that by inputs and output."""
    if law["output"]["column"] not in ("loss", "x", "y"):
        return 1
    if len(law["inputs"]) == 1:
        return 2
    return 0


def equation(formula: str) -> str:
    """Return the equation of a formula, without its source and what is said after it."""
    first = re.split(r"\. |: |, (?=with|in|M )", formula, maxsplit=1)[0]
    return _CITATION.sub("", first.rstrip("."))


def _brief(title: str, laws: Sequence[Record]) -> Block:
    rows = [[law["name"], equation(law["formula"])] for law in laws]
    return Table(["", ""], rows, "<^", title=title)


def _entries(title: str, laws: Sequence[Record]) -> list[Block]:
    return [Text([f"{title}:"]), *(Section(law["name"], _entry(law)) for law in laws)]


def _entry(record: Record) -> list[str]:
    if "inputs" not in record:
        return [record["formula"]]
    units = [f"{s} ({q['unit']})" for s, q in record["inputs"].items()]
    return [
        record["formula"],
        f"inputs {', '.join(units)}; parameters {', '.join(record['parameters'])}",
        f"certified fits: {', '.join(record['fits']) or 'none'}",
    ]


def average(members: Sequence[Record]) -> list[Block]:
    """Return what the mean of several curve laws is, and which those are."""
    told = (
        "Each law is fitted to the same curves by itself; the prediction is the mean of their "
        "losses, in equal parts. They err in different directions, and how well one fits a few "
        "schedules says little about its error on others: so all count the same. 'scaling laws "
        "NAME' tells all of one."
    )
    return [Section("average", [AVERAGE["formula"], told]), _brief("the laws in it", members)]


def law(record: Record) -> list[Block]:
    """Return everything about one law."""
    conventions = [f"{symbol}: {how}" for symbol, how in record["convention"].items()]
    source = [record["reference"], "", *record["bibtex"].splitlines()]
    told = [record["formula"], *([record["notes"]] if record["notes"] else [])]
    return [
        Section(record["name"], told),
        _inputs(record),
        _parameters(record),
        _derived(record),
        Section("conventions of the source", conventions),
        Section("certified fits", record["fits"] or ["none"]),
        Section("source", source),
    ]


def _inputs(record: Record) -> Table:
    output = record["output"]
    rows = [[s, q["column"], q["unit"], q["meaning"]] for s, q in record["inputs"].items()]
    told = f"{output['meaning']} (the output)"
    rows.append([output["symbol"], output["column"], output["unit"], told])
    return Table(["", "column", "unit", "meaning"], rows, "<<^^", title="inputs")


def _parameters(record: Record) -> Table:
    rows = [
        [name, p["unit"], p["domain"], p["meaning"]] for name, p in record["parameters"].items()
    ]
    return Table(["", "unit", "domain", "meaning"], rows, "<^<^", title="parameters")


def _derived(record: Record) -> Table:
    rows = [
        [f"{name}({', '.join(d['inputs'])})", d["unit"], d["meaning"]]
        for name, d in record["derived"].items()
    ]
    return Table(["", "unit", "meaning"], rows, "<^^", title="derived quantities")
