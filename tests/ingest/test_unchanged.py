"""A store that is filled again: what is not read again is told as if it was."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import event_files
import pytest
import wandb_files
from log_files import CURVE, write
from refusals import refusal
from twin_stores import Twins

from scaling_cli import ingest
from scaling_cli.ingest import _sources, delimited, tensorboard, wandb
from scaling_cli.runs import again, store
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary.errors import DataError

ODD = "step,loss,empty\n1,5,\n2,4,\n1,4.5,\n2,nan,\n"
SIZED = "step,tokens,loss,params,seed\n1,1000,5,7e6,1\n2,2000,4,7e6,1\n"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    for i in range(6):
        write(folder, f"a/run{i}.csv", CURVE.replace("5.5", f"5.{i}"))
    write(folder, "a/odd.csv", ODD)
    write(folder, "a/sized.csv", SIZED)
    write(folder, "a/cut.csv", CURVE.rstrip())
    write(folder, "a/table.csv", "run_id,params,tokens,loss\nx,1e6,2e7,3.5\ny,4e6,8e7,3\n")
    write(folder, "a/steps.csv", "run_id,step,loss\np,1,5\np,2,4\nq,1,4\nq,2,3\n")
    write(folder, "a/log.txt", "iter 1: loss 5.1, time 2.0ms\niter 2: loss 4.9, time 2.0ms\n")
    events = "events.out.tfevents.1.host"
    folders = {"tb": range(6), "tb/val": range(0, 6, 2), "tb/deep/tb": range(4)}
    for name, steps in (folders | {"solo/train": range(5)}).items():
        write(folder, f"a/{name}/{events}", event_files.scalars(["loss"], steps))
    rows = [wandb_files.history({"_step": s, "loss": 9.0 - s}) for s in range(6)]
    offline = "a/wandb/offline-run-20260101_000000-a1b2c3d4"
    write(folder, f"{offline}/run-a1b2c3d4.wandb", wandb_files.log(rows))
    write(folder, f"{offline}/files/config.yaml", "lr:\n  value: 0.5\n")
    write(tmp_path, "meta.csv", "run_id,params\nrun0,1e6\nnobody,2e6\n")
    return folder


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that these tests write are as old as those of people."""
    monkeypatch.setattr(again, "BEGUN", 2**62)


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Twins:
    return Twins(tmp_path, monkeypatch)


def _grow(logs: Path) -> None:
    with (logs / "a/run3.csv").open("a") as file:
        file.write("40,4000,3.75\n")


def _shrink(logs: Path) -> None:
    write(logs, "a/run3.csv", CURVE[: CURVE.rindex("30")])


