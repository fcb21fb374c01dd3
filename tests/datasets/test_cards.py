"""The schema of dataset cards, the formulas in them, and the layouts they name."""

import json
from pathlib import Path
from typing import Any

import pytest
from card_record import BASE, with_column
from processes import HEAVY, loaded_by
from refusals import refusal

from scaling_cli import datasets
from scaling_cli.datasets import schema
from scaling_cli.datasets.table import evaluate
from scaling_cli.vocabulary import shipped
from scaling_cli.vocabulary.errors import DataError


def changed(**changes: Any) -> dict[str, Any]:
    return {**BASE, **changes}


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
    "column 'z' needs exactly one of from, formula, mean_error, excess_of.": with_column(name="z"),
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
    assert refusal(DataError, schema.parse, INVALID[message], path=path) == f"{path}: {message}"


# ---- formulas


@pytest.mark.parametrize(("text", "value"), [("flops / (6 * params)", 2.0), ("-params + 4", 3.0)])
def test_formula(text: str, value: Any) -> None:
    assert evaluate(text, {"flops": 12.0, "params": 1.0}) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os')", "cannot evaluate \"__import__('os')\": Call is not allowed."),
        ("params.real", "cannot evaluate 'params.real': Attribute is not allowed."),
        ("params < 1", "cannot evaluate 'params < 1': Compare is not allowed."),
        ("2 ** 9", "cannot evaluate '2 ** 9': BinOp is not allowed."),
        ("tokens / 2", "'tokens / 2' names 'tokens', which is no column."),
        ("params / 0", "cannot evaluate 'params / 0': float division by zero."),
    ],
)
def test_formula_that_is_refused(text: str, message: str) -> None:
    assert refusal(DataError, evaluate, text, {"params": 1.0}) == message


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
    assert refusal(DataError, list, open_lm.records(files)) == (
        f"{files['exp/models/m-1.0.json']}: 2 evaluation files for run m-1.0; expected 1."
    )


# ---- what is shipped


def test_every_shipped_card_is_valid() -> None:
    found = datasets.cards()
    assert {"chinchilla_epoch", "gadre_overtraining", "multipowerlaw_25m"} <= {
        c.name for c in found
    }
    for card in found:
        assert card.is_shipped or card.citation.startswith("@")
        assert card.citation
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
    loaded = loaded_by(
        "import scaling_cli.datasets; from scaling_cli.artefacts import kinds; "
        "kinds.load('chinchilla/besiroglu-2024')"
    )
    assert loaded & (HEAVY | {"pooch", "requests"}) == set()
