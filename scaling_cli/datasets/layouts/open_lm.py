"""OpenLM testbed: `models/<run>.json` with validation losses, `evals/evaluation_<run>_*.json`.

Keys of a flat record: `name`, `dataset_name`, `hyperparameters.<key>`, and per validation set
`results.<set>.<key>`, where the set is named by the folder of its shards; accuracies of the
evaluation file are `icl.<task>`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from scaling_cli.vocabulary.errors import DataError


def records(files: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """Yield one record per model, joined with its evaluation."""
    evaluations = {
        name: path for name, path in files.items() if PurePosixPath(name).parent.name == "evals"
    }
    for name, path in files.items():
        if PurePosixPath(name).parent.name == "models":
            model = json.loads(path.read_text(encoding="utf8"))
            yield {**_model(model), **_accuracies(model["name"], evaluations, path)}


def _model(model: Mapping[str, Any]) -> dict[str, Any]:
    record = {key: model[key] for key in ("name", "dataset_name")}
    record |= {f"hyperparameters.{k}": v for k, v in model["hyperparameters"].items()}
    record["architecture"] = PurePosixPath(model["hyperparameters"]["model"]).stem
    for result in model["results"]:
        validation = PurePosixPath(result["val_data"][0]).parent.name
        record |= {f"results.{validation}.{k}": v for k, v in result.items()}
    return record


def _accuracies(run: str, evaluations: Mapping[str, Path], model: Path) -> dict[str, float]:
    found = [p for name, p in evaluations.items() if f"/evaluation_{run}_" in name]
    if len(found) != 1:
        raise DataError(
            f"{len(found)} evaluation files for run {run}; expected 1.", file=str(model)
        )
    evaluation = json.loads(found[0].read_text(encoding="utf8"))
    return {f"icl.{k}": v for k, v in evaluation["eval_metrics"]["icl"].items()}