def _change_a_byte(logs: Path) -> None:
    """Size and time stay."""
    path = logs / "a/run3.csv"
    before = path.stat()
    path.write_text(path.read_text().replace("4.25", "4.75"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _namesakes(logs: Path) -> None:
    """The stem is no name any more."""
    write(logs, "b/run3.csv", CURVE)


def _same_run(logs: Path) -> None:
    write(logs, "a/zz.csv", "run_id,step,loss\nrun1,1,3\nrun1,2,2.5\n")


def _broken(logs: Path) -> None:
    write(logs, "a/broken.csv", "step,loss\n1,5\n2,oops\n")


def _longer(logs: Path) -> None:
    """One of the files of a run has more."""
    file = logs / "a/tb/val/events.out.tfevents.1.host"
    file.write_bytes(event_files.scalars(["loss"], range(0, 8, 2)))


def _another_event_file(logs: Path) -> None:
    file = "a/tb/events.out.tfevents.2.host"
    write(logs, file, event_files.scalars(["loss"], range(4, 9)))


def _same_folder_elsewhere(logs: Path) -> None:
    content = event_files.scalars(["loss"], range(3))
    write(logs, "a/again/tb/events.out.tfevents.1.host", content)


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "grown": _grow,
    "shrunk": _shrink,
    "a byte": _change_a_byte,
    "touched": lambda logs: (logs / "a/odd.csv").touch(),
    "new": lambda logs: write(logs, "a/new.csv", SIZED),
    "gone": lambda logs: (logs / "a/run2.csv").unlink(),
    "namesakes": _namesakes,
    "same run": _same_run,
    "broken": _broken,
    "longer": _longer,
    "another event file": _another_event_file,
    "the same folder elsewhere": _same_folder_elsewhere,
    "another set": lambda logs: write(
        logs, "a/solo/val/events.out.tfevents.1.host", event_files.scalars(["loss"], range(2))
    ),
    "a run above": lambda logs: write(
        logs, "a/solo/events.out.tfevents.1.host", event_files.scalars(["lr"], range(2))
    ),
    "one file less": lambda logs: (logs / "a/tb/val/events.out.tfevents.1.host").unlink(),
    "other settings": lambda logs: next((logs / "a").rglob("config.yaml")).write_text(
        "lr:\n  value: 0.25\n"
    ),
    "no logs": lambda logs: shutil.rmtree(logs / "a"),
}
SAID: dict[str, dict[str, Any]] = {
    "plain": {},
    "set": {"set": {"params": "7M", "batch_tokens": "1k"}},
    "meta": {"meta": "meta.csv"},
    "name": {"name": "{kind}n{seed}"},
    "map": {"map": {"val_loss": "loss"}},
    "other map": {"map": {"empty_one": "empty"}},
}


CASES = [(change, "plain") for change in CHANGES] + [
    (change, said) for said in SAID if said != "plain" for change in ("grown", "new")
]


@pytest.mark.parametrize(("change", "said"), CASES)
def test_filled_again(change: str, said: str, logs: Path, twins: Twins) -> None:
    options = {k: str(logs.parent / v) if k == "meta" else v for k, v in SAID[said].items()}
    twins.fill(logs / "a", logs / "b" if (logs / "b").exists() else logs / "a", **options)
    CHANGES[change](logs)
    for given in ((logs,), (logs / "a", logs)):
        twins.fill(*given, **options)


def test_another_way_of_reading(logs: Path, twins: Twins) -> None:
    for said in [{}, *SAID.values(), {}]:
        options = {k: str(logs.parent / v) if k == "meta" else v for k, v in said.items()}
        twins.fill(logs / "a", **options)


def test_a_store_of_other_runs_too(logs: Path, tmp_path: Path, twins: Twins) -> None:
    other = tmp_path / "other"
    write(other, "more.csv", "step,loss,unheard_of,own\n1,5,1,1\n2,4,2,1\n")
    twins.fill(other)
    for given in (logs / "a", other, logs / "a", other):
        twins.fill(given)


@pytest.mark.parametrize(
    "kept", [None, {"path": "tables/last-0123456789abcdef.parquet", "version": 1}]
)
def test_a_store_of_an_older_version(
    kept: dict[str, Any] | None, logs: Path, tmp_path: Path
) -> None:
    """It kept no last points, or left standing those that a newer version had kept."""
    root, given = tmp_path / "store", [str(logs)]
    for change in (lambda _: None, _grow, CHANGES["new"]):
        change(logs)
        verb.put(given, root)
    newer = store.held(root)
    assert newer is not None
    older = store.Held(root, {**newer.manifest, "last": kept}, newer.sources)
    every = {run for segment in newer.manifest["segments"] for run in segment["runs"]}
    for runs in (every, {"run3", "odd", "p"}):
        tables = [held.last_points(runs) for held in (newer, older)]
        points = [table[1].sort_by("run_id").to_pylist() for table in tables if table]
        assert repr(points[0]) == repr(points[1])
        assert {row["run_id"] for row in points[0]} == runs
    (root / "manifest.json").write_text(json.dumps(older.manifest))
    _grow(logs)
    assert verb.put(given, root)[1].replaced == ("run3",)
    assert ingest.read(root).summary() == ingest.read(*given).summary()


@pytest.mark.usefixtures("settled")
def test_what_is_as_it_was_is_not_even_opened(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, opened = tmp_path / "store", []
    verb.put([str(logs)], root)
    (logs / "a/odd.csv").touch()
    _grow(logs)
    careful = _sources.read_file
    monkeypatch.setattr(
        _sources, "read_file", lambda path, *how: opened.append(path.name) or careful(path, *how)
    )
    # Of a run in several files only the digest says that it is as it was.
    parts = {"run-a1b2c3d4.wandb", "config.yaml", "events.out.tfevents.1.host"}
    for expected in ({"odd.csv", "run3.csv"}, set()):
        verb.put([str(logs)], root)
        assert {*opened} - parts == expected
        opened.clear()
    monkeypatch.setattr(again, "program", lambda: "another")
    verb.put([str(logs)], root)
    assert {*opened} == {path.name for path in logs.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES)
def test_filled_again_by_times(change: str, logs: Path, twins: Twins) -> None:
    test_filled_again(change, "plain", logs, twins)


def test_nothing_is_parsed_again(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = verb.put([str(logs)], tmp_path / "store")[1]
    with monkeypatch.context() as blind:
        blind.setattr(delimited, "parsed", lambda *_: pytest.fail("a file was parsed"))
        blind.setattr(tensorboard, "read", lambda *_: pytest.fail("a file was parsed"))
        blind.setattr(wandb, "read", lambda *_: pytest.fail("a file was parsed"))
        again = verb.put([str(logs)], tmp_path / "store")[1]
    assert set(again.unchanged) == set(first.added)
    _grow(logs)
    read: list[str] = []
    careful, together = delimited.read, ingest.batches
    monkeypatch.setattr(
        delimited, "read", lambda path, content: read.append(path) or careful(path, content)
    )
    monkeypatch.setattr(
        ingest,
        "batches",
        lambda files, *rest: (
            read.extend(s.name for s, _ in files.values()) or together(files, *rest)
        ),
    )
    report = verb.put([str(logs)], tmp_path / "store")[1]
    assert (report.replaced, {*read}) == (("run3",), {str(logs / "a/run3.csv")})


def test_a_store_that_changes_meanwhile(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not read, as the store held it, is read when it does not hold it any more."""
    root, given = tmp_path / "store", [str(logs / "a")]
    verb.put(given, root)
    last_points = store.Held.last_points

    def overtaken(held: store.Held, runs: set[str]) -> Any:
        points = last_points(held, runs)
        shutil.rmtree(root)
        verb.put([str(logs / "a/odd.csv")], root)
        return points

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(store.Held, "last_points", overtaken)
        report = verb.put(given, root)[1]
    whole = ingest.read(*given)
    assert (report.points, report.unchanged) == (whole.points.num_rows, ("odd",))
    assert ingest.read(root).summary() == whole.summary()


def test_a_damaged_store_is_told(logs: Path, tmp_path: Path) -> None:
    verb.put([str(logs)], tmp_path / "store")
    for name in ("points/*/*", "tables/sources*", "tables/runs*"):
        root = tmp_path / name.replace("*", "").replace("/", "")
        shutil.copytree(tmp_path / "store", root)
        for path in root.glob(name):
            path.write_bytes(b"no table")
        _grow(logs)
        assert "the store is damaged" in refusal(DataError, verb.put, [str(logs)], root)


def test_the_table_of_sources_says_what_is_compared(logs: Path, tmp_path: Path) -> None:
    verb.put([str(logs / "a/run0.csv")], tmp_path / "store")
    held = store.held(tmp_path / "store")
    assert held is not None
    (row,) = held.sources.values()
    assert row["bytes"] == (logs / "a/run0.csv").stat().st_size
    assert json.loads(row["mapping"])["keep_partial"] is False


# --- what was said is said again ---------------------------------------------------------------


def _unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "read_beside", lambda *_, **__: pytest.fail("it was read"))


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("said", SAID)
def test_what_is_said_again_is_what_reading_would_say(
    said: str, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {k: str(logs.parent / v) if k == "meta" else v for k, v in SAID[said].items()}
    _broken(logs)
    given, root = [str(logs), str(logs / "a/odd.csv")], tmp_path / "store"
    verb.filled(given, root, options)
    with monkeypatch.context() as blind:
        _unread(blind)
        quick = verb.filled(given, root, options)
    (root / again.NAME).unlink()
    assert quick == verb.filled(given, root, options)
    assert quick[0]["unchanged"]
    assert any("broken.csv" in str(note["file"]) for note in quick[0]["notes"])


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", [name for name in CHANGES if name != "nothing"])
def test_what_has_changed_is_read(
    change: str, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [tmp_path / "one", tmp_path / "two"]
    for root in stores:
        verb.filled([str(logs)], root, {})
    CHANGES[change](logs)
    answers = []
    for root in stores:
        with monkeypatch.context() as slowly:
            if root is stores[1]:
                slowly.setattr(again, "answer", lambda _: None)
            try:
                answers.append({**verb.filled([str(logs)], root, {})[0], "store": ""})
            except DataError as error:
                answers.append({"error": str(error)})
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("what", ["another", "damage", "garbled", "other options", "nearby"])
def test_a_store_that_is_another_is_asked_anew(
    what: str, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, said = tmp_path / "store", {}
    verb.filled([str(logs)], root, {})
    if what == "another":
        write(tmp_path, "more/more.csv", CURVE)
        verb.filled([str(tmp_path / "more")], root, {})
    elif what == "damage":
        next(root.glob("points/*/*")).write_bytes(b"no table")
    elif what == "garbled":
        (root / again.NAME).write_text('{"answers": [')
    elif what == "other options":
        said = {"set": {"params": "1M"}}
    else:
        root = tmp_path / "elsewhere"
    _unread(monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="it was read"):
        verb.filled([str(logs)], root, said)


def test_nothing_is_kept_of_files_that_were_written_a_moment_ago(
    logs: Path, tmp_path: Path
) -> None:
    verb.filled([str(logs)], tmp_path / "store", {})
    assert not (tmp_path / "store" / again.NAME).exists()


@pytest.mark.usefixtures("settled")
def test_a_store_among_its_logs_is_no_log(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(logs)
    verb.filled(["."], "runs.store", {})
    verb.filled(["."], "runs.store", {})
    _unread(monkeypatch)
    assert verb.filled(["."], "runs.store", {})[0]["unchanged"]


# --- a log that grows --------------------------------------------------------------------------

ROWS = [{"step": step, "loss": 9 - step / 20, "lr": 1e-3} for step in range(60)]
GROWING = {
    "run.csv": "".join(["step,loss,lr\n", *(f"{r['step']},{r['loss']},1e-3\n" for r in ROWS)]),
    "run.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "run.log": "".join(f"iter {r['step']}: loss {r['loss']:.4f}, time 2.0ms\n" for r in ROWS),
    "events.out.tfevents.1.host": event_files.scalars(["loss", "lr"], range(60)),
    "run-a1.wandb": wandb_files.log(map(wandb_files.history, ROWS)),
}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("name", GROWING)
def test_a_log_that_grows_gives_what_a_whole_one_gives(name: str, tmp_path: Path) -> None:
    content, file = GROWING[name], tmp_path / "logs/run" / name
    whole = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True)
    write(tmp_path, "logs/other/steady.csv", CURVE)
    for share in (0.3, 0.31, 0.5, 0.77, 1.0, 1.0):
        file.write_bytes(whole[: int(share * len(whole))])
        record = verb.filled([str(tmp_path / "logs")], tmp_path / "grown", {})[0]
    assert len(record["unchanged"]) == 2
    verb.filled([str(tmp_path / "logs")], tmp_path / "fresh", {})
    grown, fresh = (ingest.read(tmp_path / store) for store in ("grown", "fresh"))
    assert grown.summary() == fresh.summary()
    keys = [("run_id", "ascending"), ("line", "ascending"), ("step", "ascending")]
    assert grown.points.sort_by(keys).to_pylist() == fresh.points.sort_by(keys).to_pylist()
    assert grown.notes == fresh.notes
    assert max(run["n_points"] for run in grown.summary()) == len(ROWS)
