"""Steps that begin again in every epoch, and axes that are no steps."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from log_files import column, curve, write

import scaling_cli as sc

BEGIN_AGAIN = {
    "parts of epochs, the last row says 0": [(i / 100, i % 100) for i in range(1, 401)],
    "parts of epochs, the first row says 0": [(i / 100, i % 100) for i in range(400)],
    "parts of epochs, from the first on": [(1 + i / 100, i % 100) for i in range(1, 401)],
    "short parts": [(i / 200, i % 200) for i in range(1, 401)],
    "rounded parts": [(round(i / 200, 2), i % 200) for i in range(1, 401)],
    "parts out of step with epochs": [(i / 100, i % 100) for i in range(30, 401, 30)],
    "whole epochs, the last row says 0": [((i - 1) // 100, i % 100) for i in range(1, 401)],
    "an epoch began before": [(i / 100, i % 100) for i in range(550, 701)],
}


def loss(step: float) -> float:
    return round(2 + 8 / (1 + step) ** 0.3, 6)


def read(folder: Path, rows: Sequence[tuple[float, int]]) -> dict[object, object]:
    text = "".join(f"{e:.10g},{s},{loss(i)}\n" for i, (e, s) in enumerate(rows))
    return curve(sc.read(write(folder, "a.csv", f"epoch,step,loss\n{text}")))


@pytest.mark.parametrize("case", BEGIN_AGAIN)
def test_steps_that_begin_again_in_every_epoch_are_counted_on(tmp_path: Path, case: str) -> None:
    rows = BEGIN_AGAIN[case]
    steps, losses = zip(*read(tmp_path, rows).items(), strict=True)
    apart = 30 if "out of step" in case else 1
    assert [step - steps[0] for step in steps] == [apart * i for i in range(len(rows))]
    assert list(losses) == [loss(i) for i in range(len(rows))]


def test_a_log_that_was_resumed_in_parts_of_an_epoch_keeps_its_steps(tmp_path: Path) -> None:
    steps = [*range(10, 310, 10), *range(210, 510, 10)]
    later = {step: loss(30 + i) for i, step in enumerate(range(210, 510, 10))}
    before = {step: loss(i) for i, step in enumerate(range(10, 210, 10))}
    assert read(tmp_path, [(s / 400, s) for s in steps]) == before | later


def test_a_forecast_says_what_it_counts_where_the_log_has_no_step(tmp_path: Path) -> None:
    rows = "".join(f"{i},{2 + 3 / (1 + i) ** 0.5}\n" for i in range(60))
    log = write(tmp_path, "a.csv", f"time,loss\n{rows}")
    told = "there is no step: logged rows are counted (--map step=COLUMN names another axis)."
    assert sc.forecast(log, until=200).to_dict()["notes"] == [f"{log}: {told}"]


def test_planned_steps_are_not_compared_with_epochs(tmp_path: Path) -> None:
    head = "  Total optimization steps = 1,000\n"
    rows = "".join(f"{{'loss': {5 - i}.0, 'epoch': 0.{i}}}\n" for i in range(1, 5))
    runs = sc.read(write(tmp_path, "a.log", head + rows))
    assert column(runs, "step") == [1, 2, 3, 4]
    assert runs.summary()[0]["state"] == "unknown"
    assert runs.runs["header/step"].to_pylist() == [1000.0]


@pytest.mark.parametrize(("column", "unit"), [("epoch", "1/10 epoch"), ("time", "rows")])
def test_tokens_of_a_step_times_what_is_no_step_are_told(
    tmp_path: Path, column: str, unit: str
) -> None:
    rows = "".join(f"{i / 10},{loss(i)}\n" for i in range(1, 30))
    log = write(tmp_path, "a.csv", f"{column},loss\n{rows}")
    noted = [n.message for n in sc.read(log, set={"batch_tokens": 1000}).notes if n.level == "warn"]
    assert noted == [
        f"tokens of 1 run(s) are batch_tokens times {unit}, which may be no steps: a. --map "
        "step=COLUMN or --map tokens=COLUMN names what was logged."
    ]
    assert not [note for note in sc.read(log).notes if note.level == "warn"]


def test_a_row_that_says_no_step_is_of_the_row_before_it(tmp_path: Path) -> None:
    """Evaluations between training rows, and after each the figures of a test without a step."""
    rows = []
    for i in range(1, 9):
        rows.append(f'{{"step": {100 * i}, "loss": {loss(i)}, "epoch": {i - 0.1}}}')
        rows.append(f'{{"step": {100 * i + 10}, "eval_loss": {loss(i) + 1}, "epoch": {i}.0}}')
        rows.append(f'{{"predict_loss": {loss(i) + 2}, "epoch": {i}.0}}')
    log = write(tmp_path, "trainer_state.json", f'{{"log_history": [{", ".join(rows)}]}}')
    runs = sc.read(log)
    assert curve(runs) == {100 * i: loss(i) for i in range(1, 9)}
    wanted = {100 * i + 10: loss(i) + 2 for i in range(1, 9)}
    assert curve(runs, "predict_loss") == wanted
