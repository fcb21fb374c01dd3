"""The catalogue of laws: grouped by the question each answers, or all of one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Column, Table, Text, section

_CITATION = re.compile(r" \((?:[A-Z][\w-]+,? )+(?:[^()]|\([^()]*\))*\)?$")
Record = Mapping[str, Any]
ALL = "'scaling laws NAME' tells all of one; --full lists equations, parameters and fits."
LOSS = "loss of parameters and tokens"
DATA = "data: repeated, other words, other domains"
MODEL = "model: experts, sparsity, precision, shape"
RATE = "learning rate and batch"
TASKS = "errors and accuracies of tasks, from a loss"
ONE = "one variable"
SHAPES = "loss along a run, from its own shape (learning curves)"
AVERAGE = {
    "name": "average",
    "formula": "the mean of four curve laws, in equal parts: the default for loss curves",
}


def blocks(record: Mapping[str, Sequence[Record]], *, full: bool = False) -> list[Block]:
    """Return the catalogue: laws by the question they answer, with their equations; or one law."""
    every = [law for laws in record.values() for law in laws]
    if not all(record.values()):
        return law(every[0]) if len(every) == 1 else average(every)
    curves = "loss along a run, from its learning rates (curve laws)"
    families = record["learning_curves"]
    groups = _numbers.grouped((_question(law), law) for law in record["laws"])
    asked_of = (LOSS, DATA, MODEL, RATE, TASKS, ONE)
    told = [(asked, groups.get(asked, ())) for asked in asked_of]
    told.append((curves, [AVERAGE, *record["curve_laws"]]))
    if full:
        every = [*told, (SHAPES, families)]
        return [*(part for title, laws in every for part in _entries(title, laws)), Text([ALL])]
    names = section(SHAPES, [", ".join(law["name"] for law in families)])
    return [*(_brief(title, laws) for title, laws in told), names, Text([ALL])]


def _question(law: Record) -> str:
    """Return which question a law of points answers: declared, or by its inputs and output."""
    if law["question"]:
        return law["question"]
    if law["output"]["column"] not in ("loss", "x", "y"):
        is_share = law["output"]["unit"] == "1"
        return TASKS if is_share and [*law["inputs"]] == ["L"] else RATE
    return ONE if len(law["inputs"]) == 1 else LOSS


def equation(formula: str) -> str:
    """Return the equation of a formula, without its source and what is said after it."""
    first = re.split(r"\. |: |, (?=with|in|M )", formula, maxsplit=1)[0]
    return _CITATION.sub("", first.rstrip("."))


def _brief(title: str, laws: Sequence[Record]) -> Block:
    rows = [[law["name"], equation(law["formula"])] for law in laws]
    return Table(["", ""], rows, "<^", title=title)


def _entries(title: str, laws: Sequence[Record]) -> list[Block]:
    return [Text([f"{title}:"]), *(section(law["name"], _entry(law)) for law in laws)]


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
    return [section("average", [AVERAGE["formula"], told]), _brief("the laws in it", members)]


def law(record: Record) -> list[Block]:
    """Return everything about one law."""
    conventions = [f"{symbol}: {how}" for symbol, how in record["convention"].items()]
    source = [record["reference"], "", *record["bibtex"].splitlines()]
    told = [record["formula"], *([record["notes"]] if record["notes"] else [])]
    return [
        section(record["name"], told),
        _inputs(record),
        _parameters(record),
        _derived(record),
        section("conventions of the source", conventions),
        section("certified fits", record["fits"] or ["none"]),
        section("source", source),
    ]


def _inputs(record: Record) -> Table:
    output = record["output"]
    told = {**output, "meaning": f"{output['meaning']} (the output)"}
    items = [*record["inputs"].items(), (output["symbol"], told)]
    columns = [("", "<", _name), *(_told(key) for key in ("column", "unit", "meaning"))]
    return Table.of(items, columns, "inputs")


def _parameters(record: Record) -> Table:
    columns = [("", "<", _name), *(_told(key) for key in ("unit", "domain", "meaning"))]
    return Table.of(record["parameters"].items(), columns, "parameters")


def _derived(record: Record) -> Table:
    derived = {f"{name}({', '.join(d['inputs'])})": d for name, d in record["derived"].items()}
    columns = [("", "<", _name), *(_told(key) for key in ("unit", "meaning"))]
    return Table.of(derived.items(), columns, "derived quantities")


def _name(item: tuple[str, Record]) -> str:
    return item[0]


def _told(key: str) -> Column[tuple[str, Record]]:
    side = "<" if key in ("column", "domain") else "^"
    return key, side, lambda item: item[1][key]
