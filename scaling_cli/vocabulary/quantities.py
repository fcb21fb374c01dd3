"""The vocabulary: what N, D, C and L mean, their units, and how people write numbers.

Every fact about a quantity has its home here: symbol, column name, unit, counting conventions
and the names under which logs and tables carry it. Laws annotate their inputs with these.
"""

import enum
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from scaling_cli.vocabulary import arithmetic
from scaling_cli.vocabulary.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


class Domain(enum.Enum):
    """Where a number may live: the input of a law, or a parameter (positive or real)."""

    POSITIVE = "positive"
    """(0, inf): what counts is its logarithm."""
    REAL = "real"
    """(-inf, inf)."""
    UNIT = "unit"
    """[0, 1], both ends included."""
    SIMPLEX = "simplex"
    """[0, 1]; all inputs of a law with this domain sum to one."""

    @property
    def rule(self) -> str:
        """What a number must be, in words."""
        rules = {Domain.POSITIVE: "positive and finite", Domain.REAL: "finite"}
        return rules.get(self, "between 0 and 1")

    def holds(self, values: Any) -> "np.ndarray":
        """Return where values lie in the domain."""
        import numpy as np  # late: the words of --help need none

        numbers = np.asarray(values, float)
        if self in (Domain.UNIT, Domain.SIMPLEX):
            return (numbers >= 0) & (numbers <= 1)
        return np.isfinite(numbers) & ((numbers > 0) | (self is Domain.REAL))

    def spread(self, values: Any) -> "np.ndarray":
        """Return values on the axis that they vary along: logarithms of what is positive."""
        import numpy as np

        numbers = np.asarray(values, float)
        return np.log(numbers) if self is Domain.POSITIVE else numbers


class Role(enum.Enum):
    """What an input is to a law: size and data grow with compute, everything else is held."""

    SIZE = "size"
    DATA = "data"
    SHARE = "share"
    OTHER = "other"


@dataclass(frozen=True)
class Quantity:
    """A measurable thing: its symbol in the papers, its column, its unit.

    A law may declare one of its own, in its file: its column is then read under its column name
    or an alias.

    Parameters
    ----------
    symbol : str
        The field's letter, as laws and JSON use it (`N`).
    column : str
        Canonical column name in tables and stores (`params`).
    meaning, unit : str
        For people; `unit` is also written into Parquet metadata.
    conventions : tuple of str
        Ways of counting that must not be mixed; empty where there is only one.
    aliases : tuple of str
        Other column names recognised in input files (compared case-insensitively), the
        preferred first. One letter is a name for what people type; a column needs more than
        that (`ingest/_columns.py`).
    role : Role
        What it is to a law that takes it.
    domain : Domain
        Which values it may have.
    """

    symbol: str
    column: str
    meaning: str
    unit: str
    conventions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    role: Role = Role.OTHER
    domain: Domain = Domain.POSITIVE


# What input files call them, the preferred first; names are compared as `plain_name` writes them.
_ALIASES = {
    "N": "n n_params num_params parameters model_size n_parameters params_total total_params "
    "n_params_total num_parameters size params_non_embedding non_embedding_params "
    "n_params_non_embedding n_params_nonembed params_nonembed n_non_embedding n_nonembed "
    "params_active active_params n_params_active n_active",
    "D": "d n_tokens num_tokens train_tokens training_tokens tokens_seen total_tokens "
    "throughput/total_tokens consumed_tokens num_input_tokens_seen",
    "C": "c compute flop training_flop train_flops training_flops total_flops total_flos "
    "compute_budget flop_budget flops_budget training_compute train_compute",
    "L": "l final_loss train_loss train/loss training_loss loss/train loss_train lm_loss "
    "train/lm_loss ce_loss train/ce_loss cross_entropy cross_entropy_loss train/cross_entropy "
    "train/CrossEntropyLoss nll_loss train_loss_step train/loss_step total_loss perplexity "
    "ppl "
    "train_perplexity train_ppl final_perplexity final_ppl "
    "multiclass logloss mlogloss multi_logloss binary_logloss",
    "L_val": "eval_loss validation_loss valid_loss val/loss eval/loss valid/loss validation/loss "
    "loss_val loss/val final_val_loss val_loss_epoch val/loss_epoch dev_loss dev/loss test_loss "
    "test/loss val_perplexity val_ppl eval_perplexity eval_ppl valid_perplexity valid_ppl "
    "validation_perplexity val/perplexity val/ppl eval/perplexity eval/ppl "
    "test/multiclass test/logloss",
    "S": "steps iteration iterations iter global_step trainer/global_step train/global_step "
    "train/step num_steps train_step training_step current_step current_steps optimizer_step "
    "num_updates updates iter_num it _step",  # `_step` counts calls of the logger: the last resort
    "S_min": "s_min minimum_steps",
    "lr": "learning_rate optim/learning_rate train/learning_rate train/lr train_lr lr-AdamW "
    "lr-Adam lr-SGD lr-AdamW/pg1 lr-Adam/pg1 lr/pg0 eta peak_lr",
    "B_tokens": "batch_size_tokens tokens_per_step global_batch_tokens",
    "U": "tokens_unique u",
    "N_avg": "avg_params params_average mean_params n_bar nbar",
}
_COUNTS = ("total", "non_embedding", "active")
_LOSSES = ("nats/token", "bits/token", "bits/byte", "bits/char", "nats/sample", "not per token")


