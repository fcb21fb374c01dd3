"""Cards, the mirror, downloads and the normalised tables, proved on a tiny synthetic source.

What upstream files become is held against tidy tables made by others, where those are at hand.
"""

import csv
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from card_record import BASE, COMMIT, CSV, toml, with_column
from refusals import refusal, refused

from scaling_cli import datasets
from scaling_cli.vocabulary import shipped
from scaling_cli.vocabulary.errors import DataError, UsageError

TABLE = (
    "run_id,params,flops,tokens,loss\n"
    "c000,1000000.0,6000000000000000.0,1000000000.0,4.5\n"
    "c001,2000000.0,2.4e+16,2000000000.0,4.25\n"
)


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
    assert refusal(DataError, datasets.fetch, "two", mirror=shelf / "empty") == (
        f"the mirror {shelf / 'empty'} has no someone/runs/{COMMIT}/data/a=b.csv. "
        "A mirror holds files at <owner>/<repo>/<commit>/<path>."
    )
    assert datasets.at_hand("two", mirror=shelf / "empty") is None


def test_a_mirror_with_another_file(shelf: Path) -> None:
    wrong = shelf / "mirror" / "someone" / "runs" / COMMIT / "data" / "a=b.csv"
    wrong.write_bytes(CSV + b"3e6,1e17,4\n")
    assert refusal(DataError, datasets.fetch, "two", mirror=shelf / "mirror") == (
        f"{wrong}: not the file that the card names: its SHA-256 differs (59 bytes instead of 48). "
        "Remove it and fetch again, or correct the card if the data have changed."
    )
    assert not (shelf / "cache").exists()


def test_a_damaged_cache(shelf: Path) -> None:
    path = datasets.fetch("two", mirror=shelf / "mirror").files["data/a=b.csv"]
    path.write_bytes(b"x")
    assert refusal(DataError, datasets.fetch, "two", mirror=shelf / "mirror") == (
        f"{path}: not the file that the card names: its SHA-256 differs (1 bytes instead of 48). "
        "Remove it and fetch again, or correct the card if the data have changed."
    )


def test_shipped_data_lie_beside_the_card(shelf: Path) -> None:
    record = {**BASE, "source": {"shipped": True}}
    (shelf / "data" / "two" / "card.toml").write_text(toml(record), encoding="utf8")
    error = refused(DataError, datasets.fetch, "two")
    path = shelf / "data" / "two" / "data" / "a=b.csv"
    assert str(error) == f"{path}: cannot read it: No such file or directory."
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
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
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
    assert refusal(DataError, datasets.fetch, "two") == (
        f"cannot download {server}/someone/runs/{COMMIT}/data/a%3Db.csv: HTTP status 404. "
        "Without a network give a folder with --mirror or SCALING_MIRROR that holds the files "
        "at <owner>/<repo>/<commit>/<path>."
    )


def test_download_of_a_file_that_changed(server: str, shelf: Path) -> None:
    path = shelf / "mirror" / "someone" / "runs" / COMMIT / "data" / "a=b.csv"
    path.write_bytes(CSV.replace(b"4.5", b"4.6"))
    assert refusal(DataError, datasets.fetch, "two") == (
        f"{server}/someone/runs/{COMMIT}/data/a%3Db.csv is not the file that the card names: its "
        "SHA-256 differs. The file has changed at its source; do not use it."
    )
    assert not list((shelf / "cache").rglob("*.csv"))


def test_download_without_a_network(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests.Session, "request", refuse)
    assert refusal(DataError, datasets.fetch, "two") == (
        f"cannot download https://example.invalid/someone/runs/{COMMIT}/data/a%3Db.csv: no "
        "connection. Without a network give a folder with --mirror or SCALING_MIRROR that holds "
        "the files at <owner>/<repo>/<commit>/<path>."
    )


# ---- cards


def test_unknown_data_set_suggests_near_names(shelf: Path) -> None:
    assert refusal(UsageError, datasets.card, "tow") == (
        "there is no data set 'tow'. Did you mean two? Known data sets: two."
    )


def test_card_that_is_not_toml(shelf: Path) -> None:
    path = shelf / "data" / "two" / "card.toml"
    path.write_text("title = \n")
    said = refusal(DataError, datasets.card, "two")
    assert said == f"{path}: not TOML: Invalid value (at line 1, column 9)."


def test_column_that_the_file_lacks(shelf: Path) -> None:
    record = with_column(name="lr", unit="1", **{"from": "LR"})
    path = shelf / "data" / "two" / "card.toml"
    path.write_text(toml(record), encoding="utf8")
    assert refusal(DataError, datasets.fetch, "two", mirror=shelf / "mirror") == (
        f"{path}: column 'lr' comes from LR, which the files do not have."
    )


def test_text_in_a_number_column(shelf: Path) -> None:
    path = shelf / "data" / "two" / "card.toml"
    path.write_text(toml(with_column(name="lr", unit="1", **{"from": "run"})), encoding="utf8")
    said = refusal(DataError, datasets.fetch, "two", mirror=shelf / "mirror")
    assert said == f"{path}, column 'lr': 'c000' is not a number."


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
