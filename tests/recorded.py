"""Record every number that the commands print, and compare two states of the code by it.

    python tests/recorded.py --to before.json        # run the commands, keep their numbers
    python tests/recorded.py --against before.json   # run them again; exit 1 if a number differs

A script, not a test: what it compares with was recorded on the same machine, because the last bits
of a sum depend on the processor and on the libraries. It drives `python -m scaling_cli` of the
repository that it lies in, with the command lines of recorded.txt: over the shipped data and, for
those that say `shared/`, over $SCALING_SHARED/data (default: ../shared beside the repository; they
are left out where it is not there). Kept are the exit code, numbers, truth values and nulls, and
of the strings those that are one of a few words, a run, a digest or a schedule; sentences, paths,
versions and timings are not. What is new is listed; what is missing is a difference.
"""

import argparse
import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SCALING_SHARED", ROOT.parent / "shared")).resolve()
COMMANDS = Path(__file__).with_suffix(".txt")
PROCESSES = 2
SEEN = 0.7  # of a run that is forecast

# Keys whose strings say which, not how: the only ones that are compared.
WORDS = {
    "status",
    "code",
    "level",
    "verdict",
    "state",
    "law",
    "family",
    "kind",
    "space",
    "reduction",
} | {"output", "parameter", "axis", "unit", "run", "removed", "sha256", "schedule", "text"}
# What rightly changes from one run, folder or release to the next.
CHANGING = {"command", "versions", "schema_version", "path", "file", "message", "hint"}

Numbers = dict[str, Any]
Record = dict[str, Numbers]


def commands() -> list[str]:
    """Return the command lines, those that write files for others before the others."""
    lines = COMMANDS.read_text(encoding="utf8").splitlines()
    stated = [line for line in lines if line and not line.startswith("#")]
    return sorted(stated, key=lambda command: not written(command))


def written(command: str) -> set[str]:
    """Return the file or the store that a command writes."""
    words = shlex.split(command)
    return {after for word, after in pairwise(words) if word in ("-o", "--store")}


