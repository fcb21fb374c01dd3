"""Files that are not where they were when they were put into a store."""

from pathlib import Path

import pytest
from log_files import CURVE, write

from scaling_cli import ingest
from scaling_cli.runs import store


@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_a_file_that_moved_is_read_once(tmp_path: Path, grown: bool, named: bool) -> None:
    """Its run goes with it, under the new name if the file named it."""
    text = CURVE if named else "run_id,step,loss\nit,1,5\nit,2,4\n"
    path, more = tmp_path / "store", "40,4000,3.5\n" if named else "it,3,3\n"
    stays, here = write(tmp_path, "stays.csv", CURVE), write(tmp_path, "here/log.csv", text)
    store.append(path, ingest.read(stays, here))
    Path(here).unlink()
    there = write(tmp_path, "there/other.csv", text + more * grown)
    report = store.append(path, ingest.read(stays, there))
    if named and grown:  # another name and other content: nothing says that it is that run
        assert (report.added, report.removed) == (("other",), ())
        assert [note.code for note in report.notes] == ["missing-file"]
        return
    after = "other" if named else "it"
    assert (report.added, report.removed) == (((after,), ("log",)) if named else ((), ()))
    assert report.replaced == (() if named else ("it",))
    moved = f"{there}: it was {here} before: a file that was moved is read once."
    assert list(map(str, report.notes)) == [moved + (" Its run log is other now." if named else "")]
    assert ingest.read(path).summary() == ingest.read(stays, there).summary()
    again = store.append(path, ingest.read(stays, there))
    assert (again.unchanged, again.notes) == (tuple(sorted([after, "stays"])), ())


def test_runs_of_a_file_that_is_gone_are_kept_and_told(tmp_path: Path) -> None:
    path, here = tmp_path / "store", write(tmp_path, "log.csv", CURVE)
    store.append(path, ingest.read(here, write(tmp_path, "stays.csv", CURVE)))
    Path(here).unlink()
    report = store.append(path, ingest.read(tmp_path / "stays.csv"))
    assert list(map(str, report.notes)) == [
        f"1 file(s) are not there any more: {here}. Their runs are kept."
    ]
    assert ingest.read(path).runs["run_id"].to_pylist() == ["log", "stays"]
