"""How a trainer's console is declared, and the numbers in a line that was declared so."""

import enum
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from scaling_cli.vocabulary.loss_kinds import LossKind

# A number is whole only where nothing that could belong to it follows: `5.1GB`, `3,45` are none.
NUMBER = (
    r"[-+]?(?:nan|inf(?:inity)?|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?(?:e[-+]?\d+)?|\.\d+)"
)
_COUNT = r"\d+(?:,\d{3})*"
_COUNTED = frozenset(("step", "planned", "epoch", "batch", "per_epoch", "rank"))
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SECONDS = {"ms": 1e-3, "s": 1.0}
_PYTHON = re.compile(r"'(?P<text>[^']*)'|\b(?P<word>nan|inf|None|True|False)\b")
_JSON = {"nan": "NaN", "inf": "Infinity", "None": "null", "True": "true", "False": "false"}
_LOSSES = ("train_loss", "val_loss")
# What the beginning of a line says as its step, and its numbers by another name.
_STEPS = ("step", "steps", "iter", "iteration", "iterations", "global_step", "it", "batch")


def with_numbers(pattern: str) -> str:
    """Return a pattern in which `<name>` is a number that goes to that column."""

    def group(name: re.Match[str]) -> str:
        number = _COUNT if name[1] in _COUNTED else NUMBER
        return f"(?P<{name[1]}>{number})"

    return re.sub(r"(?<!\?P)<(\w+)>", group, pattern)


def without_names(pattern: str) -> str:
    """Return a pattern in which `<name>` is a number that goes nowhere."""
    return re.sub(r"\(\?P<\w+>", "(?:", with_numbers(pattern))


class Written(enum.Enum):
    """How the numbers of a line are written: name and value, and what ends a value."""

    CELLS = (
        rf"(?:^|\|)\s*(?P<name>[A-Za-z_](?:[^|:=]*?(?=\s*[:=])|\w*(?=\s)))\s*[:=]?\s*"
        rf"(?P<value>{NUMBER})\s*(?=\||$)"
    )
    """`| name: 1.5 | another name: 2 |`."""
    WORDS = (
        rf"(?<![\w/.])(?P<name>[A-Za-z_][\w./@-]*(?:\([\w./-]*\))?)\s*[=:]\s*(?P<value>{NUMBER})"
        r"(?=\s*(?:$|,(?![\d.])|[;|)\]}]|\(\d|-\s|[A-Za-z_][\w./()@-]*\s*[=:]))"
    )
    """`name=1.5, other: 2`."""
    SPACED = rf"(?<![\w/.])(?P<name>(?:history )?[A-Za-z_]\w*)\s+(?P<value>{NUMBER})(?![\w.,])"
    """`name 1.5 other 2`."""
    OBJECT = r"\{(?:[^{}]|\{[^{}]*\})*\}"
    """JSON, or a Python dictionary."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return it compiled."""
        return re.compile(self.value, re.IGNORECASE)


class Of(enum.Enum):
    """Which step a line measures if it does not say it."""

    BEFORE = "before"
    """That of the line before it."""
    NEXT = "next"
    """That of the next line."""
    NONE = "none"
    """None that is known: it is a row of its own."""


_BELOW = re.compile(r"(?P<name>[A-Za-z_][^=:]*?)\s*[=:]\s*(?P<value>\S+)")
# What trainers call the same thing, in the order of preference.
_NAMES = (
    *((name, "train_loss") for name in ("lm loss", "lm_loss", "lm-loss", "loss", "train_loss")),
    *((name, "lr") for name in ("learning rate", "learning_rate", "lr", "lr_0", "optim0_lr0")),
    *((name, "grad_norm") for name in ("grad norm", "grad_norm", "gnorm", "norm")),
    ("global batch size", "batch_seqs"),
    ("global_batch_size", "batch_seqs"),
    ("consumed tokens", "tokens"),
    ("consumed samples", "consumed_samples"),
)


