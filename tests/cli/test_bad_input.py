"""What `scaling fit` says to bad input: the whole message, the exit code, and no traceback."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cli_fits
import pytest
from command_line import run
from log_files import looked_for

GRID = [(N, ratio * N) for N in (1e7, 3e7, 1e8, 3e8, 1e9) for ratio in (10, 40, 160)]
LOOKED_FOR = f"hint: Looked for {looked_for()}."


def loss(N: float, D: float) -> float:
    t = cli_fits.TRUTH
    return t["E"] + t["A"] / N ** t["alpha"] + t["B"] / D ** t["beta"]


def lines(points: Sequence[tuple[float, float]] = GRID, **changed: str) -> list[str]:
    """Return one line per run; `r4="-2.5"` puts another text in place of the loss of run r4."""
    return [
        f"r{i},{N:.0f},{D:.0f},{changed.get(f'r{i}', repr(loss(N, D)))}"
        for i, (N, D) in enumerate(points)
    ]


def table(rows: list[str], head: str = "run_id,params,tokens,loss") -> str:
    return "\n".join([head, *rows]) + "\n"


def billions() -> str:
    rows = [
        f"r{i},{N:.0f},{D / 1e9!r},{6 * N * D!r},{loss(N, D)!r}" for i, (N, D) in enumerate(GRID)
    ]
    return table(rows, "run_id,params,tokens,flops,loss")


# name: (text of runs.csv, exit code, standard error)
BAD: dict[str, tuple[Callable[[], str], int, str]] = {
    "three points": (
        lambda: table(lines()[:3]),
        4,
        "error: 3 distinct configurations cannot determine the 5 free parameters of chinchilla; "
        "at least 6 are needed.\n"
        "hint: Add runs at other sizes or token counts, or hold parameters with --fix E=1.7 or "
        "--tie.\n",
    ),
    "five points for five parameters": (
        lambda: table(lines()[::3]),
        4,
        "error: 5 distinct configurations cannot determine the 5 free parameters of chinchilla; "
        "at least 6 are needed.\n"
        "hint: Add runs at other sizes or token counts, or hold parameters with --fix E=1.7 or "
        "--tie.\n",
    ),
    "N and D collinear": (
        lambda: table(lines([(1e7 * 2**i, 2e8 * 2**i) for i in range(8)])),
        4,
        "error: N and D move as one in these 8 points (squared correlation of their logarithms "
        "1.000000): their effects cannot be told apart.\n"
        "hint: Add runs with other ratios of tokens to parameters (isoFLOP or over-trained runs), "
        "or fit power_law in one variable (--law power_law --map x=flops).\n",
    ),
    "tokens in billions": (
        billions,
        3,
        "error: runs.csv: flops contradict 6ND: the median of flops / 6ND is 1e+09 "
        "(params 10M to 1B, tokens 0.1 to 160, flops 6e+15 to 9.6e+20).\n"
        "hint: tokens look as if given in billions: --set tokens_scale=1e+09 multiplies the "
        "column.\n",
    ),
    "every loss NaN": (
        lambda: table([f"{line.rpartition(',')[0]},nan" for line in lines()]),
        3,
        "error: no run is left to fit loss to.\n"
        "hint: Left out: 15 run(s): loss is NaN; the run diverged.\n",
    ),
    "an empty file": (
        lambda: "",
        3,
        "error: runs.csv: the file is empty.\nhint: Was the log written at all?\n",
    ),
    "a header alone": (
        lambda: table([]),
        3,
        "error: runs.csv: there is a header and no whole row (columns: run_id, params, tokens, "
        "loss).\nhint: Was the log cut, or has the run not started?\n",
    ),
    "no tokens column": (
        lambda: table(
            [f"r{i},{N:.0f},{loss(N, D)!r}" for i, (N, D) in enumerate(GRID)], "run_id,params,loss"
        ),
        3,
        "error: runs.csv: law chinchilla needs tokens (D, training tokens); no run has it.\n"
        "hint: Give it with --set batch_tokens=512k (tokens are then step x batch_tokens), "
        "--meta runs.csv or --map tokens=COLUMN. Columns found: run_id, loss, params.\n",
    ),
    "no loss column": (
        lambda: table(
            [f"r{i},{N:.0f},{D:.0f}" for i, (N, D) in enumerate(GRID)], "run_id,params,tokens"
        ),
        3,
        "error: runs.csv: there is no loss column.\n"
        "hint: Columns found: run_id, tokens, params. Say which it is: --map loss=COLUMN, or fit "
        "another column with --target COLUMN.\n",
    ),
    "text in a number column": (
        lambda: table([*lines(), "r15,1B,many,2.5"]),
        3,
        "error: runs.csv, row 17, column 'tokens': 'many' is not a number.\n"
        "hint: Mend the cell, or leave it empty if there is no value.\n",
    ),
    "a negative loss": (
        lambda: table(lines(r4="-2.5")),
        3,
        "error: runs.csv, row 6, column 'loss': loss (cross-entropy loss) must be positive, found "
        "-2.5.\nhint: A log-likelihood is not a loss: change its sign.\n",
    ),
    "two losses of one run": (
        lambda: table([*lines(), "r0,10000000,100000000,3.3"]),
        3,
        "error: runs.csv, row 17, column 'loss': run 'r0' has another loss here than in row 2, "
        "with nothing to tell the two apart.\n"
        "hint: Give them different run ids, or a step or tokens column if they are checkpoints; "
        "--set rows=run makes each row a run.\n",
    ),
}


def fit(*arguments: str):
    return run("fit", *arguments, "--bootstrap", "10")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", BAD)
def test_refused_with_the_whole_message(here: Path, name: str) -> None:
    text, code, message = BAD[name]
    Path("runs.csv").write_text(text())
    result = fit("runs.csv")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)
    assert not Path("fit.json").exists()


@pytest.mark.parametrize("name", BAD)
def test_the_same_as_json(here: Path, name: str) -> None:
    text, code, message = BAD[name]
    Path("runs.csv").write_text(text())
    result = fit("runs.csv", "--json")
    assert (result.exit_code, result.stderr) == (code, message)
    error = json.loads(result.stdout)["error"]
    assert error["code"] in {3: ("data", "mismatch"), 4: ("fit",)}[code]
    assert error["message"] in message
    assert error["hint"] in message


FOLDERS = [
    ("nologs", "error: nologs: no logs found (1 file(s) of other kinds).\n" + LOOKED_FOR + "\n"),
    ("bare", "error: bare: no logs found (no files).\n" + LOOKED_FOR + "\n"),
    ("nowhere", "error: nowhere: there is no such file or folder.\n"),
]


@pytest.mark.parametrize(("name", "message"), FOLDERS)
def test_folders_without_logs(here: Path, name: str, message: str) -> None:
    (here / "bare").mkdir()
    (here / "nologs").mkdir()
    (here / "nologs" / "readme.md").write_text("nothing here")
    result = fit(name)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", message)


# Input that is mended: fitted, with what was done about it in the report.
MENDED = [
    (
        table(lines(r3="nan", r7="inf")),
        [
            "2 left out: 1 (loss is NaN; the run diverged); 1 (loss is infinite; the run diverged)",
            "left out 2 r3: loss is NaN; the run diverged r7: loss is infinite; the run diverged",
        ],
    ),
    (
        table([*lines(), lines()[0]]),
        [
            "1 row(s) repeat another row exactly; dropped.",
            "INFO duplicate-rows: runs.csv: 1 row(s) repeat another row exactly; dropped.",
        ],
    ),
    (
        table(lines()) + "r15,1000000000,2000",
        [
            "! short-row: runs.csv, row 17: left out: the line has 3 of 4 fields; it was cut while "
            "written.",
            "WARN short-row: runs.csv, row 17: left out: the line has 3 of 4 fields; it was cut "
            "while written.",
        ],
    ),
]


@pytest.mark.parametrize(("text", "told"), MENDED, ids=["NaN", "duplicate", "cut"])
def test_what_is_mended_is_told(here: Path, text: str, told: list[str]) -> None:
    Path("runs.csv").write_text(text)
    for options, words in zip(([], ["--full"]), told, strict=True):
        result = fit("runs.csv", *options)
        assert (result.exit_code, result.stderr) == (0, "")
        assert words in " ".join(result.stdout.split())
