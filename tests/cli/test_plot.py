"""`scaling plot`: files, numbers as JSON, and what is refused."""

import json
from functools import partial
from pathlib import Path

import cli_fits
import command_line
import pytest

from scaling_cli import plots
from scaling_cli.laws.chinchilla import Chinchilla

REFITTED = {"sensitivity", "isoflop", "clouds"}  # these draw what a real fit carries
OF_POINTS = [name for name in plots.of_kind("fit") if name not in REFITTED]
SIZES, TOKENS = (1e7, 1e8, 1e9, 1e7), (1e9, 1e10, 1e11, 1e11)


run = partial(command_line.run, "plot")


def loss(N: float, D: float) -> float:
    return Chinchilla(**cli_fits.TRUTH)(N=N, D=D)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with fit.json, which carries its points, and a file of held-out runs."""
    monkeypatch.chdir(tmp_path)
    record = cli_fits.fit().to_dict()
    record["data"]["points"] = {
        "inputs": {"N": list(SIZES), "D": list(TOKENS)},
        "output": [loss(n, d) for n, d in zip(SIZES, TOKENS, strict=True)],
        "runs": ["a", "b", "c", "d"],
    }
    Path("fit.json").write_text(json.dumps(record))
    Path("held_out.csv").write_text("params,tokens,loss\n7B,1T,2.0\n1B,1T,\n")
    return tmp_path


@pytest.mark.parametrize("kind", OF_POINTS)
def test_every_kind_is_drawn(kind: str, here: Path) -> None:
    result = run("fit.json", "--kind", kind, "-o", "figure.png")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "figure.png\n", "")
    assert (here / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_what_the_fit_warned_of_is_said_beside_its_figure(here: Path) -> None:
    record = json.loads(Path("fit.json").read_text())
    check = {"code": "data.range", "level": "warn", "message": "few runs.", "touches": ["forecast"]}
    record["checks"] = [check, check | {"code": "fit.spec", "touches": ["parameters"]}]
    Path("fit.json").write_text(json.dumps(record))
    result = run("fit.json")
    assert (result.exit_code, result.stdout) == (0, "loss.png\n")
    told = "! there are few runs, or few sizes, for so many parameters: add runs\n"
    assert result.stderr == told
    assert run("fit.json", "--quiet").stderr == ""


@pytest.mark.parametrize("kind", ["loss", "residuals", "predicted", "contour"])
def test_points_without_names_of_runs_are_numbered(kind: str, here: Path) -> None:
    record = json.loads(Path("fit.json").read_text())
    del record["data"]["points"]["runs"]
    Path("fit.json").write_text(json.dumps(record))
    result = run("fit.json", "--kind", kind, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["numbers"]["runs"] == ["0", "1", "2", "3"]


def test_the_default_is_the_loss_figure_here(here: Path) -> None:
    result = run("fit.json")
    assert result.stdout == "loss.png\n"
    assert (here / "loss.png").is_file()


def test_json_gives_the_numbers_and_no_file(here: Path) -> None:
    result = run("fit.json", "--measured", "held_out.csv", "--json", "--level", "0.5")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert (record["schema_version"], record["fit"], record["kind"]) == (1, "fit.json", "loss")
    assert record["file"] is None
    held = record["numbers"]["held_out"]
    assert held["predicted"] == [pytest.approx(loss(7e9, 1e12), rel=1e-12)]
    assert held["measured"] == [2.0]
    assert record["numbers"]["frontier"]["level"] == 0.5
    assert [p.name for p in here.iterdir() if p.suffix == ".png"] == []


def test_a_row_without_a_loss_is_named_not_drawn(here: Path) -> None:
    result = run("fit.json", "--measured", "held_out.csv", "--json")
    assert result.stderr == "held_out.csv, row 3: no measured loss, not drawn\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["fit.json", "--kind", "los"],
            2,
            "error: there is no figure 'los'.\nhint: Did you mean loss or clouds? Known figures: "
            f"{', '.join(plots.names())}.\n",
        ),
        (
            ["fit.json", "-o", "loss.jpeg"],
            2,
            "error: cannot write a figure as 'loss.jpeg'.\n"
            "hint: Use a name that ends in .png, .svg, .pdf.\n",
        ),
        (
            ["fit.json", "-o", "nowhere/loss.png"],
            3,
            "error: nowhere/loss.png: cannot write the figure: No such file or directory.\n"
            "hint: Make the folder first, or choose another.\n",
        ),
        (
            ["fit.json", "--measured", "bare.csv"],
            3,
            "error: bare.csv: no row states a measured loss.\n"
            "hint: Give the runs a loss column, or leave --measured out.\n",
        ),
        (
            ["chinchilla/besiroglu-2024", "--kind", "residuals"],
            3,
            "error: the points of chinchilla/besiroglu-2024 are not at hand.\n"
            "hint: 'scaling data fetch chinchilla_epoch' brings them.\n",
        ),
    ],
)
def test_what_is_refused(arguments: list[str], code: int, message: str, here: Path) -> None:
    Path("bare.csv").write_text("params,tokens\n7B,1T\n")
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)
