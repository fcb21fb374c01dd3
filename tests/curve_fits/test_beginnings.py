"""Curves whose logs begin after the warm-up: it is one fact of all of them, and the curves tell it.

Simulated from a law, so that the truth is known; and the published runs, where they are there.
"""

import json
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest
from command_line import run
from refusals import refusal

import scaling_cli as sc
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.curve_laws.multi_power import MultiPower
from scaling_cli.schedules._path import Path
from scaling_cli.vocabulary.errors import UsageError

TRUTH = {"L0": 3.0, "A": 20.0, "alpha": 0.5, "B": 0.15, "C": 0.06, "beta": 0.25, "gamma": 0.8}
SCHEDULES = {
    "constant": "constant:peak=0.001,{}steps=6000",
    "drop": "step:peak=0.001,{}at=3000,to=0.0003,steps=6000",
    "held": "wsd:peak=0.001,{}stable=4500,min=0.0001,steps=6000",
    "wsd": "wsd:peak=0.001,{}stable=2000,decay=cosine,min=0.0001,steps=6000",
}
EVERY = 100  # steps: so that all fits of a law share one executable
FITTED = ("constant", "drop", "wsd")
BARE = {"law": "multi_power", "bootstrap": 0}


def logs(folder: File, warmup: int, first: int, noise: float = 3e-4, scale: float = 1.0) -> File:
    """Write the logs of a model from some step on."""
    for i, (name, text) in enumerate(SCHEDULES.items()):
        schedule = sc.parse_schedule(text.format(f"warmup={warmup}," if warmup else ""))
        step = np.arange(first, 6000, EVERY)
        law, path = MultiPower(**TRUTH), Path.of(schedule, step, unit=0.001)
        off = np.random.default_rng(i).standard_normal(len(step))
        loss = scale * law.curve(path) * np.exp(noise * off)
        rows = zip(step, schedule.lr(step), loss, strict=True)
        table = "".join(f"{s},{lr:.9g},{y:.6f}\n" for s, lr, y in rows)
        (folder / f"{name}.csv").write_text(f"step,lr,loss\n{table}")
    return folder


def fitted(folder: File, *names: str, **options: Any) -> CurveFit:
    """Fit logs of a folder."""
    return sc.fit([str(folder / f"{name}.csv") for name in names or FITTED], **BARE | options)


@pytest.mark.parametrize("warmup", [600, 1500])
def test_the_curves_tell_the_warm_up_that_no_log_shows(tmp_path: File, warmup: int) -> None:
    fit = fitted(logs(tmp_path, warmup, 1500))
    hidden = fit.hidden_warmup
    assert hidden is not None and hidden.interval is not None and hidden.curves is not None
    assert hidden.until == 1500
    low, high = hidden.interval
    assert low - 1 <= warmup <= high + 1
    assert high - low < 600
    assert abs(hidden.warmup - warmup) < 200
    assert fit.warmups == [hidden.warmup]
    if warmup == 1500:
        assert hidden.source == "where the logs begin"
    (unseen,), _ = sc.curves_of(sc.read(str(tmp_path / "held.csv")), warmup=hidden.warmup)
    assert fit.along(unseen).value == pytest.approx(unseen.loss, rel=2e-3)


def test_what_is_stated_comes_first_and_is_blamed_where_it_is_wrong(tmp_path: File) -> None:
    logs(tmp_path, 600, 1500)
    given = fitted(tmp_path, warmup=600).hidden_warmup
    assert given is not None and (given.warmup, given.source) == (600, "as given")
    assert not given.contradicted
    wrong = fitted(tmp_path, warmup="1400")
    hidden = wrong.hidden_warmup
    assert hidden is not None and (hidden.warmup, hidden.contradicted) == (1400, True)
    (check,) = [c for c in wrong.checks if c.code == "curve.warmup"]
    taken, best = (100 * hidden.misfits[k] for k in ("as given", "as the curves say"))
    assert best < taken
    assert check.message == (
        f"with a warm-up to step 1400, as given, the curves are missed by {taken:.2g} %; with one "
        f"to step {hidden.curves:g} by {best:.2g} %. Check it, or give --warmup {hidden.curves:g}."
    )
    said = refusal(UsageError, fitted, tmp_path, warmup=2000)
    assert said == (
        "the warm-up cannot end at step 2000: run 'constant' is at its peak at step 1500."
    )


def test_a_run_or_a_configuration_that_shows_the_warm_up_tells_it_of_its_siblings(
    tmp_path: File,
) -> None:
    logs(tmp_path, 600, 1500)
    runs = sc.read(*(str(tmp_path / f"{n}.csv") for n in FITTED), set={"warmup_steps": "600"})
    curves, _ = sc.curves_of(runs)
    assert {c.schedule.phases()[0].end for c in curves} == {600}
    assert {c.beginning.source for c in curves if c.beginning} == {"by warmup_steps of constant"}
    whole = (tmp_path / "drop.csv").read_text().splitlines()
    early = [f"{s},{1e-3 * min(1, s / 600):.9g},5" for s in range(0, 1500, EVERY)]
    (tmp_path / "drop.csv").write_text("\n".join([whole[0], *early, *whole[1:]]) + "\n")
    curves, _ = sc.curves_of(sc.read(*(str(tmp_path / f"{n}.csv") for n in FITTED)))
    assert {c.schedule.phases()[0].end for c in curves} == {600}
    sources = {c.run: c.beginning and c.beginning.source for c in curves}
    assert sources == {"constant": "as in drop", "drop": None, "wsd": "as in drop"}