@dataclass(frozen=True)
class Line:
    """A kind of line that measures.

    Parameters
    ----------
    begins : str
        How it begins, behind what loggers write first; `<name>` is a number of that column.
    rest : str or Written
        How it goes on: a pattern that fits to its end, or how its numbers are written.
    names : tuple of (name, column)
        What its numbers are called here, before the names that many trainers use.
    apart : str
        What goes before the names of its numbers that are none of ours: of a held-out set.
    of : Of
        Which step it measures if it does not say it.
    lost : bool
        A trainer that leaves out a loss which is not finite: a line without one is NaN.
    heads : bool
        Indented lines below it, a number each, belong to it.
    stale : tuple of str
        Columns that repeat the last measurement until there is another.
    also : tuple of str
        What else is looked for anywhere in it.
    minor : bool
        It counts where no other line of the log has a training loss.
    level : int
        How sure it is: lines of a level are read where none of a lower one has a training loss.
    kind : LossKind, optional
        What its training loss is, if it is not what others of the dialect have.
    """

    begins: str
    rest: str | Written = ".*"
    names: tuple[tuple[str, str], ...] = ()
    apart: str = ""
    of: Of = Of.BEFORE
    lost: bool = False
    heads: bool = False
    stale: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    minor: bool = False
    level: int = 0
    kind: LossKind | None = None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Its beginning, or all of it where it has one form."""
        rest = self.rest + r"\s*$" if isinstance(self.rest, str) else ""
        return re.compile(with_numbers(self.begins + rest), re.IGNORECASE)

    @cached_property
    def _begins(self) -> re.Pattern[str]:
        return re.compile(without_names(self.begins), re.IGNORECASE)

    @cached_property
    def _called(self) -> dict[str, tuple[int, str]]:
        pairs = (*self.names, *_NAMES)
        return {name: (i, column) for i, (name, column) in reversed([*enumerate(pairs)])}

    @cached_property
    def _layouts(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        return {}

    @cached_property
    def _says_a_loss(self) -> re.Pattern[str]:
        """Whether a line says something of its loss: if no number was read, it is not whole."""
        names = [re.escape(name) for name, (_, column) in self._called.items() if column in _LOSSES]
        named = rf"(?<![\w/])(?:{'|'.join(names)})['\"]?\s*[=:]\s*(?!n/a|none|null)"
        return re.compile(named, re.IGNORECASE)

    @cached_property
    def _also(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(with_numbers(also), re.IGNORECASE) for also in self.also)

    def numbers(self, text: str) -> list[dict[str, float]]:
        """Return the rows of numbers that a line holds; none if it is not a whole one."""
        match = self._pattern.match(text)
        if match is None or self._is_of_two(text, match):
            return []
        first = _floats(match.groupdict())
        if isinstance(self.rest, str):
            return [first]
        if self.rest is Written.OBJECT:
            rows = [_object(one) for one in self.rest.pattern.findall(text, match.end())]
            return [] if None in rows else [self.named(row) for row in rows if row]
        for also in self._also:
            more = also.search(text)
            first |= _floats(more.groupdict()) if more else {}
        row = self.named(_pairs(self.rest, text)) | first
        if not any(loss in row for loss in _LOSSES):
            silent = len(row) == len(first) and not self.heads
            if silent or self._says_a_loss.search(text, match.end()):
                return []
        return [{"train_loss": float("nan")} | row if self.lost else row]

    def _is_of_two(self, text: str, match: re.Match[str]) -> bool:
        """Say whether another measurement begins within one, as where two ranks write at once."""
        if self.level or "<step>" not in self.begins:
            return False
        return self._begins.search(text, match.end("step")) is not None

    def below(self, text: str) -> dict[str, float] | None:
        """Return the number of a line below this one; None if it is no such line."""
        match = _BELOW.fullmatch(text.strip())
        if match is None:
            return None
        whole = re.fullmatch(NUMBER, match["value"], re.IGNORECASE)
        return self.named({match["name"]: float(match["value"].replace(",", ""))}) if whole else {}

    def named(self, pairs: Mapping[str, float]) -> dict[str, float]:
        """Return numbers by what they are called here; no column is taken twice."""
        names = tuple(pairs)
        columns = self._layouts.get(names)
        if columns is None:
            columns = self._layouts[names] = self._columns(names)
        return {c: v for c, v in zip(columns, pairs.values(), strict=True) if c}

    def _columns(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return what each name is called here; a step that is said already is called nothing."""
        taken: dict[str, str] = {}
        for name in sorted(names, key=lambda n: self._called.get(n.lower(), (len(names), ""))[0]):
            column = self._called.get(name.lower(), (0, ""))[1]
            if not column and name.lower() in _STEPS and "<step>" in self.begins:
                continue
            taken[self.apart + name if not column or column in taken else column] = name
        columns = {name: column for column, name in taken.items()}
        return tuple(columns.get(name, "") for name in names)


