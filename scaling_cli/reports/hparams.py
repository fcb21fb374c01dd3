"""Advice on learning rate and batch: the table, the valley, the reach, the sweep."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, filled
from scaling_cli.vocabulary.quantities import factor, short_number

if TYPE_CHECKING:
    from scaling_cli.verbs._answer import Answer

Record = Mapping[str, Any]
INSIDE = 1.005  # factors below this are inside the data
SHOWN = 6  # cells and runs that are listed before the rest is counted


def blocks(of: "Recipe | Answer", *, full: bool = False, written: str | None = None) -> list[Block]:
    """Return what `scaling hparams` prints; of a recipe that nobody asked, its laws.

    Parameters
    ----------
    of : Recipe or Answer
        What `scaling hparams --json` prints.
    full : bool
        With every cell of the sweep, all rivals and where the laws hold.
    written : str or None
        The file that was written.
    """
    if isinstance(of, Recipe):
        return [
            *(_recipe(fit, full=full) for fit in of.fits().values()),
            _sweep(of.cells, full=full),
            Labelled("left out", _fitted.left_out(of.left_out, full=full)),
            Labelled("notes", of.notes if full else ()),
        ]
    more: list[Block] = [
        Labelled("compared", [r["sentence"] for r in of["rivals"]]),
        Labelled("valid", _valid(of)),
        Labelled("notes", of["notes"] if of["cells"] else []),
    ]
    return [
        advice(of, full=full),
        Labelled("batch", list(_sequences(of))),
        Labelled("valley", list(_valley(of))),
        Notes("warn", of["warnings"]),
        _sweep(of["cells"], full=full),
        *(_law(law, full=full) for law in (of["laws"] if of["cells"] else ())),
        Labelled("left out", _fitted.left_out(of["left_out"], full=full)),
        *(more if full else ()),
        *_fitted.ending(written),
    ]


def _recipe(fit: Fit, *, full: bool) -> Table:
    """Return a law of a recipe with its parameters; in full under its name."""
    table = fit_report.parameters(fit, full=full)
    return replace(table, title=laws.name_of(fit.law)) if full else table


def advice(asked: Record, *, full: bool) -> Table:
    """Return the table: what is asked first, then the others."""
    level, others = _numbers.level(asked["level"]), asked["others_say"] if full else []
    headers = ["", "rate", level, "batch", level, "steps"]
    rule = asked["authors_rule"]
    rows = [*map(_row, (asked, *asked["rivals"]))]
    rows += [] if rule is None else [["  authors' rule", *_plain(rule, asked["D"])]]
    rows += [[f"{other['name']} *", *_plain(other, asked["D"])] for other in others]
    notes = [line for item in (asked, *asked["rivals"]) for line in _beyond(item)]
    if others:
        told = "; ".join(f"{o['name']} ({o['source']}): {o['caveat']}" for o in others)
        notes.append(f"* not certified: constants read in notes about the papers. {told}.")
    size, tokens = short_number(asked["N"]), short_number(asked["D"])
    title = f"learning rate and batch (tokens) for N = {size}, D = {tokens}"
    return filled(Table(headers, rows, "^><><>", title, notes))


def _row(item: Record) -> list[str]:
    rate, batch, steps = item["learning_rate"], item["batch_tokens"], item["steps"]
    span = _numbers.interval(rate["new_run"], lambda v: f"{v:.3g}")
    return [
        item["fit"],
        f"{rate['value']:.3g}",
        "" if span == "-" else span,
        "" if batch is None else _numbers.rounded(batch["value"]),
        "" if batch is None else _numbers.interval(batch["new_run"], _numbers.rounded),
        "" if steps is None else _numbers.rounded(steps),
    ]


def _beyond(item: Record) -> Iterator[str]:
    """Say how far beyond its data a recipe is asked."""
    far = [
        f"{symbol}\u00a0{factor(item['beyond'][symbol])}"
        for symbol in ("C", "N", "D")
        if item["beyond"].get(symbol, 1) > INSIDE
    ]
    if far:
        yield f"{item['fit']}: beyond its data by {', '.join(far)}"


def _plain(item: Record, tokens: float) -> list[str]:
    rate, batch = item.get("lr"), item.get("batch_tokens")
    sizes = ("", "") if batch is None else map(_numbers.rounded, (batch, tokens / batch))
    size, steps = sizes
    return ["" if rate is None else f"{rate:.3g}", "", size, "", steps]


def _sequences(asked: Record) -> Iterator[str]:
    item = asked["sequences"]
    if item is None:
        return
    yield f"{item['exact']:.4g} sequences of {item['length']:g} tokens; whole ones near it:"
    for w in item["whole"]:
        tokens, steps = _numbers.rounded(w["tokens"]), f"{w['steps']:.4g} steps"
        yield f"  {w['sequences']} sequences = {tokens} tokens, {steps}"


def _valley(asked: Record) -> Iterator[str]:
    if asked["valley"] is None:
        return
    yield "flat: take any value in the interval rather than the third digit of a point."
    for width in asked["valley"]["widths"]:
        apart = " or ".join(
            f"the {'learning rate' if axis == 'lr' else 'batch'} {times:.2g} times"
            for axis, times in width["factors"].items()
        )
        worth = _numbers.percent(width["compute"])
        more = "" if width["compute"] is None else f"; it is worth {worth} of compute"
        yield f"{_numbers.percent(width['excess'])} of loss: {apart} too high or too low{more}."
    slope = asked["valley"]["rate_per_batch"]
    if slope is not None:
        yield f"a batch twice as large wants a learning rate {2**slope:.3g} times as large."


def _valid(asked: Record) -> list[str]:
    ranges = asked["valid"]["ranges"]
    names = {"N": "parameters", "D": "tokens", "lr": "learning rates", "B_tokens": "tokens a step"}
    told = [f"{_numbers.span(ranges[s], s)} {name}" for s, name in names.items() if s in ranges]
    count = asked["convention"] or "not stated"
    inside = f"inside {', '.join(told)}; N counts parameters as {count}."
    return [inside, *asked["valid"]["setting"]]


def _sweep(cells: Sequence[Record], *, full: bool) -> Table:
    """Return the optimum of every cell."""
    columns = [
        ("N", ">", lambda c: short_number(c["N"])),
        ("D", ">", lambda c: short_number(c["D"])),
        ("runs", ">", lambda c: str(c["runs"])),
        ("learning rate", ">", lambda c: f"{c['lr']:.3g}"),
        (
            "batch (tokens)",
            ">",
            lambda c: _numbers.rounded(b) if (b := c.get("batch_tokens")) else "",
        ),
        ("loss", ">", lambda c: _numbers.value(c["loss"])),
    ]
    title = f"optima of {_numbers.count(len(cells), 'cell')}"
    return Table.of(cells, columns, title, limit=None if full else SHOWN)


def _law(law: Record, *, full: bool) -> Table:
    """Return a law through the optima, with its parameters."""
    declared, spans = laws.get(law["law"]).parameters(), law["intervals"]
    listed = [
        _fitted.Parameter(n, x, spans.get(n), declared[n].unit, declared[n].meaning)
        for n, x in law["parameters"].items()
    ]
    return _fitted.parameters(listed, law["law"], _fitted.level(spans), full=full)
