"""CSV with one finished run per row; `row` numbers them from 0 where they have no name."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def records(files: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all files in order; `row` and `run` (c000, ...) where they have none."""
    number = 0
    for path in files.values():
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for record in csv.DictReader(stream):
                yield {"row": number, "run": f"c{number:03d}", **record}
                number += 1
