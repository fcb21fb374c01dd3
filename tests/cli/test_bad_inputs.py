"""Bad inputs by the hundred: no defect of ours, no traceback, and no number that is not there."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import bad_inputs
import pytest
from command_line import run


@pytest.fixture(scope="module", autouse=True)
def _place() -> Iterator[None]:
    with bad_inputs.place():
        yield


@pytest.mark.parametrize("part", range(6))
def test_every_bad_input_is_answered(part: int) -> None:
    every = list(bad_inputs.cases())[part::6]
    told = {case.name: fault for case in every if (fault := bad_inputs.wrong(case))}
    assert told == {}
    assert len(every) > 50


# What a cell of the loss column says beside what Python reads as a number; all else is none.
SAID = {"7B": 7e9, "1e3K": 1e6, "2**2**9": None}


def said(cell: str) -> float | None:
    """Return the number that a cell states; None if it states none."""
    try:
        return SAID[cell] if cell in SAID else float(cell)
    except ValueError:
        return None


@pytest.mark.parametrize("cell", bad_inputs.NUMBERS, ids=lambda cell: ascii(cell[:12]))
def test_no_cell_is_read_as_another_number(cell: str) -> None:
    Path("cell.csv").write_text(bad_inputs.with_cell(cell), errors="surrogatepass")
    result = run("runs", "cell.csv", "--json")
    if result.exit_code:
        assert result.exit_code == 3
        return
    record = json.loads(result.stdout)
    [told] = [run["loss"] for run in record["runs"] if run["run_id"] == "r4"]
    number = said(cell)
    if number is None or not math.isfinite(number):
        assert told is None
    else:
        assert told == number


def test_one_bad_file_does_not_stop_a_folder() -> None:
    result = run("check", "broken", "--json")
    record = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [(fit["name"], fit["status"]) for fit in record["fits"]] == [
        ("broken/bad.json", "fail"),
        ("broken/good.json", "fail"),  # made by hand: no law derives its headline
    ]
    told = "broken/bad.json: not JSON: not even text. "
    assert record["fits"][0]["message"].startswith(told)


def test_a_long_message_is_cut_on_the_screen_and_whole_in_json() -> None:
    columns = [f"column{i}" for i in range(3000)]
    Path("wide.csv").write_text(",".join(columns) + "\n" + ",".join("1" * 3000) + "\n")
    result = run("runs", "wide.csv", "--map", "loss=other", "--json")
    Path("wide.csv").unlink()
    assert result.exit_code == 2
    assert max(map(len, result.stderr.splitlines())) < 2100
    assert result.stderr.rstrip().endswith("... (cut here)")
    assert columns[-1] in json.loads(result.stdout)["error"]["hint"]


def test_bounds_are_said_and_can_be_raised() -> None:
    hint = "hint: If that is meant, raise the limit: --allow"
    many = ",".join(str(10**6 + i) for i in range(400))
    typed = ("predict", "--params", many, "--tokens", many)
    refused = run(*typed, "-q")
    assert (refused.exit_code, refused.stderr) == (
        2,
        f"error: 160000 points are asked for: the limit is 100000.\n{hint} points=160000\n",
    )
    lowered = run("predict", "--params", "1B", "--tokens", "1T,2T", "--allow", "points=1", "-q")
    assert lowered.stderr == (f"error: 2 points are asked for: the limit is 1.\n{hint} points=2\n")
    resamples = run("fit", "runs.csv", "--bootstrap", 10**9, "-q")
    assert (resamples.exit_code, resamples.stderr) == (
        2,
        f"error: bootstrap 1000000000: the limit is 100000.\n{hint} bootstrap=1000000000\n",
    )
    unknown = run("runs", "runs.csv", "--allow", "time=3")
    assert (unknown.exit_code, unknown.stderr) == (
        2,
        "error: there is no limit 'time'.\n"
        "hint: Did you mean steps or piped? Known limits: expansion, piped, points, bootstrap, "
        "steps, wait.\n",
    )


def test_a_file_that_is_nothing_but_emptiness_is_not_unpacked() -> None:
    import gzip

    content = gzip.compress(b"step,loss\n" + b"1,3\n" * 2**25, 9)
    Path("bomb.csv.gz").write_bytes(content)
    result = run("runs", "bomb.csv.gz")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: bomb.csv.gz: {len(content)} bytes unpack to 83886080 or more: no log is as empty "
        "as that.\nhint: If that is meant, raise the limit: --allow expansion=2000\n",
    )
    small = gzip.compress(b"step,loss\n" + b"1,3\n" * 1000, 9)
    Path("small.csv.gz").write_bytes(small)
    assert run("runs", "small.csv.gz").exit_code == 0
