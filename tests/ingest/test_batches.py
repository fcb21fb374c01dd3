"""Files read in one go give what they give when each is read alone, whatever is odd about some."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import write
from odd_logs import HEADERS, ODD, answer, files, folder_of, lines_of

from scaling_cli import ingest
from scaling_cli.ingest import _batches, delimited
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary.errors import ScalingError


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each batch held."""
    sizes: list[int] = []
    read = ingest.batches

    def counted(*given: Any) -> Iterator[_batches.Batch]:
        for batch in read(*given):
            sizes.append(len(batch.files))
            yield batch

    monkeypatch.setattr(ingest, "batches", counted)
    return sizes


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "set": {"set": {"params": "7M", "batch_tokens": "1k"}},
    "name": {"name": "{params}_{kind}_{seed}"},
    "map": {"map": {"val_loss": "loss"}},
    "scale": {"set": {"tokens_scale": "1e3"}},
    "rows": {"set": {"rows": "curve"}},
    "meta": {"meta": "meta.csv"},
    "partial": {"keep_partial": True},
}


@pytest.mark.parametrize("said", OPTIONS)
@pytest.mark.parametrize("odd", [0.0, 0.1])
def test_read_together_as_alone(
    said: str, odd: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    rng = np.random.default_rng([list(OPTIONS).index(said), int(10 * odd)])
    folder, options = folder_of(tmp_path / "logs", rng, odd), dict(OPTIONS[said])
    if said == "meta":
        stems = enumerate(sorted(path.stem for path in folder.iterdir()), start=1)
        rows = "".join(f"{stem},{n}e6,{'x' if n % 2 else n}\n" for n, stem in stems)
        options["meta"] = write(tmp_path, "meta.csv", f"run_id,params,role\n{rows}")
    together = answer(folder, tmp_path / "together", **options)
    if said != "partial" and len(together) == 2:  # it was not refused
        runs, _ = verb.put([folder], tmp_path / "later", **options)
        assert (runs.notes, files(tmp_path / "later")) == (together[0]["notes"], together[1])
    if said not in ("scale", "rows"):
        assert sum(sizes) > 10
    monkeypatch.setattr(ingest, "batches", lambda *_: iter(()))
    assert answer(folder, tmp_path / "alone", **options) == together


@pytest.mark.parametrize("header", HEADERS)
def test_odd_files_among_clean_ones(
    header: str,
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[int],
) -> None:
    folder = tmp_path / "logs"
    for i, kind in enumerate(ODD):
        for k, change in enumerate((ODD[kind], ODD["clean"])):
            lines = change(lines_of(header, rng))
            write(folder, f"run{i}_{k}.csv", "\n".join(lines) + "\n")
    together = answer(folder, tmp_path / "together")
    assert sum(sizes) > 10
    monkeypatch.setattr(ingest, "batches", lambda *_: iter(()))
    assert answer(folder, tmp_path / "alone") == together


def raws(content: bytes) -> Any:
    """Return all that is read of a file, or its refusal."""
    try:
        (raw,) = delimited.read("f.csv", content)
    except ScalingError as error:
        return type(error), str(error)
    columns = {name: column.to_pylist() for name, column in raw.columns.items()}
    return columns, raw.lines.tolist(), raw.segments.tolist(), raw.cut, raw.notes


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("kind", [*(kind for kind in ODD if "quote" in kind), "again", "short"])
def test_without_quotes_as_line_by_line(
    kind: str, end: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text among the cells too: what is parsed at once is what the csv module gives."""
    for names in ("step,loss,note", ",step,loss,note", "note,step,loss"):
        rows = []
        for i in range(7):
            cells = {"": f"w{i}", "step": str(i), "loss": f"{3 + rng.random():.3f}"}
            rows.append(
                ",".join(cells.get(name, "" if i % 3 else "a b") for name in names.split(","))
            )
        lines = ODD[kind]([names, *rows])
        content = ((end or "\n").join(lines) + end).encode()
        given = raws(content)
        fast = delimited.without_quotes(content, ",") != content
        assert fast or kind not in ("quoted_header", "quoted_names", "quoted_cells")
        with monkeypatch.context() as patched:
            patched.setattr(delimited, "plain_names", lambda *_: None)
            assert raws(content) == given
