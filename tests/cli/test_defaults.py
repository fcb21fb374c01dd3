"""`scaling.toml`: which defaults count, that they are said, and what a wrong name gets."""

import json
from pathlib import Path

import pytest
from command_line import run

HEAD = "run_id,params,tokens,final,eval\n"
ROWS = "r0,1e6,2e7,5,4\nr1,1e7,2e8,4.7,3.7\nr2,1e8,2e9,4.4,3.4\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose runs lie in a folder below its defaults."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "runs.csv").write_text(HEAD + ROWS, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path


def say(project: Path, text: str) -> str:
    (project / "scaling.toml").write_text(text, encoding="utf-8")
    return str(project / "scaling.toml")


def loss_range(*options: str) -> tuple[list[float], str]:
    """Return the range of losses that `scaling runs` reads, and what it says beside it."""
    result = run("runs", "runs.csv", "--json", *options)
    assert result.exit_code == 0, result.stderr
    runs = json.loads(result.stdout)["runs"]
    return [item["loss"] for item in runs], result.stderr


def test_a_default_counts_and_is_said(project: Path) -> None:
    say(project, '[all]\nmap.loss = "eval"\nlevel = 0.5\n')
    losses, told = loss_range()
    assert losses == pytest.approx([4, 3.7, 3.4], rel=1e-12)
    assert told.splitlines()[0] == "scaling.toml: --map loss=eval"


def test_what_is_typed_goes_before_it(project: Path) -> None:
    say(project, '[runs]\nmap.loss = "eval"\n')
    losses, told = loss_range("--map", "loss=final")
    assert losses == pytest.approx([5, 4.7, 4.4], rel=1e-12)
    assert "scaling.toml" not in told


def test_a_command_goes_before_all(project: Path) -> None:
    say(project, '[all]\nmap.loss = "final"\n[runs]\nmap.loss = "eval"\n[fit]\nbootstrap = 5\n')
    assert loss_range()[0] == pytest.approx([4, 3.7, 3.4], rel=1e-12)


def test_another_file_or_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(project, '[all]\nmap.loss = "eval"\n')
    (project / "other.toml").write_text('[all]\nmap.loss = "final"\n', encoding="utf-8")
    monkeypatch.setenv("SCALING_CONFIG", str(project / "other.toml"))
    assert loss_range()[0] == pytest.approx([5, 4.7, 4.4], rel=1e-12)
    monkeypatch.setenv("SCALING_CONFIG", "")
    assert "scaling.toml" not in loss_range("--map", "loss=final")[1]


def test_defaults_end_at_the_repository(project: Path) -> None:
    (project / "runs" / ".git").mkdir()
    say(project, '[all]\nmap.loss = "eval"\n')
    assert "scaling.toml" not in loss_range("--map", "loss=final")[1]


def test_outside_a_repository_this_folder_alone_counts(project: Path) -> None:
    (project / ".git").rmdir()
    say(project, '[all]\nmap.loss = "eval"\n')
    assert "scaling.toml" not in loss_range("--map", "loss=final")[1]
    say(project / "runs", '[all]\nmap.loss = "eval"\n')
    assert loss_range()[0] == pytest.approx([4, 3.7, 3.4], rel=1e-12)


def test_the_command_of_a_result_has_them(project: Path) -> None:
    say(project, "[predict]\nlevel = 0.5\n")
    result = run("predict", "--fit", "chinchilla/ladder", "--params", "1M", "--tokens", "20M")
    assert result.exit_code == 0
    assert "50 %" in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\n", "there is no command 'run'.\nhint: Did you mean runs or count?"),
        (
            "[runs]\nmaps = 1\n",
            "'scaling runs' has no default for 'maps'.\nhint: Did you mean map or meta?",
        ),
        (
            "[all]\nlevle = 1\n",
            "no command has a default for 'levle'.\nhint: Did you mean level or every?",
        ),
        ("[runs]\njson = true\n", "'scaling runs' has no default for 'json'."),
        (
            "level = 1\n",
            "'level' stands outside a table.\nhint: Write it under [all], or under the command "
            "that it is for.",
        ),
        ("[runs]\nmeta = ['a', 'b']\n", "'meta' takes one value, not 2."),
        (
            "[runs\n",
            "it is not TOML: Expected ']' at the end of a table declaration (at line 1, column 6).",
        ),
    ],
)
def test_what_is_wrong_in_the_file(project: Path, text: str, message: str) -> None:
    file = say(project, text)
    result = run("runs", "runs.csv")
    assert (result.exit_code, result.stderr) == (3, f"error: {file}: {message}\n")
    assert run("runs", "--help").exit_code == 0
