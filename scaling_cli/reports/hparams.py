"""Advice on learning rate and batch: the table, the valley, the reach, the sweep."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, filled
from scaling_cli.vocabulary.quantities import factor, short_number

Record = Mapping[str, Any]
INSIDE = 1.005  # factors below this are inside the data
SHOWN = 6  # cells and runs that are listed before the rest is counted


def blocks(of: Recipe | Record, *, full: bool = False, written: str | None = None) -> list[Block]:
    """Return what `scaling hparams` prints; of a recipe that nobody asked, its laws.

    Parameters
    ----------
    of : Recipe or mapping
        What `scaling hparams --json` prints.
    full : bool
        With every cell of the sweep, all rivals and where the laws hold.
    written : str or None
        The file that was written.
    """
    if isinstance(of, Recipe):
        return _recipe(of, full=full)
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
        _sweep(of["cells"], of["laws"] if of["cells"] else (), full=full),
        Labelled("left out", _left_out(of, full=full)),
        *(more if full else ()),
        Labelled("written", [written] if written else []),
    ]


def _recipe(recipe: Recipe, *, full: bool) -> list[Block]:
    from scaling_cli.reports import fit as fit_report

    left = [f"{item.run}: {item.reason}" for item in recipe.left_out]
    return [
        *(fit_report.brief_parameters(fit) for fit in recipe.fits().values()),
        _sweep(recipe.cells, (), full=full),
        Labelled("left out", _numbers.listed(left, SHOWN, full=full)),
        Labelled("notes", recipe.notes if full else ()),
    ]


def advice(found: Record, *, full: bool) -> Table:
    """Return the table: what is asked first, then the others."""
    level = f"{100 * found['level']:g} %"
    headers = ["", "rate", level, "batch", level, "steps"]
    rows = [_row(found), *(_row(r) for r in found["rivals"]), *_by_rule(found)]
    others = found["others_say"]
    rows += [_other(o, found["D"]) for o in others] if full else []
    told = "; ".join(f"{o['name']} ({o['source']}): {o['caveat']}" for o in others)
    foot = [f"* not certified: constants read in notes about the papers. {told}."]
    title = (
        f"learning rate and batch (tokens) for N = {short_number(found['N'])}, "
        f"D = {short_number(found['D'])}"
    )
    notes = [line for item in (found, *found["rivals"]) for line in _beyond(item)]
    return filled(
        Table(headers, rows, "^><><>", title=title, notes=notes + foot * bool(full and told))
    )


def _row(item: Record) -> list[str]:
    rate, batch, steps = item["learning_rate"], item["batch_tokens"], item["steps"]
    span = _numbers.interval(rate["new_run"], lambda v: f"{v:.3g}")
    return [
        item["fit"],
        f"{rate['value']:.3g}",
        "" if span == "-" else span,
        "" if batch is None else _tokens(batch["value"]),
        "" if batch is None else _numbers.interval(batch["new_run"], _tokens),
        "" if steps is None else _tokens(steps),
    ]


def _beyond(item: Record) -> Iterator[str]:
    """Say how far beyond its data a recipe is asked."""
    beyond = {s: item["beyond"][s] for s in ("C", "N", "D") if item["beyond"].get(s, 1) > INSIDE}
    if beyond:
        far = ", ".join(f"{s}\u00a0{factor(f)}" for s, f in beyond.items())
        yield f"{item['fit']}: beyond its data by {far}"


def _by_rule(found: Record) -> list[list[str]]:
    rule = found["authors_rule"]
    return [] if rule is None else [["  authors' rule", *_plain(rule, found["D"])]]


def _other(item: Record, tokens: float) -> list[str]:
    return [f"{item['name']} *", *_plain(item, tokens)]


def _plain(item: Record, tokens: float) -> list[str]:
    rate, batch = item.get("lr"), item.get("batch_tokens")
    size, steps = ("", "") if batch is None else (_tokens(batch), _tokens(tokens / batch))
    return ["" if rate is None else f"{rate:.3g}", "", size, "", steps]


def _tokens(number: float) -> str:
    return short_number(float(f"{number:.3g}"))


def _sequences(found: Record) -> Iterator[str]:
    item = found["sequences"]
    if item is None:
        return
    yield f"{item['exact']:.4g} sequences of {item['length']:g} tokens; whole ones near it:"
    for w in item["whole"]:
        tokens, steps = _tokens(w["tokens"]), f"{w['steps']:.4g} steps"
        yield f"  {w['sequences']} sequences = {tokens} tokens, {steps}"


def _valley(found: Record) -> Iterator[str]:
    if found["valley"] is None:
        return
    yield "flat: take any value in the interval rather than the third digit of a point."
    yield from map(_width, found["valley"]["widths"])
    slope = found["valley"]["rate_per_batch"]
    if slope is not None:
        yield f"a batch twice as large wants a learning rate {2**slope:.3g} times as large."


def _width(width: Record) -> str:
    apart = " or ".join(
        f"the {_name(axis)} {factor:.2g} times" for axis, factor in width["factors"].items()
    )
    line = f"{_numbers.percent(width['excess'])} of loss: {apart} too high or too low"
    if width["compute"] is not None:
        line += f"; it is worth {_numbers.percent(width['compute'])} of compute"
    return f"{line}."


def _name(axis: str) -> str:
    return "learning rate" if axis == "lr" else "batch"


def _valid(found: Record) -> list[str]:
    ranges = found["valid"]["ranges"]
    names = {"N": "parameters", "D": "tokens", "lr": "learning rates", "B_tokens": "tokens a step"}
    told = [
        f"{_numbers.span(ranges[s], s) if s != 'lr' else _rates(ranges[s])} {name}"
        for s, name in names.items()
        if s in ranges
    ]
    count = found["convention"] or "not stated"
    return [
        f"inside {', '.join(told)}; N counts parameters as {count}.",
        *found["valid"]["setting"],
    ]


def _rates(pair: Sequence[float]) -> str:
    return f"{pair[0]:.3g} to {pair[1]:.3g}"


def _sweep(cells: Sequence[Record], laws: Sequence[Record], *, full: bool) -> Table:
    """Return the optimum of every cell, and the laws through them."""
    headers = ["N", "D", "runs", "learning rate", "batch (tokens)", "loss"]
    rows = [
        [
            short_number(c["N"]),
            short_number(c["D"]),
            str(c["runs"]),
            f"{c['lr']:.3g}",
            _tokens(c["batch_tokens"]) if "batch_tokens" in c else "",
            _numbers.value(c["loss"]),
        ]
        for c in cells[: None if full else SHOWN]
    ]
    more = _numbers.more(len(cells) - len(rows))
    title = f"optima of {_numbers.count(len(cells), 'cell')}"
    told = [line for law in laws for line in _law(law)]
    return filled(Table(headers, rows, ">>>>>>", title=title, notes=[*more, *told]))


def _law(law: Record) -> list[str]:
    parts = []
    for name, value in law["parameters"].items():
        span = law["intervals"][name]
        parts.append(f"{name} {value:.4g} [{span['low']:.3g}, {span['high']:.3g}]")
    return [f"{law['law']}: {', '.join(parts)}"]


def _left_out(found: Record, *, full: bool) -> list[str]:
    """Return what says nothing: cells each with its reason, runs by reason."""
    cells = [x for x in found["left_out"] if x["run"].startswith("cell ")]
    reasons: dict[str, int] = {}
    for item in found["left_out"]:
        if item not in cells:
            reasons[item["reason"]] = reasons.get(item["reason"], 0) + 1
    lines = [f"{c['run']}: {c['reason']}" for c in cells]
    lines += [f"{_numbers.count(count, 'run')}: {reason}" for reason, count in reasons.items()]
    return _numbers.listed(lines, SHOWN, full=full)
