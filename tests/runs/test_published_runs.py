"""Selection on real runs of others: what is read of them is what they published."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scaling_cli import ingest, laws
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.vocabulary.errors import DataError


def points(source: object, options: dict[str, Any] | None = None, **selection: Any) -> Points:
    law = laws.get(selection.pop("law", "chinchilla"))
    return select(ingest.read(source, **(options or {})), law, **selection)


def test_chinchilla_as_read_off_the_figure(shared: Path) -> None:
    found = points(shared / "data" / "chinchilla_epoch" / "finals.csv")
    frame = pd.read_csv(shared / "data" / "chinchilla_epoch" / "finals.csv")
    np.testing.assert_array_equal(found.output, frame["loss"])
    np.testing.assert_array_equal(found.inputs["N"], frame["params"])
    assert list(found.runs) == list(frame["run_id"])


def test_gadre_as_published(shared: Path) -> None:
    file = shared / "data" / "gadre_overtraining" / "finals.csv"
    found = points(
        file, law="overtraining", target="loss_c4_val", where='train_dataset == "c4_original"'
    )
    frame = pd.read_csv(file).query("train_dataset == 'c4_original'")
    assert sorted(found.output) == sorted(frame["loss_c4_val"])
    with pytest.raises(DataError, match="there is no loss column"):
        points(file, law="overtraining")


def test_curves_with_facts_in_a_table(shared: Path) -> None:
    folder = shared / "data" / "xlstm_isoflop"
    found = points(folder / "runs", {"name": "{}_{}_{}_{run_id}", "meta": folder / "finals.csv"})
    frame = pd.read_csv(folder / "finals.csv").set_index("run_id").loc[list(found.runs)]
    np.testing.assert_array_equal(found.output, frame["val_loss"])
    np.testing.assert_allclose(found.inputs["D"], frame["tokens"], rtol=0.01)


def test_steplaw_counts_without_embeddings(shared: Path) -> None:
    found = points(shared / "data" / "steplaw" / "dense.csv")
    assert (len(found), found.conventions["N"]) == (1746, "non_embedding")
