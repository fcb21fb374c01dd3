"""What an architecture holds and costs: its parts, its parameters, FLOP by way of counting."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Table, filled
from scaling_cli.vocabulary.quantities import short_number

Record = Mapping[str, Any]
_WAYS = {
    "6nd_total": "6 N",
    "6nd_nonembed": "6 N without embeddings",
    "kaplan": "6 N without embeddings, causal attention",
    "palm": "6 x matrices with the head, full attention",
    "palm_causal": "6 x matrices with the head, causal attention",
    "chinchilla_f": "palm, softmax, the embedding as a matrix",
}
_USES = {
    "2n_total": "2 N",
    "2n_nonembed": "2 N without embeddings",
    "at_the_end": "2 x matrices with the head, full attention",
}
_NO_VOCABULARY = (
    "vocab_size is not stated: only what has no embedding is counted (--vocabulary N states it)."
)
_NO_LENGTH = "attention is not counted: no length of a sequence is stated (--seq-len N states it)."


def blocks(of: Record, *, full: bool = False) -> list[Block]:
    """Return what `scaling count` prints.

    Parameters
    ----------
    of : mapping
        configs, as `scaling count --json` prints them.
    full : bool
        With the parts of each where there are several.
    """
    configs = of["configs"]
    several = [_several(configs)] if len(configs) > 1 else []
    alone = configs if full or len(configs) == 1 else []
    return [*several, *(block for config in alone for block in _config(config))]


def _several(configs: list[Record]) -> Table:
    columns = [
        ("config", "^", lambda c: c["file"] or c["kind"]),
        ("total", ">", lambda c: _short(c["params"]["total"])),
        ("active", ">", lambda c: _short(c["params"]["active"]) if c["mixture"] else ""),
        ("non-embedding", ">", lambda c: _short(c["params"]["non_embedding"])),
        ("6 N", ">", lambda c: _flop(c["training_flop_per_token"]["6nd_total"])),
        ("palm", ">", lambda c: _flop(c["training_flop_per_token"]["palm"])),
    ]
    return Table.of(configs, columns, "", "6 N and palm: FLOP of training on a token")


def _config(config: Record) -> Iterator[Block]:
    heads = f", {config['heads']} heads" if config["heads"] else ""
    tied = "tied" if config["tied_embeddings"] else "untied"
    said = f"{config['kind']}: {config['layers']} layers, width {config['width']}{heads}"
    table = short_number(config["vocabulary"]) if config["vocabulary"] else "?"
    yield Labelled("model", [config["file"], f"{said}, vocabulary {table}, {tied}"])
    yield _params(config)
    yield _training(config)
    yield _inference(config)
    yield Notes("info", list(_notes(config)))


def _params(config: Record) -> Table:
    """Return a row for each kind of part and for the ways of counting them together."""
    params, mixture = config["params"], config["mixture"]
    rows = [
        [part["part"].replace("_", " "), _count(part["params"]), _count(part["active"])]
        for part in config["parts"]
    ]
    rows += [
        ["all (N total)", _count(params["total"]), _count(params["active"])],
        [
            "without embeddings",
            _count(params["non_embedding"]),
            _count(params["active_non_embedding"]),
        ],
    ]
    kept = [row if mixture else [*row[:2], ""] for row in rows]
    return filled(Table(["parameters", "", "a token passes"], kept, "<>>"))


def _training(config: Record) -> Table:
    return _costs(config, "training_flop_per_token", _WAYS, "training")


def _inference(config: Record) -> Table:
    return _costs(config, "inference_flop_per_token", _USES, "generating")


def _costs(config: Record, key: str, ways: Mapping[str, str], doing: str) -> Table:
    """Return a row for each way of counting, beside N times as many."""
    costs, run = config[key], config["run"] if doing == "training" else None
    base = next(iter(costs.values()))
    there = [name for name in ways if costs[name] is not None]
    tokens = f"of {short_number(run['tokens'])}" if run else ""
    rows = [
        [
            name,
            _flop(costs[name]),
            f"{costs[name] / base:.2f}" if base else "",
            _flop(run["flops"][name]) if run else "",
            ways[name],
        ]
        for name in there
    ]
    first = next(iter(ways.values()))
    return filled(Table([doing, "FLOP a token", f"/ {first}", tokens, ""], rows, "<>>>^"))


def _notes(config: Record) -> Iterator[str]:
    if config["vocabulary"] is None:
        yield _NO_VOCABULARY
    if config["seq_len"] is None:
        yield _NO_LENGTH
    elif config["heads"]:
        known = "" if config["seq_len_from"] == "given" else ", as the configuration states"
        yield f"attention is that of sequences of {config['seq_len']:,} tokens{known}."
    if config["mixture"]:
        yield "N of a mixture in FLOP is what a token passes through."
    yield from config["notes"]


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _short(number: float | None) -> str:
    return "?" if number is None else short_number(number)


def _flop(number: float | None) -> str:
    return "?" if number is None else _numbers.quantity(number, "C")
