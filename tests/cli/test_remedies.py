"""Mistakes that a user can make with any file at hand: each message says what to do."""

import json
from pathlib import Path

import cli_fits
import pytest
from command_line import run

TABLE = (
    "hint: A result that scaling wrote with -o or --json is wanted here. Logs and tables of runs "
    "are for 'scaling runs', 'fit' and 'forecast'; points to predict at, for --points.\n"
)
BROKEN = (
    "hint: The file breaks off or was changed: write it again with the command that wrote it.\n"
)
NO_LOG = (
    "error: fit.json: this is a fit of a law of points, not a log: use it with 'scaling predict "
    "--fit fit.json --params 3B --tokens 600B'.\n"
)
NO_LEVEL = "error: level must lie between 0 and 1, not 90.0.\nhint: Write 0.9 for 90 %.\n"
NO_NAME = (
    "error: '' is neither a file nor a certified fit or recipe.\n"
    "hint: 'scaling laws --full' lists the certified fits.\n"
)
NAME = "Expecting property name enclosed in double quotes"
POINT = ["--params", "7B", "--tokens", "1T"]
MISTAKES: list[tuple[list[str], int, str]] = [
    (["show", "runs.csv"], 3, f"error: runs.csv, row 1: not JSON: Expecting value.\n{TABLE}"),
    (
        ["predict", "--fit", "runs.csv", *POINT],
        3,
        f"error: runs.csv, row 1: not JSON: Expecting value.\n{TABLE}",
    ),
    (["show", "cut.json"], 3, f"error: cut.json, row 17: not JSON: {NAME}.\n{BROKEN}"),
    (["runs", "fit.json"], 3, NO_LOG),
    (["fit", "fit.json"], 3, NO_LOG),
    (["forecast", "fit.json"], 3, NO_LOG),
    (
        ["schedule", "cosine"],
        2,
        "error: cosine: a family alone is no schedule.\nhint: Write cosine:peak=...,[warmup=...],"
        "[init=...],[first=...],[min=...],steps=....\n",
    ),
    (
        ["fit", "runs.csv", "--tie", "alpha"],
        2,
        "error: cannot read 'alpha' for --tie.\n"
        "hint: Write --tie NAME=NAME, such as --tie alpha=beta.\n",
    ),
    (
        ["fit", "runs.csv", "--prior", "alpha"],
        2,
        "error: cannot read 'alpha' for --prior.\n"
        "hint: Write --prior NAME=CENTER+-SD, such as --prior alpha=0.35+-0.05.\n",
    ),
    (
        ["fit", "runs.csv", "--executor", "foo"],
        2,
        "error: unknown executor 'foo'.\n"
        "hint: Write serial, or dask: and a scheduler's address: dask:tcp://10.0.0.1:8786.\n",
    ),
    (["batch", "--fit", "fit.json", "--level", "90"], 2, NO_LEVEL),
    (["predict", "--quiet", *POINT, "--level", "90"], 2, NO_LEVEL),
    (
        ["batch", "--params", "1B", "--target-loss", "2.5", "--start", "5"],
        2,
        "error: --start: there are no runs to read.\nhint: Give SRC, or leave this out.\n",
    ),
    (
        ["hparams", *POINT, "--where", "lr > 1", "--map", "lr=rate"],
        2,
        "error: --where and --map: there are no runs to read.\n"
        "hint: Give SRC, or leave these out.\n",
    ),
    (
        ["fit", "runs.csv", "--law", "average"],
        3,
        "error: no run has a loss curve and a schedule.\nhint: Left out: r0, r1, r2 and 6 more: "
        "neither a schedule nor a learning rate is logged.\n",
    ),
    (
        ["forecast", "runs.csv"],
        3,
        "error: there is no run to forecast.\nhint: r0, r1, r2 and 6 more: 1 point(s) of its "
        "loss; a forecast needs 5.\n",
    ),
    (["predict", "--fit", "", *POINT], 2, NO_NAME),
    (["hparams", "--fit", "", *POINT], 2, NO_NAME),
    (["schedule", "--best", "--fit", "", "--steps", "100"], 2, NO_NAME),
]


@pytest.mark.parametrize(
    ("arguments", "code", "message"), MISTAKES, ids=[" ".join(m[0][:3]) for m in MISTAKES]
)
def test_a_mistake_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cli_fits.fit().to_json("fit.json")
    text = Path("fit.json").read_text(encoding="utf8")
    Path("cut.json").write_text(text[:250])
    rows = [f"r{i},{1e7 * 3**i},{1e9 * 3 ** (i % 4)},{3.5 - i / 10}" for i in range(9)]
    Path("runs.csv").write_text("\n".join(["run_id,params,tokens,loss", *rows]) + "\n")
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)


def test_points_that_are_at_hand_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("plot", "chinchilla/ladder", "--json")
    assert result.exit_code == 0, result.stderr
    numbers = json.loads(result.stdout)["numbers"]
    table = Path(__file__).parents[2] / "data/ladder/runs.csv"
    fitted = sum(",fit," in line for line in table.read_text(encoding="utf8").splitlines())
    assert len(numbers["runs"]) == fitted