def _known(
    symbol: str,
    column: str,
    meaning: str,
    unit: str,
    conventions: tuple[str, ...] = (),
    *,
    role: Role = Role.OTHER,
) -> Quantity:
    aliases = tuple(_ALIASES.get(symbol, "").split())
    return Quantity(symbol, column, meaning, unit, conventions, aliases, role)


N = _known("N", "params", "model parameters", "parameters", _COUNTS, role=Role.SIZE)
D = _known("D", "tokens", "training tokens", "tokens", role=Role.DATA)
C = _known("C", "flops", "training compute", "FLOP", ("6ND", "counted"))
L = _known("L", "loss", "cross-entropy loss", "nats/token", _LOSSES)
L_VALIDATION = _known("L_val", "val_loss", "held-out cross-entropy loss", "nats/token", _LOSSES)
S = _known("S", "step", "optimiser steps", "steps")
S_MIN = _known("S_min", "min_steps", "optimiser steps at an unlimited batch", "steps")
LR = _known("lr", "lr", "learning rate", "1")
B_TOKENS = _known("B_tokens", "batch_tokens", "tokens per optimiser step", "tokens/step")
U = _known("U", "unique_tokens", "distinct training tokens", "tokens")
N_AVERAGE = _known(
    *("N_avg", "average_params", "parameter count averaged over training tokens", "parameters"),
    _COUNTS,
    role=Role.SIZE,
)
M = _known("M", "token_multiplier", "tokens per parameter, D/N", "tokens/parameter")
X = _known("x", "x", "the one variable of a one-variable law", "as given")

QUANTITIES: dict[str, Quantity] = {
    q.column: q for q in (N, D, C, L, L_VALIDATION, S, S_MIN, LR, B_TOKENS, U, N_AVERAGE, M, X)
}
BY_SYMBOL: dict[str, Quantity] = {q.symbol: q for q in QUANTITIES.values()}

# Columns that name a run rather than measure it, in order of preference.
RUN_ID_NAMES = ("run_id", "runid", "run", "run_name")

# What the equations of laws are annotated with. Values are floats, NumPy arrays or JAX tracers.
Params = Annotated[Any, N]
Tokens = Annotated[Any, D]
Flops = Annotated[Any, C]
Loss = Annotated[Any, L]
Steps = Annotated[Any, S]
MinSteps = Annotated[Any, S_MIN]
AverageParams = Annotated[Any, N_AVERAGE]
Multiplier = Annotated[Any, M]
Variable = Annotated[Any, X]
LearningRate = Annotated[Any, LR]
BatchTokens = Annotated[Any, B_TOKENS]
UniqueTokens = Annotated[Any, U]

_CONVENTION_MARKS = {
    "N": {"non_embedding": "non_emb nonemb no_emb", "active": "active", "total": "total"},
    "L": {
        "bits/byte": "bpb bits_per_byte bits/byte",
        "bits/char": "bpc bits_per_char bits/char",
        "bits/token": "bpt bits_per_token bits/token bits",
        "nats/sample": "multiclass logloss",
    },
}
# Words in the names of what is no cross-entropy, and is called a loss all the same.
_NO_ENTROPY = re.compile(
    r"(^|[_/.])(r?mse|s?mape|mae|r2|l[12]|huber|acc|accuracy|error_rate|[cw]er|f1|auc|bleu|rouge"
    r"|reward|psnr|ssim|fid|box|bbox|mask|giou|kl|dice)([_/.\d]|$)|squared"
)
NOT_PER_TOKEN = "not per token"
_COUNT_AS = {"N_avg": "N", "L_val": "L"}


