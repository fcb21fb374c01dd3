"""What was done to one curve: its files, parts, rows left out, schedule, and what fits use."""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scaling_cli.reports import _numbers
from scaling_cli.reports import runs as of_runs
from scaling_cli.reports._blocks import Block, Labelled, Table
from scaling_cli.reports.curve_fit import shortened
from scaling_cli.vocabulary.loss_kinds import LossKind

if TYPE_CHECKING:
    from scaling_cli.forecasting.explanation import Explanation

SHOWN = 3  # files, resumes, spikes on the first screen
LONGEST = 60  # of a schedule's text


def blocks(of: "Explanation", *, full: bool = False) -> list[Block]:
    """Return what `scaling runs --explain` prints."""
    record = of.to_dict()
    told = record["explained"]
    readings = of_runs.columns(record["columns"], full=full)
    return [
        Labelled("run", _run(record["runs"][0], told)),
        Labelled("its loss", [_kind(told)]),
        Labelled("files", _listed([_file(file) for file in told["files"]], full=full)),
        *readings,
        Labelled("resumed", [*_resumed(told, full=full)]),
        Labelled("set aside", [*_aside(told)]),
        Labelled("spikes", [*_spikes(told, full=full)]),
        Labelled("schedule", [*_rate(told["rate"])]),
        Labelled("doubts", told["doubts"]),
        uses(told),
        *of_runs.problems(record["notes"], full=full),
    ]


def _listed(lines: list[str], *, full: bool) -> list[str]:
    return _numbers.listed(lines, SHOWN, full=full)


def _run(summary: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    rows = _numbers.count(sum(told["counts"].values()), "row")
    counts = told["counts"].get("counts", 0) + told["counts"].get("spike", 0)
    stands = f"{counts:,} with a {told['target']} that counts"
    return [f"{told['run']} ({summary['state']}): {rows}, {stands}"]


def _kind(told: Mapping[str, Any]) -> str:
    """Return what the loss is, and how that is known."""
    known = told["known"]
    if known is None:
        return f"{told['target']}, in {told['loss_unit']}"
    kind = f"{LossKind(known['loss_kind']).words} ({known['loss_kind_known']})"
    unit = f"{told['loss_unit']} ({known['loss_unit_known']})"
    digits = known["loss_quantum"]
    rounded = "" if digits is None else f", rounded to {digits:g}"
    return f"{kind}, in {unit}{rounded}"


def _file(file: Mapping[str, Any]) -> str:
    lines = f"lines {file['first_line']} to {file['last_line']}"
    return f"{file['file']} ({file['reader']}), {lines}: {_numbers.count(file['rows'], 'row')}"


def _resumed(told: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    """Yield where the log goes back, and what counts then."""
    parts = told["segments"]
    unit, lines = told["unit"][:-1] if told["unit"] == "steps" else "token", []
    for before, part in itertools.pairwise(parts):
        way = f"from {unit} {before['last']:g} to {part['first']:g}"
        if before["superseded"]:
            way += f"; {_numbers.count(before['superseded'], 'row')} superseded"
        lines.append(f"line {part['first_line']}, {way}")
    yield from _listed(lines, full=full)
    if lines:
        yield f"rule: {told['rule']}"


def _aside(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many rows are seen as anything but a loss, and by which rule."""
    for name, rule in told["rules"].items():
        if name not in ("superseded", "spike"):
            yield f"{_numbers.count(told['counts'][name], 'row')} {name}: {rule}"


def _spikes(told: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    """Yield the spikes, the highest first."""
    if told["spikes"]:
        ordered = sorted(told["spikes"], key=lambda spike: -spike["above"])
        yield from _listed([_spike(spike, told["unit"]) for spike in ordered], full=full)
        yield f"rule: {told['rules']['spike']}"


def _spike(spike: Mapping[str, Any], unit: str) -> str:
    ends = f"{spike['first']:g}"
    ends += f" to {spike['last']:g}" if spike["rows"] > 1 else ""
    rows = _numbers.count(spike["rows"], "row")
    high = f"up to {_numbers.value(spike['loss'])}, {_numbers.percent(spike['above'])} above"
    return f"{unit if spike['rows'] > 1 else unit.removesuffix('s')} {ends}: {rows}, {high}"


def _rate(rate: Mapping[str, Any] | None) -> Iterator[str]:
    if rate is None:
        yield "not known: neither a schedule nor a learning rate is logged"
        return
    fit = ""
    if rate["within"] is not None:
        share = _numbers.percent(rate["within"])
        fit = f": {share} of {rate['rows']} logged rates lie within their rounding"
    yield shortened(rate["text"], LONGEST, " (--json)")
    yield f"{rate['known']}{fit}"
    if rate["warmup"]:
        yield f"warm-up to step {rate['warmup']:g}; {rate['warmup_known']}"
    else:
        yield "no warm-up"


def uses(told: Mapping[str, Any]) -> Table:
    """Return what each use takes of the curve."""
    unit = "steps" if told["unit"] == "steps" else "tokens"
    columns = [
        ("used by", "<", lambda use: str(use["by"])),
        ("rows", ">", lambda use: f"{use['rows']:,}"),
        (unit, ">", _ends),
        ("as points", ">", lambda use: f"{use['points']:,}" if use["points"] else ""),
        ("", "^", lambda use: str(use["told"])),
    ]
    return Table.of(told["uses"], columns)


def _ends(use: Mapping[str, Any]) -> str:
    return "" if use["first"] is None else f"{use['first']:g}-{use['last']:g}"
