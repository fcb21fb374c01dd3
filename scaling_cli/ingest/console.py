"""Standard output of trainers: lines that measure, among others, in the words of each of them.

What they print is declared in `dialects/`. Only what begins as a trainer writes it is a
measurement: a log may hold the whole source code of its run. Steps and losses are as logged. A log
that goes over the same steps again is one run that was started again, unless what came before had
reached its end or another end was planned: then it holds several runs.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from scaling_cli.architectures._written import printed
from scaling_cli.ingest import _settings
from scaling_cli.ingest._beside import filled
from scaling_cli.ingest._headers import facts_of
from scaling_cli.ingest._sources import Raw, format_ending
from scaling_cli.ingest._trainers import (
    LEVELS,
    Console,
    Row,
    dialects,
    differ,
    listen,
    pieces,
)
from scaling_cli.runs.curves import WARMUPS
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.loss_kinds import LossKind

VERSION = "4"
NAMES = ("console", *(name for dialect in dialects() for name in dialect.names))
LOOKED_FOR = "the console of a trainer (Megatron, nanoGPT, torchtitan and the like)"
_FIRST = 1 << 12  # bytes in which most logs measure something
RESUMED = (
    "a log that goes over the same steps again was started again: what came before is superseded; "
    "after its end, or with another end planned, it is another run"
)
_ARGUMENTS = 1 << 22  # bytes of a log in which its arguments stand
_MODELS = (b"num_layers", b"Model config ", b"ModelConfig(")
_OF_ARGUMENTS = (*_settings.COUNTS, "peak_lr", *WARMUPS)
_LOSSES = ("train_loss", "val_loss", "val_bpb")
_WITHIN = ("planned", "per_epoch", "rank")  # numbers of a line that measure nothing
_SURE = (0.95, 0.6)  # how sure a line of a known trainer is, and one of nobody in particular
# Code and text, which quote logs and print them, and tables.
_OTHERS = (".md", ".rst", ".py", ".sh", ".yaml", ".yml", ".toml", ".tex", ".html", ".c", ".cu")
_OTHERS += (".cpp", ".h", ".ipynb", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
_SAYS = re.compile(rb"loss|tr?l:|train |val |hella |mlm-|clm-|bpb|param|batch|vocab", re.IGNORECASE)
_NAMES_A_LOSS = re.compile(r"\b(?:[a-z]+_)*(?:loss|ppl|perplexity|bpb)\b.*\d", re.IGNORECASE)
_SUCH_AS = (
    "Such as 'iter 100: loss 3.4567, time 250.12ms, mfu 41.20%', 's:100 trl:3.45' or 'step=100 "
    "loss=3.45'; --pattern 'step (?P<step>\\d+).*loss (?P<loss>\\S+)' reads any other."
)


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like a console: whether a line measures, or is of a header."""
    objects = head.lstrip().startswith((b'{"', b"[{", b"[["))
    if format_ending(path) in _OTHERS or b"\x00" in head or objects or not _SAYS.search(head):
        return 0.0
    beginning = head[: head.find(b"\n", _FIRST) + 1]  # its lines say it of most
    if beginning and any(map(_measures, listen(beginning, LEVELS[0]).rows)):
        return _SURE[0]
    known = listen(head, LEVELS[0])
    if any(map(_measures, known.rows)):
        return _SURE[0]
    if known.broken and not known.rows:
        return 0.5
    if b"loss" in head.lower() and sum(map(_measures, listen(head, LEVELS[-1]).rows)) > 1:
        return _SURE[1]
    return 0.35 if known.marks or known.rows else 0.0


def nearest(path: str, head: bytes) -> str | None:
    """Return which line of a text names a loss and is of no console that is known."""
    if format_ending(path) in _OTHERS or b"\x00" in head:
        return None
    lines = (piece for piece in pieces(head) if _NAMES_A_LOSS.search(piece.text))
    first = next(lines, None)
    if first is None:
        return None
    told = f"row {first.number} says {first.text.strip()[:40]!r}, as no trainer does that is known"
    return f"{told}; --pattern reads such lines"


def _measures(row: Row) -> bool:
    return any(name in row.numbers for name in (*_LOSSES, "accuracy"))


