"""`scaling batch`: logs to a critical batch, and what a loss costs."""

import json
from functools import partial
from pathlib import Path

import command_line
import numpy as np
import pytest

from scaling_cli.artefacts.batch_fit import BatchTrajectory

TRUTH = BatchTrajectory(Sc=50.0, alpha_S=0.6, B_star=4e4, alpha_B=0.25, floor=1.5, N=26124.0)
KAPLAN = BatchTrajectory(Sc=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21, Nc=8.8e13, alpha_N=0.076)


run = partial(command_line.run, "batch")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    for B in (256, 1024, 4096, 16384):
        step = np.unique(np.geomspace(20, 4e5 / B**0.7, 30).round())
        loss = TRUTH.loss(step, B)
        lines = [f"{int(s)},1e-3,{x!r},{B}" for s, x in zip(step, loss.tolist(), strict=True)]
        text = "\n".join(["step,lr,loss,batch_tokens", *lines]) + "\n"
        (folder / f"b{B}.csv").write_text(text)
    return folder


def test_logs_are_fitted_and_asked(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "batch.json"
    result = run(str(logs), "--set", "params=26124", "-o", str(path))
    assert result.exit_code == 0, result.stderr
    for words in (
        "4 runs at 4 batch sizes, 256 to 16.38k tokens",
        "critical batch (tokens) by loss level",
        "! some batches have a single run",
        "! 4 batch sizes",
        "next      scaling batch \\\n            --fit",
    ):
        assert words in result.stdout
    asked = run("--fit", str(path), "--target-loss", "2.0,1.9", "--batch-tokens", "3k", "--json")
    targets = json.loads(asked.stdout)["targets"]
    assert [t["L"] for t in targets] == [2.0, 1.9]
    for target in targets:
        true = TRUTH.cost(target["L"], 3000.0)
        found = [target["B_crit"], target["S_min"], target["E_min"], target["batches"][0]["S"]]
        oracle = [true.B_crit, true.S_min, true.E_min, true.S]
        np.testing.assert_allclose([f["value"] for f in found], oracle, rtol=1e-3)
        assert target["batches"][0]["C"] == pytest.approx(6 * 26124 * float(true.E), rel=1e-3)
        for f in found:
            assert f["interval"][0] <= f["value"] <= f["interval"][1]


def test_published_constants_are_the_default() -> None:
    result = run("--params", "1B", "--target-loss", "2.5", "--json")
    (target,) = json.loads(result.stdout)["targets"]
    assert "certified kaplan_ns/kaplan-2020-headline" in result.stderr
    true = KAPLAN.cost(2.5, N=1e9)
    assert target["S_min"] == {"value": pytest.approx(float(true.S_min)), "interval": None}
    assert target["optimum"]["N"] == pytest.approx(KAPLAN.optimum(2.5).N, rel=1e-12)
    shown = run("--params", "1B", "--steps", "1k,10k", "--batch-tokens", "1M").stdout
    for S in (1e3, 1e4):
        assert f"{float(KAPLAN.loss(S, 1e6, N=1e9)):.4f}" in shown


def test_beyond_the_data_is_said(logs: Path) -> None:
    result = run(str(logs), "--target-loss", "1.51", "--batch-tokens", "1M", "--quiet")
    assert result.exit_code == 0
    assert "! a loss of 1.51 lies outside the fitted ones" in result.stdout
    assert "! a batch of 1e+06 tokens lies outside those that were run" in result.stdout


REFUSED = {
    ("--target-loss", "2.0"): (2, "the size of the model is not given. Say N (--params)."),
    ("--params", "1B"): (
        2,
        "nothing is asked. Give logs to fit, --target-loss, or --steps with --batch-tokens.",
    ),
    ("--params", "1B", "--steps", "1k"): (
        2,
        "the loss after so many steps depends on the batch. Say it: --batch-tokens 1M.",
    ),
    ("--params", "1B", "--target-loss", "2.0"): (
        4,
        "a loss of 2 is not above 2.376, the least that this size reaches with steps without end. "
        "Ask for a higher loss, or a larger model.",
    ),
    ("--fit", "chinchilla/besiroglu-2024,critical_batch/kaplan-2020", "--target-loss", "2"): (
        2,
        "--fit needs a fit of kaplan_ns and one of critical_batch, not chinchilla, critical_batch.",
    ),
    ("--fit", "nowhere.json", "--target-loss", "2"): (
        2,
        "'nowhere.json' is neither a file nor a certified fit or recipe.",
    ),
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_refused_with_the_whole_message(arguments: tuple[str, ...]) -> None:
    code, message = REFUSED[arguments]
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert f"error: {message}" in " ".join(result.stderr.replace("hint: ", "").split())


def test_two_batches_have_no_fit(logs: Path) -> None:
    result = run(str(logs / "b256.csv"), str(logs / "b4096.csv"))
    assert result.exit_code == 4
    assert "runs of one size at 2 batch sizes do not tell the critical batch" in " ".join(
        result.stderr.split()
    )
