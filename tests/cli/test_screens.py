"""What a person sees: first screens answer, --full tells all, nothing is wider than 80 columns."""

import io
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from command_line import run

from scaling_cli.cli._terminal import Terminal

ROOT = Path(__file__).parents[2]
WIDTH, SCREEN = 80, 30
CURVES = "logs --meta ladder.csv --where 'role == \"schedule\" and params_total < 1e5'"
SCHEDULES = " --schedule ".join(
    [
        "",
        "cosine:peak=0.007,warmup=100,steps=2048",
        "wsd:peak=0.007,warmup=100,stable=0.8,steps=2048",
    ]
)
# Those with -o come first: the others read what they write. The number is of lines at most.
COMMANDS = {
    "fit ladder.csv --where 'role == \"fit\"' -o fit.json": SCREEN,
    "ingest logs --meta ladder.csv --store store": 20,
    f"fit {CURVES} --law annealing --bootstrap 5 -o curves.json": 40,
    "batch sweep --meta batch.csv -o batch.json": 35,
    "fit store --where 'role == \"fit\"' --bootstrap 20 -o store.json": SCREEN,
    "fit ladder.csv --bootstrap 20 -o all.json": SCREEN,
    "predict --params 1M,4M --tokens 10M,100M": 20,
    "predict --params 7B --tokens 1T --fit chinchilla/besiroglu-2024": 10,
    f"predict --fit curves.json{SCHEDULES}": 25,
    "profile fit.json --params 1M --tokens 20M --of L": SCREEN,
    "backtest ladder.csv --where 'role == \"fit\"'": SCREEN,
    "forecast cut.csv --until 2048": 20,
    "forecast logs/schedule-68k* --until 9000": SCREEN,
    "batch --fit batch.json --target-loss 1.75 --batch-tokens 512,2k,8k --steps 1k": SCREEN,
    "hparams ladder.csv --where 'role == \"sweep\"' --params 2M --tokens 20M": 40,
    "hparams --params 7B --tokens 1T --seq-len 4096": 25,
    "schedule wsd:peak=3e-4,warmup=2000,stable=0.8,steps=24000": 15,
    "schedule cut.csv": 20,
    "schedule --best --fit curves.json --steps 2048": 25,
    "runs logs --meta ladder.csv": 35,
    "runs ladder.csv": SCREEN,
    "laws": 76,  # a line or two for each of some forty laws, by question
    "laws average": 20,
    "laws chinchilla": 60,
    "data list": 66,
}
FULLER = [name for name in COMMANDS if not name.startswith(("data", "laws average", "laws ch"))]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped data, and the files that the first commands write."""
    folder = tmp_path_factory.mktemp("screens")
    (folder / "logs").symlink_to(ROOT / "data/ladder/runs")
    (folder / "sweep").symlink_to(ROOT / "data/batch_sweep/runs")
    shutil.copy(ROOT / "data/ladder/runs.csv", folder / "ladder.csv")
    shutil.copy(ROOT / "data/batch_sweep/runs.csv", folder / "batch.csv")
    rows = (folder / "logs/schedule-68k-2.1M-cosine.csv").read_text().splitlines(keepends=True)
    (folder / "cut.csv").write_text("".join(rows[: int(0.7 * len(rows))]))
    return folder


@pytest.fixture(scope="module")
def printed(here: Path) -> dict[str, list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        return {name: lines(name) for name in COMMANDS}


def lines(command: str) -> list[str]:
    done = run(*shlex.split(command))
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def is_unbreakable(line: str) -> bool:
    """Say whether a line is one token, a path perhaps, below its label or an option's name."""
    return len(line.split()) <= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_screen_fits(command: str, printed: dict[str, list[str]]) -> None:
    shown = printed[command]
    assert [line for line in shown if len(line) > WIDTH and not is_unbreakable(line)] == []
    assert len(shown) <= COMMANDS[command]
    assert not any("  (--full)" in line or line != line.rstrip() for line in shown)


@pytest.mark.parametrize("command", FULLER)
def test_the_whole_is_as_narrow_and_says_no_less(
    command: str, here: Path, printed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    whole = lines(f"{command} --full")
    assert [line for line in whole if len(line) > WIDTH and not is_unbreakable(line)] == []
    assert "(--full)" not in " ".join(whole).replace("--full lists", "")
    assert len(whole) >= len(printed[command]) - 3


# Words and layout of whole first screens; the numbers are tested where they are computed.
WHOLE = {
    "laws": "laws",
    "hparams": "hparams --params 7B --tokens 1T --seq-len 4096 --quiet",
    "best-schedule": "schedule --best --fit multi_power/luo-2025-25m --steps 20000 --quiet",
    "levels": "forecast cut.csv --until 2048 --levels 0.01 --quiet",
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_screen_is_as_it_was(
    name: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SCALING_GOLDEN=write rewrites the screens; read the difference before you commit it."""
    monkeypatch.chdir(here)
    shown = re.sub(r"\d+(\.\d+)?", "#", "\n".join(lines(WHOLE[name]))) + "\n"
    file = Path(__file__).parent / f"golden/screen-{name}.txt"
    if os.environ.get("SCALING_GOLDEN") == "write":
        file.write_text(shown)
    assert shown == file.read_text()


def test_the_answer_of_a_fit(printed: dict[str, list[str]]) -> None:
    shown = printed[next(iter(COMMANDS))]
    text = "\n".join(shown)
    assert shown[0].startswith("24 runs   N 26.1k to 1.27M   D 197k to 16.8M   loss 1.27 to 2.13")
    assert shown[1] == "44 left out by --where 'role == \"fit\"'"
    assert "chinchilla   L = E + A/N^alpha + B/D^beta   converged, typical miss" in text
    assert "10x the largest run, C = 9e+13 at its best split: N = 7" in text
    assert shown[2] == (
        "column 'params_non_embedding' could be params too; 'params_total' was taken"
    )
    assert "90 % of new runs in" in text
    assert "backtest  the 4 to 12 largest runs forecast from the rest, 2x to 5.3x further:" in text
    assert "31 of 31 inside their 90 % range" in " ".join(text.split())
    assert shown[-2:] == [
        "written   fit.json",
        "next      scaling predict --params 4M --tokens 50M",
    ]


def test_names_of_runs_cannot_speak_to_the_terminal(here: Path) -> None:
    (here / "hostile.csv").write_text("run_id,params,tokens,loss\na\033[31mb,1e8,1e9,3.0\n")
    done = run("runs", here / "hostile.csv")
    assert "\033" not in done.stdout
    assert r"a\x1b[31mb" in done.stdout


class Watched(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [80, 50])
def test_messages_are_wrapped_where_a_person_reads_them(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    text = "hint: " + " ".join(["words"] * 40)
    for stream, width in ((Watched(), columns), (io.StringIO(), len(text))):
        monkeypatch.setattr(sys, "stderr", stream)
        Terminal().complain(text)
        shown = stream.getvalue().splitlines()
        assert max(map(len, shown)) <= width
        assert " ".join(" ".join(shown).split()) == text


def test_messages_cannot_speak_to_the_terminal(here: Path) -> None:
    done = run("runs", here / "a\033[31mb.csv")
    assert (done.exit_code, "\033" in done.stderr) == (3, False)
    assert r"a\x1b[31mb.csv" in done.stderr
