"""What was done to a curve: a log with planned faults, each found where it was put."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run as command
from refusals import refusal

import scaling_cli as sc
from scaling_cli import plots
from scaling_cli.forecasting.explanation import Explanation, Standing
from scaling_cli.plots import _explained
from scaling_cli.vocabulary.errors import UsageError

PEAK, WARMUP, STEPS, EVERY = 3e-3, 100, 2000, 5
SPIKES = {400: 0.3, 1300: 0.15}  # from which step, and how high
LONG = 25  # steps of a spike
BACK, BROKEN = 750, 905
VALIDATED = range(200, STEPS + 1, 200)


def _rate(step: int) -> float:
    if step < WARMUP:
        return PEAK * step / WARMUP
    share = (step - WARMUP) / (STEPS - WARMUP)
    return PEAK * (0.1 + 0.45 * (1 + np.cos(np.pi * share)))


def _loss(step: int, noise: float) -> float:
    loss = (2 + 6 * (step + 20) ** -0.35) * np.exp(noise)
    for first, high in SPIKES.items():
        if first <= step < first + LONG:
            loss *= 1 + high * (1 - (step - first) / LONG)
    return float(loss)


def _rows(first: int, end: int, rng: np.random.Generator) -> list[str]:
    rows = []
    for step in range(first, end, EVERY):
        loss = _loss(step, rng.uniform(-0.003, 0.003))
        rows.append(f"{step},{loss:.5f},{_rate(step):.8f},")
        if step in VALIDATED:
            rows.append(f"{step},,,{loss + 0.02:.5f}")
    return rows


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that spiked, broke off at step 905, was resumed from 750, and is still written."""
    rng = np.random.default_rng(3)
    first = [*_rows(EVERY, BROKEN, rng), f"{BROKEN},nan,{_rate(BROKEN):.8f},"]
    lines = ["step,loss,lr,val_loss", *first, *_rows(BACK, STEPS + 1, rng), "2005,2.4"]
    path = tmp_path_factory.mktemp("log") / "run.csv"
    path.write_text("\n".join(lines), encoding="utf8")
    return path


@pytest.fixture(scope="module")
def told(log: Path) -> Explanation:
    return sc.explain(str(log), "run")


def test_every_row_is_seen_as_what_it_is(told: Explanation) -> None:
    # From 750 to 905: 32 rows of a loss and the held-out one of step 800.
    again = (BROKEN - BACK) // EVERY + 1
    spiked = {step for first in SPIKES for step in range(first, first + LONG, EVERY)}
    assert {*told.x[told.of(Standing.SPIKE)].tolist()} == spiked
    assert told.counts == {
        "counts": STEPS // EVERY - len(spiked),
        "spike": len(spiked),
        "merged": len(VALIDATED),
        "superseded": again + 1,
    }


def test_parts_of_the_log(told: Explanation) -> None:
    first, second = told.segments
    rows = BROKEN // EVERY + len([s for s in VALIDATED if s < BROKEN])
    assert (first.first_line, first.last_line, first.rows) == (2, rows + 1, rows)
    assert (first.first, first.last, first.back) == (EVERY, BROKEN, None)
    assert (second.first_line, second.first, second.last) == (rows + 2, BACK, STEPS)
    assert (second.back, second.superseded) == (BROKEN - BACK, 0)
    assert [file.rows for file in told.files] == [len(told.x)]


def test_spikes_are_as_high_as_they_were_made(told: Explanation) -> None:
    assert [spike.first for spike in told.spikes] == [*SPIKES]
    assert [spike.last - spike.first + EVERY for spike in told.spikes] == [LONG, LONG]
    heights = [spike.above for spike in told.spikes]
    np.testing.assert_allclose(heights, [*SPIKES.values()], atol=0.02)


def test_the_rate_and_its_warm_up(told: Explanation) -> None:
    assert told.rate is not None
    assert told.rate.text == f"cosine:peak={PEAK},warmup={WARMUP},min={PEAK / 10:g},steps={STEPS}"
    assert (told.rate.within, told.rate.warmup) == (1.0, WARMUP)
    assert told.rate.known == "certain, from its learning rate"


