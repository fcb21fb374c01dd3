"""CSV logs of few headers, most of them clean and some odd in one of the ways that logs are."""

from pathlib import Path
from typing import Any

import numpy as np
from log_files import write

from scaling_cli import ingest
from scaling_cli.runs import store
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.errors import ScalingError

HEADERS = (
    "step,loss",
    "step,tokens,loss,lr",
    "step,train_loss,val_loss,grad_norm",
    "epoch,step,loss,val/loss,seconds",
    "iter,loss,params,host",
    "global_step,params,loss,loss_scale,mfu",
    "step,loss,train/loss,note",
    ",step,loss,lr",
)
# What may be wrong with a file: its lines, changed.
ODD = {
    "clean": lambda lines: lines,
    "again": lambda lines: [*lines, *lines[len(lines) // 2 :]],
    "down": lambda lines: [lines[0], *lines[:0:-1]],
    "nan": lambda lines: [*lines[:-1], _with(lines[-1], -1, "nan")],
    "nan_inside": lambda lines: [*lines[:2], _with(lines[2], -1, "NaN"), *lines[3:]],
    "infinite_step": lambda lines: [*lines[:-1], _with(lines[-1], 0, "inf")],
    "twice": lambda lines: [*lines, lines[-1]],
    "header_again": lambda lines: [*lines, lines[0], *lines[1:]],
    "short": lambda lines: [*lines, lines[-1].split(",")[0]],
    "long": lambda lines: [*lines[:-1], lines[-1] + ",7"],
    "crossed": lambda lines: [*lines[:-2], lines[-2] + ",7", lines[-1].rpartition(",")[0]],
    "quoted": lambda lines: [*lines[:-1], _with(lines[-1], -1, '"3.25"')],
    "quoted_header": lambda lines: [_quoted(lines[0]), *lines[1:]],
    "quoted_names": lambda lines: [
        _quoted(lines[0]),
        *(f'"{line}'.replace(",", '",', 1) for line in lines[1:]),
    ],
    "quoted_cells": lambda lines: [*map(_quoted, lines)],
    "quoted_comma": lambda lines: [*lines[:-1], _with(lines[-1], -1, '"3,25"')],
    "quoted_quote": lambda lines: [*lines[:-1], _with(lines[-1], -1, '"3""25"')],
    "quote_inside": lambda lines: [*lines[:-1], _with(lines[-1], -1, '3"2"5')],
    "quoted_half": lambda lines: [*lines[:-1], _with(lines[-1], -1, '"3"25')],
    "quoted_after_space": lambda lines: [*lines[:-1], _with(lines[-1], -1, ' "3.25"')],
    "quoted_space": lambda lines: [*lines[:-1], _with(lines[-1], -1, '" 3.25 "')],
    "quoted_missing": lambda lines: [
        _quoted(lines[0]),
        *(_with(line, -1, '"NA"') for line in lines[1:3]),
        *lines[3:],
    ],
    "quoted_gap": lambda lines: [
        _quoted(lines[0]),
        *lines[1:],
        ",".join('""' for _ in lines[0].split(",")),
    ],
    "quoted_header_again": lambda lines: [
        _quoted(lines[0]),
        *lines[1:],
        _quoted(lines[0]),
        *lines[1:],
    ],
    "quoted_other_header": lambda lines: [
        _quoted(lines[0]),
        *lines[1:],
        *(",".join(line.split(",")[::-1]) for line in lines),
    ],
    "open_quote": lambda lines: [*lines[:-1], _with(lines[-1], -1, '"3.25')],
    "quoted_line": lambda lines: [*lines[:-1], _with(lines[-1], -1, '"3.\n25"')],
    "text": lambda lines: [*lines[:-1], _with(lines[-1], -1, "oops")],
    "spaced": lambda lines: [*lines[:-1], _with(lines[-1], 1, " 2.5 ")],
    "signed": lambda lines: [*lines[:-1], _with(lines[-1], 1, "+2.5")],
    "missing": lambda lines: [*lines[:-1], _with(lines[-1], -1, "")],
    "none_inside": lambda lines: [*lines[:2], _with(lines[2], -1, "None"), *lines[3:]],
    "silent": lambda lines: [*lines[:-6], *(_with(line, 1, "") for line in lines[-6:])],
    "no_values": lambda lines: [lines[0], *(_with(line, -1, "") for line in lines[1:])],
    "zeros": lambda lines: [lines[0], *(_with(line, 1, "0") for line in lines[1:])],
    "negative": lambda lines: [*lines[:-1], _with(lines[-1], 1, "-1")],
    "id": lambda lines: [*lines[:-1], _with(lines[-1], -1, "007")],
    "digits": lambda lines: [*lines[:-1], _with(lines[-1], -1, "12345678901234567")],
    "whole": lambda lines: [
        lines[0],
        *(_with(line, -1, str(i)) for i, line in enumerate(lines[1:])),
    ],
    "constant": lambda lines: [lines[0], *(_with(line, -1, "0.5") for line in lines[1:])],
    "signed_zeros": lambda lines: [lines[0], *(_with(line, -1, "-0.0") for line in lines[1:])],
    "fraction": lambda lines: [*lines[:-1], _with(lines[-1], 0, "7.5")],
    "late": lambda lines: [
        lines[0],
        *(_with(line, 0, f"{i}e3") for i, line in enumerate(lines[1:])),
    ],
    "one_row": lambda lines: lines[:2],
    "header_only": lambda lines: lines[:1],
    "empty_line": lambda lines: [*lines[:2], "", *lines[2:]],
}
ENDS = {"ends": "\n", "cut": "", "windows": "\r\n"}


def _quoted(line: str) -> str:
    return ",".join(f'"{cell}"' for cell in line.split(","))


def _with(line: str, place: int, cell: str) -> str:
    cells = line.split(",")
    cells[place] = cell
    return ",".join(cells)


def lines_of(header: str, rng: np.random.Generator) -> list[str]:
    rows, size = int(rng.integers(7, 12)), int(rng.choice([1_000_000, 124_000_000]))
    columns = []
    for name in header.split(","):
        noise = rng.random(rows)
        cells = {
            "": [str(i) for i in range(rows)],
            "step": [str(10 * i + 10) for i in range(rows)],
            "epoch": [str(i // 4) for i in range(rows)],
            "tokens": [str(1000 * i + 1000) for i in range(rows)],
            "params": [str(size)] * rows,
            "host": [str(int(rng.integers(3)))] * rows,
            "note": ["" if x < 0.5 else "3" for x in noise],
            "mfu": ["" if x < 0.3 else f"{x:.2f}" for x in noise],
            "seconds": [str(int(9 * x)) for x in noise],
        }
        key = "step" if name in ("iter", "global_step") else name
        columns.append(cells.get(key, [f"{2 + x:.4f}" for x in noise]))
    return [header, *(",".join(row) for row in zip(*columns, strict=True))]


def folder_of(folder: Path, rng: np.random.Generator, odd: float) -> Path:
    """Write files of few headers in a row, most of them clean."""
    kinds, headers = list(ODD), []
    for i in range(26):
        headers = headers if i % 13 else [str(rng.choice(HEADERS))]
        kind = str(rng.choice(kinds)) if rng.random() < odd else "clean"
        end = str(rng.choice(list(ENDS))) if rng.random() < odd / 4 else "ends"
        lines = ODD[kind](lines_of(headers[0], rng))
        line_end = "\r\n" if end == "windows" else "\n"
        mark = "\ufeff" if rng.random() < odd / 4 else ""
        write(folder, f"{i % 3}B_{kind}_{i}.csv", mark + line_end.join(lines) + ENDS[end])
    return folder


def told(runs: Runs) -> dict[str, Any]:
    """Return all that is in runs, types included, NaN as text."""
    tables = {name: getattr(runs, name) for name in ("runs", "points", "sources")}
    cells = {name: repr(table.to_pylist()) for name, table in tables.items()}
    schemas = {name: table.schema for name, table in tables.items()}
    return {"cells": cells, "schemas": schemas, "columns": runs.columns, "notes": runs.notes}


def answer(folder: Path, into: Path, **options: Any) -> Any:
    """Return what is read and the bytes that are stored of it, or the refusal."""
    try:
        runs = ingest.read(folder, **options)
    except ScalingError as error:
        return type(error), str(error), error.hint
    store.append(into, runs)
    return told(runs), files(into)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
