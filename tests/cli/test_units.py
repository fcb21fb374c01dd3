"""What a law gives that is no loss, and losses that are no nats: named so wherever they appear."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from curve_truths import made
from tables import table

import scaling_cli as sc
from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.curve_fits.fitting import fit_curves
from scaling_cli.forecasting.job import jobs_of
from scaling_cli.plots import _forecast
from scaling_cli.vocabulary.errors import MismatchError
from scaling_cli.vocabulary.jsonfile import to_json


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit of Step Law to the best learning rates of 15 runs, 0.000251 to 0.00957."""
    points, folder = table("chinchilla"), tmp_path_factory.mktemp("rates")
    N, D = points.inputs["N"], points.inputs["D"]
    noise = np.exp(0.01 * np.random.default_rng(1).standard_normal(len(N)))
    lr = 1.79 * N**-0.713 * D**0.307 * noise
    rows = [
        f"r{i},{n!r},{d!r},{r!r}" for i, (n, d, r) in enumerate(np.stack([N, D, lr], 1).tolist())
    ]
    (folder / "lr.csv").write_text("\n".join(["run_id,params,tokens,lr", *rows, ""]))
    path = folder / "fit.json"
    options = ("--law", "step_learning_rate", "--target", "lr", "--bootstrap", "0")
    done = run("fit", str(folder / "lr.csv"), *options, "-o", str(path))
    assert done.exit_code == 0, done.stderr
    low, high = (f"{end:.3g}" for end in (lr.min(), lr.max()))
    assert (
        done.stdout.splitlines()[0]
        == f"15 runs   N 20M to 2B   D 100M to 160B   lr {low} to {high}"
    )
    return path


def test_a_law_of_learning_rates_speaks_of_no_loss(rates: Path) -> None:
    fit = sc.load(rates)
    low, high = fit.data["ranges"]["lr"]
    assert (list(fit.data["ranges"]), fit.data["conventions"]) == (
        ["N", "D", "lr", "C"],
        {"N": "total"},
    )
    text = run("show", str(rates), "--full").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"lr {low:.3g} to {high:.3g}" in lines
    assert any(
        line.startswith("sum of Huber(delta 0.001) of the residuals of ln lr = ") for line in lines
    )
    units = [line.split("]")[1] for line in lines if line.startswith(("c ", "alpha ", "beta "))]
    assert units == [" 1 coefficient", " 1 exponent in parameters", " 1 exponent in tokens"]
    assert "nats" not in text and "as given" not in text and "loss" not in text.split("checks")[0]


@pytest.mark.parametrize("of", ["loss", "lr"])
def test_an_interval_is_titled_by_what_the_law_gives(rates: Path, of: str) -> None:
    asked = ("--of", of, "--params", "1B", "--tokens", "10B", "--method", "delta")
    value = float(kinds.load(rates, Fit).law(N=1e9, D=1e10))
    text = run("profile", str(rates), *asked).stdout
    assert text.splitlines()[0] == f"lr at N = 1B, D = 10B = {value:.6g}"


def test_a_file_in_which_every_output_was_L_still_reads(rates: Path, tmp_path: Path) -> None:
    record = json.loads(rates.read_text())
    data = record["data"]
    data["ranges"] = {"L" if s == "lr" else s: ends for s, ends in data["ranges"].items()}
    data["conventions"] |= {"L": "as given"}
    old = tmp_path / "old.json"
    old.write_text(to_json(record))
    assert sc.load(old).to_dict()["data"] == sc.load(rates).to_dict()["data"]
    assert run("show", str(old), "--full").stdout == run("show", str(rates), "--full").stdout


@pytest.fixture(scope="module")
def bits(tmp_path_factory: pytest.TempPathFactory) -> CurveFit:
    """Curves of a log whose losses are in bits per byte, and their fit."""
    folder = tmp_path_factory.mktemp("bits")
    for name in ("constant", "wsd"):
        c = made("annealing", name)
        rows = [f"{s},{c.schedule.lr(s)},{v}" for s, v in zip(c.step, c.loss, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["step,lr,bpb", *rows, ""]))
    asked = ("--law", "annealing", "--target", "bpb", "--bootstrap", "0", "--full")
    done = run("fit", str(folder / "*.csv"), *asked, "-o", str(folder / "fit.json"))
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert next(line for line in lines if line[:1] == ["L"])[-1] == "bits/byte"
    assert "nats" not in done.stdout
    return kinds.load(folder / "fit.json", CurveFit)


def test_curves_in_bits_are_labelled_bits(bits: CurveFit) -> None:
    assert bits.data["conventions"] == {"lr": "over rate_unit", "L": "bits/byte"}
    assert {c.unit for c in bits.curves()} == {"bits/byte"}
    assert bits.loss_unit == "bits/byte"
    for kind in ("curves", "schedules"):
        axes = plots.figure(kind, plots.get(kind).table(bits)).axes
        assert "Loss (bits/byte)" in [ax.get_ylabel() for ax in axes]


def test_a_running_job_in_bits_is_labelled_bits(tmp_path: Path) -> None:
    c = made("annealing", "constant")
    rows = [f"{s},{v}" for s, v in zip(c.step, c.loss, strict=True)]
    (tmp_path / "run.csv").write_text("\n".join(["step,bpb", *rows, ""]))
    runs = sc.read(str(tmp_path / "run.csv"))
    made_of = sc.forecast(runs, until=4000, target="bpb")
    jobs, _ = jobs_of(runs, target="bpb")
    assert plots.drawn(_forecast, _forecast.table(made_of, jobs)).axes[0].get_ylabel() == (
        "Loss (bits/byte)"
    )
    other = replace(jobs[0], run="other", loss_unit="nats/token")
    both = replace(made_of, runs=[made_of[0], replace(made_of[0], run="other")])
    drawn = plots.drawn(_forecast, _forecast.table(both, [*jobs, other]))
    assert drawn.axes[0].get_ylabel() == "Loss"


def test_curves_in_two_units_are_not_fitted_together() -> None:
    one = made("annealing", "constant")
    with pytest.raises(MismatchError) as caught:
        fit_curves([one, replace(one, run="b", unit="bits/byte")], law="annealing")
    assert caught.value.message == (
        "the losses of the curves have two units: bits/byte, nats/token."
    )
