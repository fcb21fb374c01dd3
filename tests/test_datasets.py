"""Cards, the mirror, downloads and the normalised tables, proved on a tiny synthetic source.

What upstream files become is held against tidy tables made by others, where those are at hand.
"""

import csv
import functools
import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scaling_cli import datasets, shipped
from scaling_cli.datasets import schema
from scaling_cli.datasets.expression import evaluate
from scaling_cli.errors import DataError, UsageError

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
TABLE = (
    "run_id,params,flops,tokens,loss\n"
    "c000,1000000.0,6000000000000000.0,1000000000.0,4.5\n"
    "c001,2000000.0,2.4e+16,2000000000.0,4.25\n"
)


def toml(record: dict[str, Any]) -> str:
    """Write a card's record as TOML: JSON's text, numbers and lists are TOML's too."""
    plain = {k: v for k, v in record.items() if k not in ("source", "file", "column")}
    lines = [f"{k} = {json.dumps(v)}" for k, v in plain.items()]
    lines += ["[source]", *(f"{k} = {json.dumps(v)}" for k, v in record["source"].items())]
    for key in ("file", "column"):
        for item in record[key]:
            lines += [f"[[{key}]]", *(f"{k} = {json.dumps(v)}" for k, v in item.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with one card, `two`, an empty cache, and a mirror that has its file."""
    (tmp_path / "data" / "two").mkdir(parents=True)
    (tmp_path / "data" / "two" / "card.toml").write_text(toml(BASE), encoding="utf8")
    original = tmp_path / "mirror" / "someone" / "runs" / COMMIT / "data" / "a=b.csv"
    original.parent.mkdir(parents=True)
    original.write_bytes(CSV)
    monkeypatch.setattr(shipped, "folder", lambda name: tmp_path / name)
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    return tmp_path


# ---- fetching


def test_fetch_from_a_mirror(shelf: Path) -> None:
    fetched = datasets.fetch("two", mirror=shelf / "mirror")
    cached = shelf / "cache" / "someone" / "runs" / COMMIT / "data" / "a=b.csv"
    assert fetched.files == {"data/a=b.csv": cached}
    assert cached.read_bytes() == CSV
    assert fetched.path.read_text() == TABLE
    assert fetched.table.column("tokens").to_pylist() == [1e9, 2e9]
    assert fetched.table.schema.field("params").metadata == {
        b"unit": b"parameters",
        b"convention": b"total",
    }
    assert fetched.card.conventions == {"N": "total", "C": "6ND", "L": "nats/token"}


def test_the_cache_is_enough_afterwards(shelf: Path) -> None:
    assert datasets.at_hand("two") is None
    datasets.fetch("two", mirror=shelf / "mirror")
    shutil.rmtree(shelf / "mirror")
    again = datasets.at_hand("two")
    assert again is not None
    assert again.path.read_text() == TABLE


def test_mirror_from_the_environment(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_MIRROR", str(shelf / "mirror"))
    assert datasets.fetch("two").table.num_rows == 2
    at_hand = datasets.at_hand("two")
    assert at_hand is not None


def test_a_mirror_without_the_file(shelf: Path) -> None:
    with pytest.raises(DataError) as raised:
        datasets.fetch("two", mirror=shelf / "empty")
    assert str(raised.value) == (
        f"the mirror {shelf / 'empty'} has no someone/runs/{COMMIT}/data/a=b.csv. "
        "A mirror holds files at <owner>/<repo>/<commit>/<path>."
    )
    assert datasets.at_hand("two", mirror=shelf / "empty") is None


def test_a_mirror_with_another_file(shelf: Path) -> None:
    wrong = shelf / "mirror" / "someone" / "runs" / COMMIT / "data" / "a=b.csv"
    wrong.write_bytes(CSV + b"3e6,1e17,4\n")
    with pytest.raises(DataError) as raised:
        datasets.fetch("two", mirror=shelf / "mirror")
    assert str(raised.value) == (
        f"{wrong}: not the file that the card names: its SHA-256 differs "
        "(59 bytes instead of 48). Remove it and fetch again, or correct the card "
        "if the data have changed."
    )
    assert not (shelf / "cache").exists()


def test_a_damaged_cache(shelf: Path) -> None:
    path = datasets.fetch("two", mirror=shelf / "mirror").files["data/a=b.csv"]
    path.write_bytes(b"x")
    with pytest.raises(DataError) as raised:
        datasets.fetch("two", mirror=shelf / "mirror")
    assert str(raised.value) == (
        f"{path}: not the file that the card names: its SHA-256 differs "
        "(1 bytes instead of 48). Remove it and fetch again, or correct the card "
        "if the data have changed."
    )


def test_shipped_data_lie_beside_the_card(shelf: Path) -> None:
    record = {**BASE, "source": {"shipped": True}}
    (shelf / "data" / "two" / "card.toml").write_text(toml(record), encoding="utf8")
    with pytest.raises(DataError) as raised:
        datasets.fetch("two")
    path = shelf / "data" / "two" / "data" / "a=b.csv"
    assert str(raised.value) == f"{path}: cannot read it: No such file or directory."
    path.parent.mkdir()
    path.write_bytes(CSV)
    assert datasets.fetch("two").files == {"data/a=b.csv": path}


# ---- downloading, from this machine


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not talk."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(shelf: Path) -> Iterator[str]:
    """Serve the mirror on this machine and point the card at it."""
    handler = functools.partial(Quiet, directory=str(shelf / "mirror"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        source = {**BASE["source"], "url": url + "/{owner}/{repo}/{commit}/{path}"}
        card = toml({**BASE, "source": source})
        (shelf / "data" / "two" / "card.toml").write_text(card, encoding="utf8")
        yield url
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def test_download(server: str, shelf: Path) -> None:
    assert datasets.fetch("two").path.read_text() == TABLE


def test_download_of_a_file_that_is_gone(server: str, shelf: Path) -> None:
    shutil.rmtree(shelf / "mirror" / "someone")
    with pytest.raises(DataError) as raised:
        datasets.fetch("two")
    assert str(raised.value) == (
        f"cannot download {server}/someone/runs/{COMMIT}/data/a%3Db.csv: HTTP status 404. "
        "Without a network give a folder with --mirror or SCALING_MIRROR that holds the files "
        "at <owner>/<repo>/<commit>/<path>."
    )


def test_download_of_a_file_that_changed(server: str, shelf: Path) -> None:
    path = shelf / "mirror" / "someone" / "runs" / COMMIT / "data" / "a=b.csv"
    path.write_bytes(CSV.replace(b"4.5", b"4.6"))
    with pytest.raises(DataError) as raised:
        datasets.fetch("two")
    assert str(raised.value) == (
        f"{server}/someone/runs/{COMMIT}/data/a%3Db.csv is not the file that the card names: its "
        "SHA-256 differs. The file has changed at its source; do not use it."
    )
    assert not list((shelf / "cache").rglob("*.csv"))


def test_download_without_a_network(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests.Session, "request", refuse)
    with pytest.raises(DataError) as raised:
        datasets.fetch("two")
    assert str(raised.value) == (
        f"cannot download https://example.invalid/someone/runs/{COMMIT}/data/a%3Db.csv: no "
        "connection. Without a network give a folder with --mirror or SCALING_MIRROR that holds "
        "the files at <owner>/<repo>/<commit>/<path>."
    )


# ---- cards


def test_unknown_data_set_suggests_near_names(shelf: Path) -> None:
    with pytest.raises(UsageError) as raised:
        datasets.card("tow")
    assert str(raised.value) == (
        "there is no data set 'tow'. Did you mean two? Known data sets: two."
    )


def changed(**changes: Any) -> dict[str, Any]:
    return {**BASE, **changes}


def with_column(**column: Any) -> dict[str, Any]:
    return {**BASE, "column": [*BASE["column"], column]}


FILE, SOURCE = BASE["file"][0], BASE["source"]
INVALID = {
    "schema_version must be 1.": changed(schema_version=2),
    "the card has unknown licens.": changed(licens="MIT"),
    "the card lacks title.": {k: v for k, v in BASE.items() if k != "title"},
    "title must be text.": changed(title=" "),
    "layout must be one of csv_curves, csv_runs, open_lm, not 'xml'.": changed(layout="xml"),
    "[source] lacks url.": changed(source={k: v for k, v in SOURCE.items() if k != "url"}),
    "source.commit must be 40 hex digits: a branch can move.": changed(
        source={**SOURCE, "commit": "main"}
    ),
    "source.url must contain {path}.": changed(source={**SOURCE, "url": "https://x"}),
    "no [[file]] is listed.": changed(file=[]),
    "[[file]] data/a=b.csv is listed twice.": changed(file=[FILE, FILE]),
    "file.path must stay inside the repository: ../x.": changed(file=[{**FILE, "path": "../x"}]),
    "the sha256 of data/a=b.csv must be 64 hex digits.": changed(file=[{**FILE, "sha256": "1"}]),
    "the size of data/a=b.csv must be a positive number of bytes.": changed(
        file=[{**FILE, "size": 0}]
    ),
    "[[column]] loss is listed twice.": with_column(**BASE["column"][-1]),
    "[[column]] has unknown form.": with_column(name="x", form="y"),
    "column 'z' needs exactly one of from, formula, mean_error.": with_column(name="z"),
    "column 'lr' is learning rate in 1, not 'steps'.": with_column(
        name="lr", unit="steps", **{"from": "Size"}
    ),
    "column 'average_params' needs a convention: total, non_embedding, active.": with_column(
        name="average_params", unit="parameters", **{"from": "Size"}
    ),
}


@pytest.mark.parametrize("message", INVALID)
def test_invalid_card(message: str) -> None:
    path = Path("data/two/card.toml")
    with pytest.raises(DataError) as raised:
        schema.parse(INVALID[message], path=path)
    assert str(raised.value) == f"{path}: {message}"


def test_card_that_is_not_toml(shelf: Path) -> None:
    path = shelf / "data" / "two" / "card.toml"
    path.write_text("title = \n")
    with pytest.raises(DataError) as raised:
        datasets.card("two")
    assert str(raised.value) == f"{path}: not TOML: Invalid value (at line 1, column 9)."


def test_column_that_the_file_lacks(shelf: Path) -> None:
    record = with_column(name="lr", unit="1", **{"from": "LR"})
    path = shelf / "data" / "two" / "card.toml"
    path.write_text(toml(record), encoding="utf8")
    with pytest.raises(DataError) as raised:
        datasets.fetch("two", mirror=shelf / "mirror")
    assert str(raised.value) == (f"{path}: column 'lr' comes from LR, which the files do not have.")


def test_text_in_a_number_column(shelf: Path) -> None:
    path = shelf / "data" / "two" / "card.toml"
    path.write_text(toml(with_column(name="lr", unit="1", **{"from": "run"})), encoding="utf8")
    with pytest.raises(DataError) as raised:
        datasets.fetch("two", mirror=shelf / "mirror")
    assert str(raised.value) == f"{path}, column 'lr': 'c000' is not a number."


# ---- expressions


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("flops / (6 * params)", 2.0),
        ("-params + 4", 3.0),
        ("name == 'c4' and params < 2", True),
        ("1 < params < 2 or not params == 1", False),
        ("name != 'c4'", False),
    ],
)
def test_expression(text: str, value: Any) -> None:
    assert evaluate(text, {"flops": 12.0, "params": 1.0, "name": "c4"}) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os')", "cannot evaluate \"__import__('os')\": Call is not allowed."),
        ("params.real", "cannot evaluate 'params.real': Attribute is not allowed."),
        ("params in [1]", "cannot evaluate 'params in [1]': Compare is not allowed."),
        ("2 ** 9", "cannot evaluate '2 ** 9': BinOp is not allowed."),
        ("tokens > 1", "'tokens > 1' names 'tokens', which is no column."),
        ("params / 0", "cannot evaluate 'params / 0': float division by zero."),
    ],
)
def test_expression_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        evaluate(text, {"params": 1.0})
    assert str(raised.value) == message


# ---- layouts


def test_curves_are_named_by_their_file(tmp_path: Path) -> None:
    from scaling_cli.datasets.layouts import csv_curves

    path = tmp_path / "cosine.csv"
    path.write_text("step,loss\n1,5\n2,4\n")
    assert list(csv_curves.records({"x/cosine.csv": path})) == [
        {"step": "1", "loss": "5", "run": "cosine"},
        {"step": "2", "loss": "4", "run": "cosine"},
    ]


def open_lm_files(folder: Path, evaluations: int = 1) -> dict[str, Path]:
    model = {
        "name": "m-1.0",
        "dataset_name": "c4",
        "hyperparameters": {"model": "configs/d=1.json", "params": 3},
        "results": [{"val_data": ["eval/c4_val/shard-0.tar"], "loss": 2.5}],
    }
    record = {"eval_metrics": {"icl": {"piqa": 0.25, "boolq": 0.75}}}
    files = {"exp/models/m-1.0.json": model}
    files |= {f"exp/evals/evaluation_m-1.0_{i}.json": record for i in range(evaluations)}
    paths = {}
    for name, content in files.items():
        paths[name] = folder / Path(name).name
        paths[name].write_text(json.dumps(content))
    return paths


def test_open_lm_joins_models_with_their_evaluations(tmp_path: Path) -> None:
    from scaling_cli.datasets.layouts import open_lm

    assert list(open_lm.records(open_lm_files(tmp_path))) == [
        {
            "name": "m-1.0",
            "dataset_name": "c4",
            "hyperparameters.model": "configs/d=1.json",
            "hyperparameters.params": 3,
            "architecture": "d=1",
            "results.c4_val.val_data": ["eval/c4_val/shard-0.tar"],
            "results.c4_val.loss": 2.5,
            "icl.piqa": 0.25,
            "icl.boolq": 0.75,
        }
    ]


def test_open_lm_needs_one_evaluation_per_model(tmp_path: Path) -> None:
    from scaling_cli.datasets.layouts import open_lm

    files = open_lm_files(tmp_path, evaluations=2)
    with pytest.raises(DataError) as raised:
        list(open_lm.records(files))
    assert str(raised.value) == (
        f"{files['exp/models/m-1.0.json']}: 2 evaluation files for run m-1.0; expected 1."
    )


# ---- what is shipped


def test_every_shipped_card_is_valid() -> None:
    found = datasets.cards()
    assert {"chinchilla_epoch", "gadre_overtraining", "multipowerlaw_25m"} <= {
        c.name for c in found
    }
    for card in found:
        assert card.citation.startswith("@")
        assert card.licence


def test_data_stay_within_their_budget() -> None:
    """200 kB a file, 2 MB in all, for `data` and for `fits`; and no data of others."""
    for name in ("data", "fits"):
        files = [p for p in shipped.folder(name).rglob("*") if p.is_file()]
        assert sum(p.stat().st_size for p in files) <= 2_000_000
        assert [str(p) for p in files if p.stat().st_size > 200_000] == []
    for card in datasets.cards():
        if not card.is_shipped:
            assert [p.name for p in card.path.parent.iterdir()] == ["card.toml"]


def test_importing_datasets_is_cheap() -> None:
    code = (
        "import sys, scaling_cli.datasets, scaling_cli.reference as r; r.resolve("
        "'chinchilla/besiroglu-2024'); print([m for m in ('pyarrow','pooch','requests','jax',"
        "'scipy','pandas','matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ---- against tables of the same files made by others


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf8", newline="") as stream:
        return list(csv.DictReader(stream))


def printed_alike(value: Any, text: str) -> bool:
    """Return whether a value agrees with a printed number to its twelve digits."""
    try:
        number = float(text)
    except ValueError:
        return str(value) == text
    # The tables print 12 significant digits, or 10 decimals.
    return abs(float(value) - number) <= max(6e-12 * abs(number), 6e-10)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("chinchilla_epoch", "chinchilla_epoch/finals.csv"),
        ("gadre_overtraining", "gadre_overtraining/finals.csv"),
    ],
)
def test_table_equals_the_tidy_one(name: str, table: str, shared: Path) -> None:
    fetched = datasets.fetch(name, mirror=shared / "upstream")
    ours = {r["run_id"]: r for r in rows(fetched.path)}
    theirs = rows(shared / "data" / table)
    assert set(ours) == {r["run_id"] for r in theirs}
    assert set(theirs[0]) == set(next(iter(ours.values())))
    wrong = [
        (r["run_id"], key, ours[r["run_id"]][key], text)
        for r in theirs
        for key, text in r.items()
        if not printed_alike(ours[r["run_id"]][key], text)
    ]
    assert wrong == []


def test_curves_equal_the_tidy_ones(shared: Path) -> None:
    fetched = datasets.fetch("multipowerlaw_25m", mirror=shared / "upstream")
    ours: dict[str, list[dict[str, str]]] = {}
    for row in rows(fetched.path):
        ours.setdefault(row.pop("run_id"), []).append(row)
    folder = shared / "data" / "multipowerlaw" / "runs_25M"
    assert set(ours) == {p.stem for p in folder.glob("*.csv")}
    for path in folder.glob("*.csv"):
        theirs = rows(path)
        assert len(ours[path.stem]) == len(theirs)
        for a, b in zip(ours[path.stem], theirs, strict=True):
            assert all(printed_alike(a[k], b[k]) for k in b)


def test_sizes_in_cards_are_those_of_the_files(shared: Path) -> None:
    for card in datasets.cards():
        if not card.is_shipped:
            root = shared / "upstream" / card.source.folder
            assert {f.path: f.size for f in card.files} == {
                f.path: (root / f.path).stat().st_size for f in card.files
            }
