"""What the reports on fits share: what was read, left out and noticed, parameters, what is next."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scaling_cli.reports import _checks, _numbers
from scaling_cli.reports import runs as runs_report
from scaling_cli.reports._blocks import Block, Command, Labelled, Table, Text
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.shipped import DEFAULT_FILE

NAMED = 4  # runs named with one reason; reasons and notes on the first screen
REASONS = 2  # for leaving runs out, in a sentence
TWO_COLUMNS = 3  # parameters, from which on they stand in two columns
UNBOUNDED = "no bound"  # an end of an interval that the data leave open
NEEDLESS = "other-columns"  # the note that is not worth a line of the first screen


class Parameter(NamedTuple):
    """A parameter as reports show it."""

    name: str
    value: float
    span: Mapping[str, Any] | None = None
    unit: str = ""
    meaning: str = ""
    held: bool = False

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of its interval, infinite where nothing bounds it; None where it has none."""
        low, high = map((self.span or {}).get, ("low", "high"))
        if low is None and high is None:
            return None
        return -math.inf if low is None else low, math.inf if high is None else high


def level(intervals: Mapping[str, Mapping[str, Any]]) -> str:
    """Return at which level intervals are, before their noun: `90 % `."""
    return next((f"{100 * i['level']:g} % " for i in intervals.values() if i.get("level")), "")


def parameters(
    listed: Sequence[Parameter], title: str, level: str = "", *notes: str, full: bool
) -> Table:
    """Return parameters: in two columns with the digits they deserve, or with all that is known."""
    if full:
        columns = [
            ("", "<", lambda p: p.name),
            ("value", ">", lambda p: _numbers.parameter(p.value)),
            (f"{level}interval", "<", _interval),
            ("unit", "<", lambda p: p.unit),
            ("meaning", "^", lambda p: p.meaning),
        ]
        return Table.of(listed, columns, title, *notes)
    cells = [_briefly(p) for p in listed]
    head, times = ["", "", f"{level}range" if level else ""], 1
    if len(cells) >= TWO_COLUMNS:
        half, times = (len(cells) + 1) // 2, 2
        right = [*cells[half:], *[["", "", ""]] * (2 * half - len(cells))]
        cells = [a + b for a, b in zip(cells[:half], right, strict=True)]
    return Table(head * times, cells, "<><" * times, title, notes)


def _interval(p: Parameter) -> str:
    return "fixed" if p.held else _numbers.interval(p.ends, _end)


def _end(number: float) -> str:
    return _numbers.parameter(number) if math.isfinite(number) else UNBOUNDED


def _briefly(p: Parameter) -> list[str]:
    if p.held or p.ends is None:
        return [p.name, f"{p.value:.{6 if p.held else 4}g}", "fixed" if p.held else ""]
    known = [end if math.isfinite(end) else p.value for end in p.ends]
    shown, *texts = _numbers.deserved(p.value, *known)
    ends = [text if math.isfinite(e) else UNBOUNDED for e, text in zip(p.ends, texts, strict=True)]
    return [p.name, shown, " .. ".join(ends)]


def counted(data: Mapping[str, Any], points: int, runs: int | None = None) -> str:
    """Return how many runs and points were read, or the points alone where runs are not known."""
    stored = (data.get("points") or {}).get("runs")
    number = len(set(stored)) if runs is None and stored else runs
    told = [_numbers.count(number, "run")] if number is not None else []
    return ", ".join([*told, _numbers.count(points, "point")])


def ranges(data: Mapping[str, Any], units: Mapping[str, str], title: str, *notes: str) -> Table:
    """Return the range of every quantity that has one, with its unit."""
    known = data.get("ranges", {})
    columns = [
        ("", "<", lambda symbol: symbol),
        ("", "<", lambda symbol: _numbers.span(known[symbol], symbol)),
        ("", "^", lambda symbol: units[symbol]),
    ]
    return Table.of([symbol for symbol in units if symbol in known], columns, title, *notes)


def opening(read: str, left: Sequence[LeftOut], data: Mapping[str, Any]) -> list[Block]:
    """Return what was read, what was left out, and what reading and selecting noticed."""
    told = map(str, data.get("notes", ()))
    notes = [note for note in told if not note.startswith("target: ") or " It is " in note]
    noticed = [note for note in _unsaid(data) if note["code"] != NEEDLESS]
    mild = _numbers.grouped((n["code"], n["message"]) for n in noticed if n["level"] == "info")
    for said in mild.values():
        sentence = _checks.first_sentence(said[0].partition(" (")[0])
        notes.append(f"{sentence} ({len(said)} such notes)" if len(said) > 1 else sentence)
    lines = [read, _left_out_briefly(left), *_numbers.listed(notes, NAMED, full=False)]
    worse = [note for note in noticed if note["level"] != "info"]
    return [
        Text([line for line in lines if line]),
        *(runs_report.problems(worse, full=False) if worse else ()),
    ]


def _by_reason(items: Sequence[LeftOut]) -> dict[str, list[str]]:
    runs = _numbers.grouped((item.reason, item.run) for item in items)
    return dict(sorted(runs.items(), key=lambda pair: -len(pair[1])))


def _left_out_briefly(items: Sequence[LeftOut]) -> str:
    """Return how many runs were left out, and the reasons that most of them have."""
    told = [(len(names), reason) for reason, names in _by_reason(items).items()]
    briefly = [
        (number, f"by --where '{where}'" if where != reason else f"({reason})")
        for number, reason in told
        for where in [reason.removeprefix("where: not ")]
    ]
    if len(briefly) < 2:
        return "".join(f"{number} left out {why}" for number, why in briefly)
    lines = _numbers.listed([f"{n} {why}" for n, why in briefly], REASONS, full=False)
    return f"{len(items)} left out: {'; '.join(lines)}"


def left_out(items: Sequence[LeftOut | Mapping[str, str]], *, full: bool) -> list[str]:
    """Return how many runs were left out and, by reason, which; nothing where none was."""
    runs = [LeftOut(i["run"], i["reason"]) if isinstance(i, Mapping) else i for i in items]
    lines = [
        f"{', '.join(of if full else _numbers.some(of, NAMED))}: {reason}"
        if full or len(of) <= NAMED
        else f"{len(of)} runs: {reason}"
        for reason, of in _by_reason(runs).items()
    ]
    counted = len(lines) == 1 and lines[0].startswith(f"{len(runs)} runs: ")
    total = [str(len(runs))] * (bool(runs) and not counted)
    return [*total, *_numbers.listed(lines, NAMED, full=full)]


def reading(data: Mapping[str, Any]) -> list[str]:
    """Return what reading noticed, but for what the selection says again."""
    return [runs_report.note_line(note) for note in _unsaid(data)]


def _unsaid(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    said = " ".join(str(note) for note in data.get("notes", ()))
    return [n for n in data.get("reading", ()) if n["message"].split(":")[0] not in said]


def origin(sources: Sequence[str]) -> str:
    """Return from where data came, in words."""
    return f" from {', '.join(sources)}" if sources else ""


def ending(written: str | None, verb: str = "", options: str = "") -> Iterator[Block]:
    """Yield where the thing was written and, of a fit, the command that asks it."""
    if written is not None:
        yield Labelled("written", [written])
        named = [] if _checks.path(written) == DEFAULT_FILE else ["--fit", _checks.path(written)]
        words = ["scaling", verb, *named, *options.split()]
        yield Command.of("next", *(words if verb else ()))
