"""An install of NumPy and Typer alone asks stored fits; what needs more says what to install."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scaling_cli.cli._exits import _HEAVY

ROOT = Path(__file__).resolve().parents[2]
ASKED = """
laws chinchilla
predict --params 7B --tokens 1T
plan --compute 1e22 --overtrain 3
hparams --params 7B --tokens 1T
count examples/gpt2.json
show chinchilla/ladder
cite chinchilla/ladder
schedule cosine:peak=3e-4,warmup=100,steps=1000
""".strip().splitlines()
REFUSED = ("fit data/ladder/runs.csv", "runs data/ladder/runs.csv", "plot chinchilla/ladder")
RUN = """
import json, sys
for name in {heavy!r}:
    sys.modules[name] = None  # as if it were not installed
from typer.testing import CliRunner
from scaling_cli.cli import app
from scaling_cli.cli._exits import report
told = {{}}
for line in {lines!r}:
    result = CliRunner().invoke(app, line.split(), prog_name="scaling")
    told[line] = [result.exit_code, result.stderr]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[int, str]]:
    script = RUN.format(heavy=sorted(_HEAVY), lines=[*ASKED, *REFUSED])
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("line", ASKED)
def test_stored_fits_are_asked_without(line: str, told: dict[str, tuple[int, str]]) -> None:
    assert told[line][0] == 0, told[line][1]


@pytest.mark.parametrize("line", REFUSED)
def test_what_needs_more_says_what_to_install(line: str, told: dict[str, tuple[int, str]]) -> None:
    code, said = told[line]
    name = {"fit": "pyarrow", "runs": "pyarrow", "plot": "matplotlib"}[line.split(maxsplit=1)[0]]
    assert code == 2
    assert f"error: this needs the package {name}, which is not installed: reading" in said
    assert "hint: pip install scaling-cli installs everything" in said
