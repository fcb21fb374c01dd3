"""Two stores that are filled alike, one of them by reading everything each time."""

from pathlib import Path
from typing import Any

import pytest

from scaling_cli.runs import store
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary.errors import ScalingError


def told(root: Path, given: list[str], **said: Any) -> Any:
    """Return all that an ingest says and leaves."""
    try:
        runs, report = verb.put(given, root, **said)
    except ScalingError as error:
        return type(error), str(error)
    files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    kept = {name: files[name] for name in files if not name.startswith(("points/", "manifest"))}
    return {**report.to_dict(), "store": ""}, runs.columns, runs.notes, kept, points_of(root)


def points_of(root: Path) -> list[str]:
    """Return the points of a store, however they lie in its segments; NaN is as it is written."""
    keys = [("run_id", "ascending"), ("line", "ascending"), ("step", "ascending")]
    return list(map(str, store.read(root).points.sort_by(keys).to_pylist()))


class Twins:
    """The two stores; `fill` asserts that they say and hold the same."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stores, self._monkeypatch = (folder / "fast", folder / "slow"), monkeypatch

    def fill(self, *given: Path, **said: Any) -> None:
        fast, slow = self._stores
        sources = list(map(str, given))
        with self._monkeypatch.context() as slowly:
            slowly.setattr(store, "held", lambda _: None)
            expected = told(slow, sources, **said)
        answer = told(fast, sources, **said)
        for part, same in zip(answer, expected, strict=True):
            assert part == same