@cache
def plain_name(name: str) -> str:
    """Return a column name as names are compared: lower case, spaces and hyphens as one `_`."""
    return re.sub(r"[\s\-_]+", "_", name.strip().casefold())


_BY_NAME = {plain_name(n): q for q in QUANTITIES.values() for n in (*q.aliases, q.column)}


# Units in a header: `params (M)`, `tokens_B`, `N [1e6]`, `compute (PF-days)`, `size in millions`.
_PREFIXES = {
    **dict.fromkeys(("k", "thousand"), 1e3),
    **dict.fromkeys(("m", "mn", "mln", "mio", "million"), 1e6),
    **dict.fromkeys(("b", "bn", "g", "bln", "billion"), 1e9),
    **dict.fromkeys(("t", "tn", "trn", "trillion"), 1e12),
    "p": 1e15,
    "e": 1e18,
    "z": 1e21,
    "y": 1e24,
}
_POWER = r"(?:1|10)\s*(?:e|\^|\*\*)\s*\+?(?P<power>\d+)|(?P<plain>10{3,})"
_PREFIX = rf"(?P<prefix>{'|'.join(sorted(_PREFIXES, key=len, reverse=True))})s?"
_COUNTED = r"(?:\s*(?:of\s+)?(?:params?|parameters|tok|tokens|flops?|f))?"
_DAYS = r"(?P<days>pf(?:lops?)?[-_ /]?s?[-_ ]?days?)"
_UNIT = rf"(?:in\s+|[x\u00d7*]\s*)*(?:(?:{_POWER}|{_PREFIX}){_COUNTED}|{_DAYS})"
# What the header of a count may end on.
_BRACKETED = re.compile(rf"(?P<base>.+?)\s*[(\[]\s*{_UNIT}\s*[)\]]", re.IGNORECASE)
_TRAILING = re.compile(rf"(?P<base>.+?)(?:[_\s,/-]+)(?:in[_\s]+)?{_UNIT}", re.IGNORECASE)
_SCALABLE = ("N", "N_avg", "D", "C", "B_tokens", "U")


@cache
def header(name: str) -> tuple[str, float]:
    """Return the name of a column without the unit that it states, and the unit as a factor.

    Only of counts: `params (M)` is params and 1e6. Everything else is its own name.
    """
    if plain_name(name) in _BY_NAME:
        return name, 1.0
    for pattern in (_BRACKETED, _TRAILING):
        match = pattern.fullmatch(name.strip())
        quantity = match and _BY_NAME.get(plain_name(match["base"]))
        if match is None or quantity is None or quantity.symbol not in _SCALABLE:
            continue
        letter = len(match["base"].strip()) == 1
        if letter and pattern is _TRAILING and not (match["prefix"] or "").isupper():
            continue  # n_b and d_k are widths and heads
        if match["days"]:
            return match["base"], _PF_DAY
        if match["prefix"]:
            return match["base"], _PREFIXES[match["prefix"].lower()]
        return match["base"], 10.0 ** int(match["power"] or len(match["plain"]) - 1)
    return name, 1.0


def recognise(name: str) -> Quantity | None:
    """Return the quantity that a column of this name measures, whatever its unit, or None."""
    return _BY_NAME.get(plain_name(header(name)[0]))


def is_perplexity(name: str) -> bool:
    """Return whether a column is called a perplexity: exp of the loss in nats."""
    return re.search(r"(^|[\W_])(ppl|perplexity)$", name.strip().casefold()) is not None


def recognised(title: str, quantities: Iterable[Quantity]) -> Quantity | None:
    """Return which of these quantities people mean by a symbol, a column name or an alias."""
    known = list(quantities)
    by_symbol = {q.symbol: q for q in known}
    by_name = {plain_name(name): q for q in known for name in (*q.aliases, q.column)}
    return by_symbol.get(title) or by_name.get(plain_name(title))


def convention_of(name: str, quantity: Quantity) -> str | None:
    """Return the counting convention or unit that a column's name states, or None.

    `params_non_embedding` says non_embedding; `bpb_hellaswag` says bits/byte; `params` says
    nothing.
    """
    plain = plain_name(name)
    marks = _CONVENTION_MARKS.get(_COUNT_AS.get(quantity.symbol, quantity.symbol), {})
    stated = (word for word, pieces in marks.items() if any(p in plain for p in pieces.split()))
    off = quantity.symbol in ("L", "L_val") and _NO_ENTROPY.search(plain)
    return next(stated, NOT_PER_TOKEN if off else None)


