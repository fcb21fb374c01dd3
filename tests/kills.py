"""Processes killed at random moments: `python tests/kills.py [COUNT]`; the suite kills by steps.

Ingest and fit are killed with SIGKILL while they run. What was stored before must be read as it was
or as it should be, nothing in between, and the next command must leave no partial file.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bad_inputs

SCALING = (sys.executable, "-m", "scaling_cli")
ROOT = Path(__file__).resolve().parents[1]


def scaling(*arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*SCALING, *arguments], env=environment, stdout=pipe, stderr=pipe, text=True
    )


def answer(*arguments: str) -> str:
    """Return what a command that must succeed prints."""
    process = scaling(*arguments)
    out, complaints = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {complaints}")
    return out


def killed(after: float, *arguments: str) -> None:
    process = scaling(*arguments)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def kill_ingest(after: float) -> str:
    """Kill an ingest into a store; return what it then holds: old or new."""
    shutil.rmtree("store", ignore_errors=True)
    log("old")
    answer("ingest", "logs", "--store", "store")
    log("new")
    killed(after, "ingest", "logs", "--store", "store")
    state = {READ["old"]: "old", READ["new"]: "new"}[answer("runs", "store", "--json")]
    answer("ingest", "logs", "--store", "store")
    if answer("runs", "store", "--json") != READ["new"] or Path("store/tmp").exists():
        raise SystemExit("the ingest after the kill is not whole")
    return state


def kill_fit(after: float) -> str:
    """Kill a fit that replaces another; return which of the two the file holds."""
    old = Path("old.json").read_bytes()
    Path("fit.json").write_bytes(old)
    killed(after, "fit", "runs.csv", "--bootstrap", "20", "-o", "fit.json")
    state = "old" if Path("fit.json").read_bytes() == old else "new"
    answer("show", "fit.json")
    answer("fit", "runs.csv", "--bootstrap", "20", "-o", "fit.json")
    if left := [*Path().glob(".fit.json*")]:
        raise SystemExit(f"left: {left}")
    return state


LAST = {"old": 5, "new": 6}  # losses, by the state of the logs
READ: dict[str, str] = {}


def log(state: str) -> None:
    """Write the logs as they are in a state."""
    Path("logs").mkdir(exist_ok=True)
    for i in range(40):
        text = f"step,tokens,loss\n1,1000,9\n2,2000,{LAST[state]}\n"
        Path("logs", f"run{i}.csv").write_text(text)


def main() -> None:
    """Kill both, so many times, at moments spread over their time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100, help="kills of each kind")
    count, chance = parser.parse_args().count, random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("runs.csv").write_text(bad_inputs.TABLE)
        for state in LAST:
            log(state)
            answer("ingest", "logs", "--store", state)
            READ[state] = answer("runs", state, "--json")
        begun = time.monotonic()
        answer("fit", "runs.csv", "--bootstrap", "10", "-o", "old.json")
        longest = time.monotonic() - begun
        for kill in (kill_ingest, kill_fit):
            states = [kill(chance.uniform(0, longest)) for _ in range(count)]
            print(kill.__name__, {state: states.count(state) for state in ("old", "new")})


if __name__ == "__main__":
    main()
