"""Python in a process of its own: what a program prints, and what it loads."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
HEAVY = {"jax", "pandas", "pyarrow", "scipy", "matplotlib"}
_LISTED = """
import atexit, sys
names = lambda: {name.partition(".")[0] for name in sys.modules}
atexit.register(lambda: print(*names(), file=sys.stderr))
"""


def python(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run Python on this checkout, the tests' own modules included."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        **{"env": environment, "capture_output": True, "text": True, **options},
    )


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules that a program, which must succeed, has loaded at its end."""
    done = python("-c", _LISTED + code, *arguments)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def loaded_by_command(*arguments: str) -> set[str]:
    """Return the top-level modules that `scaling ARGUMENTS`, which must succeed, loads."""
    return loaded_by("from scaling_cli.cli import app\napp(prog_name='scaling')", *arguments)
