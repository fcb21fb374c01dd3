"""A log that has grown: what is read of it, and that the store holds what a whole reading gives."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_files import CURVE, write
from twin_stores import Twins, points_of

from scaling_cli import ingest
from scaling_cli.ingest import _grown, jsonl
from scaling_cli.runs import store
from scaling_cli.runs.change import OutdatedError
from scaling_cli.verbs import ingest as verb

ROWS = 400
LATER = range(ROWS, ROWS + 40)


def _csv(steps: range) -> str:
    return "".join(f"{s},{1000 * s},{9 - s / 100:.4f},1e-3\n" for s in steps)


def _json(steps: range) -> str:
    rows = ({"step": s, "loss": 9 - s / 100, "lr": 1e-3, "host": "a"} for s in steps)
    return "".join(json.dumps(row) + "\n" for row in rows)


def _console(steps: range) -> str:
    return "".join(f"iter {s}: loss {9 - s / 100:.4f}, time 2.0ms\n" for s in steps)


def _said(steps: range) -> str:
    return "".join(f"[{s}] L={9 - s / 100:.4f}\n" for s in steps)


# For each kind of log: its file, its head, its lines, and how it is to be read.
LOGS: dict[str, tuple[str, str, Callable[[range], str], dict[str, Any]]] = {
    "csv": ("run.csv", "step,tokens,loss,lr\n", _csv, {}),
    "csv with a size": ("run.csv", "step,tokens,loss,lr\n", _csv, {"set": {"params": "7M"}}),
    "jsonl": ("run.jsonl", "", _json, {}),
    "console": ("run.log", "number of parameters: 123.59M\ncompiling\n", _console, {}),
    "pattern": ("run.txt", "begun\n", _said, {"pattern": r"\[(?P<step>\d+)\] L=(?P<loss>\S+)"}),
}


@pytest.fixture(params=["small", "large"])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Say whether files are read without their middle."""
    if request.param == "large":
        monkeypatch.setattr(_grown, "HEAD", 600)
        monkeypatch.setattr(_grown, "TAIL", 900)
        monkeypatch.setattr(_grown, "_LARGE", 3000)
    return request.param == "large"


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Twins:
    return Twins(tmp_path, monkeypatch)


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the new points of each file that was not read whole are added."""
    counts: list[int] = []
    whole = _grown._extended

    def counted(*given: Any) -> Any:
        runs, points = whole(*given)
        counts.append(len(points))
        return runs, points

    monkeypatch.setattr(_grown, "_extended", counted)
    return counts


def _begun(folder: Path, kind: str) -> tuple[Path, Callable[[range], str], dict[str, Any]]:
    name, head, lines, said = LOGS[kind]
    file = Path(write(folder, f"logs/{name}", head + lines(range(ROWS))))
    write(folder, "logs/other.csv", CURVE) if "pattern" not in said else None
    return file, lines, said


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", LOGS)
def test_a_log_that_grows_again_and_again(
    kind: str, tmp_path: Path, twins: Twins, extended: list[int]
) -> None:
    """At each look there is more, once with a half written line, once with nothing new."""
    file, lines, said = _begun(tmp_path, kind)
    whole = file.read_text() + lines(LATER)
    begun = len(file.read_text())
    twins.fill(file.parent, **said)
    for end in (begun + 1, begun + 130, begun + 137, begun + 137, len(whole) - 3, len(whole)):
        file.write_text(whole[:end])
        twins.fill(file.parent, **said)
    assert len(LATER) >= sum(extended) >= 20
    assert len(extended) >= 2


def test_of_a_large_log_the_middle_is_not_parsed(
    large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, lines, _ = _begun(tmp_path, "jsonl")
    verb.put([file], tmp_path / "store")
    with file.open("a") as stream:
        stream.write(lines(LATER))
    sizes: list[int] = []
    read = jsonl.read
    monkeypatch.setattr(
        jsonl, "read", lambda path, content: sizes.append(len(content)) or read(path, content)
    )
    verb.put([file], tmp_path / "store")
    assert (max(sizes) < file.stat().st_size / 3) == large
    assert len(points_of(tmp_path / "store")) == ROWS + len(LATER)


def _restart(lines: Callable[[range], str]) -> str:
    return lines(range(ROWS - 50, ROWS + 20))


def _same_step(lines: Callable[[range], str]) -> str:
    return lines(range(ROWS - 1, ROWS + 20))


ADDED: dict[str, tuple[str, Callable[[Callable[[range], str]], str]]] = {
    "a restart": ("csv", _restart),
    "a restart in a console": ("console", _restart),
    "the last step again": ("jsonl", _same_step),
    "a header": ("csv", lambda lines: "step,tokens,loss,lr\n" + lines(LATER)),
    "a wider header": ("csv", lambda _: "step,tokens,loss,lr,seed\n400,400000,5,1e-3,1\n"),
    "a loss that is not a number": ("csv", lambda _: "400,400000,nan,1e-3\n401,401000,nan,1e-3\n"),
    "a column": ("jsonl", lambda _: '{"step": 400, "loss": 5.0, "grad": 1.0}\n'),
    "a fact that varies now": ("jsonl", lambda _: '{"step": 400, "loss": 5.0, "host": "b"}\n'),
    "a text among numbers": ("jsonl", lambda _: '{"step": 400, "loss": 5.0, "lr": "low"}\n'),
    "rows without a loss": ("csv", lambda _: "".join(f"{s},,,1e-3\n" for s in range(400, 460))),
    "a line that is none": ("csv", lambda _: "400,oops,5,1e-3\n"),
    "a half written line": ("csv", lambda _: "400,400000,5"),
    "a validation": ("console", lambda _: "step 399: train loss 5.1, val loss 5.2\n"),
    "many lines": ("csv", lambda lines: lines(range(ROWS, 5 * ROWS))),
}


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("what", ADDED)
def test_whatever_is_added(what: str, tmp_path: Path, twins: Twins) -> None:
    kind, added = ADDED[what]
    file, lines, said = _begun(tmp_path, kind)
    twins.fill(file.parent, **said)
    with file.open("a") as stream:
        stream.write(added(lines))
    twins.fill(file.parent, **said)
    with file.open("a") as stream:
        stream.write(lines(range(9 * ROWS, 9 * ROWS + 3)))
    twins.fill(file.parent, **said)


def _rewritten(file: Path, lines: Callable[[range], str]) -> None:
    file.write_text(file.read_text().replace("8.5", "8.6") + lines(LATER))


def _in_the_middle(file: Path, lines: Callable[[range], str]) -> None:
    """One digit, where a large file is not read again, and more behind it."""
    text = file.read_text()
    at = text.index("7.0", len(text) // 3)
    file.write_text(text[: at + 2] + "9" + text[at + 3 :] + lines(LATER))


def _truncated(file: Path, _: Callable[[range], str]) -> None:
    text = file.read_text()
    file.write_text(text[: len(text) // 2])


def _begun_anew(file: Path, lines: Callable[[range], str]) -> None:
    head = file.read_text().split("\n", 1)[0] + "\n"
    file.write_text(head + lines(range(1, 3 * ROWS)))


def _restored(file: Path, _: Callable[[range], str]) -> None:
    """An older copy with its own time, as `cp -p` leaves it, of the size of the newer one."""
    before, text = file.stat(), file.read_text()
    file.write_text(text.replace("8.5", "8.7"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _older_and_longer(file: Path, lines: Callable[[range], str]) -> None:
    """Grown, but with a time before that of what was read: `touch -d`."""
    file.write_text(file.read_text() + lines(LATER))
    os.utime(file, ns=(10**18, 10**18))


def _moved(file: Path, lines: Callable[[range], str]) -> None:
    file.write_text(file.read_text() + lines(LATER))
    file.rename(file.with_stem("elsewhere"))


def _replaced(file: Path, lines: Callable[[range], str]) -> None:
    """Another inode with more in it."""
    copy = file.with_name("copy")
    copy.write_text(file.read_text() + lines(LATER))
    os.replace(copy, file)


def _linked(file: Path, lines: Callable[[range], str]) -> None:
    """The log goes on under another name of the same file, then the first name is another's."""
    with file.open("a") as stream:
        stream.write(lines(LATER))
    shutil.copy(file, file.parent.parent / "aside")
    file.unlink()
    os.link(file.parent.parent / "aside", file)