def numbers(value: Any, path: str = "", key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of every number, truth value, null and word in JSON."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in CHANGING:
                yield from numbers(inner, f"{path}.{name}" if path else name, name)
    elif isinstance(value, list):
        for label, inner in zip(_labels(value), value, strict=True):
            yield from numbers(inner, f"{path}[{label}]", key)
    elif not isinstance(value, str) or key in WORDS:
        yield path, value


def _labels(items: list[Any]) -> list[str]:
    """Name the items of a list by their code, so that a new check moves no other; else count."""
    codes = [item.get("code") if isinstance(item, dict) else None for item in items]
    if None in codes:
        return [str(position) for position in range(len(items))]
    seen: Counter[Any] = Counter()
    labels = []
    for code in codes:
        seen[code] += 1
        labels.append(code if seen[code] == 1 else f"{code} {seen[code]}")
    return labels


def prepare(folder: Path) -> None:
    """Lay out the folder in which the commands run: its files have the same names every time."""
    ladder = ROOT / "data" / "ladder"
    links = {
        "data": ROOT / "data",
        "fits": ROOT / "fits",
        "shared": SHARED / "data",
        "ladder.csv": ladder / "runs.csv",
        "batch.csv": ROOT / "data" / "batch_sweep" / "runs.csv",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    with (ladder / "runs.csv").open(newline="", encoding="utf8") as stream:
        held = [run for run in csv.DictReader(stream) if run["role"] == "heldout"]
    with (folder / "held.csv").open("w", newline="", encoding="utf8") as stream:
        table = csv.writer(stream)
        table.writerow(["params", "tokens", "loss"])
        table.writerows([run["params_total"], run["tokens"], run["final_loss"]] for run in held)
    (folder / "part").mkdir()
    for whole in ladder.glob("runs/schedule-*.csv"):
        lines = whole.read_text(encoding="utf8").splitlines(keepends=True)
        seen = lines[: int(SEEN * len(lines))]
        (folder / "part" / whole.name).write_text("".join(seen), encoding="utf8")


def run(command: str, folder: Path) -> Numbers:
    """Run one command in a process of its own; return its exit code and its numbers."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SCALING_CACHE": str(folder / "cache"),  # no executables, and no data, of other states
        "SCALING_MIRROR": str(SHARED / "upstream"),
    }
    words = [sys.executable, "-m", "scaling_cli", *shlex.split(command), "--json"]
    start = time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    printed = dict(numbers(_json(done.stdout, command, done.stderr)))
    spent = f"{time.monotonic() - start:6.1f} s"
    print(f"{spent}  exit {done.returncode}  {len(printed):6}  {command}", file=sys.stderr)
    return {"exit code": done.returncode} | printed


def _json(text: str, command: str, said: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        print(f"no JSON from {command}\n{said[-2000:]}", file=sys.stderr)
        return {}


def record(pattern: str = "") -> Record:
    """Run the commands that match the pattern, after those whose files they read."""
    possible = [c for c in commands() if (SHARED / "data").is_dir() or "shared/" not in c]
    wanted = [c for c in possible if re.search(pattern, c)]
    read = {word for command in wanted for word in shlex.split(command)}
    first = [c for c in possible if written(c) & read]
    then = [c for c in wanted if c not in first]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(PROCESSES) as pool:
        folder = Path(name).resolve()
        prepare(folder)
        result: Record = {}
        for stage in (first, then):
            result |= zip(stage, pool.map(lambda c: run(c, folder), stage), strict=True)
    return {command: result[command] for command in wanted}


def relative(before: Any, after: Any) -> float:
    """Return how far apart two values are: 0 if equal, infinite if one is no number."""
    if type(before) is type(after) and before == after:
        return 0.0
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in (before, after)):
        return inf
    largest = max(abs(before), abs(after))
    return abs(after - before) / largest if largest else 0.0


def compare(before: Record, after: Record, tolerance: float) -> int:
    """Print what differs, and what is new; return how many differences exceed the tolerance."""
    failures = 0
    for command, old in before.items():
        worse = [
            line for distance, line in _differences(old, after[command]) if distance > tolerance
        ]
        added = [f"new: {path} = {v!r}" for path, v in after[command].items() if path not in old]
        failures += len(worse)
        if worse or added:
            print(command, *worse, *added, sep="\n    ")
    return failures


def _differences(old: Numbers, new: Numbers) -> Iterator[tuple[float, str]]:
    for path, value in old.items():
        if path not in new:
            yield inf, f"missing: {path}, was {value!r}"
        elif (distance := relative(value, new[path])) > 0:
            yield distance, f"{path}: {value!r} -> {new[path]!r} (relative {distance:.2g})"


def verdict(before: Record, after: Record, tolerance: float) -> int:
    """Print the comparison and its sum; return the exit code."""
    both = {command: old for command, old in before.items() if command in after}
    failures = compare(both, after, tolerance)
    lost = [command for command in before if command not in after]
    for what, lines in (("not run now", lost), ("not recorded", set(after) - set(before))):
        for command in lines:
            print(f"{what}: {command}")
    total = sum(map(len, both.values()))
    print(f"{total} numbers of {len(both)} commands compared: {failures} differences")
    return 1 if failures or lost or not both else 0


def main() -> int:
    """Record to a file, or compare with one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--to", metavar="FILE", type=Path, help="keep the numbers here")
    action.add_argument("--against", metavar="FILE", type=Path, help="compare with these")
    parser.add_argument("--only", metavar="PATTERN", default="", help="commands that match this")
    parser.add_argument("--tolerance", type=float, default=0.0, help="relative (default: 0)")
    given = parser.parse_args()
    if given.against:
        kept = json.loads(given.against.read_text(encoding="utf8"))
        before = {c: numbers for c, numbers in kept.items() if re.search(given.only, c)}
        return verdict(before, record(given.only), given.tolerance)
    after = record(given.only)
    given.to.write_text(json.dumps(after, indent=0), encoding="utf8")
    print(f"{sum(map(len, after.values()))} numbers of {len(after)} commands in {given.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
