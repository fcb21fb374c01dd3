"""In Python the verbs are those of the command line: the same record for the same question."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cli_fits
import command_line
import numpy as np
import pyarrow as pa
import pytest
from refusals import refusal

import scaling_cli as sc
from scaling_cli import reports
from scaling_cli.artefacts import kinds
from scaling_cli.verbs.fit import schedules_of
from scaling_cli.vocabulary.jsonfile import to_json

DATA = Path(__file__).resolve().parents[2] / "data"
LADDER = str(DATA / "ladder/runs.csv")
RUNS = str(DATA / "ladder/runs")
COSINE = f"{RUNS}/schedule-68k-2.1M-cosine.csv"
SWEEP = str(DATA / "batch_sweep/runs")
BATCHES = str(DATA / "batch_sweep/runs.csv")
SCHEDULES = ["constant:peak=3e-4,steps=24000", "wsd:peak=3e-4,stable=0.8,steps=24000"]
CURVES = "multi_power/luo-2025-25m"
FIT = 'role == "fit"'
SHORT = 'role == "schedule" and params_total < 1e5'
LOSSES = {"params": [1e7, 1e8, 1e9], "tokens": [1e9, 1e10, 1e11], "loss": [3.9, 3.0, 2.2]}


@pytest.fixture(scope="module")
def ladder() -> str:
    """A fit that carries its points."""
    return to_json(sc.fit(LADDER, where=FIT, bootstrap=0).to_dict())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ladder: str) -> Path:
    """A folder with two fits, and runs to compare with."""
    monkeypatch.chdir(tmp_path)
    cli_fits.fit().to_json("fit.json")
    Path("ladder.json").write_text(ladder)
    Path("held.csv").write_text("params,tokens,loss\n1e9,1e11,2.21\n1e10,1e12,\n")
    return tmp_path


def command(*arguments: object) -> dict[str, Any]:
    done = command_line.run(*arguments, "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def without_command(value: Any) -> Any:
    """Return a record without the command line that made it, also where a check quotes it."""
    if isinstance(value, list):
        return [without_command(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("code") == "repro":
        return value | {"message": value["message"].partition(" regenerates this")[2]}
    return {key: without_command(item) for key, item in value.items() if key != "command"}


Case = tuple[list[object], Callable[[], Any]]
CASES: dict[str, Case] = {
    "runs": (["runs", LADDER], lambda: sc.read(LADDER)),
    "fit": (
        ["fit", LADDER, "--where", FIT, "--bootstrap", 0, "--fix", "E=0.8"],
        lambda: sc.fit(LADDER, where=FIT, bootstrap=0, fix={"E": 0.8}),
    ),
    "fit of curves": (
        ["fit", RUNS, "--meta", LADDER, "--where", SHORT, "--law", "annealing", "--bootstrap", 0],
        lambda: sc.fit(sc.read(RUNS, meta=LADDER), law="annealing", where=SHORT, bootstrap=0),
    ),
    "predict": (
        ["predict", "--fit", "fit.json", "--params", "1B,7B", "--tokens", "1T"],
        lambda: sc.predict("fit.json", params=[1e9, 7e9], tokens="1T"),
    ),
    "predict with compute": (
        ["predict", "--fit", "chinchilla/epoch-240", "--compute", "1e24"],
        lambda: sc.predict("chinchilla/epoch-240", C=1e24),
    ),
    "predict, measured": (
        ["predict", "--points", "held.csv"],
        lambda: sc.predict("fit.json", N=[1e9, 1e10], D=[1e11, 1e12], measured=[2.21, None]),
    ),
    "predict along schedules": (
        ["predict", "--fit", CURVES, "--every", 8000]
        + [part for text in SCHEDULES for part in ("--schedule", text)],
        lambda: sc.predict(CURVES, schedule=SCHEDULES, every=8000),
    ),
    "profile": (
        ["profile", "ladder.json", "--params", "4M", "--compute", "1e15", "--method", "delta"],
        lambda: sc.profile("ladder.json", params="4M", C=1e15, methods=["delta"]),
    ),
    "backtest": (
        ["backtest", LADDER, "--where", FIT, "--law", "kaplan_nd"],
        lambda: sc.backtest(LADDER, where=FIT, law="kaplan_nd"),
    ),
    "forecast": (["forecast", COSINE, "--until", 4096], lambda: sc.forecast(COSINE, until=4096)),
    "batch": (
        ["batch", SWEEP, "--meta", BATCHES, "--batch-tokens", "512,2k"],
        lambda: sc.batch(sc.read(SWEEP, meta=BATCHES), batch_tokens=["512", "2k"]),
    ),
    "batch, published": (
        ["batch", "--params", "1B", "--target-loss", "2.5"],
        lambda: sc.batch(params="1B", target_loss=2.5),
    ),
    "hparams": (
        ["hparams", "--params", "7B", "--tokens", "1T", "--seq-len", "4096"],
        lambda: sc.hparams(params="7B", tokens=1e12, seq_len=4096),
    ),
    "hparams of a sweep": (
        ["hparams", LADDER, "--where", 'role == "sweep"'],
        lambda: sc.hparams(LADDER, where='role == "sweep"'),
    ),
    "check": (["check", "kaplan_n/kaplan-2020"], lambda: sc.check("kaplan_n/kaplan-2020")),
    "plot": (
        ["plot", "ladder.json", "--kind", "contour"],
        lambda: sc.plot("ladder.json", "contour"),
    ),
    "laws": (["laws"], sc.laws),
    "one law": (["laws", "multi_power"], lambda: sc.laws("multi_power")),
    "schedule": (
        ["schedule", SCHEDULES[1], COSINE, "--batch-tokens", "512k"],
        lambda: sc.schedule(SCHEDULES[1], COSINE, batch_tokens="512k"),
    ),
    "ingest": (["ingest", LADDER, "--store", "store"], lambda: sc.ingest(LADDER, "store")),
}


@pytest.mark.parametrize("case", CASES)
def test_python_gives_what_the_command_prints(here: Path, case: str) -> None:
    arguments, verb = CASES[case]
    if case == "ingest":
        command(*arguments)  # the first time adds the runs
    printed = command(*arguments)
    given = json.loads(to_json(verb().to_dict()))
    assert without_command(printed) == without_command(given)


def test_what_reading_noticed_is_stored(tmp_path: Path) -> None:
    text = Path(LADDER).read_text(encoding="utf8")
    logs = tmp_path / "runs.csv"
    logs.write_text(text + "short,1\n", encoding="utf8")
    fit = sc.fit(str(logs), where=FIT, bootstrap=0)
    noticed = [(note["code"], note["row"]) for note in fit.data["reading"]]
    assert ("short-row", text.count("\n") + 1) in noticed


# --- what predict takes ---------------------------------------------------------------------


def test_predict_takes_what_people_write() -> None:
    fit = cli_fits.fit()
    value = cli_fits.LAW(N=7e9, D=1e12)
    assert fit.predict(params="7B", tokens="1T").value == value
    assert fit.predict(N=7e9, compute=6 * 7e9 * 1e12).value == pytest.approx(value, rel=1e-14)
    assert fit.predict(D="1T", C=6 * 7e9 * 1e12).value == pytest.approx(value, rel=1e-14)


def test_compute_alone_gives_the_optimum_of_the_law() -> None:
    budgets = np.array([1e22, 1e23])
    best = cli_fits.fit().predict(C=budgets)
    np.testing.assert_allclose(6 * best.inputs["N"] * best.inputs["D"], budgets, rtol=1e-12)
    assert best.inputs["N"][1] == pytest.approx(cli_fits.OPTIMUM_AT_1E23["N"], rel=1e-14)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"N": 7e9, "params": "7B"}, "N is given twice."),
        (
            {"N": 7e9, "D": 1e12, "C": 1e24},
            "N = 7e+09, D = 1e+12 and C = 1e+24 contradict C = 6ND = 4.2e+22. "
            "Give two of N, D and C.",
        ),
        ({"N": 7e9, "x": 1.0}, "law chinchilla takes N, D: missing D; unknown x."),
    ],
)
def test_predict_refuses(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(sc.UsageError) as caught:
        cli_fits.fit().predict(**inputs)
    assert str(caught.value) == message


NO_POINTS = "is a fit of loss curves, not a fit of a law of points: use it with "
NO_CURVES = "is a fit of a law of points, not a fit of loss curves: use it with "
ALONG = "'scaling predict --fit FILE --schedule TEXT'."
AT_POINTS = "'scaling predict --fit FILE --params 3B --tokens 600B'."
WRONG: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "predict": (lambda fit, curves: sc.predict(curves, N=1e9), f"this {NO_POINTS}{ALONG}"),
    "predict along": (
        lambda fit, curves: sc.predict(fit, schedule=SCHEDULES[0]),
        f"this {NO_CURVES}{AT_POINTS}",
    ),
    "predict, named": (
        lambda fit, curves: sc.predict(replace(fit, name="mine"), schedule=SCHEDULES[0]),
        f"mine {NO_CURVES}{AT_POINTS}".replace("FILE", "mine"),
    ),
    "profile": (lambda fit, curves: sc.profile(curves), f"this {NO_POINTS}{ALONG}"),
    "hparams": (
        lambda fit, curves: sc.hparams(params="7B", tokens="1T", fit=fit),
        "this is a fit of a law of points, not a recipe for learning rate and batch: use it with "
        f"{AT_POINTS}",
    ),
    "batch": (
        lambda fit, curves: sc.batch(fit=fit, target_loss=2.5),
        "this is a fit of a law of points, not a fit of the critical batch: use it with "
        f"{AT_POINTS}",
    ),
    "batch, a path": (
        lambda fit, curves: sc.batch(fit=Path("fit.json"), target_loss=2.5),
        "fit.json is a fit of a law of points, not a fit of the critical batch: use it with "
        f"{AT_POINTS}".replace("FILE", "fit.json"),
    ),
    "forecast": (
        lambda fit, curves: sc.forecast(COSINE, until=4096, fit=fit),
        f"this {NO_CURVES}{AT_POINTS}",
    ),
    "plot": (
        lambda fit, curves: sc.plot(sc.batch(params="1B", target_loss=2.5).made),
        "this is a fit of the critical batch, which the figure loss does not draw: take --kind "
        "batch.",
    ),
    "check": (
        lambda fit, curves: sc.check(fit),
        "a fit in memory cannot be checked: what is checked is a file. Write it first: "
        "fit.to_json('fit.json').",
    ),
    "load": (
        lambda fit, curves: sc.load(sc.laws()),
        "an object of type Answer is neither a file, a name nor anything that is stored.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_stored_thing_of_the_wrong_kind_is_refused(here: Path, case: str) -> None:
    ask, message = WRONG[case]
    fit, curves = replace(cli_fits.fit(), name=""), replace(sc.load(CURVES), name="")
    assert refusal(sc.UsageError, ask, fit, curves) == message


def test_what_is_stored_is_taken_as_it_is() -> None:
    fit = cli_fits.fit()
    assert sc.load(fit) is fit
    rate = sc.load("step_learning_rate/li-2025")
    told = sc.hparams(params="7B", tokens="1T", fit=rate)
    named = sc.hparams(params="7B", tokens="1T", fit="step_learning_rate/li-2025")
    assert told["learning_rate"] == named["learning_rate"]


@pytest.mark.parametrize("losses", [np.array([2.5, 2.6]), ("2.5", 2.6), [2.5, 2.6]])
def test_numbers_are_taken_in_any_row(losses: Any) -> None:
    told = sc.batch(params="1B", target_loss=losses, batch_tokens=np.float64(1e6))
    assert [row["L"] for row in told["targets"]] == [2.5, 2.6]


@pytest.mark.parametrize("measured", [[2.21], [2.21, None, 2.0], 2.21])
def test_as_many_are_measured_as_are_predicted(measured: Any) -> None:
    fit, count = cli_fits.fit(), len(np.ravel(measured))
    assert refusal(sc.UsageError, sc.predict, fit, N=[1e9, 7e9], D=1e12, measured=measured) == (
        f"{count} measured for 2 points. Give one for each; None where nothing was measured."
    )
    (point,) = sc.predict(fit, N=1e9, D=1e12, measured=2.21).to_dict()["predictions"]
    assert point["error"] == pytest.approx(cli_fits.LAW(N=1e9, D=1e12) / 2.21 - 1, rel=1e-14)


def test_the_size_along_a_schedule_is_given_as_anywhere() -> None:
    fit = sc.load(CURVES)
    alone = refusal(sc.UsageError, sc.predict, fit, schedule=SCHEDULES[0], N=7e9)
    assert alone == (
        "the fit is one of a single model: its size cannot be chosen. Fit runs of several sizes "
        "with --law annealing_size."
    )
    for inputs in ({"params": "7B"}, {"N": "7B"}, {"params": np.array([7e9])}, {"n_params": 7e9}):
        asked: dict[str, Any] = inputs
        assert refusal(sc.UsageError, sc.predict, fit, schedule=SCHEDULES[0], **asked) == alone
    for wrong, message in (
        ({"params": ["7B", "1B"]}, "--params takes one model size with --schedule."),
        ({"tokens": "1T"}, "along a schedule there is no tokens."),
        ({"N": 1e9, "params": 1e9}, "N is given twice."),
    ):
        asked = wrong
        assert refusal(sc.UsageError, sc.predict, fit, schedule=SCHEDULES[0], **asked) == message


def test_texts_may_stand_in_lists() -> None:
    fit = cli_fits.fit()
    told = sc.predict(fit, params=["1B", 7e9], tokens="1T")
    np.testing.assert_array_equal(told.value, fit.predict(N=[1e9, 7e9], D=1e12).value)


def test_a_derived_quantity_takes_one_compute() -> None:
    said = refusal(sc.UsageError, sc.profile, cli_fits.fit(), "optimal_params", C=[1e23, 1e24])
    assert said == "a derived quantity takes one C, not 2."


def test_an_option_of_the_other_kind_of_law_is_refused() -> None:
    with pytest.raises(sc.UsageError, match=r"^start is for laws of loss curves; chinchilla sees"):
        sc.fit(LADDER, start=5)
    with pytest.raises(sc.UsageError, match=r"^at cannot be used with --law average, a law of"):
        sc.fit(RUNS, law="average", at="final")


# --- what is shown --------------------------------------------------------------------------


def test_a_prediction_says_its_first_point() -> None:
    shown = repr(cli_fits.fit().predict(N=[7e9, 1e9], D=1e12))
    assert shown.startswith("<Prediction L = ")
    assert shown.endswith(" at N=7e+09, D=1e+12, 90 % of new runs; and 1 more>")
    assert repr(cli_fits.published().predict(N=7e9, D=1e12)) == (
        f"<Prediction L = {cli_fits.LAW(N=7e9, D=1e12):.4f} at N=7e+09, D=1e+12, by "
        f"{cli_fits.published().name}, no interval>"
    )


def test_runs_say_what_they_hold() -> None:
    runs = sc.read(LOSSES)
    assert repr(runs) == (
        "<Runs 3 runs; 3 points; N 1e+07 to 1e+09; D 1e+09 to 1e+11; L 2.2 to 3.9>"
    )
    page = runs._repr_html_()
    assert page == reports.short_html(runs)
    assert page.partition("</table>")[0].count("<tr>") == 4
    assert str(runs) == reports.short(runs)


ON_THE_SCREEN = ["predict", "predict along schedules", "profile", "batch, published", "hparams"]
ON_THE_SCREEN += ["check", "laws", "one law", "schedule", "runs"]


@pytest.mark.parametrize("case", ON_THE_SCREEN)
def test_python_shows_what_the_command_prints(here: Path, case: str) -> None:
    arguments, verb = CASES[case]
    printed, answer = command_line.run(*arguments, "--quiet").stdout, verb()
    assert str(answer) + "\n" == printed
    assert answer._repr_html_() == reports.short_html(answer)


def test_the_best_schedule_is_shown(tmp_path: Path) -> None:
    best = sc.best_schedule(kinds.load(CURVES, sc.CurveFit), 20000)
    told = command_line.run("schedule", "--best", "--fit", CURVES, "--steps", 20000, "--quiet")
    assert str(best) + "\n" == told.stdout
    assert repr(best).startswith(
        f"<best of {len(best.families)} schedules: {best.best.loss:.4f} after wsd:peak=0.0003,"
    )


def test_an_answer_names_what_it_holds() -> None:
    assert repr(sc.schedule(SCHEDULES[0])) == "<Answer of schedule: schedules, left_out>"
    fit = cli_fits.fit()
    assert repr(sc.predict(CURVES, schedule=SCHEDULES[0])).startswith("<Along ")
    assert fit.predict(**POINT)._repr_html_() == reports.short_html(fit.predict(**POINT))


def test_every_kind_of_fit_shows_itself_in_a_notebook() -> None:
    for thing in (sc.batch(params="1B", target_loss=2.5).made, sc.load(CURVES)):
        assert thing._repr_html_() == reports.short_html(thing)
        assert str(thing) == reports.short(thing)
    assert str(cli_fits.fit()) == reports.short(cli_fits.fit())


def test_a_figure_shows_itself_in_a_notebook(here: Path) -> None:
    drawn = sc.plot("ladder.json", "contour")
    assert drawn._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")
    drawn.save("contour.svg")
    assert Path("contour.svg").read_text(encoding="utf8").startswith("<?xml")


def test_runs_or_a_path_are_drawn_beside_a_fit(here: Path) -> None:
    table = "held.csv"
    drawn = [sc.plot("ladder.json", measured=given) for given in (table, sc.read(table))]
    for each in drawn:
        held = each.to_dict()["numbers"]["held_out"]
        assert held["measured"] == [2.21]
        assert [item.run for item in each.left_out] == ["held:3"]
    curves = sc.plot(CURVES, "curves", measured=COSINE)
    assert curves.left_out == []


def test_a_figure_is_plain_data_and_travels(here: Path) -> None:
    drawn = sc.plot("ladder.json", "contour")
    assert drawn.figure is drawn.figure
    again = pickle.loads(pickle.dumps(drawn))
    assert (
        json.dumps(again.to_dict())
        == json.dumps(drawn.to_dict())
        == json.dumps(json.loads(to_json(drawn.to_dict())))
    )
    again.save("again.png")


# --- tables in memory -----------------------------------------------------------------------


def _polars(columns: dict[str, list[float]]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def _pandas(columns: dict[str, list[float]]) -> Any:
    import pandas as pd

    return pd.DataFrame(columns)


class Interchanged:
    """A frame that offers the interchange protocol and nothing else."""

    def __init__(self, columns: dict[str, list[float]]) -> None:
        self._table = pa.table(columns)

    def __dataframe__(self, **options: Any) -> Any:
        return self._table.__dataframe__(**options)


@pytest.mark.parametrize("frame", [dict, pa.table, _pandas, _polars, Interchanged])
def test_tables_in_memory_are_read(frame: Callable[[dict[str, list[float]]], Any]) -> None:
    runs = sc.read(frame(LOSSES))
    assert [run["loss"] for run in runs.summary()] == LOSSES["loss"]
    assert runs.to_dict()["ranges"]["N"] == [1e7, 1e9]


def test_words_and_gaps_of_a_polars_frame_are_read() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({**LOSSES, "run_id": ["a", "b", "c"], "val_loss": [3.0, None, 2.0]})
    runs = sc.read(frame)
    assert [run["run_id"] for run in runs.summary()] == ["a", "b", "c"]


# --- what is refused, and what is said of it ------------------------------------------------

LENGTHS = "these cannot be points together: N has 2, D has 3. Give as many of each, or one."
NO_STEPS = "needs --schedule. A law of points has no steps: it sees the end."
POINT: dict[str, Any] = {"N": 7e9, "D": 1e12}
MISASKED: dict[str, tuple[type[Exception], Callable[[], Any], str]] = {
    "lengths": (sc.UsageError, lambda: sc.predict(N=[1e9, 2e9], D=[1e9, 1e10, 1e11]), LENGTHS),
    "lengths, with compute": (
        sc.UsageError,
        lambda: cli_fits.fit().predict(N=[1e9, 2e9], C=[1e21, 1e22, 1e23]),
        LENGTHS.replace("D has", "C has"),
    ),
    "steps": (sc.UsageError, lambda: sc.predict(**POINT, steps=[1]), f"--steps {NO_STEPS}"),
    "every": (sc.UsageError, lambda: sc.predict(**POINT, every=5), f"--every {NO_STEPS}"),
    "objective": (
        sc.UsageError,
        lambda: sc.fit(LADDER, objective="l3"),
        "objective must be huber, l2 or lad, not 'l3'.",
    ),
    "no such run": (KeyError, lambda: sc.forecast(COSINE, until=4096)["nope"], "'nope'"),
    "no such folder": (
        sc.UsageError,
        lambda: cli_fits.fit().to_json("nowhere/fit.json"),
        "cannot write nowhere/fit.json: No such file or directory.",
    ),
    "measured": (
        sc.UsageError,
        lambda: sc.predict(**POINT, measured=["low"]),
        "cannot read 'low'. Write 7B, 7e9, 124M, 1T, 2**20 or 1.5e24; a mixture such as 8x7B "
        "needs one number (say which count: total or active).",
    ),
}


@pytest.mark.parametrize("case", MISASKED)
def test_what_cannot_be_asked_is_refused_in_words(here: Path, case: str) -> None:
    error, ask, message = MISASKED[case]
    assert refusal(error, ask) == message


def test_the_fit_that_answers_unasked_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    certified, why = "chinchilla/besiroglu-2024", "because there is no ./fit.json here"
    told = sc.predict(**POINT)
    assert f"D=1e+12, by {certified}, 90 %" in repr(told)
    assert f"fit: certified {certified}, {why} (--fit chooses another)." in " ".join(
        str(told).split()
    )
    cli_fits.fit().to_json("fit.json")
    told = sc.predict(**POINT)
    assert "D=1e+12, by fit.json, 90 %" in repr(told)
    assert str(told).endswith("\nfit: ./fit.json.")
    assert "fit: " not in str(sc.predict("fit.json", **POINT))


def test_an_objective_and_a_method_may_be_named_alone() -> None:
    squares = sc.fit(LADDER, where=FIT, objective="l2", bootstrap=0)
    assert squares.objective == sc.Objective("l2")
    one = sc.profile(squares, "alpha", methods="delta")
    assert [interval.method for interval in one.intervals] == ["delta"]


def test_a_schedule_is_taken_as_it_is() -> None:
    text = "cosine:peak=0.0113,warmup=102,min=0.00113,steps=4096"
    parsed = sc.parse_schedule(text)
    assert schedules_of(parsed) == schedules_of([parsed]) == schedules_of(text) == ({}, text)
    assert schedules_of({"a": parsed}) == ({"a": parsed}, None)


@pytest.mark.parametrize("kind", ["backtest", "batch_fit", "curve_fit", "fit", "forecast"])
def test_what_holds_the_same_is_equal(kind: str) -> None:
    file = Path(__file__).parents[1] / f"artefacts/v0.1.0/{kind}.json"
    stored = sc.load(file)
    assert stored == sc.load(file)
    assert stored != replace(stored, command="another")
    assert stored != sc.load(CURVES)


def test_predictions_are_equal_by_their_numbers() -> None:
    fit = cli_fits.fit()
    assert fit.predict(**POINT) == fit.predict(params="7B", tokens="1T")
    assert fit.predict(**POINT) != fit.predict(N=7e9, D=2e12)
    curve = kinds.load(CURVES, sc.CurveFit).predict(SCHEDULES[0])
    assert curve == kinds.load(CURVES, sc.CurveFit).predict(SCHEDULES[0])
    assert curve != kinds.load(CURVES, sc.CurveFit).predict(SCHEDULES[1])
