"""A plan: the split of each budget, what another costs, what it takes to train."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from scaling_cli.reports import _checks, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, Text
from scaling_cli.vocabulary.quantities import C, factor, short_number

Record = Mapping[str, Any]
INSIDE = 1.005  # factors below this are inside the data
SPENT = 0.999  # of a budget, below which a part is left
LIMITS = {"max_params": "the ceiling on parameters", "max_tokens": "the limit on tokens"}


def blocks(plan: Record, *, full: bool = False) -> list[Block]:
    """Return what `scaling plan` prints."""
    several = len(plan["allocations"]) > 1
    return [
        _table(plan),
        *(
            Labelled(label, list(lines))
            for label, lines in (
                ("nearly", _nearly(plan, full=full)),
                ("reach", _reach(plan)),
                ("cost", _cost(plan)),
                ("model", _model(plan, full=full or not several)),
            )
        ),
        _approaches(plan) if full else Text([]),
        _overtrained(plan),
        Text(list(_rests(plan)) + (list(plan["notes"]) if full else [])),
        Notes("warn", list(_doubts(plan))),
        *_checks.travelled(plan["warnings"], full=full),
    ]


def _table(plan: Record) -> Table:
    size, data = plan["spent"]
    level = _numbers.level(plan["level"])
    columns = [
        (plan["target"] + " wanted", ">", lambda a: _numbers.value(a.get("target_loss"))),
        ("C", ">", lambda a: _numbers.quantity(a["C"], C.symbol)),
        (size, ">", lambda a: _numbers.quantity(a[size], size)),
        (level, "<", lambda a: _from_to(a[f"{size}_interval"], size)),
        (data, ">", lambda a: _numbers.quantity(a[data], data)),
        (f"{data}/{size}", ">", lambda a: _numbers.rounded(a["ratio"])),
        (plan["target"], ">", lambda a: _numbers.value(a["loss"])),
        (f"{level} new run", "<", lambda a: _numbers.interval(a["loss_interval"])),
    ]
    wanted = any("target_loss" in a for a in plan["allocations"])
    return Table.of(plan["allocations"], columns[not wanted :])


def _approaches(plan: Record) -> Table:
    """Return the best size by the law, by isoFLOP parabolas and by the envelope of runs."""
    told = [(a["C"], a["approaches"]) for a in plan["allocations"] if a["approaches"]]
    size = plan["spent"][0]

    def of(name: str) -> Callable[[Any], str]:
        return lambda row: "-" if row[1][name] is None else short_number(row[1][name]["N"])

    def ends(name: str) -> Callable[[Any], str]:
        return lambda row: "" if not row[1][name] else _from_to(row[1][name]["interval"], size)

    columns = [
        ("C", ">", lambda row: _numbers.quantity(row[0], C.symbol)),
        (plan["law"], ">", of("parametric")),
        ("isoFLOP", ">", of("isoflop")),
        (_numbers.level(plan["level"]), "<", ends("isoflop")),
        ("envelope", ">", of("envelope")),
        (_numbers.level(plan["level"]), "<", ends("envelope")),
        ("apart", ">", lambda row: factor(row[1]["apart"])),
    ]
    return Table.of(told, columns, f"best {size} by three approaches")


def _from_to(ends: Sequence[float | None] | None, symbol: str) -> str:
    if ends is None:
        return "-"
    low, high = ("never" if v is None else _numbers.quantity(v, symbol) for v in ends)
    return f"{low} .. {high}"


def _nearly(plan: Record, *, full: bool) -> Iterator[str]:
    """Yield between which sizes the loss is nearly as low; of the first budget, or of all."""
    size = plan["spent"][0]
    for found in plan["allocations"][: None if full else 1]:
        at = f"at C = {found['C']:.3g}: " if len(plan["allocations"]) > 1 else ""
        for near in found["valley"]:
            low, high = near[size]
            ends = (
                f"{'less' if low is None else short_number(low)} to "
                f"{'more' if high is None else short_number(high)}"
            )
            of = f" of {plan['fitted_as']}" if plan["fitted_as"] else ""
            yield f"{at}{size} from {ends} loses {100 * near['loss_within']:g} %{of} at most"


def _reach(plan: Record) -> Iterator[str]:
    """Yield how far beyond the data, and between which budgets a loss is reached."""
    for found in plan["allocations"]:
        if found.get("C_interval"):
            low, high = found["C_interval"]
            first = "less" if low is None else f"{low:.3g}"
            last = "never surely" if high is None else f"surely by {high:.3g}"
            wanted = f"{plan['target']} {_numbers.value(found['target_loss'])}"
            among = f"{_numbers.level(plan['level'])} of new runs"
            yield f"{wanted}: perhaps from C = {first} on, {last} ({among})"
    for found in plan["allocations"]:
        far = {s: f for s, f in found["extrapolation"].items() if f > INSIDE}
        at = f"C = {found['C']:.3g} is " if len(plan["allocations"]) > 1 else ""
        if far:
            yield f"{at}beyond the data: " + ", ".join(f"{s} {factor(f)}" for s, f in far.items())


def _cost(plan: Record) -> Iterator[str]:
    made = plan["hardware"]
    for found in plan["allocations"]:
        cost = found["cost"]
        if cost is None or made is None:
            continue
        at = f"C = {found['C']:.3g}: " if len(plan["allocations"]) > 1 else ""
        days, energy, money = cost["days"], cost["energy_kwh"], cost["dollars"]
        hours = f"{short_number(cost['hours'])} hours of {made['name']}"
        yield at + _numbers.pieces(
            f"{hours} at {_numbers.share(made['mfu'])} of its peak",
            "" if days is None else f"{days:.3g} days on {made['count']}",
            "" if energy is None else f"{short_number(energy)} kWh",
            "" if money is None else f"${short_number(money)} at ${made['price']:g} an hour",
        )
    if made and made["priced"]:
        yield f"price: {made['priced']}; --price sets another"


def _model(plan: Record, *, full: bool) -> Iterator[str]:
    for found in plan["allocations"] if full else ():
        model = found["model"]
        yield (
            f"{model['layers']} layers of width {model['width']}, {model['heads']} heads "
            f"({short_number(model['params'])} parameters); {short_number(model['batch_tokens'])} "
            f"tokens a step, {short_number(model['steps'])} steps, peak rate "
            f"{model['learning_rate']:.2g} ({model['by']})"
        )


def _overtrained(plan: Record) -> Table:
    """Return what more tokens per parameter cost, in loss and in compute that makes up for it."""
    size, data = plan["spent"]
    several = len(plan["allocations"]) > 1
    columns = [
        *([("C", ">", lambda o: _numbers.quantity(o["C"], C.symbol))] if several else ()),
        (f"{data}/{size}", ">", lambda o: factor(o["times"])),
        (size, ">", lambda o: _numbers.quantity(o[size], size)),
        *(() if several else [(data, ">", lambda o: _numbers.quantity(o[data], data))]),
        (plan["target"], "<", lambda o: _sure(o, "loss_change", lambda v: f"{v:+.4f}")),
        ("compute", "<", lambda o: _sure(o, "more_compute", lambda v: factor(1 + v))),
    ]
    title = "Other tokens per parameter at the same compute; compute that makes up for it"
    return Table.of(plan["overtrained"], columns, title if plan["overtrained"] else "")


def _sure(of: Record, name: str, write: Callable[[float], str]) -> str:
    """Write a number and where it lies; an end that is none: no compute makes up for it."""
    told, ends = of[name], of[f"{name}_interval"]
    own = "never" if told is None else write(told)
    if ends is None:
        return own
    low, high = ("never" if v is None else write(v) for v in ends)
    return f"{own} [{low}, {high}]"


def _rests(plan: Record) -> Iterator[str]:
    """Yield what the numbers rest on."""
    size = plan["spent"][0]
    drawn = plan["allocations"][0][f"{size}_interval"] is not None
    ranges, draws = (" and its range", ", each draw with its own best split") if drawn else ("", "")
    others = ", and other ratios," if plan["overtrained"] else ""
    yield (
        f"{size}{ranges}{others} by {plan['law']} alone{draws}; {plan['target']} by the forecast "
        f"of {plan['fit']}."
    )
    answers = plan["limits"]["inference_tokens"]
    if answers:
        first = plan["allocations"][0]
        share = first["answers"] / first["C"]
        yield (
            f"{short_number(answers)} tokens after training take {_numbers.share(share)} of the "
            f"first budget, at 2{size} FLOP each."
        )


def _doubts(plan: Record) -> Iterator[str]:
    """Yield which limits hold, where parabolas say something else, and where nothing is known."""
    size = plan["spent"][0]
    for found in plan["allocations"]:
        for name in found["limited_by"]:
            better = f"{plan['target']} would be better"
            yield f"C = {found['C']:.3g}: {LIMITS[name]} holds; without it the {better}"
        spent = found["training"] + found["answers"]
        if spent < SPENT * found["C"]:
            yield f"C = {found['C']:.3g}: the limits leave all but {spent:.3g} of it unspent"
        lines = found["isoflop"]
        if lines and lines["agree"] is False:
            low, high = (short_number(v) for v in lines["hull"])
            yield (
                f"C = {found['C']:.3g}: isoFLOP parabolas say {size} {short_number(lines['N'])}, "
                f"{plan['law']} {short_number(lines['law'])}: plan for {low} to {high}"
            )
        if found["useful"] is False:
            yield f"C = {found['C']:.3g}: the range of {plan['target']} is too wide to decide by"
