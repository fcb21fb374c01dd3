"""Every dialect of consoles: what is read of each, whole, cut, behind launchers, and garbled."""

import math
import re
from pathlib import Path

import pytest
from console_logs import LOGS, LOSS, STEPS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_files import codes, write
from refusals import refusal

import scaling_cli as sc
from scaling_cli import ingest
from scaling_cli.ingest import console
from scaling_cli.ingest._trainers import ROOTS, dialects
from scaling_cli.runs.table import Runs
from scaling_cli.verbs.ingest import put
from scaling_cli.vocabulary.errors import DataError, UsageError

NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
IN_PARTS = {"litgpt", "wenet"}  # of micro-batches, of ranks
NO_STEP = {"huggingface"}  # its lines have an epoch alone, and rows are counted


def _curve(runs: Runs, name: str) -> dict[int, float]:
    rows = runs.points.to_pylist()
    return {row["step"]: row[name] for row in rows if row[name] is not None}


@pytest.mark.parametrize("name", LOGS)
def test_what_a_console_says(name: str, tmp_path: Path) -> None:
    log = LOGS[name]
    file = write(tmp_path, "run.log", log.text)
    assert ingest.recognised(file, log.text.encode()) == "console"
    runs = ingest.read(file)
    losses = _curve(runs, "loss")
    if name in NO_STEP:
        losses = dict(zip(STEPS, losses.values(), strict=True))
    assert losses == dict(log.loss)
    assert _curve(runs, "val_loss") == dict(log.held)
    facts = runs.runs.to_pylist()[0]
    assert {fact: facts[fact] for fact in log.facts} == dict(log.facts)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("first", ["[rank0]: ", "0: ", "[default3]:", "\x1b[36m"])
def test_launchers_and_colours_change_nothing(name: str, first: str, tmp_path: Path) -> None:
    log = LOGS[name]
    lines = log.text.split("\n")
    prefixed = "\n".join(first + line if line else line for line in lines)
    runs = ingest.read(write(tmp_path, "run.log", prefixed))
    assert list(_curve(runs, "loss").values()) == list(log.loss.values())
    assert list(_curve(runs, "val_loss").values()) == list(log.held.values())


@pytest.mark.parametrize("name", LOGS)
def test_a_console_cut_anywhere_gives_what_stands_before(name: str, tmp_path: Path) -> None:
    content = LOGS[name].text.encode()
    ends = [m.end() for m in re.finditer(rb"\n", content)]
    for cut in sorted({*ends, *(end - 3 for end in ends), *range(0, len(content), 331)}):
        try:
            runs = ingest.read(write(tmp_path, "run.log", content[:cut]))
        except DataError:
            continue
        losses, held = (list(_curve(runs, name).values()) for name in ("loss", "val_loss"))
        if name in IN_PARTS:  # the last step may not be all there
            losses = losses[:-1]
        assert losses == list(LOGS[name].loss.values())[: len(losses)]
        assert held == list(LOGS[name].held.values())[: len(held)]


