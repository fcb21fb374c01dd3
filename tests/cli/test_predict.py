"""`scaling predict`: what is read, what is refused, and numbers checked against closed forms."""

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import cli_fits
import command_line
import numpy as np
import pytest
from refusals import refusal, refused

from scaling_cli.artefacts._prediction import Beside
from scaling_cli.artefacts.fit import Fit
from scaling_cli.cli._inputs import grid, read_points
from scaling_cli.laws.chinchilla_gamma import ChinchillaGamma
from scaling_cli.laws.kaplan_n import KaplanN
from scaling_cli.vocabulary.errors import DataError, MismatchError, UsageError
from scaling_cli.vocabulary.outcomes import Check, Level

Z90 = 1.6448536269514722


run = partial(command_line.run, "predict")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds fit.json."""
    monkeypatch.chdir(tmp_path)
    cli_fits.fit().to_json("fit.json")
    return tmp_path


def loss(N: float, D: float) -> float:
    t = cli_fits.TRUTH
    return t["E"] + t["A"] / N ** t["alpha"] + t["B"] / D ** t["beta"]


# --- which fit ------------------------------------------------------------------------------


def test_default_is_the_fit_file_of_the_folder(here: Path) -> None:
    result = run("--params", "7B", "--tokens", "1T")
    assert result.exit_code == 0
    assert result.stderr == "fit: ./fit.json\nN = 7e+09\nD = 1e+12\n"


def test_without_a_fit_file_the_certified_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--params", "7B", "--tokens", "1T", "--json")
    assert result.stderr == (
        "fit: certified chinchilla/besiroglu-2024, because there is no ./fit.json here "
        "(--fit chooses another)\nN = 7e+09\nD = 1e+12\n"
    )
    record = json.loads(result.stdout)
    assert record["fit"] == "chinchilla/besiroglu-2024"
    # The rounded parameters of arXiv:2404.10102 give the loss to three decimals.
    assert record["predictions"][0]["value"] == pytest.approx(loss(7e9, 1e12), abs=2e-3)


def test_a_fit_that_does_not_exist(here: Path) -> None:
    result = run("--fit", "chinchila/besiroglu-2024", "--params", "7B", "--tokens", "1T")
    assert result.exit_code == 2
    assert "chinchilla/besiroglu-2024" in result.stderr


def test_quiet_leaves_the_result_alone(here: Path) -> None:
    result = run("--params", "7B", "--tokens", "1T", "-q")
    assert result.stderr == ""
    assert "7B  1T" in result.stdout


# --- numbers --------------------------------------------------------------------------------


def test_json_of_one_point(here: Path) -> None:
    result = run("--params", "7B", "--tokens", "1T", "--json")
    record = json.loads(result.stdout)
    assert {"schema_version", "fit", "predictions"} <= set(record)
    assert (record["schema_version"], record["fit"], record["tested"]) == (1, "fit.json", True)
    (point,) = record["predictions"]
    assert {"inputs", "output", "value", "level", "mean", "new_run", "extrapolation"} <= set(point)
    assert point["inputs"] == {"N": 7e9, "D": 1e12}
    assert (point["output"], point["level"]) == ("L", 0.9)
    value = loss(7e9, 1e12)
    assert point["value"] == pytest.approx(value, rel=1e-14)
    assert point["extrapolation"] == pytest.approx({"N": 7.0, "D": 5.0, "C": 4.2})
    # E alone varies, uniformly in +/-0.01: the 5 % quantile of 201 even draws is E - 0.009.
    drift = Z90 * 0.002 * math.log10(4.2)
    low = value * math.exp(-math.hypot(math.log(value / (value - 0.009)), drift))
    high = value * math.exp(math.hypot(math.log((value + 0.009) / value), drift))
    assert point["mean"] == pytest.approx([low, high], rel=1e-6)
    assert point["new_run"][0] < low < value < high < point["new_run"][1]
    half = math.log(point["new_run"][1] / point["new_run"][0]) / 2
    assert point["half_width"] == pytest.approx(half, rel=1e-12)


def test_text_of_one_point(here: Path) -> None:
    record = json.loads(run("--params", "7B", "--tokens", "1T", "--json").stdout)
    (point,) = record["predictions"]
    mean, new_run = (f"[{p[0]:.4f}, {p[1]:.4f}]" for p in (point["mean"], point["new_run"]))
    parts = {name: f"{100 * part:.2f} %" for name, part in point["parts"].items()}
    width = f"+/-{100 * point['half_width']:.2f} %"
    below = (
        f"90 % range of a new run: half-width {width}; "
        f"parameters +/-{parts['parameters']}, noise\n"
        f"  +/-{parts['noise']}, drift +/-{parts['drift']}.\n"
    )
    assert run("--params", "7B", "--tokens", "1T").stdout == (
        " N   D        C    loss  90 % new run      beyond data\n"
        f"7B  1T  4.2e+22  {loss(7e9, 1e12):.4f}  {new_run}  C x4.2, D x5.0, N x7.0\n\n{below}"
    )
    assert run("--params", "7B", "--tokens", "1T", "--full").stdout == (
        " N   D        C    loss  90 % mean curve   90 % new run      beyond data\n"
        f"7B  1T  4.2e+22  {loss(7e9, 1e12):.4f}  {mean}  {new_run}  C x4.2, D x5.0,\n"
        f"{'':61}N x7.0\n\n{below}"
        "2 backtests: x100 further, missed by 1.45 % in a range of +/-0.67 %; x10\n"
        "  further, missed by 0.34 % in a range of +/-0.67 %.\n"
    )
    assert record["method"] == "draws made by hand"


def test_lists_and_repeats_make_a_grid(here: Path) -> None:
    result = run("--params", "1B,7B", "--tokens", "1T", "--tokens", "2T", "--json")
    inputs = [point["inputs"] for point in json.loads(result.stdout)["predictions"]]
    assert inputs == [
        {"N": 1e9, "D": 1e12},
        {"N": 1e9, "D": 2e12},
        {"N": 7e9, "D": 1e12},
        {"N": 7e9, "D": 2e12},
    ]
    assert result.stderr == "fit: ./fit.json\nN = 1e+09, 7e+09\nD = 1e+12, 2e+12\n"


def test_a_point_inside_the_data_is_marked_inside(here: Path) -> None:
    line = run("--params", "100M", "--tokens", "10B").stdout.splitlines()[1]
    assert line.endswith("  inside")


@pytest.mark.parametrize("level", ["0.5", "0.95"])
def test_level(here: Path, level: str) -> None:
    result = run("--params", "7B", "--tokens", "1T", "--level", level)
    assert f"{100 * float(level):g} % new run" in result.stdout


def test_level_out_of_range(here: Path) -> None:
    result = run("--params", "7B", "--tokens", "1T", "--level", "90")
    assert result.exit_code == 2
    assert result.stderr.endswith(
        "error: level must lie between 0 and 1, not 90.0.\nhint: Write 0.9 for 90 %.\n"
    )


# --- C = 6ND --------------------------------------------------------------------------------


def test_compute_with_params_gives_tokens(here: Path) -> None:
    result = run("--params", "7B", "--compute", "4.2e22", "--json")
    (point,) = json.loads(result.stdout)["predictions"]
    assert point["inputs"] == pytest.approx({"N": 7e9, "D": 1e12}, rel=1e-15)
    assert result.stderr.endswith("N = 7e+09\nC = 4.2e+22\nD from C = 6ND\n")


def test_compute_with_tokens_gives_params(here: Path) -> None:
    result = run("--tokens", "1T", "--compute", "4.2e22", "--json")
    (point,) = json.loads(result.stdout)["predictions"]
    assert point["inputs"] == pytest.approx({"N": 7e9, "D": 1e12}, rel=1e-15)
    assert result.stderr.endswith("N from C = 6ND\n")


def test_compute_alone_is_the_optimum(here: Path) -> None:
    result = run("--compute", "1e24", "--json")
    (point,) = json.loads(result.stdout)["predictions"]
    N, D = point["inputs"]["N"], point["inputs"]["D"]
    product = 6 * N * D
    assert product == pytest.approx(1e24, rel=1e-12)
    assert point["value"] == pytest.approx(loss(N, D), rel=1e-14)
    for step in (0.9, 1.1):  # the same compute, another split: worse
        assert loss(N * step, D / step) > point["value"]
    assert result.stderr.endswith("C = 1e+24\nN and D of least loss at C, by the law\n")


def test_the_best_split_says_how_sure_it_is_and_how_flat(tmp_path: Path) -> None:
    # Draws of A alone: N* = G (C / 6)^a with G = (alpha A / (beta B))^(1 / (alpha + beta)) rises
    # with A, so its quantiles are those of A; the size at C leaves D = C / (6 N).
    both, C = cli_fits.LAW.alpha + cli_fits.LAW.beta, 1e24
    drawn = cli_fits.draws(0.0) | {"A": cli_fits.LAW.A * np.linspace(0.8, 1.3, 201)}
    made = cli_fits.fit(uncertain=replace(cli_fits.uncertainty(), draws=drawn))
    made.to_json(tmp_path / "fit.json")
    asked = ("--fit", str(tmp_path / "fit.json"), "--compute", "1e24")
    (point,) = json.loads(run(*asked, "--json").stdout)["predictions"]
    best, split = cli_fits.LAW.optimal_params(C), point["optimum"]
    assert (split["C"], split["N"]) == (1e24, pytest.approx(best, rel=1e-12))
    # The middle draw has 1.05 A: the range reaches down to that of draws moved to the fit.
    ends = [best * r ** (1 / both) for r in ((0.8 + 0.5 * 0.05) / 1.05, 0.8 + 0.5 * 0.95)]
    assert split["N_interval"] == pytest.approx(ends, rel=1e-12)
    assert split["D_interval"] == pytest.approx([C / (6 * N) for N in ends[::-1]], rel=1e-12)
    assert [near["loss_within"] for near in split["near_optimal"]] == [0.001, 0.005]
    for near in split["near_optimal"]:
        for N, D in zip(near["N"], near["D"][::-1], strict=True):
            assert pytest.approx(C / (6 * N), rel=1e-12) == D
            assert loss(N, D) == pytest.approx(
                point["value"] * (1 + near["loss_within"]), rel=1e-12
            )
    told = run(*asked).stdout.split("\n\n")[1].splitlines()
    assert told[0] == "Best split by chinchilla, and splits of nearly its loss"
    assert [line.split()[:2] for line in told[2:]] == [["1e+24", "N*"], ["1e+24", "D*"]]
    assert told[1].split() == [
        "C",
        "best",
        "90",
        "%",
        *["within", "0.1", "%"],
        *["within", "0.5", "%"],
    ]


@pytest.mark.parametrize(
    "options",
    [("--params", "7B", "--tokens", "1T"), ("--params", "7B", "--compute", "1e24")],
)
def test_no_split_is_told_of_a_size_that_was_given(here: Path, options: tuple[str, ...]) -> None:
    (point,) = json.loads(run(*options, "--json").stdout)["predictions"]
    assert "optimum" not in point
    assert "Best split" not in run(*options).stdout


def test_a_published_fit_has_a_valley_but_no_interval(tmp_path: Path) -> None:
    replace(cli_fits.fit(), uncertainty=None).to_json(tmp_path / "fit.json")
    asked = ("--fit", str(tmp_path / "fit.json"), "--compute", "1e23,1e24")
    points = json.loads(run(*asked, "--json").stdout)["predictions"]
    assert [p["optimum"]["N_interval"] for p in points] == [None, None]
    assert [p["optimum"]["C"] for p in points] == [1e23, 1e24]
    for point in points:
        low, high = point["optimum"]["near_optimal"][0]["N"]
        assert low < point["optimum"]["N"] < high


def test_three_that_agree_are_accepted(here: Path) -> None:
    result = run("--params", "7B", "--tokens", "1T", "--compute", "4.2e22", "--json")
    assert result.exit_code == 0
    (point,) = json.loads(result.stdout)["predictions"]
    assert point["inputs"] == {"N": 7e9, "D": 1e12}


def test_three_that_contradict_are_refused(here: Path) -> None:
    result = run("--params", "7B", "--tokens", "1T", "--compute", "1e24")
    assert result.exit_code == 2
    assert result.stderr == (
        "fit: ./fit.json\n"
        "error: N = 7e+09, D = 1e+12 and C = 1e+24 contradict C = 6ND = 4.2e+22.\n"
        "hint: Give two of N, D and C.\n"
    )


# --- what is refused ------------------------------------------------------------------------

REFUSED = [
    (
        ["--fit", "kaplan_ns/kaplan-2020-headline"],
        "error: the law needs N (model parameters: --params) and S_min (optimiser steps at an "
        "unlimited batch: --input S_min=...).\nhint: For example: scaling predict --fit "
        "kaplan_ns/kaplan-2020-headline --params 7B --input S_min=2\n",
    ),
    (
        [],
        "error: the law needs N (model parameters: --params) and D (training tokens: --tokens).\n"
        "hint: For example: scaling predict --params 7B --tokens 1T\n",
    ),
    (
        ["--params", "7B"],
        "error: the law needs D (training tokens: --tokens).\n"
        "hint: For example: scaling predict --params 7B --tokens 1T\n",
    ),
    (
        ["--params", "300,000", "--tokens", "1T"],
        "error: '300,000' could be one number or a list.\n"
        "hint: Write 300000 for one number; repeat the option for several.\n",
    ),
    (
        ["--params", "-7B", "--tokens", "1T"],
        "error: N (model parameters) must be positive: -7e+09.\n",
    ),
    (
        ["--params", "1M tokens", "--tokens", "1T"],
        "error: '1M tokens' names tokens, but model parameters (N) was asked for.\n"
        "hint: Give N in parameters.\n",
    ),
    (
        ["--params", "7B", "--tokens", "1T", "--input", "x=3"],
        "error: the law has no input 'x'.\nhint: Its inputs: N, D.\n",
    ),
    (
        ["--params", "7B", "--tokens", "1T", "--input", "N=3"],
        "error: N is given twice: by --input and by its own option.\n",
    ),
    (
        ["--params", "7B", "--tokens", "1T", "--input", "3"],
        "error: cannot read '3' for --input.\nhint: Write --input N_avg=3e8.\n",
    ),
    (
        ["--params", "7B", "--points", "p.csv"],
        "error: --points and --params were both given.\n"
        "hint: A file of points holds all inputs; leave the others out.\n",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused(here: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    # A number that cannot be read is refused before the fit is looked for.
    assert result.stderr.removeprefix("fit: ./fit.json\n") == message


def test_inputs_by_name() -> None:
    law = KaplanN(Nc=8.8e13, alpha_N=0.076)
    found = grid(law, params=[], tokens=[], compute=[], others={"N": [1e9]})
    assert found.inputs == {"N": [1e9]}


def test_a_law_without_an_optimum_needs_its_inputs() -> None:
    law = KaplanN(Nc=8.8e13, alpha_N=0.076)
    assert law.optimum(1e24) is None
    assert refusal(UsageError, grid, law, params=[], tokens=[], compute=[1e24], others={}) == (
        "this law has no compute-optimal point, so C alone says too little. Give its inputs: N."
    )


def test_an_input_that_the_law_does_not_take() -> None:
    law = KaplanN(Nc=8.8e13, alpha_N=0.076)
    said = refusal(UsageError, grid, law, params=[1e9], tokens=[1e12], compute=[], others={})
    assert said == "the law does not take D (training tokens). Its inputs: N."


# --- files of points ------------------------------------------------------------------------


def points(here: Path, text: str) -> str:
    (here / "p.csv").write_text(text)
    return "p.csv"


@pytest.mark.parametrize(
    "text",
    [
        "params,tokens\n7B,1T\n1e9,2e11\n",
        "N,D\n7e9,1e12\n1000000000,200B\n",
        "name\tN\tTokens\na\t7B\t1T\n\nb\t1B\t200B\n",
        "\ufeffparams,tokens\r\n7B,1T\r\n1B,200B\r\n",
        "params (M),tokens (B)\n7000,1000\n1B,200\n",
        "params,tokens\n7B,1T\nparams,tokens\n1B,200B\n",
        "params_total,params_non_embedding,tokens\n7B,6B,1T\n1B,0.8B,200B\n",
    ],
)
def test_points_by_column_or_symbol(here: Path, text: str) -> None:
    found = read_points(points(here, text), cli_fits.LAW, conventions={"N": "total"})
    assert found.inputs == {"N": [7e9, 1e9], "D": [1e12, 2e11]}


def test_what_was_fitted_is_compared_and_no_other_loss(here: Path) -> None:
    fit = cli_fits.fit()
    told = ["target: val_loss, not loss (the training loss)."]
    replace(fit, data={**fit.data, "notes": told}).to_json("fit.json")
    path = points(here, "N,D,loss,eval_loss\n1B,100B,9,2.5\n")
    assert json.loads(run("--points", path, "--json").stdout)["predictions"][0]["measured"] == 2.5
    assert read_points(path, cli_fits.LAW, "loss").measured == [9.0]


def test_points_of_another_encoding(here: Path) -> None:
    (here / "p.csv").write_bytes("N,D\n7B,1T\n".encode("utf-16"))
    assert read_points("p.csv", cli_fits.LAW).inputs == {"N": [7e9], "D": [1e12]}


def test_a_measured_perplexity_is_compared_as_the_loss_that_it_is(here: Path) -> None:
    grid_ = read_points(points(here, f"N,D,ppl\n7B,1T,{math.exp(2.5)!r}\n"), cli_fits.LAW)
    assert grid_.measured == [pytest.approx(2.5, rel=1e-15)]


def test_points_that_count_otherwise_than_the_fit_are_refused(here: Path) -> None:
    path = points(here, "params_non_embedding,D\n7B,1T\n")
    law, conventions = cli_fits.LAW, {"N": "total"}
    assert refusal(MismatchError, read_points, path, law, conventions=conventions) == (
        "p.csv, row 1: column 'params_non_embedding' gives N as non_embedding, and the fit has it "
        "as total. Give N as the fit has it."
    )
    assert read_points(path, law).inputs["N"] == [7e9]  # a fit that does not say


BAD_POINTS = [
    ("", "the file is empty. Give columns N or params, D or tokens, and loss to compare."),
    ("N,D\n", "there is no row below the header."),
    (
        "N,steps\n7B,3\n",
        "row 1: there is no column for D (tokens); the columns are N, steps. "
        "Give columns N or params, D or tokens, and loss to compare.",
    ),
    (
        "N,params,D\n1,2,3\n",
        "row 1, column 'params': columns 'N' and 'params' both give N. Keep one of them.",
    ),
    (
        "N,D\n7B,1T\nlarge,1T\n",
        "row 3, column 'N': cannot read 'large' as model parameters (N). Write 7B, 7e9, 124M, 1T, "
        "2**20 or 1.5e24; a mixture such as 8x7B needs one number (say which count: total or "
        "active).",
    ),
    (
        "N\tD\tloss\n7B\t1T\t2,345\n",
        "row 2, column 'loss': '2,345' could be 2.345 or 2345. Write it as one of the two.",
    ),
    ("N,D,ppl\n7B,1T,0.5\n", "row 2, column 'ppl': 0.5 is no perplexity, which is 1 or more."),
    ("N,D\n7B,\n", "row 2, column 'D': the cell is empty, training tokens (D) is needed."),
    ("N,D\n\n7B,0\n", "row 3, column 'D': D (training tokens) must be positive, not 0."),
    (
        "N,D,loss\n7B,1T,-2\n",
        "row 2, column 'loss': L (cross-entropy loss) must be positive, not -2.",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD_POINTS)
def test_bad_points_name_file_row_and_column(here: Path, text: str, message: str) -> None:
    error = refused(DataError, read_points, points(here, text), cli_fits.LAW)
    separator = ", " if message.startswith("row") else ": "
    assert str(error) == f"p.csv{separator}{message}"
    assert run("--points", "p.csv").exit_code == 3


def test_a_file_of_points_that_is_not_there(here: Path) -> None:
    result = run("--points", "nowhere.csv", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"] == {
        "code": "data",
        "message": "cannot read the file: No such file or directory.",
        "hint": None,
        "file": "nowhere.csv",
        "row": None,
        "column": None,
    }


# --- doubt ----------------------------------------------------------------------------------


def predicted(fit: Fit, tmp_path: Path) -> str:
    fit.to_json(tmp_path / "other.json")
    result = run("--fit", str(tmp_path / "other.json"), "--params", "7B", "--tokens", "1T")
    assert result.exit_code == 0
    return " ".join(result.stdout.split())


def test_untested_intervals_say_so(tmp_path: Path) -> None:
    text = predicted(cli_fits.fit(uncertain=cli_fits.uncertainty(tested=False)), tmp_path)
    assert text.endswith(
        "UNTESTED: no backtest was possible with these data, so nothing shows that the intervals "
        "hold beyond them."
    )


def test_an_interval_too_wide_to_use_says_so(tmp_path: Path) -> None:
    text = predicted(cli_fits.fit(uncertain=cli_fits.uncertainty(spread=0.5)), tmp_path)
    assert text.endswith("no useful prediction: the interval is wider than +/-10 %.")
    (point,) = json.loads(
        run(
            "--fit", str(tmp_path / "other.json"), "--params", "7B", "--tokens", "1T", "--json"
        ).stdout
    )["predictions"]
    assert point["half_width"] > 0.1
    assert point["useful"] is False


BENDING = "every backtest missed on one side: expect the loss below the forecast."


def test_a_law_that_bends_is_said_with_every_prediction(tmp_path: Path) -> None:
    checks = (Check("backtest.bias", Level.WARN, BENDING), *cli_fits.CHECKS)
    assert predicted(cli_fits.fit(checks=checks), tmp_path).endswith(
        "! all backtests missed to one side, or too few could show it"
    )
    record = json.loads(
        run(
            "--fit", str(tmp_path / "other.json"), "--params", "7B", "--tokens", "1T", "--json"
        ).stdout
    )
    assert record["warnings"] == [{"code": "backtest.bias", "message": BENDING}]
    assert record["backtests"] == cli_fits.BACKTEST["cuts"]
    assert record["predictions"][0]["useful"] is True


def test_a_point_further_than_any_backtest_went(here: Path) -> None:
    # The farthest backtest reached x100: twice its decades are x10,000.
    asked = ("--params", "7B", "--tokens", "1T", "--json")
    assert json.loads(run(*asked).stdout)["warnings"] == []
    far = json.loads(run("--params", "1T", "--tokens", "100T", "--json").stdout)
    assert far["predictions"][0]["extrapolation"]["C"] == pytest.approx(6e4)
    assert far["warnings"] == [
        {
            "code": "extrap.distance",
            "message": "C x60k is further beyond the data than any backtest of this fit went "
            "(x100): that it goes on as before is assumed.",
        }
    ]


def with_companion(floor: float) -> Fit:
    """Return a fit with another law beside, at gamma 1, that differs in its floor alone."""
    other = ChinchillaGamma(**cli_fits.TRUTH | {"E": floor}, gamma=1.0)
    beside = (Beside(other, 1.0),)
    return cli_fits.fit(uncertain=replace(cli_fits.uncertainty(), beside=beside, spread=0.36))


def test_a_mean_of_laws_is_said_once(tmp_path: Path) -> None:
    own = loss(7e9, 1e12)
    text = predicted(with_companion(cli_fits.TRUTH["E"] - 0.005 * own), tmp_path)
    middle = own * math.sqrt(0.995)
    assert f" {middle:.4f} " in text
    assert text.endswith(f"mean of two laws; chinchilla alone: {own:.4f}.")
    record = json.loads(
        run(
            "--fit", str(tmp_path / "other.json"), "--params", "7B", "--tokens", "1T", "--json"
        ).stdout
    )
    (point,) = record["predictions"]
    assert point["value"] == pytest.approx(own, rel=1e-12)
    assert point["forecast"] == pytest.approx(middle, rel=1e-12)
    assert point["laws"] == [
        {"law": "chinchilla", "value": pytest.approx(own), "weight": 0.5},
        {"law": "chinchilla_gamma", "value": pytest.approx(0.995 * own), "weight": 0.5},
    ]
    assert point["parts"]["laws"] == pytest.approx(-0.36 * math.log(0.995), rel=1e-9)


def test_published_numbers_have_no_interval(tmp_path: Path) -> None:
    text = predicted(cli_fits.published(), tmp_path)
    assert text.endswith(
        f"beyond data 7B 1T 4.2e+22 {loss(7e9, 1e12):.4f} unknown no interval: these are published "
        "numbers, and the fit carries no draws."
    )


def test_the_fitted_law_alone(tmp_path: Path) -> None:
    own, file = loss(7e9, 1e12), str(tmp_path / "other.json")
    predicted(with_companion(cli_fits.TRUTH["E"] - 0.005 * own), tmp_path)
    at = ("--fit", file, "--params", "7B", "--tokens", "1T")
    for asked in (["--alone"], ["--law", "chinchilla", "--alone"]):
        (point,) = json.loads(run(*at, *asked, "--json").stdout)["predictions"]
        assert point["forecast"] == point["value"] == pytest.approx(own, rel=1e-12)
        # No law beside has no floor: 3.7 % per decade of compute, 4.2e22 over 1e22.
        drift = Z90 * 0.037 * math.log10(4.2)
        assert point["parts"]["drift"] == pytest.approx(drift, rel=1e-9)
    other = run(*at, "--law", "kaplan_nd", "--alone")
    assert other.exit_code == 2
    assert other.stderr.endswith(
        "error: this fit is one of chinchilla, not of kaplan_nd.\n"
        "hint: Fit it: scaling fit ... --law kaplan_nd --alone -o FILE.\n"
    )
    bare = run(*at, "--law", "chinchilla")
    assert bare.exit_code == 2
    assert bare.stderr.endswith(
        "error: --law needs --alone.\nhint: Write --law chinchilla --alone.\n"
    )