# C = 6ND: forward 2ND, backward 4ND (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
FLOPS_PER_PARAM_TOKEN = 6.0

_SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
_PF_DAY = 1e15 * 86400.0
_NUMBER = re.compile(
    r"(?P<number>[+-]?(?:\d[\d_]*(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"\s*(?P<suffix>[kKmMbBgGtTpPE])?\s*(?P<word>[A-Za-z/-]*)"
)
_WORDS = {
    "": None,
    "steps": "step",
    **dict.fromkeys(("params", "parameters", "param"), "params"),
    **dict.fromkeys(("tokens", "token", "tok"), "tokens"),
    **dict.fromkeys(("flop", "flops"), "flops"),
}


_TOO_DEEP = (RecursionError, MemoryError)  # parentheses in parentheses


def parse_number(text: str | float, quantity: Quantity | None = None) -> float:
    """Read a quantity as people write it: `7B`, `1.5 b`, `2**20`, `300,000`, `1.3 x 10^21`.

    Parameters
    ----------
    text : str or number
        The number, with an optional suffix (k M B=G T P E, powers of ten) and unit word.
    quantity : Quantity, optional
        What it should be; a unit word of another quantity is then refused.

    Returns
    -------
    float
        In SI units (parameters, tokens, FLOP; PF-days are converted).

    Raises
    ------
    UsageError
        If the text is not one unambiguous number: `8x7B`, `A2B`, `7B-chat`, `1M tokens` for N.
    """
    if not isinstance(text, str):
        return float(text)
    cleaned = text.strip().replace("×", "x")
    value = _suffixed(cleaned, quantity)
    if value is None:
        value = _arithmetic(cleaned)
    if value is None or not math.isfinite(value):
        what = f" as {quantity.meaning} ({quantity.symbol})" if quantity else ""
        raise UsageError(
            f"cannot read {text!r}{what}.",
            hint="Write 7B, 7e9, 124M, 1T, 2**20 or 1.5e24; a mixture such as 8x7B needs one "
            "number (say which count: total or active).",
        )
    return value


def _suffixed(text: str, quantity: Quantity | None) -> float | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number = float(match["number"].replace(",", "").replace("_", ""))
    word = match["word"].lower()
    if match["suffix"] is None and word in ("pf-day", "pf-days", "pfday"):
        return number * _PF_DAY
    if match["suffix"] in ("p", "P") and word in ("f-day", "f-days"):
        return number * _PF_DAY
    if word not in _WORDS:
        return None
    named = _WORDS[word]
    if quantity is not None and named is not None and named != quantity.column:
        raise UsageError(
            f"{text!r} names {named}, but {quantity.meaning} ({quantity.symbol}) was asked for.",
            hint=f"Give {quantity.symbol} in {quantity.unit}.",
        )
    return number * (_SUFFIX[match["suffix"].lower()] if match["suffix"] else 1.0)


def _arithmetic(text: str) -> float | None:
    """Evaluate `2**20`, `2^20`, `1.3 x 10^21`: numbers and + - * / ** only."""
    expression = re.sub(r"\s+x\s+(?=10\s*(?:\^|\*\*))", " * ", text).replace("^", "**")
    try:
        value = arithmetic.evaluate(expression, {})
    except (SyntaxError, ValueError, TypeError, KeyError, ArithmeticError, *_TOO_DEEP):
        return None
    return value if isinstance(value, float) else None  # a root of less than nothing is none


def format_number(value: float) -> str:
    """Write a number as the echo does: `7e+09`, six significant digits, no suffix."""
    return f"{value:.6g}"


def short_number(value: float) -> str:
    """Write a number for a table: `7B`, `1.33T`, `124M`; powers of ten beyond 1e15."""
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if limit <= abs(value) < 1e15:
            return f"{value / limit:.4g}{suffix}"
    return f"{value:.4g}"


def factor(number: float) -> str:
    """Write a factor: `x14`, `x2.8`, `x1.04`."""
    if number >= 1e3:
        return f"x{short_number(number)}"
    if number < 0.1:
        return f"x{number:.2g}"
    return f"x{number:.{2 if number < 2 else 1 if number < 9.95 else 0}f}"
