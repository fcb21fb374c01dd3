"""The documents do not drift: snippets are files that run, commands and options exist."""

import ast
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_line
import pytest

from scaling_cli import curve_laws, laws, plots
from scaling_cli.cli import _commands

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")))
DOCUMENTS = (*PAGES, "CONTRIBUTING.md", "CHANGELOG.md")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = 60
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|#)(?P<target>[^)#\s]+)")


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf8")


def _fenced(name: str, language: str) -> list[str]:
    return [m["body"] for m in _FENCE.finditer(_read(name)) if m["language"] == language]


def _command_lines() -> Iterator[str]:
    """Yield every `scaling ...` line of the documents, continuations joined."""
    for name in DOCUMENTS:
        for language in ("console", "sh", "bash"):
            for block in _fenced(name, language):
                joined = block.replace("\\\n", " ")
                lines = (line.removeprefix("$ ").strip() for line in joined.splitlines())
                yield from (line for line in lines if re.match(r"scaling [a-z]", line))


def test_python_snippets_are_cut_from_examples() -> None:
    sources = [path.read_text(encoding="utf8") for path in EXAMPLES]
    snippets = [snippet for name in DOCUMENTS for snippet in _fenced(name, "python")]
    assert [s for s in snippets if not any(s in source for source in sources)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(path.read_text(encoding="utf8").splitlines()) <= LONGEST
    (tmp_path / "data").symlink_to(ROOT / "data")  # examples are run from the checkout's root
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")  # a warning is an error in all tests
    printed = capsys.readouterr()
    assert printed.out
    assert printed.err == ""


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_cells_of_a_notebook_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run cells in one namespace, as a kernel does; what a cell ends with is shown in one way."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            *before, last = ast.parse("".join(cell["source"])).body
            exec(compile(ast.Module(before, []), str(path), "exec"), names)
            assert isinstance(last, ast.Expr)
            shown = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
            assert repr(shown)
    held = names["held"]["final_loss"]
    assert ((held > names["low"]) & (held < names["high"])).all()  # as the README's table says


def test_every_command_is_in_the_readme() -> None:
    readme = _read("README.md")
    missing = [name for name in _commands.names() if f"scaling {name}" not in readme]
    assert missing == []


def test_every_law_and_figure_is_on_a_page() -> None:
    pages = "".join(map(_read, PAGES))
    names = (*laws.names(), *curve_laws.names(), *plots.names())
    assert [name for name in names if f"`{name}`" not in pages] == []


def _steps(name: str) -> list[str]:
    """Return the commands that a page shows, in order, after those of `make demo` it leaves out."""
    blocks = (block.replace("\\\n", " ") for block in _fenced(name, "console"))
    lines = (line for block in blocks for line in block.splitlines() if line.startswith("$ "))
    steps = [line.removeprefix("$ ") for line in lines]
    recipe = [line.strip() for line in _read("Makefile").splitlines() if "demo/" in line]
    made = any(step.startswith("make demo") for step in steps)
    before = [line for line in recipe if made and line not in steps and "plot" not in line]
    return [s for s in [*before, *steps] if not s.startswith(("make ", "pip ", "@"))]


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "fits", "examples", "benchmarks"):
        Path(folder).symlink_to(ROOT / folder)
    Path("demo").mkdir()
    failed = []
    for step in _steps(name):
        if step.startswith("scaling "):
            done = command_line.run(*shlex.split(step, comments=True)[1:])
            failed += [(step, done.output)] if done.exit_code else []
        else:
            line = step.replace("python ", f"{sys.executable} ", 1)
            failed += [(step, "")] if subprocess.call(["bash", "-c", line]) else []
    assert failed == []


def _unknown_options(line: str) -> set[str]:
    words = shlex.split(re.split(r" (?:\||&&) ", line, maxsplit=1)[0], comments=True)
    command = _commands.get(words[1])
    # A command with parts (`scaling data list`) has its options on the part.
    parts = getattr(command, "commands", {})
    command = parts.get(words[2], command) if parts and len(words) > 2 else command
    known = {option for p in command.params for option in p.opts} | {"--help", "-h"}
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return used - known


def test_command_lines_use_options_that_exist() -> None:
    lines = set(_command_lines())
    assert len(lines) >= 5
    assert {line: unknown for line in lines if (unknown := _unknown_options(line))} == {}


def test_links_lead_somewhere() -> None:
    targets = [(name, m["target"]) for name in DOCUMENTS for m in _LINK.finditer(_read(name))]
    assert [(name, to) for name, to in targets if not ((ROOT / name).parent / to).exists()] == []


def test_pictures_are_small() -> None:
    pictures = [p for p in ROOT.glob("docs/**/*") if p.suffix in (".png", ".svg")]
    assert {p.name: p.stat().st_size for p in pictures if p.stat().st_size > 200_000} == {}
