"""Console logs of nanoGPT, llm.c, modded-nanogpt and Megatron: lines of text among others.

Only lines that begin as these programs write them are measurements: such a log may hold the whole
source code of its run. Steps and losses are as logged; `step:20/6000` also says where the run will
end. nanoGPT and llm.c measure the loss at step s before its update, from s batches; nanoGPT's
`iter` is the loss of one microbatch, its `step` lines are means over many. Megatron leaves out a
loss that is not finite: a line without one is NaN.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from scaling_cli.ingest._sources import Raw
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError

VERSION = "2"
NAMES = ("nanogpt", "llm.c", "modded-nanogpt", "megatron")
LOOKED_FOR = "console logs of nanoGPT, llm.c, modded-nanogpt and Megatron"
_NUMBER = r"[-+]?(?:nan|inf|\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?)"
# Colours, and what launchers write before a line: `[rank0]: `, `[default0]:`, `0: `.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LAUNCHER = re.compile(r"(?:\[[^\]]{1,40}\]:? ?|\d+: )+")
_SUCH_AS = (
    "Such as 'iter 100: loss 3.4567, time 250.12ms, mfu 41.20%', 's:100 trl:3.45' or "
    "'step:100/6000 train_loss:3.45 train_time:3825ms'."
)
_SECONDS = {"ms": 1e-3, "s": 1.0}
_TIMES = frozenset({"train_seconds", "iter_seconds"})


def _line(pattern: str) -> re.Pattern[str]:
    """Compile a line in which `<name>` is a number that goes to that column."""
    named = re.sub(r"(?<!\?P)<(\w+)>", lambda name: f"(?P<{name[1]}>{_NUMBER})", pattern)
    return re.compile(named, re.IGNORECASE)


# How a line begins, and a whole one: what begins so and goes on otherwise is told.
_LINES = {
    # modded-nanogpt; its later records print the time alone, which is a row without a loss
    r"step:\d+/\d+ ": _line(
        r"step:<step>/<planned>(?: train_loss:<train_loss>)?(?: val_loss:<val_loss>)?"
        r"(?: val_bpb:<val_bpb>)?"
        r" train_time:<train_time>(?P<unit>ms|s)\b"
    ),
    # nanoGPT
    r"iter \d+: ": _line(r"iter <step>: loss <train_loss>, time <iter_time>(?P<unit>ms)\b"),
    r"step \d+: ": _line(r"step <step>: train loss <mean_train_loss>, val loss <val_loss>$"),
    # llm.c: its main.log (`eval` is an accuracy), and what it prints
    r"s:\d+ trl:": _line(r"s:<step> trl:<train_loss>(?: lr:<lr>)?(?: norm:<grad_norm>)?$"),
    r"s:\d+ tel:": _line(r"s:<step> tel:<val_loss>$"),
    r"s:\d+ eval:": _line(r"s:<step> eval:<accuracy>$"),
    r"step +\d+/\d+ \| ": _line(
        r"step +<step>/<planned> \| loss +<train_loss> \(\S+\) *"
        r"\| norm +<grad_norm> \(\S+\) *\| lr <lr> \|"
    ),
    r"val loss ": _line(r"val loss <val_loss>$"),  # of the step before it
    # the log.txt of build-nanogpt
    r"\d+ train ": _line(r"<step> train <train_loss>$"),
    r"\d+ val ": _line(r"<step> val <val_loss>$"),
    r"\d+ hella ": _line(r"<step> hella <accuracy>$"),
    # Megatron-LM, Megatron-DeepSpeed, GPT-NeoX
    r"(?:samples/sec: \S+ \| )?iteration +\d+/ *\d+ \| ": _line(
        r"(?:samples/sec: \S+ \| )?iteration +<step>/ *<planned> \|"
        r"(?=(?:.*?\| consumed tokens: +<tokens> )?)(?=(?:.*?\| learning rate: <lr> )?)"
        r"(?=(?:.*?\| global batch size: +<batch_seqs> )?)(?=(?:.*?\| grad norm: <grad_norm> )?)"
        r"(?P<megatron>)(?=(?:.*?\| lm[ _]loss: <train_loss> )?).*\|$"
    ),
    r"validation loss at iteration \d+ ": _line(
        r"validation loss at iteration <step> (?:on validation set )?"
        r"\| lm loss value: <val_loss> \|"
    ),
}
_BEGINNING = re.compile("|".join(f"({begins})" for begins in _LINES), re.IGNORECASE)
_BEGINS_A_STEP = re.compile(r"(?:iter|step) \d+: |step +\d+/\d+ \| ", re.IGNORECASE)
_WHOLE = tuple(_LINES.values())
# nanoGPT's header: what one step takes in, and the parameters without position embeddings.
_BATCH = re.compile(r"tokens per iteration will be: ([\d,]+)$")
_PARAMS = re.compile(r"number of parameters: ([\d.]+)M$")
# The table that llm.c prints first.
_CELL = re.compile(r"\| (num_parameters|total batch size) +\| (\d+) +\|$")
_CELLS = {"num_parameters": "params", "total batch size": "batch_tokens"}


@dataclass
class _Log:
    """What has been read so far."""

    rows: list[dict[str, float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    facts: dict[str, float | str] = field(default_factory=dict)
    others: int = 0
    repeated: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, row: dict[str, float], number: int, *, alone: bool) -> None:
        """Add a measurement to the row of its step, unless it says something else of it."""
        last = self.rows[-1] if self.rows and not alone else {}
        shared = (row.keys() & last.keys()) - _TIMES
        if not last or any(_differ(row[name], last[name]) for name in shared):
            self.rows.append(row)
            self.lines.append(number)
            return
        self.repeated += shared != {"step"}
        last |= row


def _differ(one: float, other: float) -> bool:
    return one != other and not (np.isnan(one) and np.isnan(other))


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like one of these logs: whether a line is a measurement."""
    del path
    if not any(mark in head for mark in (b":", b"|", b" train ")):  # most tables have none
        return 0.0
    pieces = [piece for _, piece in _pieces(head) if _BEGINNING.match(piece)]
    if any("step" in (_measured(piece) or ()) for piece in pieces):
        return 0.95
    return 0.5 if any(_BEGINS_A_STEP.match(piece) for piece in pieces) else 0.0


