"""Advice on learning rate and batch as text: the table, the valley, the reach, the sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.vocabulary.quantities import factor, short_number

Record = Mapping[str, Any]
INSIDE = 1.005  # factors below this are inside the data
SHOWN = 6  # cells and runs that are listed before the rest is counted


def report(found: Record, *, written: str | None, style: Style) -> str:
    """Return everything `scaling hparams` prints.

    Parameters
    ----------
    found : mapping
        What `scaling hparams --json` prints.
    written : str or None
        The file that was written.
    style : Style
        Of standard output.
    """
    parts = [
        _sweep(found, style),
        _left_out(found, style),
        advice(found, style),
        _labelled("batch", _sequences(found), style),
        _labelled("valley", _valley(found), style),
        _labelled("compared", [r["sentence"] for r in found["rivals"]], style),
        _labelled("valid", _valid(found), style),
        _warnings(found, style),
        _labelled("notes", found["notes"] if found["cells"] else [], style),
        _labelled("written", [written] if written else [], style),
    ]
    return _layout.paragraphs(parts)


def _labelled(label: str, lines: Sequence[str], style: Style) -> str:
    return _layout.labelled(label, "\n".join(lines), style=style) if lines else ""


def advice(found: Record, style: Style) -> str:
    """Return the table: what is asked first, then the others."""
    level = f"{100 * found['level']:g} %"
    head = ["", "learning rate", level, "batch (tokens)", level, "steps", "beyond data"]
    rows = [_row(found, style), *(_row(r, style) for r in found["rivals"])]
    rows += _by_rule(found)
    rows += [_other(o, found["D"]) for o in found["others_say"]]
    title = f"for N = {short_number(found['N'])}, D = {short_number(found['D'])}"
    table = _layout.table(head, rows, align="<><><><", style=style)
    told = "; ".join(f"{o['name']} ({o['source']}): {o['caveat']}" for o in found["others_say"])
    foot = _layout.wrap(
        f"* not certified: constants read in notes about the papers. {told}.", style.width - 2
    )
    return _layout.block(title, "\n".join([table, *foot]), style=style)


def _row(item: Record, style: Style) -> list[str]:
    rate, batch = item["learning_rate"], item["batch_tokens"]
    beyond = {s: item["beyond"][s] for s in ("C", "N", "D") if item["beyond"].get(s, 1) > INSIDE}
    far = ", ".join(f"{s} {factor(f)}" for s, f in beyond.items())
    return [
        item["fit"],
        f"{rate['value']:.3g}",
        _layout.interval(rate["new_run"], lambda v: f"{v:.3g}"),
        "-" if batch is None else _tokens(batch["value"]),
        "-" if batch is None else _layout.interval(batch["new_run"], _tokens),
        "-" if item["steps"] is None else f"{item['steps']:.3g}",
        style.paint(far, "yellow") if far else "inside",
    ]


def _by_rule(found: Record) -> list[list[str]]:
    rule = found["authors_rule"]
    if rule is None:
        return []
    return [["  by the authors' rule", *_plain(rule, found["D"]), ""]]


def _other(item: Record, tokens: float) -> list[str]:
    return [f"{item['name']} *", *_plain(item, tokens), ""]


def _plain(item: Record, tokens: float) -> list[str]:
    rate, batch = item.get("lr"), item.get("batch_tokens")
    return [
        "-" if rate is None else f"{rate:.3g}",
        "-",
        "-" if batch is None else _tokens(batch),
        "-",
        "-" if batch is None else f"{tokens / batch:.3g}",
    ]


def _tokens(number: float) -> str:
    return short_number(float(f"{number:.3g}"))


def _sequences(found: Record) -> list[str]:
    item = found["sequences"]
    if item is None:
        return []
    lines = [f"{item['exact']:.4g} sequences of {item['length']:g} tokens; whole ones near it:"]
    lines += [
        f"  {w['sequences']} sequences = {_tokens(w['tokens'])} tokens, {w['steps']:.4g} steps"
        for w in item["whole"]
    ]
    return lines


def _valley(found: Record) -> list[str]:
    if found["valley"] is None:
        return []
    lines = ["flat: take any value in the interval rather than the third digit of a point."]
    lines += [_width(width) for width in found["valley"]["widths"]]
    slope = found["valley"]["rate_per_batch"]
    if slope is not None:
        lines.append(f"a batch twice as large wants a learning rate {2**slope:.3g} times as large.")
    return lines


def _width(width: Record) -> str:
    apart = " or ".join(
        f"the {_name(axis)} {factor:.2g} times" for axis, factor in width["factors"].items()
    )
    line = f"{_layout.percent(width['excess'])} of loss: {apart} too high or too low"
    if width["compute"] is not None:
        line += f"; it is worth {_layout.percent(width['compute'])} of compute"
    return f"{line}."


def _name(axis: str) -> str:
    return "learning rate" if axis == "lr" else "batch"


def _valid(found: Record) -> list[str]:
    ranges = found["valid"]["ranges"]
    names = {"N": "parameters", "D": "tokens", "lr": "learning rates", "B_tokens": "tokens a step"}
    told = [
        f"{_layout.span(ranges[s], s) if s != 'lr' else _rates(ranges[s])} {name}"
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


def _warnings(found: Record, style: Style) -> str:
    warn = style.paint("WARN", "bold", "yellow")
    lines = [part for w in found["warnings"] for part in _layout.wrap(f"{warn}: {w}", style.width)]
    return "\n".join(lines)


def _sweep(found: Record, style: Style) -> str:
    """Return the optimum of every cell, and the laws through them."""
    cells = found["cells"]
    if not cells:
        return ""
    both = "batch_tokens" in cells[0]
    head = ["N", "D", "runs", "learning rate", *(["batch (tokens)"] if both else []), "loss"]
    rows = [
        [
            short_number(c["N"]),
            short_number(c["D"]),
            str(c["runs"]),
            f"{c['lr']:.3g}",
            *([_tokens(c["batch_tokens"])] if both else []),
            _layout.value(c["loss"]),
        ]
        for c in cells
    ]
    table = _layout.table(head, rows, align=">" * len(head), style=style)
    laws = [line for law in found["laws"] for line in _law(law)]
    title = f"optima of {_layout.count(len(cells), 'cell')}"
    return _layout.block(title, "\n".join([table, *laws]), style=style)


def _law(law: Record) -> list[str]:
    parts = []
    for name, value in law["parameters"].items():
        span = law["intervals"][name]
        parts.append(f"{name} {value:.4g} [{span['low']:.3g}, {span['high']:.3g}]")
    return [f"{law['law']}: {', '.join(parts)}"]


def _left_out(found: Record, style: Style) -> str:
    """Return what says nothing: cells each with its reason, runs by reason."""
    cells = [x for x in found["left_out"] if x["run"].startswith("cell ")]
    reasons: dict[str, int] = {}
    for item in found["left_out"]:
        if item not in cells:
            reasons[item["reason"]] = reasons.get(item["reason"], 0) + 1
    lines = [f"{c['run']}: {c['reason']}" for c in cells]
    lines += [f"{_layout.count(count, 'run')}: {reason}" for reason, count in reasons.items()]
    return _labelled("left out", _layout.some(lines, SHOWN), style)
