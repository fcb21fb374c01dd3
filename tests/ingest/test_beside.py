"""A configuration beside a log, or in it, gives what the log does not state, and says so."""

import json
from pathlib import Path
from typing import Any

import pytest
from architecture_configs import CONFIGS

import scaling_cli as sc
from scaling_cli.runs.table import Note, Runs
from scaling_cli.verbs.ingest import filled, put

GPT2 = {**CONFIGS["gpt2"], "max_steps": 4, "learning_rate": 6e-4, "warmup_steps": 2}
CURVE = "step,loss\n1,4.0\n2,3.9\n3,3.8\n4,3.7\n"
MEGATRON = """\
------------------------ arguments ------------------------
  hidden_size ..................................... 768
  lr .............................................. 0.0006
  max_position_embeddings ......................... 1024
  num_attention_heads ............................. 12
  num_layers ...................................... 12
  seq_length ...................................... 1024
 > padded vocab (size: 50257) with 0 dummy tokens (new size: 50257)
"""
LINE = (
    " iteration {:8d}/     300 | consumed samples: {:12d} | learning rate: 6.000E-04 | "
    "global batch size:    32 | lm loss: {:.6E} | loss scale: 1.0 | grad norm: 0.4 |\n"
)
LINES = "".join(LINE.format(step, 32 * step, 9 - step / 100) for step in (100, 200, 300))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, content: str | dict[str, Any]) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf8")


def facts(runs: Runs, run: int = 0) -> dict[str, Any]:
    return {name: value for name, value in runs.runs.to_pylist()[run].items() if value is not None}


def notes(runs: Runs) -> dict[str, Note]:
    return {note.code: note for note in runs.notes}


@pytest.mark.parametrize("source", [".", "log.csv"])
def test_a_config_beside_a_log_says_what_the_log_does_not(source: str, here: Path) -> None:
    write("log.csv", CURVE)
    write("config.json", GPT2)
    runs = sc.read(source)
    known = facts(runs)
    assert (known["params"], known["params_convention"]) == (124_439_808, "total")
    assert known["params_non_embedding"] == 85_056_000
    assert (known["step"], known["peak_lr"], known["vocab_size"]) == (4, 6e-4, 50257)
    assert runs.summary()[0]["state"] == "finished"
    assert notes(runs)["params-computed"].message == (
        "params = 124,439,808 (total), computed from config.json (gpt2: 12 layers, width 768)."
    )
    assert notes(runs)["config-beside"].message == (
        "step, peak_lr, vocab_size from config.json, where the log does not state them."
    )
    assert "ignored-file" not in notes(runs)
    assert "convention-assumed" not in notes(runs)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", json.dumps(CONFIGS["gpt2"], indent=2)),
        ("config.json", json.dumps(CONFIGS["gpt2"])),
        ("model_config.json", json.dumps({"model": CONFIGS["gpt2"]})),
        ("config.yaml", "\n".join(f"{k}: {v}" for k, v in CONFIGS["gpt2"].items())),
        (
            "hparams.yaml",
            "lr: 0.1\nmodel:\n  n_layer: 12\n  n_head: 12\n  n_embd: 768\n"
            "  block_size: 1024\n  vocab_size: 50257\n  bias: true\n",
        ),
    ],
)
def test_what_configurations_are_called(name: str, content: str, here: Path) -> None:
    write("runs/a/log.jsonl", '{"step": 1, "loss": 4.0}\n{"step": 2, "loss": 3.9}\n')
    write(f"runs/a/{name}", content)
    assert facts(sc.read("runs"))["params"] == 124_439_808


