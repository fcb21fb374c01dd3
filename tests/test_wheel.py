"""The wheel holds the package and its data under one name, and works away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scaling_cli import __version__
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit

ROOT = Path(__file__).resolve().parents[1]
PROBE = """
import sys
sys.path.insert(0, {folder!r})
import scaling_cli
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
assert scaling_cli.__file__.startswith({folder!r}), scaling_cli.__file__
fit = kinds.load("chinchilla/besiroglu-2024", Fit)
print(len(kinds.fit_names()), round(float(fit.predict(N="7B", D="1T").value[0]), 6))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    # The lowest date that zip files can hold: the same tree gives the same wheel.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_only_our_name_is_installed(members: list[str]) -> None:
    tops = {name.split("/")[0] for name in members}
    assert tops == {"scaling_cli", f"scaling_cli-{__version__}.dist-info"}


def test_every_module_is_in_the_wheel(members: list[str]) -> None:
    modules = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "scaling_cli").rglob("*")
        if p.suffix in (".py", ".json", ".html", ".css", ".js") or p.name == "py.typed"
    }
    assert modules <= set(members)
    assert {"scaling_cli/py.typed", "scaling_cli/artefacts/schemas/commands/predict.json"} <= set(
        members
    )


@pytest.mark.parametrize("folder", ["fits", "data"])
def test_data_files_are_in_the_wheel(folder: str, members: list[str]) -> None:
    expected = {
        f"scaling_cli/_{folder}/{p.relative_to(ROOT / folder).as_posix()}"
        for p in (ROOT / folder).rglob("*")
        if p.is_file() and not any(part.startswith(".") for part in p.parts[-1:])
    }
    packed = {name for name in members if name.startswith(f"scaling_cli/_{folder}/")}
    assert expected
    assert packed == expected
    assert [name for name in packed if name.endswith((".py", ".pyc"))] == []


def test_the_command_is_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = f"scaling_cli-{__version__}.dist-info/entry_points.txt"
        text = archive.read(name).decode()
    assert text.split() == ["[console_scripts]", "scaling", "=", "scaling_cli.__main__:main"]


def test_the_unpacked_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # -I: neither the current folder nor PYTHONPATH nor an editable install stands in for it.
    probe = PROBE.format(folder=str(site))
    done = subprocess.run(
        [sys.executable, "-I", "-c", probe],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    fit = kinds.load("chinchilla/besiroglu-2024", Fit)
    here = round(float(fit.predict(N="7B", D="1T").value[0]), 6)
    assert done.stdout.split() == [str(len(kinds.fit_names())), str(here)]
