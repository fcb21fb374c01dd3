"""`scaling hparams`: published constants, one's own sweep, what it refuses."""

import json
from functools import partial
from pathlib import Path

import command_line
import pytest
import sweeps
from processes import HEAVY, loaded_by_command

ROOT = Path(__file__).resolve().parents[2]
LADDER = str(ROOT / "data" / "ladder" / "runs.csv")


run = partial(command_line.run, "hparams")


def test_published_advice() -> None:
    result = run("--params", "7B", "--tokens", "1.4T", "--seq-len", "2048", "--full")
    assert result.exit_code == 0
    assert result.stderr == "N = 7e+09 (non_embedding)\nD = 1.4e+12\n"
    lines = result.stdout.splitlines()
    assert lines[0] == "learning rate and batch (tokens) for N = 7B, D = 1.4T"
    published = next(line for line in lines if line.startswith("  li-2025 "))
    assert published.split()[:2] == ["li-2025", "0.000935"]
    assert "  li-2025: beyond its data by C x160, N x6.5, D x14" in lines
    assert "2048 sequences = 4.19M tokens" in result.stdout
    assert "li-2025-released puts the learning rate at 0.000549, li-2025 at 0.000935" in " ".join(
        result.stdout.split()
    )
    assert "every learning rate fell to 1e-5 at the end" in result.stdout
    assert "! D lies 14 times outside the sweep" in result.stdout
    assert "* not certified" in result.stdout


def test_json_is_one_object_at_full_precision() -> None:
    result = run("--params", "7B", "--tokens", "1.4T", "--json", "--quiet")
    assert result.stderr == ""
    record = json.loads(result.stdout)
    assert (record["schema_version"], record["fit"], record["N"]) == (1, "li-2025", 7e9)
    rate, batch = record["learning_rate"], record["batch_tokens"]
    assert (rate["output"], batch["output"]) == ("lr", "B_tokens")
    assert f"{rate['value']:.2e} {batch['value']:.2e}" == "9.35e-04 5.00e+06"
    assert rate["new_run"][0] < rate["mean"][0] < rate["value"] < rate["mean"][1]
    assert record["steps"] == 1.4e12 / batch["value"]
    assert [r["fit"] for r in record["rivals"]] == ["li-2025-released"]
    assert record["rivals"][0]["disagree"] is True
    assert [o["certified"] for o in record["others_say"]] == [False, False]


def test_inside_the_sweep_nothing_is_warned_about() -> None:
    record = json.loads(run("--params", "400M", "--tokens", "20B", "--json").stdout)
    assert record["warnings"] == []
    assert record["beyond"]["N"] == record["beyond"]["D"] == 1.0


def test_a_sweep_its_file_and_the_file_asked_again(tmp_path: Path) -> None:
    table = str(sweeps.write(tmp_path / "sweep.csv", sweeps.rows(scatter=0.05)))
    file = str(tmp_path / "recipe.json")
    point = ("--params", "7B", "--tokens", "1T", "--json")
    fitted = json.loads(run(table, *point, "-o", file).stdout)
    asked = json.loads(run("--fit", file, *point).stdout)
    assert fitted["fit"] == "your sweep"
    assert len(fitted["cells"]) == 9
    assert asked["learning_rate"] == fitted["learning_rate"]
    assert asked["batch_tokens"] == fitted["batch_tokens"]
    assert [r["fit"] for r in fitted["rivals"]] == ["li-2025", "li-2025-released"]
    assert "scaling hparams" in json.loads(Path(file).read_text())["learning_rate"]["command"]


def test_without_a_point_the_largest_cell_is_asked_for(tmp_path: Path) -> None:
    table = str(sweeps.write(tmp_path / "sweep.csv", sweeps.rows()))
    result = run(table)
    assert result.exit_code == 0
    assert result.stderr.endswith(
        "N = 1e+09 (total), the largest usable cell of the sweep (--params, --tokens)\nD = 1e+11\n"
    )
    assert "for N = 1B, D = 100B" in result.stdout


def test_the_ladder_swept_the_learning_rate_alone() -> None:
    result = run(
        LADDER, "--where", 'role == "sweep"', "--params", "2M", "--tokens", "20M", "--full"
    )
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "optima of 4 cells" in words
    assert "the batch was not varied: the learning rates hold at 1024 tokens a step" in words
    assert "no batch can be advised: the sweep did not vary it" in words
    assert "edge: its best lr, 0.002, is the smallest tried; the optimum may lie beyond" in words
    assert "too few points: 2 values of lr, 3 are needed" in words
    assert "N counts total here and non_embedding there" in words


def test_curves_are_taken_at_their_peak() -> None:
    """The same runs as logs, whose last row has a tenth of the peak."""
    ask = ("--where", 'role == "sweep"', "--params", "2M", "--tokens", "20M", "--json")
    curves = sorted(str(p) for p in (ROOT / "data" / "ladder" / "runs").glob("sweep-*.csv"))
    logged = json.loads(run(*curves, "--meta", LADDER, *ask).stdout)
    table = json.loads(run(LADDER, *ask).stdout)
    rates = [cell["lr"] for cell in table["cells"]]
    assert [cell["lr"] for cell in logged["cells"]] == pytest.approx(rates, rel=0.02)
    assert any("its peak" in note for note in logged["notes"])


FIVE = "run_id,params,tokens,lr,loss\n" + "".join(f"r{i},1e8,1e9,{i}e-3,3\n" for i in (1, 2, 3))


def test_three_points_are_no_sweep(tmp_path: Path) -> None:
    path = tmp_path / "three.csv"
    path.write_text(FIVE)
    result = run(str(path))
    assert (result.exit_code, result.stdout) == (4, "")
    assert "0 of 1 cells (one N on one D) enclose their optimum; 4 are needed" in result.stderr
    record = json.loads(run(str(path), "--json").stdout)
    assert record["error"]["code"] == "fit"


def test_a_table_without_learning_rates(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run_id,params,tokens,loss\na,1e8,1e9,3\nb,1e8,2e9,2.9\n")
    result = run(str(path))
    assert result.exit_code == 3
    words = " ".join(result.stderr.split())
    assert "a sweep needs lr (learning rate); no run has it" in words
    assert "--map lr=COLUMN" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say for which model and how many tokens: --params and --tokens."),
        (("--params", "7B"), "say for which model and how many tokens"),
        (("--params", "7B", "--tokens", "x"), "cannot read 'x'"),
        (("--params=-7B", "--tokens", "1T"), "N (model parameters) must be positive"),
        (
            ("--params", "7B", "--tokens", "1T", "--seq-len", "0.5"),
            "--seq-len must be a whole number of tokens, not '0.5'.",
        ),
        (
            ("--params", "7B", "--tokens", "1T", "-o", "x.json"),
            "-o writes what a sweep gave, and no sweep was given.",
        ),
        (
            ("--params", "7B", "--tokens", "1T", "--fit", "li"),
            "'li' is neither a file nor a certified fit or recipe.",
        ),
        (("--params", "7B", "--tokens", "1T", "--level", "2"), "level must lie between 0 and 1"),
    ],
)
def test_requests_that_are_refused(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())


def test_advice_imports_numpy_only() -> None:
    loaded = loaded_by_command("hparams", "--params", "7B", "--tokens", "1T", "--json")
    assert loaded & HEAVY == set()
