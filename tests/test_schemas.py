"""The JSON contract: what is stored and what --json prints is what the shipped schemas say."""

import json
import os
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from scaling_cli.artefacts import _schema, kinds
from scaling_cli.cli import _commands, app
from scaling_cli.vocabulary.shipped import folder

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "artefacts" / "v0.1.0"
LADDER = ROOT / "data" / "ladder"
SCHEMAS = sorted(p.relative_to(_schema.FOLDER).as_posix() for p in _schema.FOLDER.rglob("*.json"))
LINEAR = "linear:peak=0.0113,warmup=102,steps=2048"
RUN = f"{LADDER}/runs/schedule-68k-2.1M-cosine.csv"

# One command line at least for every schema of schemas/commands; each is cheap.
PRINTED = [
    "predict --params 7B --tokens 1T",
    "predict --compute 1e24 --fit chinchilla/hoffmann-2022",
    f"predict --fit {STORED}/fit.json --points held.csv",
    f"predict --fit {STORED}/curve_fit.json --schedule {LINEAR} --steps 1000",
    f"predict --fit {STORED}/curve_fit.json --points {RUN} --schedule {LINEAR}",
    f"plan --fit {STORED}/fit.json --compute 1e15,1e16 --overtrain 3 --gpu h100 --gpus 8",
    f"compare {STORED}/fit.json chinchilla/ladder --params 2M --tokens 30M",
    "compare chinchilla/besiroglu-2024 chinchilla/ladder chinchilla/epoch-240 --compute 1e24",
    f"next --fit {STORED}/fit.json --budget 1e14 --target-params 2M --target-tokens 30M",
    "next --budget 1e19 --target-params 7B --target-tokens 140B",
    "plan --target-loss 2.1 --inference-tokens 2T --max-params 8B",
    f"runs {LADDER}/runs.csv",
    f"runs {RUN} --explain schedule-68k-2.1M-cosine",
    f"ingest {RUN} --meta {LADDER}/runs.csv --store store",
    f"fit {LADDER}/runs.csv --where 'role == \"fit\"' --law kaplan_d --bootstrap 20",
    f"fit {LADDER}/runs.csv --by role --law kaplan_d --bootstrap 20",
    f"show {STORED}/grouped_fit.json",
    f"backtest {LADDER}/runs.csv --where 'role == \"fit\"' --cuts 2",
    f"forecast {RUN} --until 2100 --method power",
    f"forecast {RUN} --until 2100 --method power --target-loss 1.5",
    f"forecast '{LADDER}/runs/seed-26k-*.csv' --until 2100 --method power --stop",
    "predict --fit overtraining/gadre-2024-c4 --then task_error/gadre-2024-c4 --compute 1e22",
    f"forecast {RUN} --until 2100 --method power --against {STORED}/forecast.json",
    f"batch --fit {STORED}/batch_fit.json --target-loss 1.75 --batch-tokens 2k --steps 1k",
    "hparams --params 7B --tokens 1T --seq-len 4096",
    f"hparams --fit {STORED}/hparams.json --params 3M --tokens 30M",
    f"profile {STORED}/fit.json --of alpha --method delta",
    f"plot {STORED}/fit.json --kind residuals",
    f"report {STORED}/fit.json",
    f"report {LADDER}/runs.csv",
    f"count {ROOT}/examples/gpt2.json --tokens 2.5B",
    f"schedule {LINEAR}",
    f"schedule {RUN}",
    f"schedule --best --fit {STORED}/curve_fit.json --steps 2048",
    f"show {STORED}/backtest.json",
    f"score {STORED}/saved_prediction.json {LADDER}/runs.csv",
    f"predict --fit {STORED}/fit.json --params 4M --tokens 50M --save kept.json",
    "show li-2025",
    "cite chinchilla/ladder",
    "check kaplan_n/kaplan-2020",
    "laws",
    "laws multi_power",
    "data list",
]
REFUSED = [
    "predict --params 7B --fit nothing",
    f"predict --fit {STORED}/forecast.json --params 7B --tokens 1T",
    "runs nothing.csv",
    "laws nothing",
]


