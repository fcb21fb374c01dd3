"""What CI and a release install and run is pinned: packages by hash, actions by commit."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LOCK = (ROOT / "requirements" / "dev.txt").read_text("utf8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))


def _name(requirement: str) -> str:
    """Return the name of a requirement as an index has it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def test_every_package_of_the_lock_has_a_hash() -> None:
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    pinned = [block for block in blocks if re.match(r"[\w.-]+==", block)]
    assert len(pinned) > 50
    assert [block.split()[0] for block in pinned if "--hash=sha256:" not in block] == []


def test_the_lock_holds_every_direct_dependency() -> None:
    groups = PROJECT["dependency-groups"]
    asked = [*PROJECT["project"]["dependencies"], *groups["dev"], *groups["docs"]]
    held = {_name(line) for line in LOCK.splitlines() if re.match(r"[\w.-]+==", line)}
    assert {_name(requirement) for requirement in asked} - held == set()


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda p: p.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    used = re.findall(r"uses: *(\S+)(.*)", path.read_text("utf8"))
    assert used
    for name, comment in used:
        assert re.search(r"@[0-9a-f]{40}$", name), name
        assert re.search(r"# v\d+\.\d+\.\d+$", comment), name


def test_only_publishing_may_ask_for_a_token() -> None:
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf8")
    assert release.count("id-token: write") == 1
    assert "secrets." not in release and "password" not in release.partition("jobs:")[2]


def test_each_supported_python_is_tried() -> None:
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf8")
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in ci
    assert PROJECT["project"]["requires-python"] == ">=3.11"