def test_what_the_log_states_goes_first(here: Path) -> None:
    write(
        "log.csv",
        CURVE.replace("step,loss", "step,loss,params")
        .replace("\n", ",124e6\n")
        .replace("params,124e6", "params"),
    )
    write("config.json", GPT2)
    runs = sc.read("log.csv")
    assert facts(runs)["params"] == 124e6
    assert "params_known" not in facts(runs)
    assert not {"params-computed", "params-contradict"} & notes(runs).keys()


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("1.5B", "1.5B"),
        ("50M", "50M"),
    ],
)
def test_a_contradiction_is_said(stated: str, told: str, here: Path) -> None:
    write("log.csv", CURVE)
    write("config.json", GPT2)
    write("meta.csv", f"run_id,params\nlog,{stated}\n")
    note = notes(sc.read("log.csv", meta="meta.csv"))["params-contradict"]
    assert (note.level, note.message) == (
        "warn",
        f"params are {told}, but the architecture has 85.06M to 124.4M by config.json: "
        "--set params=... settles it.",
    )


@pytest.mark.parametrize("stated", ["124M", "85M", "124439808", "123.65M"])
def test_a_count_by_any_convention_is_no_contradiction(stated: str, here: Path) -> None:
    write("log.csv", CURVE)
    write("config.json", GPT2)
    write("meta.csv", f"run_id,params\nlog,{stated}\n")
    assert "params-contradict" not in notes(sc.read("log.csv", meta="meta.csv"))