def _floats(texts: Mapping[str, str | None]) -> dict[str, float]:
    """Return the numbers of a match; times in seconds, whatever their unit."""
    numbers = {n: _float(t) for n, t in texts.items() if t is not None and n != "unit"}
    if "unit" in texts:
        second = _SECONDS[(texts["unit"] or "s").lower()]
        for name in [name for name in numbers if name.endswith("_time")]:
            numbers[name.replace("_time", "_seconds")] = numbers.pop(name) * second
    return numbers


def _float(text: str) -> float:
    return float(text.replace(",", "") if "," in text else text)


def _pairs(written: Written, text: str) -> dict[str, float]:
    if written is Written.CELLS:
        return _cells(text)
    pairs: dict[str, float] = {}
    for match in written.pattern.finditer(text):
        name, value = match.groups()
        pairs.setdefault(name, _float(value))
    return pairs


def _cells(text: str) -> dict[str, float]:
    """Return the numbers between bars; what is a plain number is not looked at sign by sign."""
    pairs: dict[str, float] = {}
    for cell in text.split("|"):
        name, _, value = cell.partition(":")
        try:
            plain = float(value) if name.isascii() and value.isascii() else None
        except ValueError:
            plain = None
        name = name.strip()
        if plain is not None and "_" not in value and "=" not in name and name[:1].isalpha():
            pairs.setdefault(name, plain)
        elif match := Written.CELLS.pattern.fullmatch(cell):
            pairs.setdefault(match["name"], _float(match["value"]))
    return pairs


def _object(text: str) -> dict[str, float] | None:
    """Return the numbers of an object, those in quotes too; None if it is garbled."""

    def written(match: re.Match[str]) -> str:
        return _JSON[match["word"]] if match["word"] else json.dumps(match["text"])

    try:
        loaded = json.loads(_PYTHON.sub(written, text) if text.startswith("{'") else text)
        return dict(_numbers(loaded))
    except (ValueError, OverflowError):  # a number of 400 digits is none
        return None


def _numbers(loaded: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    for name, value in loaded.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
        elif isinstance(value, str) and re.fullmatch(NUMBER, value, re.IGNORECASE):
            yield name, float(value.replace(",", ""))


@dataclass(frozen=True)
class Fact:
    """A line of a header that states facts: `<name>` is a number under that name."""

    pattern: str
    of_rank: bool = False
    """Whether it counts the parameters of the rank in its group `place` only."""

    @cached_property
    def words(self) -> str:
        """Return the longest words that every such line has: looking for them costs little."""
        plain = re.sub(r"\(\?.*?\)|\[.*?\]|<\w+>|\\\w|\\", "|", self.pattern)
        return max(re.findall(r"\w+(?: \w+)*", plain), key=len)

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(with_numbers(self.pattern), re.IGNORECASE)

    def stated(self, text: str) -> tuple[dict[str, float], bool]:
        """Return the facts of a line, and whether they are rounded."""
        match = self._compiled.search(text)
        if match is None:
            return {}, False
        texts = match.groupdict()
        unit, place = texts.pop("scale", None), texts.pop("place", None)
        scale = _UNITS[unit.lower()] if unit else 1.0
        facts = {n: float(t.replace(",", "")) * scale for n, t in texts.items() if t is not None}
        if not all(map(math.isfinite, facts.values())):
            return {}, False
        if self.of_rank and place is not None and not unit:
            facts = {f"params_of_rank {place}": value for value in facts.values()}
        return facts, unit is not None


@dataclass(frozen=True)
class Dialect:
    """What a family of trainers prints.

    Parameters
    ----------
    names : tuple of str
        Its programs, as `--format` knows them; the first is what messages call it.
    lines : tuple of Line
        What measures.
    facts : tuple of Fact
        What its header states.
    loss : str
        What the printed training loss is in words, if it is not that of one step.
    kind : LossKind, optional
        The same in one word; None where it is not known.
    convention : str
        The unit of its losses, if it is not nats per token.
    """

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    facts: tuple[Fact, ...] = field(default=())
    loss: str = ""
    kind: LossKind | None = LossKind.STEP
    convention: str = ""