def read(path: str, content: bytes) -> list[Raw]:
    """Read the measurements in a console log; one row for each step.

    Raises
    ------
    DataError
        If no line is a measurement.
    """
    log = _Log()
    whole = content.endswith((b"\n", b"\r"))
    pieces = list(_pieces(content))
    for i, (number, piece) in enumerate(pieces):
        _take(log, number, piece, alone=not whole and i == len(pieces) - 1)
    if not log.rows:
        message, (row, line) = (
            f"no line is a measurement: {LOOKED_FOR} were looked for.",
            (None, ""),
        )
        if log.broken:
            row, line = log.broken[0]
            message = f"the line begins as a measurement does and goes on otherwise: {line[:60]!r}."
        raise DataError(message, file=path, row=row, hint=_SUCH_AS)
    cut = not whole and log.lines[-1] == pieces[-1][0]
    rows = [{**row, "step": int(row["step"])} for row in log.rows]
    raw = Raw.of_records(path, rows, log.lines, cut=cut, notes=list(_notes(log, path)))
    return [replace(raw, facts=log.facts, rounded="params_convention" not in log.facts)]


def _pieces(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines, without colours and launchers; a progress bar has several."""
    text = _COLOUR.sub("", content.decode("utf-8", errors="replace"))
    for number, line in enumerate(text.split("\n"), start=1):
        for piece in line.split("\r"):
            if piece.strip():
                said = piece.lstrip()
                launcher = _LAUNCHER.match(said)
                yield number, said if launcher is None else said[launcher.end() :].lstrip()


def _measured(piece: str) -> dict[str, float] | None:
    """Return the numbers of a line; None if it is no measurement, or not a whole one."""
    begins = _BEGINNING.match(piece)
    whole = None if begins is None else _WHOLE[(begins.lastindex or 1) - 1].match(piece.rstrip())
    if whole is None:
        return None
    texts = {name: text for name, text in whole.groupdict().items() if text is not None}
    if texts.pop("megatron", None) is not None:
        texts.setdefault("train_loss", "nan")
    second = _SECONDS[texts.pop("unit", "s")]
    numbers = {name: float(text.replace(",", "")) for name, text in texts.items()}
    for name in [name for name in numbers if name.endswith("_time")]:
        numbers[name.replace("_time", "_seconds")] = numbers.pop(name) * second
    return numbers


def _take(log: _Log, number: int, piece: str, *, alone: bool) -> None:
    """Add what a line says; one that ends without a newline keeps to itself."""
    row = _measured(piece)
    batch, params = _BATCH.match(piece.rstrip()), _PARAMS.match(piece.rstrip())
    cell = _CELL.match(piece.rstrip())
    if row is not None:
        row.setdefault("step", log.rows[-1]["step"] if log.rows else 0.0)
        log.facts |= {"step": row.pop("planned")} if "planned" in row else {}
        log.add(row, number, alone=alone)
    elif _BEGINNING.match(piece):
        log.broken.append((number, piece.strip()))
    elif batch is not None:
        log.facts["batch_tokens"] = float(batch[1].replace(",", ""))
    elif params is not None:
        log.facts["params"] = float(params[1]) * 1e6
    elif cell is not None:
        log.facts[_CELLS[cell[1]]] = float(cell[2])
        log.facts |= {"params_convention": "total"} if cell[1] == "num_parameters" else {}
    else:
        log.others += 1


def _notes(log: _Log, path: str) -> Iterator[Note]:
    if log.others:
        message = f"{log.others} line(s) are not measurements and were passed over."
        yield Note("other-lines", "info", message, path)
    if log.broken:
        number, piece = log.broken[0]
        told = f"{len(log.broken)} line(s) left out: they begin as a measurement does"
        message = f"{told} and go on otherwise, the first as {piece[:60]!r}."
        yield Note("short-row", "warn", message, path, number)
    if log.repeated:
        message = f"{log.repeated} line(s) repeat the numbers of their step: one row for each step."
        yield Note("repeated-lines", "info", message, path)
    if "params" in log.facts and "params_convention" not in log.facts:
        told = (
            f"the header counts {float(log.facts['params']) / 1e6:g}M params, rounded and without"
        )
        say = "say what you count with --set params=... or --meta."
        message = f"{told} position embeddings: {say}"
        yield Note("params-of-header", "info", message, path)