@cache
def registry() -> Registry:
    contents = [json.loads((_schema.FOLDER / name).read_text("utf8")) for name in SCHEMAS]
    return Registry().with_resources([(c["$id"], Resource.from_contents(c)) for c in contents])


def faults(name: str, value: Any) -> list[str]:
    validator = Draft202012Validator(_schema.schema(name), registry=registry())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("held.csv").write_text("params,tokens,loss\n4e6,5e7,1.1\n5e6,6e7,\n", encoding="utf8")


def printed(line: str) -> Any:
    result = CliRunner().invoke(app, [*shlex.split(line), "--json"], env=dict(os.environ))
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    schema = json.loads((_schema.FOLDER / name).read_text("utf8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/schemas/{name}")


def test_every_command_has_a_schema_and_a_line_here() -> None:
    stems = {Path(name).stem for name in SCHEMAS if name.startswith("commands/")}
    assert stems == {*_commands.in_order(), "error"}
    assert {line.split()[0] for line in PRINTED} == stems - {"error"}


@pytest.mark.parametrize("line", PRINTED)
def test_what_a_command_prints_is_of_its_schema(line: str, here: None) -> None:
    record = printed(line)
    assert record["schema_version"] == 1
    assert faults(f"commands/{line.split(maxsplit=1)[0]}", record) == []


@pytest.mark.parametrize("line", REFUSED)
def test_errors_are_of_their_schema(line: str, here: None) -> None:
    assert faults("commands/error", printed(line)) == []


@pytest.mark.parametrize("name", kinds.fit_names())
def test_certified_fits_are_of_their_schema(name: str) -> None:
    record = json.loads((folder("fits") / f"{name}.json").read_text("utf8"))
    assert faults(record["kind"], record) == []


@pytest.mark.parametrize("kind", kinds.KINDS.names())
def test_what_is_stored_is_of_its_schema(kind: str) -> None:
    record = kinds.load(STORED / f"{kind}.json").to_dict()
    assert record["kind"] == kind
    assert faults(kind, record) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("fit", {"status": "fine"}),
        ("fit", {"parameters": {"E": "1"}}),
        ("fit", {"more": 1}),
        ("batch_fit", {"levels": [{}]}),
        ("backtest", {"level": 1.5}),
        ("forecast", {"runs": None}),
        ("hparams", {"learning_rate": None}),
        ("saved_prediction", {"level": 1.5}),
        ("curve_fit", {"rate_unit": 0}),
    ],
)
def test_schemas_refuse_what_is_not(kind: str, change: dict[str, Any]) -> None:
    assert faults(kind, kinds.load(STORED / f"{kind}.json").to_dict() | change) != []


def test_the_loader_reads_schemas_as_the_package_jsonschema_does() -> None:
    """What is refused on loading is refused by the schema, but for keys that it does not know."""
    record = json.loads((STORED / "fit.json").read_text("utf8"))
    for key in list(record):
        for value in (None, 3, "x", [], {}, True, -1.5):
            changed = record | {key: value}
            assert (_schema.fault(changed, "fit") is None) == (faults("fit", changed) == []), (
                key,
                value,
            )


def test_the_dialect_is_known() -> None:
    """The loader reads the words that the schemas of kinds use; no other may come in unseen."""
    known = {
        *("$schema", "$id", "$defs", "$ref", "title", "type", "enum", "anyOf", "properties"),
        *("required", "additionalProperties", "items", "minItems", "maxItems"),
        *_schema.LIMITS,
    }

    def words(rule: Any) -> set[str]:
        if not isinstance(rule, dict):
            return set()
        named = [*rule.get("properties", {}).values(), *rule.get("$defs", {}).values()]
        inner = [*named, rule.get("items"), rule.get("additionalProperties")]
        return set(rule).union(*map(words, [*inner, *rule.get("anyOf", [])]))

    for name in (*kinds.KINDS.names(), "parts"):
        assert words(_schema.schema(name)) <= known