def _for_a_link(file: Path, _: Callable[[range], str]) -> None:
    other = write(file.parent.parent, "other", file.read_text().replace("8.4", "8.3") + "\n")
    file.unlink()
    file.symlink_to(other)


CHANGED = {
    "rewritten": _rewritten,
    "a digit in the middle": _in_the_middle,
    "truncated": _truncated,
    "begun anew": _begun_anew,
    "restored": _restored,
    "older and longer": _older_and_longer,
    "moved": _moved,
    "replaced": _replaced,
    "linked": _linked,
    "for a link": _for_a_link,
}


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", ["csv", "console"])
@pytest.mark.parametrize("how", CHANGED)
def test_whatever_becomes_of_a_file(how: str, kind: str, tmp_path: Path, twins: Twins) -> None:
    file, lines, said = _begun(tmp_path, kind)
    twins.fill(file.parent, **said)
    CHANGED[how](file, lines)
    twins.fill(file.parent, **said)


def test_a_store_that_was_filled_meanwhile_is_not_lengthened_twice(tmp_path: Path) -> None:
    file, lines, _ = _begun(tmp_path, "csv")
    root = tmp_path / "store"
    verb.put([file], root)
    with file.open("a") as stream:
        stream.write(lines(LATER))
    first, second = (ingest.read_beside(root, file) for _ in range(2))
    assert [*first.grown] == [*second.grown] != []
    with file.open("a") as stream:
        stream.write(lines(range(ROWS + 40, ROWS + 50)))
    verb.put([file], root)
    for late in (first, second):
        report = store.append(root, late.runs, later=late.later, grown=late.grown)
        assert [note.code for note in report.notes] == ["older-reading"]
    assert len(points_of(root)) == ROWS + 50


def test_what_has_grown_goes_behind_what_it_was_read_beside_only(tmp_path: Path) -> None:
    file, lines, _ = _begun(tmp_path, "csv")
    root = tmp_path / "store"
    verb.put([file], root)
    with file.open("a") as stream:
        stream.write(lines(LATER))
    late = ingest.read_beside(root, file)
    verb.put([write(tmp_path, "logs/other.csv", CURVE)], tmp_path / "another")
    with pytest.raises(OutdatedError):
        store.append(tmp_path / "another", late.runs, later=late.later, grown=late.grown)
    store.append(root, late.runs, later=late.later, grown=late.grown)
    assert len(points_of(root)) == ROWS + len(LATER)


def test_segments_of_a_log_that_grows_are_put_together_in_time(tmp_path: Path) -> None:
    file, lines, _ = _begun(tmp_path, "csv")
    for more in range(20):
        with file.open("a") as stream:
            stream.write(lines(range(ROWS + more, ROWS + more + 1)))
        verb.put([file], tmp_path / "store")
    assert len([*(tmp_path / "store/points").rglob("*.parquet")]) <= 9
    assert ingest.read(tmp_path / "store").summary() == ingest.read(file).summary()
