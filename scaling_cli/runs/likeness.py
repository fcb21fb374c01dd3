"""Are runs alike? What else than size and data their losses depend on, and which are no losses.

A law is about runs that differ in its inputs alone. Tables often say in another column that they
do not: another tokenizer, tokens seen again, a run that crashed, a loss of -1 where there is none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli.runs.table import PLANNED
from scaling_cli.runs.view import REACHED, View
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.loss_kinds import FACT
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import D, U, plain_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names of settings that change a loss at equal size and data, by what they set. In the first
# kind two values always make losses of two kinds; in the others only the residuals tell.
VOCABULARIES = _words(
    "tokenizer tokeniser tokenizer_name tokenizer_id vocab vocabulary vocab_size n_vocab"
)
_SETTINGS = """padded_vocab_size
seq_len seq_length sequence_length context context_len context_length ctx_len n_ctx block_size
max_seq_len max_seq_length context_window
gradient_accumulation_steps grad_accum grad_accum_steps accum_steps accumulation_steps
accumulate_grad_batches loss_reduction reduction loss_scale label_smoothing z_loss eval_set
eval_dataset eval_split val_set val_dataset eval_data val_data
dataset dataset_name train_dataset
data data_mix mix mixture corpus data_version train_data data_source domain
language dedup deduplicated
schedule lr_schedule lr_scheduler scheduler lr_scheduler_type decay annealed is_annealed cooldown
cooled_down decayed lr_decayed anneal phase stage
optimizer optimiser precision dtype arch architecture model_type family model_family version
code_version trainer trainer_version framework"""
SETTINGS = VOCABULARIES | _words(_SETTINGS) | {FACT}
_EPOCHS = _words("epochs num_epochs n_epochs num_train_epochs data_epochs repeats n_repeats passes")
_STATES = _words("state status run_state run_status outcome")
# What such a column says of a run whose loss is not that of a run which ended as planned.
_OPEN = _words(
    "running crashed crash killed failed failure preempted preempting aborted cancelled canceled "
    "interrupted stopped timeout timed_out oom error unfinished incomplete partial pending "
    "diverged nan in_progress queued"
)
_BAD_FLAGS = _words(
    "diverged has_diverged is_diverged diverge nan is_nan has_nan failed crashed killed oom "
    "unstable aborted"
)
_GOOD_FLAGS = _words("finished is_finished completed complete done converged success")
_DONE = _words(
    "progress pct_complete percent_complete pct_done percent_done completion fraction_complete "
    "fraction_done frac_done training_progress train_progress"
)
_YES, _NO = frozenset(("true", "1", "1.0", "yes", "y")), frozenset(("false", "0", "0.0", "no", "n"))
_LEAST_MARK = 99.0  # the smallest number that stands for a loss that there is not
_FAR = 3.0  # times the largest other loss, from which a round number is a mark
SOON = 1.01  # passes over the data up to which no token counts as seen twice
OFTEN = 4.0  # passes from which tokens seen again teach clearly less than fresh ones


def short_name(column: str) -> str:
    """Return what a column is about: `config/tokenizer` and `args.tokenizer` are tokenizer."""
    return plain_name(re.split(r"[/.]", column)[-1])


def settings(view: View) -> dict[str, np.ndarray]:
    """Return the known settings that take two or more values at these points, as objects."""
    there = {}
    for name in view.names():
        if short_name(name) in SETTINGS:
            values = np.array([_plain(cell) for cell in view.column(name).tolist()], object)
            if len({v for v in values.tolist() if v is not None}) > 1:
                there[name] = values
    return there


def _plain(cell: object) -> object:
    """Return a cell as text or number; None where there is none."""
    return None if cell is None or (isinstance(cell, float) and np.isnan(cell)) else cell


def passes(view: View) -> dict[str, np.ndarray]:
    """Return how often the data were seen at these points, by the column that tells it."""
    told = [n for n in view.names() if n == U.column or short_name(n) in _EPOCHS]
    columns = {name: view.column(name) for name in told}
    numbers = {n: v for n, v in columns.items() if v.dtype != object and not np.isnan(v).all()}
    return {n: view.column(D.column) / v if n == U.column else v for n, v in numbers.items()}


def seldom(name: str, times: float) -> str:
    """Return the condition that no token was seen more often, by the column that tells it."""
    factor = f"{times:g}*" if times != 1 else ""
    return f"tokens <= {factor}{name}" if name == U.column else f"{quoted(name)} <= {times:g}"


def quoted(name: str) -> str:
    """Return a column as --where takes it."""
    return name if name.isidentifier() else f"`{name}`"


def literal(value: object) -> str:
    """Return a value as --where takes it."""
    if isinstance(value, str):
        return f"'{value}'" if '"' in value else f'"{value}"'
    number = float(str(value))
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def one_of(name: str, values: Sequence[object]) -> str:
    """Return the condition that a column has one of some values."""
    if len(values) == 1:
        return f"{quoted(name)} == {literal(values[0])}"
    return f"{quoted(name)} in [{', '.join(map(literal, values))}]"


@dataclass(frozen=True)
class Unfit:
    """Points that are no results of a run: which, why, and the condition that leaves them out."""

    rows: np.ndarray
    reasons: Sequence[str]
    where: str


def unfit(
    view: View, output: str, values: np.ndarray, where: str | None, *, is_loss: bool
) -> list[Unfit]:
    """Return the points that are no results: unfinished, flagged, or marked by a number.

    A column that the user's own --where names is judged by it alone. Where nothing else would be
    left, nothing is taken away: then that is how these runs are.

    Parameters
    ----------
    view : View
    output : str
        The column that is fitted.
    values : array, shape (n,)
        Its values.
    where : str or None
        What the user selected by.
    is_loss : bool
        Whether it is a loss, which 0 and less cannot be.
    """
    named = set(re.findall(r"[\w./-]+", where or ""))
    every = [
        *_by_column(view, named),
        *_by_progress(view, named),
        *_by_mark(output, values, is_loss),
    ]
    return [part for part in every if 0 < len(part.rows) < len(view)]


def _by_column(view: View, named: set[str]) -> Iterator[Unfit]:
    for name in view.names():
        short = short_name(name)
        if name in named or short not in _STATES | _BAD_FLAGS | _GOOD_FLAGS:
            continue
        cells = [_plain(cell) for cell in view.column(name).tolist()]
        words = [None if c is None else plain_name(str(c)) for c in cells]
        wrong = _OPEN if short in _STATES else _YES if short in _BAD_FLAGS else _NO
        rows = np.flatnonzero([word in wrong for word in words]).tolist()
        if rows:
            bad = list(dict.fromkeys(cells[i] for i in rows))
            told = [f"{name} is {literal(cells[i]).strip(chr(34))}" for i in rows]
            yield Unfit(np.array(rows), told, f"not {one_of(name, bad)}")


def _by_progress(view: View, named: set[str]) -> Iterator[Unfit]:
    """Find runs that had done less than was planned, or than others: 1, or 100 per cent."""
    for name in view.names():
        axis = PLANNED.get(short_name(name), name if short_name(name) in _DONE else None)
        if axis is None or name in named or view.column(name).dtype == object:
            continue
        done, end = view.column(axis), view.column(name)
        most = float(np.nanmax(end)) if np.isfinite(end).any() else 0.0
        end = end if axis != name else np.full(len(view), most if most in (1.0, 100.0) else np.nan)
        reached = np.zeros(int(view.owner.max()) + 1)
        np.fmax.at(reached, view.owner, done)  # of a run, whose every row may be fitted
        rows = np.flatnonzero((reached[view.owner] < REACHED * end) & ~np.isnan(done))
        if len(rows):
            of = [f" of {name} {end[i]:g}" if axis != name else "" for i in rows.tolist()]
            told = [f"{axis} is {done[i]:g}{plan}" for i, plan in zip(rows, of, strict=True)]
            least = f"{REACHED:g}*{quoted(name)}" if axis != name else f"{REACHED * most:g}"
            yield Unfit(rows, told, f"{quoted(axis)} >= {least}")


def _by_mark(output: str, values: np.ndarray, is_loss: bool) -> Iterator[Unfit]:
    """Find numbers that stand for no value.

    Of a loss 0, -1 or -999 where most are none, and 999 or 1e10 far above all others; of
    anything else -1 where nothing else is negative.
    """
    finite = np.isfinite(values)
    below = finite & (stands_for_none(values) if is_loss else values == -1)
    rest = values[finite & ~below]
    if not len(rest) or np.min(rest) < 0 or np.sum(below) > len(rest):
        return
    large = values[finite & (values >= _LEAST_MARK)] if is_loss else np.zeros(0)
    marked = {v for v in large.tolist() if _is_round(v)}
    largest = max((v for v in rest.tolist() if v not in marked), default=np.inf)
    above = np.isin(values, [v for v in marked if v > _FAR * largest])
    marks = np.flatnonzero(below | above)
    if len(marks):
        lows, highs = values[below], values[above]
        bounds = [f"{quoted(output)} > {literal(float(lows.max()))}"] if len(lows) else []
        bounds += [f"{quoted(output)} < {literal(float(highs.min()))}"] if len(highs) else []
        told = [f"{output} is {values[i]:g}, a mark and no measurement" for i in marks.tolist()]
        yield Unfit(marks, told, " and ".join(bounds))


def stands_for_none(losses: np.ndarray) -> np.ndarray:
    """Return which losses are 0, -1 or -999, as people write where there is none."""
    far = [v <= -_LEAST_MARK and _is_round(-v) for v in losses.tolist()]
    return (losses == 0) | (losses == -1) | np.array(far, bool)


def _is_round(value: float) -> bool:
    """Return whether a number is one that people write for none: 100, 999, 1e10, the largest."""
    digits = f"{value:.6g}" if value < 1e6 else f"{value:.3e}"
    powers = re.fullmatch(r"9+|10+|1\.000e\+\d+|9\.99\de\+\d+", digits)
    return bool(powers) or value > 1e30 or value in (65504.0, 2.0**31 - 1, 2.0**31)


def left_out(view: View, parts: Sequence[Unfit]) -> tuple[np.ndarray, list[LeftOut], list[str]]:
    """Return the points that stay, the runs that go with the reason, and what to say of them."""
    ids, stays = view.run_ids(), np.ones(len(view), bool)
    left: dict[str, LeftOut] = {}
    notes = []
    for part in parts:
        names = list(dict.fromkeys(ids[i] for i in part.rows.tolist()))
        for i, reason in zip(part.rows.tolist(), part.reasons, strict=True):
            left.setdefault(ids[i], LeftOut(ids[i], reason))
        stays[part.rows] = False
        kinds = " or ".join(sorted({reason.partition(",")[0] for reason in part.reasons})[:3])
        told = f"{len(names)} run(s) are left out, as {kinds}: {some(names)}"
        notes.append(f"{told} (--where '{part.where}')." if part.where else f"{told}.")
    return np.flatnonzero(stays), list(left.values()), notes
