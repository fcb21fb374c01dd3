"""Facts of a run from what its console states: parameters, tokens a step, where it will end."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.ingest._trainers import Row, Statement
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary import loss_kinds

_PLACE = "params_of_rank "
# What facts are made of, and is none of its own.
_PARTS = ("params_a", "params_b", "params_of_header", "tensor_parts", "pipeline_parts", "epochs")


def facts_of(
    stated: Sequence[Statement], rows: Sequence[Row], file: str
) -> tuple[dict[str, Any], list[Note]]:
    """Return the facts of a run, and what is to be said of them; rows get their tokens."""
    said = {statement.name: statement for statement in stated}
    known: dict[str, Any] = {name: statement.value for name, statement in said.items()}
    counted, notes = _params(known, file)
    plan = _planned(known, said, rows)
    batch = _batch(known, rows)
    kept = {n: v for n, v in known.items() if n not in _PARTS and not n.startswith(_PLACE)}
    facts = kept | counted | plan | batch | _kind(rows)
    facts.pop("batch_seqs" if any("batch_seqs" in row.numbers for row in rows) else "", None)
    return facts, notes + list(_changed(stated, file))


def _changed(stated: Sequence[Statement], file: str) -> Sequence[Note]:
    """Say which fact is stated twice, with two values."""
    values: dict[str, list[Statement]] = {}
    for statement in stated:
        values.setdefault(statement.name, []).append(statement)
    notes = []
    for name, several in values.items():
        if len({statement.value for statement in several}) > 1:
            told = f"{name} is stated as {several[0].value:.12g} and as {several[-1].value:.12g}"
            message = f"{told}; the last one counts."
            notes.append(Note("stated-twice", "info", message, file, several[-1].line))
    return notes


def _params(known: Mapping[str, float], file: str) -> tuple[dict[str, Any], list[Note]]:
    """Return the parameters of the model, and how they were counted."""
    if "params_of_header" in known:
        say = "say what you count with --set params=... or --meta."
        told = f"the header counts {known['params_of_header']:g}M params, rounded and without"
        message = f"{told} position embeddings: {say}"
        note = Note("params-of-header", "info", message, file)
        return {"params": known["params_of_header"] * 1e6}, [note]
    if {"params_a", "params_b"} <= known.keys():
        return {"params": known["params_a"] + known["params_b"], "params_convention": "total"}, []
    places = {name.removeprefix(_PLACE): v for name, v in known.items() if name.startswith(_PLACE)}
    if places:
        return _of_ranks(places, known, file)
    return ({"params_convention": "total"} if "params" in known else {}), []


def _of_ranks(
    places: Mapping[str, float], known: Mapping[str, float], file: str
) -> tuple[dict[str, Any], list[Note]]:
    """Return the sum of what all ranks of a model hold; nothing, if some did not say it."""
    at = [tuple(map(int, re.findall(r"\d+", place))) for place in places]
    if len(set(map(len, at))) > 1:
        told = "the log counts the parameters of ranks in two ways: params is not known"
        return {}, [Note("params-of-ranks", "warn", f"{told}; --set params=... states it.", file)]
    grid = 1
    for axis in zip(*at, strict=True):
        grid *= max(axis) + 1
    parts = known.get("tensor_parts", 1.0) * max(known.get("pipeline_parts", 1.0), 1.0)
    count = max(grid, int(parts))
    if len(places) < count:
        told = f"the log counts the parameters of {len(places)} of {count} ranks"
        message = f"{told}: params is not known; --set params=... states it."
        return {}, [Note("params-of-ranks", "info", message, file)]
    total = {"params": sum(places.values()), "params_convention": "total"}
    if count == 1:
        return total, []
    told = f"params is the sum over {count} ranks; what several of them hold counts each time"
    return total, [Note("params-of-ranks", "info", f"{told}.", file)]


def _planned(
    known: Mapping[str, float], said: Mapping[str, Statement], rows: Sequence[Row]
) -> dict[str, float]:
    """Return the last step that is planned; where a run stopped for good, that one."""
    if "step" in said and said["step"].line > rows[-1].line:
        return {"step": known["step"]}
    planned = [row.numbers["planned"] for row in rows if "planned" in row.numbers]
    if planned:
        return {"step": planned[-1]}
    lengths = {row.numbers["per_epoch"] for row in rows if "per_epoch" in row.numbers}
    if len(lengths) == 1 and "epochs" in known:
        return {"step": known["epochs"] * lengths.pop()}
    return {}


def _batch(known: Mapping[str, float], rows: Sequence[Row]) -> dict[str, float]:
    """Return the tokens of a step, and give rows the tokens so far where samples are logged."""
    length = known.get("seq_len")
    for row in rows if length else ():
        if "consumed_samples" in row.numbers:
            row.numbers.setdefault("tokens", row.numbers["consumed_samples"] * float(length or 0))
    if "batch_tokens" in known:
        return {}
    here = [row.numbers for row in rows if {"tokens", "step"} <= row.numbers.keys()]
    grown = {
        (after["tokens"] - before["tokens"]) / (after["step"] - before["step"])
        for before, after in itertools.pairwise(here)
        if after["step"] > before["step"]
    }
    if len(grown) == 1 and (each := grown.pop()) > 0:
        return {"batch_tokens": each}
    sizes = {row.numbers["batch_seqs"] for row in rows if "batch_seqs" in row.numbers}
    sizes = sizes or ({known["batch_seqs"]} if "batch_seqs" in known else set())
    return {"batch_tokens": sizes.pop() * length} if length and len(sizes) == 1 else {}


def _kind(rows: Sequence[Row]) -> dict[str, str]:
    """Return what the printed losses are, where their trainer is known to print no others."""
    first = next((row for row in rows if "train_loss" in row.numbers), rows[0])
    unit = first.dialect.convention
    units = {"loss_convention": unit, "val_loss_convention": unit} if unit else {}
    there = "train_loss" in first.numbers
    return units | (loss_kinds.stated(first.kind, loss_kinds.TRAINER) if there else {})