def test_what_each_use_takes(told: Explanation) -> None:
    fit, curves, forecast = told.uses
    assert fit.told == "nothing: law chinchilla needs params (N, model parameters); no run has it."
    assert (curves.rows, curves.first, curves.last) == (len(VALIDATED), VALIDATED[0], STEPS)
    inside = told.of(Standing.COUNTS) & (told.x >= forecast.first)
    assert (forecast.rows, forecast.last) == (int(inside.sum()), STEPS)
    assert forecast.points == len(told.means[0])


def test_a_law_of_finished_runs_takes_the_last_loss(log: Path) -> None:
    runs = sc.read(str(log), set={"params": "1M", "batch_tokens": 1000})
    fit = sc.explain(runs, "run").uses[0]
    last = runs.summary()[0]
    assert (fit.rows, last["target"]) == (1, "val_loss")
    assert fit.told == f"its last val_loss, {last['loss']:.5g}"


def test_the_held_out_loss_of_the_same_run(log: Path) -> None:
    told = sc.explain(str(log), "run", target="val_loss")
    assert told.counts["counts"] == len(VALIDATED)
    assert told.spikes == []


def test_what_the_loss_is(told: Explanation, log: Path) -> None:
    assumed = {"loss_kind": "step", "loss_kind_known": "assumed", "loss_unit_known": "assumed"}
    assert told.known == {**assumed, "loss_quantum": 1e-5}
    runs = sc.read(str(log), set={"loss_kind": "running_mean", "loss_convention": "bits/byte"})
    known = sc.explain(runs, "run").known
    assert known is not None
    assert known["loss_kind"] == "running_mean"
    assert (known["loss_kind_known"], known["loss_unit_known"]) == ("declared", "declared")


def test_a_run_that_ends_in_no_number(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    rows = [f"{s},{_loss(s, 0):.5f}" for s in range(5, 505, 5)]
    path.write_text("\n".join(["step,loss", *rows, "505,nan", "510,inf", ""]), encoding="utf8")
    told = sc.explain(str(path), "broken")
    assert told.counts == {"counts": 100, "not finite": 2}
    assert told.rate is None
    why = "nothing: run 'broken' diverged: its loss is not finite after step 500."
    assert told.uses[2].told == why
    assert told.uses[0].told == "nothing: loss is infinite at its last step 510; the run diverged."


def test_a_table_of_finished_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    text = "run_id,params,tokens,loss\na,1e6,2e7,4\nb,2e6,4e7,3.7\nc,4e6,8e7,3.5\n"
    path.write_text(text, encoding="utf8")
    told = sc.explain(str(path), "b")
    assert (told.counts, told.segments) == ({"counts": 1}, [])
    assert told.uses[0].told == "its last loss, 3.7"
    wrong = "run 'b' has no loss along it to draw."
    assert refusal(UsageError, _explained.table, told) == wrong


def test_the_screen_is_one(log: Path) -> None:
    lines = str(sc.explain(str(log), "run")).splitlines()
    assert len(lines) <= 36
    assert max(map(len, lines)) <= 80
    assert f"resumed   line 187, from step {BROKEN} to {BACK}; 33 rows superseded" in lines


def test_the_figure_shows_what_was_said(told: Explanation, tmp_path: Path) -> None:
    table = _explained.table(told)
    assert {name: len(x) for name, (x, _) in table.apart.items()} == {
        "superseded": told.counts["superseded"] - 2,  # one is no number, one a held-out loss
        "spikes": told.counts["spike"],
    }
    assert table.broken.tolist() == [BROKEN]
    assert table.resumed == ((BROKEN, BACK),)
    assert table.warmup == WARMUP
    path = plots.save(plots.drawn(_explained, table), tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_command(log: Path, tmp_path: Path) -> None:
    figure = tmp_path / "run.svg"
    record = json.loads(
        command("runs", str(log), "--explain", "run", "--plot", str(figure), "--json").stdout
    )
    assert record["explained"]["counts"]["superseded"] == 33
    assert [run["run_id"] for run in record["runs"]] == ["run"]
    assert figure.is_file()


def test_refusals(log: Path) -> None:
    told = "there is no run 'rum'. Did you mean run? Runs: run."
    assert refusal(UsageError, sc.explain, str(log), "rum") == told
    told = "no column 'lss' goes along this run. Did you mean loss or val_loss? Columns: step, "
    assert refusal(UsageError, sc.explain, str(log), "run", target="lss") == told + (
        "loss, lr, val_loss."
    )