@pytest.mark.parametrize("name", LOGS)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_number_is_read_that_is_not_there(name: str, data: st.DataObject) -> None:
    """Bytes are lost, doubled and replaced: whatever is read stands in what was left."""
    content = bytearray(LOGS[name].text.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(
            st.sampled_from([b"", b"\n", b" ", b".", b"7", b"nan", b"|", b"\xff", b","])
        )
        content[at : at + data.draw(st.integers(0, 6))] = piece
    try:
        raws = console.read("run.log", bytes(content))
    except DataError:
        return
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", content.decode(errors="replace"))
    there = {float(number.replace(",", "")) for number in NUMBER.findall(text)}
    pairs = {(a + b) / 2 for a in there for b in there} if name == "wenet" else set()
    for raw in raws:
        for column in ("train_loss", "val_loss"):
            values = raw.columns[column].to_pylist() if column in raw.columns else []
            known = [v for v in values if v is not None and math.isfinite(v)]
            assert {value for value in known if value not in there | pairs} == set()


def test_a_run_that_began_again_and_runs_one_after_the_other(tmp_path: Path) -> None:
    def line(step: int, loss: float, end: int) -> str:
        return f"Step {step}/{end} lr: 0.1 total_loss: {loss}, reduced_llm_loss: {loss}\n"

    once = "".join(line(s, LOSS[s], 60) for s in STEPS)
    other = "".join(line(s, LOSS[s] + 1, 40) for s in STEPS[:4])
    file = write(tmp_path, "f.log", once + other)
    runs = ingest.read(file)
    assert runs.runs.select(["run_id", "step"]).to_pylist() == [
        {"run_id": "f:1", "step": 60.0},
        {"run_id": "f:2", "step": 40.0},
    ]
    assert codes(runs)["several-runs"] == (
        f"{tmp_path / 'f.log'}, row 7: 2 runs stand one after the other, to the steps 60, 40."
    )
    for _ in range(2):
        report = sc.ingest(file, tmp_path / "store")
        assert len(report.added or report.unchanged) == 2
    anew = "".join(line(s, LOSS[s], 60) for s in STEPS[:3]) + once.replace("7.125", "7.25")
    runs = ingest.read(write(tmp_path, "g.log", anew))
    assert runs.runs["run_id"].to_pylist() == ["g"]
    assert "began again from its first step" in codes(runs)["resumed"]


def test_parameters_of_some_ranks_are_not_those_of_the_model(tmp_path: Path) -> None:
    lines = LOGS["megatron"].text.split("\n")
    file = write(tmp_path, "f.log", "\n".join(lines[1:]))
    runs = ingest.read(file)
    assert runs.runs["params"].to_pylist() == [None]
    assert codes(runs)["params-of-ranks"] == (
        f"{file}: the log counts the parameters of 1 of 2 ranks: params is not known; --set "
        "params=... states it."
    )


def test_a_console_without_a_loss_names_its_trainer(tmp_path: Path) -> None:
    file = write(tmp_path, "f.log", LOGS["xlm"].text.split("\n")[0] + "\nKilled\n")
    with pytest.raises(DataError) as refused:
        ingest.read(file)
    assert str(refused.value) == (
        f"{file}, row 1: it looks like the console of xlm, as of 'INFO - 10/04/26 14:00:00 - "
        f"0:00:07 "
        "- Number of parameters (m', but no loss was logged. Did the run reach the first step "
        "that it "
        "logs?"
    )


def test_a_step_that_is_rounded_is_not_read(tmp_path: Path) -> None:
    text = LOGS["levanter"].text + LOGS["levanter"].text.split("\n")[0].replace("10it/", "1.20kit/")
    runs = ingest.read(write(tmp_path, "f.log", text + "\n"))
    assert _curve(runs, "loss") == LOSS


def test_a_header_longer_than_what_is_looked_at_first(tmp_path: Path) -> None:
    code = "import torch  # step = 5\n" * 4000
    runs = ingest.read(write(tmp_path, "logs/f.txt", code + LOGS["megatron"].text))
    assert _curve(runs, "loss") == LOSS


ODD = "begin\n[1] at step=10 we lost 3.5\nat step=20 we lost 3.25;\nat step=30 we lost nan\n"
PATTERN = r"step=(?P<step>\d+) we lost (?P<loss>[^\s;]+)"


def test_lines_by_an_expression_of_the_user(tmp_path: Path) -> None:
    file = write(tmp_path, "f.odd", ODD)
    runs = ingest.read(file, pattern=PATTERN)
    losses = _curve(runs, "loss")
    assert math.isnan(losses.pop(30))
    assert losses == {10: 3.5, 20: 3.25}
    assert codes(runs)["other-lines"] == (
        f"{file}: 1 of 4 line(s) do not fit --pattern and were passed over."
    )
    cut = write(tmp_path, "cut.odd", ODD[:30])
    assert _curve(ingest.read(cut, pattern=PATTERN, keep_partial=True), "loss") == {10: 3.0}
    for _ in range(2):
        report = put([file], tmp_path / "store", pattern=PATTERN)[1]
        assert (report.added or report.unchanged) == ("f",)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("step=(?P<step>", "Invalid regular expression: missing ): step=(?P<step>."),
        (r"(?=step)(?P<loss>\S+)", "Invalid regular expression: invalid perl operator: (?=."),
        (r"step (\d+)", "Regular expression contains unnamed groups."),
        (r"(?P<step>\d+)", "its groups are step; one must be a loss."),
        ("loss", "it has no named group; one must be a loss."),
    ],
)
def test_an_expression_that_reads_nothing(tmp_path: Path, pattern: str, told: str) -> None:
    message = refusal(UsageError, ingest.read, write(tmp_path, "f.odd", ODD), pattern=pattern)
    assert message.startswith(f"--pattern {pattern!r}: {told} ")


def test_an_expression_that_fits_nothing_and_one_beside_a_format(tmp_path: Path) -> None:
    file = write(tmp_path, "f.odd", ODD)
    assert refusal(DataError, ingest.read, file, pattern="(?P<loss>x+y)") == (
        f"{file}: none of the 4 line(s) fits --pattern '(?P<loss>x+y)'. It is searched anywhere in "
        "a line; ^ is its start."
    )
    assert refusal(UsageError, ingest.read, file, pattern=PATTERN, format="csv") == (
        "--pattern and --format cannot go together. Give one of them."
    )


def test_an_expression_takes_time_that_is_linear_in_the_line(tmp_path: Path) -> None:
    """Backtracking would need 2^40 steps for this one."""
    file = write(tmp_path, "f.odd", f"step 1 loss {'1' * 40}!\nstep 2 loss 3\nstep 3 loss 2\n")
    runs = ingest.read(file, pattern=r"step (?P<step>\d+) loss (?P<loss>(?:\d+)+)$")
    assert _curve(runs, "loss") == {2: 3.0, 3: 2.0}


def test_a_file_of_no_known_format_says_what_it_comes_nearest_to(tmp_path: Path) -> None:
    file = write(tmp_path, "f.log", "hello\nepoch is done, our_loss 3.25 today\n")
    why = (
        "row 2 says 'epoch is done, our_loss 3.25 today', as no trainer does that is known; "
        "--pattern reads such lines"
    )
    assert f"{file}: the format is not known: {why}. Looked for" in refusal(
        DataError, ingest.read, file
    )
    write(tmp_path, "g.log", LOGS["equals"].text)
    assert codes(ingest.read(tmp_path))["ignored-file"] == (
        f"1 file(s) are of no known format and were passed over: {file} ({why})."
    )


def test_the_words_of_every_fact_have_a_root() -> None:
    facts = [fact.words.lower() for dialect in dialects() for fact in dialect.facts]
    assert [words for words in facts if not any(root in words for root in ROOTS)] == []
    assert min(map(len, facts)) >= 5
