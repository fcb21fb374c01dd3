"""One CSV per training run, one logged step per row; the file's stem is the run's name."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def records(files: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """Yield every logged step of every file, with `run` added."""
    for path in files.values():
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for record in csv.DictReader(stream):
                yield {**record, "run": path.stem}
