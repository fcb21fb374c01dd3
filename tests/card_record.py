"""A dataset card of two invented runs, as a record and as TOML: material of the card tests."""

import hashlib
import json
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CSV = b"Size,Compute,Final\n1e6,6e15,4.5\n2e6,2.4e16,4.25\n"
BASE: dict[str, Any] = {
    "schema_version": 1,
    "title": "Two runs",
    "licence": "MIT",
    "citation": "@misc{nobody}",
    "layout": "csv_runs",
    "source": {
        "owner": "someone",
        "repo": "runs",
        "commit": COMMIT,
        "url": "https://example.invalid/{owner}/{repo}/{commit}/{path}",
    },
    "file": [{"path": "data/a=b.csv", "sha256": hashlib.sha256(CSV).hexdigest(), "size": len(CSV)}],
    "column": [
        {"name": "run_id", "from": "run"},
        {"name": "params", "from": "Size", "unit": "parameters", "convention": "total"},
        {"name": "flops", "from": "Compute", "unit": "FLOP", "convention": "6ND"},
        {"name": "tokens", "formula": "flops / (6 * params)", "unit": "tokens"},
        {"name": "loss", "from": "Final", "unit": "nats/token"},
    ],
}


def with_column(**column: Any) -> dict[str, Any]:
    return {**BASE, "column": [*BASE["column"], column]}


def toml(record: dict[str, Any]) -> str:
    """Write a card's record as TOML: JSON's text, numbers and lists are TOML's too."""
    plain = {k: v for k, v in record.items() if k not in ("source", "file", "column")}
    lines = [f"{k} = {json.dumps(v)}" for k, v in plain.items()]
    lines += ["[source]", *(f"{k} = {json.dumps(v)}" for k, v in record["source"].items())]
    for key in ("file", "column"):
        for item in record[key]:
            lines += [f"[[{key}]]", *(f"{k} = {json.dumps(v)}" for k, v in item.items())]
    return "\n".join(lines) + "\n"