def read(path: str, content: bytes) -> list[Raw]:
    """Read the measurements of a console: a table for each run.

    Raises
    ------
    DataError
        If nothing in it measures a loss.
    """
    console = listen(content, LEVELS[0])
    for level in LEVELS[1:]:
        if any("train_loss" in row.numbers for row in console.rows):
            break
        other = listen(content, level)
        console = other if len(other.rows) > len(console.rows) else console
    if not any(loss in row.numbers for row in console.rows for loss in _LOSSES):
        raise _silent(path, console)
    rows, notes = _over_ranks(console.rows, path)
    runs = _runs(rows)
    cut = not content.endswith((b"\n", b"\r")) and runs[-1][-1].line == console.length
    tables = _tables(path, console, runs, cut=cut)
    told = (*notes, *_notes(console, path, runs))
    tables = [replace(tables[0], notes=(*tables[0].notes, *told)), *tables[1:]]
    return [_computed(tables[0], content)] if len(tables) == 1 else tables


def _computed(raw: Raw, content: bytes) -> Raw:
    """Return the table of a run with what is computed of the arguments that its log prints."""
    head = content[:_ARGUMENTS]
    if not any(mark in head for mark in _MODELS):
        return raw
    said = _settings.facts(printed(head.decode("utf-8", errors="replace")))
    wanted = {name: value for name, value in said.items() if name in _OF_ARGUMENTS}
    facts = filled(raw.facts, wanted)
    known = raw.notes if _settings.KNOWN not in facts else _without_ranks(raw.notes)
    return replace(raw, facts=facts, notes=tuple(known))


def _without_ranks(notes: Sequence[Note]) -> Sequence[Note]:
    """Return notes but those that say that params are not known."""
    return [note for note in notes if note.code != "params-of-ranks"]


def _silent(path: str, console: Console) -> DataError:
    """Return why nothing was read, by the trainer that the file comes nearest to."""
    if console.broken:
        number, text, name = console.broken[0]
        told = f"the line begins as a measurement of {name} does and goes on otherwise"
        return DataError(f"{told}: {text[:60]!r}.", file=path, row=number, hint=_SUCH_AS)
    nearest = [(row.dialect.names[0], row.line, "") for row in console.rows[:1]]
    nearest += [(name, *mark) for name, mark in console.marks.items()]
    if not nearest:
        message = f"no line is a measurement: {LOOKED_FOR} was looked for."
        return DataError(message, file=path, hint=_SUCH_AS)
    name, number, text = nearest[0]
    told = f", as of {text[:60]!r}" if text else ""
    message = f"it looks like the console of {name}{told}, but no loss was logged."
    hint = "Did the run reach the first step that it logs?"
    return DataError(message, file=path, row=number, hint=hint)


def _over_ranks(rows: Sequence[Row], path: str) -> tuple[list[Row], list[Note]]:
    """Return one row for a step that several ranks measure: the mean of what they say."""
    ranks = {row.numbers["rank"] for row in rows if "rank" in row.numbers}
    if len(ranks) < 2:
        return list(rows), []
    groups: list[dict[float, Row]] = []
    latest: dict[tuple[float | bool | None, ...], dict[float, Row]] = {}
    for row in rows:
        rank, held = row.numbers.get("rank", -1.0), "val_loss" in row.numbers
        key = (row.numbers.get("epoch"), row.numbers.get("step"), held)
        if key not in latest or (rank in latest[key] and not held):
            latest[key] = {}
            groups.append(latest[key])
        latest[key][rank] = row
    several = sum(len(group) > 1 for group in groups)
    if not several:
        return list(rows), []
    told = f"{several} step(s) have values of several ranks (up to {max(map(len, groups))})"
    note = Note("ranks", "info", f"{told}: their mean was taken.", path)
    return [_mean(list(group.values())) for group in groups], [note]


def _mean(rows: Sequence[Row]) -> Row:
    """Return a row with the mean of each number over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row.numbers)
    there = {n: [row.numbers[n] for row in rows if n in row.numbers] for n in names}
    same = {n: values[0] for n, values in there.items() if len(set(values)) == 1}
    numbers = {n: same[n] if n in same else float(np.mean(there[n])) for n in names}
    return replace(rows[0], numbers=numbers)


def _runs(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Return the rows of each run: one, unless a part begins where another run would."""
    steps = [row.numbers.get("step") for row in rows]
    epochs = [row.numbers.get("epoch", 0.0) for row in rows]
    again = [
        i
        for i in range(1, len(rows))
        if _back(steps[i - 1], steps[i]) and epochs[i] <= epochs[i - 1]
    ]
    bounds = [0, *again, len(rows)]
    parts = [rows[low:high] for low, high in itertools.pairwise(bounds)]
    first = parts[0][0].numbers.get("step") or 0.0
    anew = [part[0].numbers.get("step", 0.0) <= first for part in parts]
    whole = all(anew) and _over_the_same(parts)
    runs: list[list[Row]] = [list(parts[0])]
    for before, part, from_start in zip(parts, parts[1:], anew[1:], strict=False):
        if from_start and (whole or _another(before, part)):
            runs.append(list(part))
        else:
            runs[-1] += part
    return list(runs)