def test_a_law_that_does_not_see_the_warm_up_says_so(tmp_path: File) -> None:
    hidden = fitted(logs(tmp_path, 600, 1500), law="annealing").hidden_warmup
    assert hidden is not None
    assert (hidden.warmup, hidden.curves, hidden.interval) == (1500, None, None)


def test_the_command_line_needs_no_law_and_compares_raw_logs(tmp_path: File) -> None:
    logs(tmp_path, 600, 1500)
    files = [str(tmp_path / f"{name}.csv") for name in FITTED]
    target = str(tmp_path / "fit.json")
    done = run("fit", *files, "--bootstrap", "0", "-o", target)
    assert done.exit_code == 0, done.stderr
    assert (
        "3 loss curves of one model, it is assumed (constant, step, wsd), so a law of curves: "
        "average\n"
    ) in done.stderr
    hidden = kinds.load(target, CurveFit).hidden_warmup
    assert hidden is not None
    line = f"warm-up   ends at step {hidden.warmup:.0f}, as the curves say: one fact of all runs,"
    assert line in done.stdout
    held = str(tmp_path / "held.csv")
    record = json.loads(run("predict", "--fit", target, "--points", held, "--json").stdout)
    (compared,) = record["compared"]
    off = [abs(p["value"] / p["measured"] - 1) for p in record["predictions"]]
    assert compared["mare"] == pytest.approx(np.mean(off)) and compared["mare"] < 1.5e-3
    assert (compared["run"], compared["points"], compared["fitted"]) == ("held", 45, False)
    table = ["predict", "--fit", target, "--points", held, "--json", "--schedule"]
    again = json.loads(run(*table, held).stdout)["compared"][0]
    assert again["mare"] == pytest.approx(compared["mare"], abs=2e-6)
    text = SCHEDULES["held"].format(f"warmup={hidden.warmup},")
    typed = json.loads(run(*table, text).stdout)["compared"][0]
    assert typed["mare"] == pytest.approx(compared["mare"], abs=2e-6)
    panels = json.loads(
        run("plot", target, "--kind", "curves", "--measured", held, "--json").stdout
    )["numbers"]["runs"]
    assert panels[-1]["schedule"] == compared["schedule"]
    best = run("schedule", "--best", "--fit", target, "--steps", "6000", "--json")
    assert json.loads(best.stdout)["regime"]["warmup"] == hidden.warmup


def test_curves_of_two_models_are_told_apart(tmp_path: File) -> None:
    logs(tmp_path, 1500, 1500)
    (tmp_path / "other").mkdir()
    logs(tmp_path / "other", 1500, 1500, scale=1.1)
    files = [tmp_path / "constant.csv", tmp_path / "other/held.csv", tmp_path / "wsd.csv"]
    fit = sc.fit([str(file) for file in files], law="annealing", bootstrap=0)
    (check,) = [c for c in fit.checks if c.code == "curve.model"]
    assert (
        "constant and held have the same rates up to step 4500, and losses that differ by 9.5 %: "
        "they are not of one model. Fit them apart."
    ) in check.message


def test_one_curve_is_fitted_and_what_it_cannot_tell_is_said(tmp_path: File) -> None:
    logs(tmp_path, 1500, 1500)
    alone = fitted(tmp_path, "wsd", law=None)
    assert alone.name_of_law == "average"
    (check,) = [c for c in alone.checks if c.code == "curve.schedules"]
    assert check.message.startswith("one curve cannot tell what a fall of the rate takes off")
    level = fitted(tmp_path, "constant", law=None)
    assert level.name_of_law == "power_area"


def test_the_published_runs_from_their_raw_files(shared: File, tmp_path: File) -> None:
    """Three raw logs fitted, six predicted: as good as with the schedules typed by hand."""
    folder = shared / "data/multipowerlaw/runs_25M"
    files = [str(folder / f"{n}.csv") for n in ("cosine_24000", "constant_24000", "wsdcon_9")]
    for law, most in (("average", 0.0013), ("annealing", 0.0021)):
        target = str(tmp_path / f"{law}.json")
        # As the command fits them, less the schedules left out in turn: no forecast knows them.
        curves, _ = sc.curves_of(sc.read(*files))
        sc.fit_curves(curves, law=law, bootstrap=0, hold_out=False).to_json(target)
        points = str(folder / "*.csv")
        record = json.loads(run("predict", "--fit", target, "--points", points, "--json").stdout)
        held = [c["mare"] for c in record["compared"] if not c["fitted"]]
        assert len(held) == 6
        assert np.mean(held) < most