def test_beside_several_logs_whose_it_is_is_not_known(here: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(name, CURVE)
    write("config.json", GPT2)
    runs = sc.read(".")
    assert all("params" not in facts(runs, i) for i in (0, 1))
    note = notes(runs)["config-beside"]
    assert (note.level, note.file, note.message) == (
        "info",
        "config.json",
        "it lies beside 2 logs (a.csv, b.csv): whose it is, is not known. --set params=... or "
        "--meta states N.",
    )


def test_a_table_of_runs_is_of_no_one_architecture(here: Path) -> None:
    write("runs.csv", "run_id,tokens,loss\na,1e9,3.0\nb,2e9,2.9\n")
    write("config.json", GPT2)
    assert "params" not in facts(sc.read("runs.csv"))


def test_a_configuration_that_describes_nothing_is_passed_over(here: Path) -> None:
    write("log.csv", CURVE)
    write("config.json", '{\n"colour": "blue",\n"list": [1, 2]\n}\n')
    runs = sc.read(".")
    assert "params" not in facts(runs)
    assert "config.json" in notes(runs)["ignored-file"].message


def test_another_configuration_makes_a_log_read_anew(here: Path) -> None:
    write("log.csv", CURVE)
    write("config.json", GPT2)

    def stored() -> float | None:
        put(["log.csv"], "store")
        return facts(sc.read("store")).get("params")

    assert (stored(), stored()) == (124_439_808, 124_439_808)
    write("config.json", {**GPT2, "n_layer": 24})
    assert stored() == 124_439_808 + 85_054_464  # 12 more layers of 12 h^2 + 13 h
    write("other.csv", CURVE)
    assert stored() is None
    Path("other.csv").unlink()
    Path("config.json").unlink()
    assert stored() is None


def test_the_arguments_that_megatron_prints(here: Path) -> None:
    write("train.log", MEGATRON + LINES)
    runs = sc.read("train.log")
    known = facts(runs)
    assert (known["params"], known["params_convention"]) == (124_439_808, "total")
    assert (known["peak_lr"], known["batch_tokens"], known["step"]) == (6e-4, 32 * 1024, 300)
    assert notes(runs)["params-computed"].message == (
        "params = 124,439,808 (total), computed from the configuration of the run (megatron: 12 "
        "layers, width 768)."
    )


def test_what_one_of_several_ranks_holds_is_not_asked_where_arguments_are(here: Path) -> None:
    rank = " > number of parameters on (tensor, pipeline) model parallel rank (0, 1): 40000000\n"
    write("train.log", MEGATRON + rank + LINES)
    runs = sc.read("train.log")
    assert facts(runs)["params"] == 124_439_808
    assert "params-of-ranks" not in notes(runs)
    alone = " > number of parameters on (tensor, pipeline) model parallel rank (0, 0): 124475904\n"
    write("train.log", MEGATRON + alone + LINES)
    assert facts(sc.read("train.log"))["params"] == 124_475_904  # as counted there


def test_a_mixture_states_what_a_token_passes_through(here: Path) -> None:
    write("log.csv", CURVE)
    write("config.json", CONFIGS["mixtral-8x7b"])
    known = facts(sc.read("log.csv"))
    assert (known["params"], known["params_active"]) == (46_702_792_704, 12_879_925_248)


def test_settings_of_wandb_without_a_vocabulary(shared: Path) -> None:
    runs = sc.read(shared / "samples" / "wandb-offline")
    known = facts(runs)
    # 12 x 6 x 384^2, and 13 norms of 384: its vocabulary stands nowhere
    assert (known["params"], known["params_convention"]) == (10_621_824, "non_embedding")
    assert notes(runs)["params-computed"].message == (
        "params = 10,621,824 (non-embedding), computed from the configuration of the run "
        "(nanogpt: 6 layers, width 384)."
    )


def test_a_count_of_a_log_that_its_arguments_confirm(shared: Path) -> None:
    known = facts(sc.read(shared / "samples" / "gpt-neox-stdout"))
    assert (known["params"], known["params_active"]) == (678_446_592, 282_084_864)


# --- a table of runs beside their folder ---------------------------------------------------------


def table(*rows: str) -> str:
    return "\n".join(["run_id,params", *rows]) + "\n"


@pytest.mark.parametrize("source", ["runs", "."])
def test_a_table_of_runs_beside_their_folder_is_used_and_said(source: str, here: Path) -> None:
    for name in ("a", "b"):
        write(f"runs/{name}.csv", CURVE)
    write("runs.csv", table("a,1e6", "b,2e6"))
    runs = sc.read(source)
    assert [facts(runs, i)["params"] for i in (0, 1)] == [1e6, 2e6]
    note = notes(runs)["meta-beside"]
    assert (note.level, note.file, note.message) == (
        "info",
        "runs.csv",
        "it lies beside the folder of the logs and names their runs: used as --meta.",
    )


def test_a_table_is_not_used_where_logs_were_named_or_another_table_was(here: Path) -> None:
    write("runs/a.csv", CURVE)
    write("runs.csv", table("a,1e6"))
    write("other.csv", table("a,3e6"))
    for source in ("runs/a.csv", "runs/*.csv"):
        assert "params" not in facts(sc.read(source))
    known = sc.read("runs", meta="other.csv")
    assert facts(known)["params"] == 3e6
    assert "meta-beside" not in notes(known)


@pytest.mark.parametrize("content", [table("x,1e6"), table("a,1e6", "a,2e6"), "", "x\n"])
def test_a_table_that_names_other_runs_or_none_is_not_used(content: str, here: Path) -> None:
    write("runs/a.csv", CURVE)
    write("runs.csv", content)
    runs = sc.read("runs")
    assert "params" not in facts(runs)
    assert "meta-beside" not in notes(runs)


def test_another_table_makes_logs_read_anew(here: Path) -> None:
    write("runs/a.csv", CURVE)
    write("runs.csv", table("a,1e6"))

    def stored() -> float | None:
        filled(["runs"], "store", {})
        return facts(sc.read("store")).get("params")

    assert (stored(), stored()) == (1e6, 1e6)
    write("runs.csv", table("a,2e6"))
    assert stored() == 2e6
    Path("runs.csv").unlink()
    assert stored() is None


def test_the_ladder_that_is_shipped_is_read_with_its_table(here: Path) -> None:
    ladder = Path(__file__).parents[2] / "data" / "ladder"
    runs, said = sc.read(ladder / "runs"), sc.read(ladder / "runs", meta=ladder / "runs.csv")
    assert runs.runs.equals(said.runs)
    assert runs.runs["params"].null_count == 0