def _back(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and after < before


def _another(before: Sequence[Row], part: Sequence[Row]) -> bool:
    """Say whether a part that begins anew is of another run than what stands before it."""
    ends = [
        next((r.numbers["planned"] for r in p if "planned" in r.numbers), None)
        for p in (before, part)
    ]
    if None in ends or ends[0] is None:
        return False
    reached = max(row.numbers.get("step", 0.0) for row in before)
    return ends[0] != ends[1] or (reached >= ends[0] - 1 and _says_otherwise(before, part))


def _over_the_same(parts: Sequence[Sequence[Row]]) -> bool:
    """Say whether parts go over the same steps to the same end, each with losses of its own."""
    axes = [[row.numbers.get("step") for row in part] for part in parts]
    same = len(parts) > 1 and len(axes[0]) > 1 and all(axis == axes[0] for axis in axes)
    ended = all(np.isfinite(part[-1].numbers.get("train_loss", 0.0)) for part in parts)
    return same and ended and all(_says_otherwise(parts[0], part) for part in parts[1:])


def _says_otherwise(one: Sequence[Row], other: Sequence[Row]) -> bool:
    pairs = [
        [row.numbers.get(loss, 0.0) for row in part for loss in _LOSSES] for part in (one, other)
    ]
    return len(pairs[0]) != len(pairs[1]) or any(map(differ, *pairs))


def _tables(path: str, console: Console, runs: Sequence[Sequence[Row]], *, cut: bool) -> list[Raw]:
    """Return the table of each run, with the facts that stand behind the run before."""
    tables, after = [], 0
    for i, rows in enumerate(runs):
        ends = i == len(runs) - 1
        last = max(row.line for row in rows)
        stated = [s for s in console.statements if after < s.line and (ends or s.line <= last)]
        facts, notes = facts_of(stated, rows, path)
        records = [_record(row.numbers) for row in rows]
        lines = [row.line for row in rows]
        raw = Raw.of_records(path, records, lines, cut=cut and ends, notes=notes)
        rounded = any(statement.rounded for statement in stated) or "params_convention" not in facts
        name = f":{i + 1}" if len(runs) > 1 else ""
        tables.append(replace(raw, facts=facts, rounded=rounded, run=name))
        after = last
    return tables


def _record(numbers: dict[str, float]) -> dict[str, float]:
    kept = {name: value for name, value in numbers.items() if name not in _WITHIN}
    if "step" in kept:
        kept["step"] = int(kept["step"])
    return kept


def _loss_of(row: Row) -> str:
    """Return what the training loss of a line is in words; nothing if it is that of a step."""
    off = row.kind not in (None, LossKind.STEP)
    return row.dialect.loss or (row.kind.words if row.kind and off else "")


def _notes(console: Console, path: str, runs: Sequence[Sequence[Row]]) -> Iterator[Note]:
    if len(runs) > 1:
        ends = ", ".join(f"{rows[-1].numbers.get('step', len(rows)):g}" for rows in runs)
        message = f"{len(runs)} runs stand one after the other, to the steps {ends}."
        yield Note("several-runs", "info", message, path, runs[1][0].line)
    kinds = {row.dialect.names[0]: _loss_of(row) for rows in runs for row in rows}
    for name, kind in kinds.items():
        if kind:
            yield Note("loss-kind", "info", f"the training loss of {name} is {kind}.", path)
    if console.minor:
        message = f"{len(console.minor)} line(s) are of micro-batches between steps; passed over."
        yield Note("micro-batches", "info", message, path, console.minor[0].line)
    if console.others:
        message = f"{console.others} line(s) are not measurements and were passed over."
        yield Note("other-lines", "info", message, path)
    if console.broken:
        number, text, _ = console.broken[0]
        told = f"{len(console.broken)} line(s) left out: they begin as a measurement does"
        message = f"{told} and go on otherwise, the first as {text[:60]!r}."
        yield Note("short-row", "warn", message, path, number)
    if console.repeated:
        message = (
            f"{console.repeated} line(s) repeat the numbers of their step: one row for each step."
        )
        yield Note("repeated-lines", "info", message, path)
