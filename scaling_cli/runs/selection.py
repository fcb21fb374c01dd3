"""From Runs to Points: which row of each run is fitted, as what, and why every other one is not.

Columns are matched with a law's inputs by quantity; conventions and units must agree.
"""

import re
import shlex
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from scaling_cli import laws
from scaling_cli.laws._law import WHOLE, Law
from scaling_cli.runs import likeness, plausible
from scaling_cli.runs.points import Points
from scaling_cli.runs.table import Layout, Runs, floats, is_number
from scaling_cli.runs.view import REACHED, View
from scaling_cli.runs.where import rows_where
from scaling_cli.vocabulary import quantities
from scaling_cli.vocabulary.errors import DataError, MismatchError, UsageError, near_column, some
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import (
    L_VALIDATION,
    N_AVERAGE,
    C,
    D,
    Domain,
    L,
    N,
    Quantity,
    Role,
    U,
    X,
)

AnyLaw = type[Law] | Law
EMPTY = "Mend the cell, or leave it empty if there is no value."
_ZERO = "Mend the cell; 0 leaves a point out."
_TOKENS_FROM = {
    1: "tokens: step x batch_tokens, as none are logged",
    2: "tokens: the total of the run, taken as reached at its last step, as none are logged",
    3: "tokens: flops / (6 x params), as flops_convention=6ND says",
}
_NO_TOKENS = (
    "tokens is missing (not logged, no batch_tokens to multiply step with, and no total that the "
    "run is known to have reached)"
)
# How to give an input that no run has; others than these are given like any fact.
_GIVE = {
    X: "Say which column it is: --map x=flops (or tokens, params, step).",
    N_AVERAGE: "For dense runs it is the parameter count: --map average_params=params.",
    N: "Give it with --set params=124M, --meta runs.csv, --name '{params}_{tokens}' or "
    "--map params=COLUMN.",
    D: "Give it with --set batch_tokens=512k (tokens are then step x batch_tokens), "
    "--meta runs.csv or --map tokens=COLUMN.",
}
_BY_COMPUTE = (
    "If flops are 6 x params x tokens, --set flops_convention=6ND takes tokens as flops / (6 x "
    "params); else --map tokens=COLUMN or --meta runs.csv."
)


def select(
    runs: Runs,
    law: AnyLaw,
    *,
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
    weight: str | None = None,
) -> Points:
    """Take the points that a law is fitted to; list every run that is not among them.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    law : Law
        Its inputs are matched with columns by quantity (N is `params`, D is `tokens`).
    target : str, optional
        Column to fit. Default: `val_loss` where there is one, else `loss`; a note says which.
    where : str, optional
        A condition over columns, judged on the point that `at` picks
        (`role == "fit" and params < 1B`).
    at : str
        `final`: the last row of each run that has the target; `all`: every such row; `last:K`:
        the mean of the last K of them, at the place of the last.
    weight : str, optional
        Column of the points' weights; a point of weight zero is left out.

    Returns
    -------
    Points
        Sorted by run name, then step. A run whose last training loss is not finite is left out.

    Raises
    ------
    DataError
        If there is no such column, an input is missing everywhere, a weight is missing, not a
        number or negative, or no run is left.
    MismatchError
        If conventions are mixed, or compute contradicts what the law makes of size and data.
    UsageError
        If `at` or `where` cannot be read.
    """
    view = View.of(runs)
    notes: list[str] = []
    output = _target(view, target or (None if law.output() is L else law.output().column), notes)
    picked, values, left = _pick(view, output, at, notes)
    if output not in quantities.QUANTITIES and quantities.is_perplexity(output):
        values = _in_nats(picked, output, values)
        notes.append(f"target: loss. It is the logarithm of {output}, in nats/token.")
    if where is not None and len(picked):
        keep = rows_where(where, picked.column, picked.original_names(), len(picked))
        left += [LeftOut(run, f"where: not {where}") for run in _dropped(picked, keep)]
        picked, values = picked.take(np.flatnonzero(keep)), values[keep]
    keep, diverged = _finite(picked, output, values)
    picked, values = picked.take(keep), values[keep]
    bad = likeness.unfit(picked, output, values, where, is_loss=_is_loss(output))
    keep, marked, told = likeness.left_out(picked, bad)
    picked, values = picked.take(keep), values[keep]
    inputs, keep, without = _law_inputs(picked, law)
    picked, values = picked.take(keep), values[keep]
    weights, keep, weightless = _weights(picked, weight)
    picked, values = picked.take(keep), values[keep]
    inputs = {symbol: column[keep] for symbol, column in inputs.items()}
    left += [*diverged, *marked, *without, *weightless]
    if not len(values):
        other = L.column if target is None and not view.missing(L.column).all() else output
        raise _nothing(output, left, other)
    notes += [*told, *_tokens_notes(picked, law), *_unfinished(picked), *_repeated(picked, law)]
    conventions, doubts = _read_conventions(picked, law, output)
    compute, more = _measured_compute(picked, law, inputs)
    counts = _other_counts(picked, law, conventions)
    steps = plausible.against_steps(picked)
    notes += [*doubts, *more, *([steps] if steps else [])]
    ids = picked.run_ids()
    return Points(
        inputs,
        values,
        ids,
        conventions,
        left,
        notes,
        compute=compute,
        weight=weights,
        counts=counts,
        target=L.column if quantities.is_perplexity(target or "") else target or output,
        settings=likeness.settings(picked),
        passes=_passes(picked, law),
        unseen=_unseen(picked, law),
    )


def _target(view: View, target: str | None, notes: list[str]) -> str:
    """Return the column to fit; say which was chosen if nobody chose.

    Raises
    ------
    DataError
        If there is no such column, or no loss at all.
    """
    if target is None:
        losses = [name for name in ("val_loss", "loss") if not view.missing(name).all()]
        if not losses:
            raise _no_loss(view)
        other = ", not loss (the training loss)" if len(losses) > 1 else ""
        notes.append(f"target: {losses[0]}{other}.{_exponential(view, losses[0])}")
        return losses[0]
    resolved = view.resolve(target)
    if resolved is None or view.missing(resolved).all():
        raise _no_column(view, target)
    if told := _exponential(view, resolved):
        notes.append(f"target: {resolved}.{told}")
    return resolved


def _in_nats(view: View, output: str, values: np.ndarray) -> np.ndarray:
    """Return the losses behind perplexities that were read as they are.

    Raises
    ------
    DataError
        If one is below 1.
    """
    for row in np.flatnonzero(values < 1).tolist():
        raise view.refused(f"{values[row]:g} is no perplexity, which is 1 or more.", row, output)
    return np.log(values)


def _exponential(view: View, column: str) -> str:
    """Say that a column of perplexities was read as their logarithm."""
    read = [r.column for r in view.runs.columns if r.canonical == column]
    names = sorted({name for name in read if quantities.is_perplexity(name)})
    return f" It is the logarithm of {some(names)}, in nats/token." if names else ""


def _no_loss(view: View) -> DataError:
    names = view.original_names()
    near = [name for name in names if re.search(r"loss|bpb|nll|ppl|perplex|entropy", name.lower())]
    guess = near[0] if near else "COLUMN"
    mapped, named = shlex.quote(f"loss={guess}"), shlex.quote(guess)
    hint = f"Say which it is: --map {mapped}, or fit another column with --target {named}."
    columns = f"Columns found: {', '.join(names)}."
    return DataError("there is no loss column.", file=view.files(), hint=f"{columns} {hint}")


def _no_column(view: View, target: str) -> DataError:
    hint = near_column(target, view.original_names(), "Columns found")
    return DataError(f"there is no column {target!r}.", file=view.files(), hint=hint)


def _pick(
    view: View, output: str, at: str, notes: list[str]
) -> tuple[View, np.ndarray, list[LeftOut]]:
    """Return the points that `at` picks, their target values, and the runs without any."""
    count, values = _rows_wanted(at), view.column(output)
    if values.dtype == object:
        raise _text_target(view, output, values)
    own, there = view.own(output), ~view.missing(output)
    ends = np.zeros(len(view), bool)
    ends[view.last_of(np.arange(len(view)))] = True
    index = np.flatnonzero(own | (there & ends))
    along = np.array([rows != Layout.RUN for rows in view.runs.runs["rows"].to_pylist()])
    if (along[view.owner[index]] & ~own[index]).any():
        notes.append(f"{output} is a fact of the run: taken at its last row.")
    owners = set(np.unique(view.owner[index]).tolist())
    left = [
        LeftOut(run, f"{output} is missing")
        for i, run in enumerate(view.runs.runs["run_id"].to_pylist())
        if i not in owners
    ]
    if count is None:
        return view.take(index), values[index], left
    last = view.last_of(index)
    if count == 1:
        return view.take(last), values[last], left
    windows = np.split(index, np.flatnonzero(np.diff(view.owner[index])) + 1)
    short = sum(len(window) < count for window in windows)
    if short:
        notes.append(f"{short} run(s) have fewer than {count} rows of {output}; all were averaged.")
    return view.take(last), np.array([values[w[-count:]].mean() for w in windows]), left


def _rows_wanted(at: str) -> int | None:
    """Read `final` (1), `all` (None), `last:K` (K)."""
    if at in ("final", "all"):
        return 1 if at == "final" else None
    match = re.fullmatch(r"last:([1-9]\d*)", at)
    if match is None:
        raise UsageError(f"--at must be final, all or last:K with K at least 1, not {at!r}.")
    return int(match[1])


def _text_target(view: View, output: str, values: np.ndarray, hint: str = EMPTY) -> DataError:
    row = next((i for i, v in enumerate(values) if v is not None and not is_number(v)), 0)
    return view.refused(f"{values[row]!r} is not a number.", row, output, hint=hint)


def _is_loss(column: str) -> bool:
    stated = quantities.convention_of(column, L)
    return L.column in column.lower() or stated not in (None, quantities.NOT_PER_TOKEN)


def _dropped(view: View, keep: np.ndarray) -> list[str]:
    """Return the runs that lose a point, each once."""
    ids = np.array(view.run_ids(), object)[~keep]
    return list(dict.fromkeys(ids.tolist()))


def _finite(view: View, output: str, values: np.ndarray) -> tuple[np.ndarray, list[LeftOut]]:
    """Leave out points that are NaN or infinite, and runs whose training loss ended so."""
    ended = _diverged(view.runs)
    finite = np.isfinite(values)
    keep = finite & ~np.isin(view.owner, list(ended))
    lost = view.take(np.flatnonzero(~keep))
    steps, reasons = lost.column("step"), {}
    for i, (row, run) in enumerate(zip(np.flatnonzero(~keep), lost.run_ids(), strict=True)):
        told = ended[lost.owner[i]] if finite[row] else _broken(output, values[row], steps[i])
        reasons.setdefault(run, LeftOut(run, told))
    return np.flatnonzero(keep), list(reasons.values())


def _weights(view: View, name: str | None) -> tuple[np.ndarray | None, np.ndarray, list[LeftOut]]:
    """Return the weights that are not zero, the points that have them, and the other runs.

    Raises
    ------
    DataError
        If there is no such column, or a weight is missing, not a number or negative.
    """
    if name is None or not len(view):
        return None, np.arange(len(view)), []
    resolved = view.resolve(name)
    if resolved is None:
        raise _no_column(view, name)
    values = view.column(resolved)
    if values.dtype == object:
        raise _text_target(view, name, values, _ZERO)
    for i in np.flatnonzero(~(np.isfinite(values) & (values >= 0))).tolist():
        is_what = "missing" if np.isnan(values[i]) else f"{values[i]:g}"
        weight = f"the weight of run {view.run_ids()[i]} is {is_what}"
        raise view.refused(f"{weight}; it must be a number, not negative.", i, name, hint=_ZERO)
    left = [LeftOut(run, f"{name} (its weight) is 0") for run in _dropped(view, values > 0)]
    keep = np.flatnonzero(values > 0)
    return values[keep], keep, left


def _broken(name: str, value: float, step: float) -> str:
    what = "NaN" if np.isnan(value) else "infinite"
    where = "" if np.isnan(step) else f" at its last step {step:.0f}"
    return f"{name} is {what}{where}; the run diverged"


def _diverged(runs: Runs) -> dict[int, str]:
    """Return the rows of the table of runs whose last training loss is not finite, and why."""
    view = View.of(runs)
    ends = view.take(view.last_of(np.flatnonzero(~view.missing("loss"))))
    values, steps = ends.column("loss"), ends.column("step")
    return {
        int(ends.owner[i]): _broken("loss", values[i], steps[i])
        for i in np.flatnonzero(~np.isfinite(values))
    }


def _unfinished(view: View) -> list[str]:
    """Name the runs that stopped short of the steps they were planned for."""
    if "step" not in view.runs.runs.column_names:
        return []
    planned = floats(view.runs.runs["step"])
    short = np.flatnonzero(view.runs.last_step < REACHED * planned)
    ids = view.runs.runs["run_id"].take(pa.array(np.intersect1d(short, view.owner))).to_pylist()
    told = f"{len(ids)} run(s) stopped short of their planned steps, so their learning rate may not"
    return [f"{told} have decayed: {some(ids)}."] if ids else []


def _nothing(output: str, left: list[LeftOut], other: str) -> DataError:
    most = Counter(item.reason for item in left).most_common(3)
    told = "; ".join(f"{count} run(s): {reason}" for reason, count in most)
    told += f". Another column is fitted by --target {other}" if other != output else ""
    return DataError(f"no run is left to fit {output} to.", hint=f"Left out: {told}.")


def _law_inputs(view: View, law: AnyLaw) -> tuple[dict[str, np.ndarray], np.ndarray, list[LeftOut]]:
    """Return a law's inputs at the points that have all of them.

    Returns
    -------
    inputs : mapping of symbol to float64 array, shape (kept,)
    keep : int array, shape (kept,)
        The points that have every input, each in its domain.
    left_out : list of LeftOut
        The other runs, each once, with the first reason.

    Raises
    ------
    DataError
        If no point has one of the inputs, one is text, or shares do not sum to one.
    """
    columns = {s: _input(view, law, q) for s, q in law.inputs().items()}
    good = np.ones(len(view), bool)
    reasons: dict[str, LeftOut] = {}
    ids = view.run_ids()
    for symbol, values in columns.items():
        quantity = law.inputs()[symbol]
        bad = ~quantity.domain.holds(values)
        for i in np.flatnonzero(bad):
            reasons.setdefault(ids[i], LeftOut(ids[i], _reason(quantity, values[i])))
        good &= ~bad
    keep = np.flatnonzero(good)
    inputs = {s: values[keep] for s, values in columns.items()}
    total = law.total(inputs)
    for i in np.flatnonzero(np.abs(total - 1) > WHOLE).tolist():
        run = f"{', '.join(law.shares())} of run {view.run_ids()[keep[i]]}"
        message = f"{run} sum to {total[i]:.4g}; shares must sum to one."
        hint = "Give them as shares of one, all of them, a 0 for what is absent."
        raise view.refused(message, keep[i], hint=hint)
    return inputs, keep, list(reasons.values())


def _input(view: View, law: AnyLaw, quantity: Quantity) -> np.ndarray:
    """Return a column as numbers of a quantity, text as people write them."""
    called = view.called(quantity)
    values = np.full(len(view), np.nan) if called is None else view.column(called)
    if values.dtype == object:
        cells, values = values.tolist(), np.full(len(view), np.nan)
        for row, cell in enumerate(cells):
            try:
                values[row] = np.nan if cell is None else quantities.parse_number(cell, quantity)
            except UsageError as error:
                raise view.refused(error.message, row, called, hint=EMPTY) from error
    if len(view) and np.isnan(values).all():
        raise _no_input(view, law, quantity)
    return values


def _reason(quantity: Quantity, value: float) -> str:
    if np.isnan(value):
        return _NO_TOKENS if quantity is D else f"{quantity.column} is missing"
    rule = "" if quantity.domain is Domain.POSITIVE else f", not {quantity.domain.rule}"
    return f"{quantity.column} is {value:g}{rule}"


def _no_input(view: View, law: AnyLaw, quantity: Quantity) -> DataError:
    name = quantity.column
    fact = f"Give it with --set {name}=..., --meta runs.csv or --map {name}=COLUMN."
    needed = f"{name} ({quantity.symbol}, {quantity.meaning})"
    message = f"law {laws.name_of(law)} needs {needed}; no run has it."
    give = _GIVE.get(quantity, fact)
    if quantity is D and {N.column, C.column} <= set(view.names()):
        known = not (view.missing(N.column) | view.missing(C.column)).all()
        give = _BY_COMPUTE if known else give
    hint = f"{give} Columns found: {', '.join(view.original_names())}."
    return DataError(message, file=view.files(), hint=hint)


def _tokens_notes(view: View, law: AnyLaw) -> list[str]:
    """Say where D comes from, if the law asks for it and it was not simply logged."""
    counts = Counter(view.tokens[1].tolist()) if D in law.inputs().values() else {}
    return [f"{told} ({counts[i]} point(s))." for i, told in _TOKENS_FROM.items() if i in counts]


def _passes(view: View, law: AnyLaw) -> dict[str, np.ndarray]:
    """Return how often data were seen, if the law takes data and does not ask for it itself."""
    asked = law.symbol_of(Role.DATA) is None or U in law.inputs().values()
    return {} if asked else likeness.passes(view)


def _unseen(view: View, law: AnyLaw) -> dict[str, np.ndarray]:
    """Return size and tokens where a law sees them through a loss alone."""
    if L not in law.inputs().values():
        return {}
    columns = {q.column: view.column(q.column) for q in (N, D) if q.column in view.names()}
    numbers = {n: v for n, v in columns.items() if v.dtype != object}
    return {n: v for n, v in numbers.items() if (np.isfinite(v) & (v > 0)).all()}


def _repeated(view: View, law: AnyLaw) -> list[str]:
    """Say how many runs saw tokens more than once, if the law does not ask for it itself."""
    runs = np.array(view.run_ids(), object)
    again = {n: len(set(runs[v > likeness.SOON])) for n, v in _passes(view, law).items()}
    told = "run(s) saw tokens more than once, and the law does not see that."
    return [f"{name}: {count} {told}" for name, count in again.items() if count]


def _read_conventions(view: View, law: AnyLaw, output: str) -> tuple[dict[str, str], list[str]]:
    """Return how the size counts and which unit a loss has, with notes on what was assumed.

    Raises
    ------
    MismatchError
        If two runs differ in either.
    """
    conventions, notes = {}, []
    for symbol, size in _sizes(law):
        given, assumed = _one_convention(view, f"{size.column}_convention", "total", size)
        conventions[symbol], wanted = given, law.convention.get(symbol)
        if assumed:
            told = f"{symbol} counts all parameters (total)"
            notes.append(f"convention assumed: {told}; {plausible.otherwise(size.column)}")
        elif wanted not in (None, given):
            column, other = size.column, f"{size.column}_{wanted}"
            hint = f" --map {column}={other} takes the other." if other in view.names() else ""
            published = f"{laws.name_of(law)} was published for {symbol} {wanted}"
            notes.append(f"{symbol} is counted as {given} here; {published}.{hint}")
    if L in law.inputs().values():
        conventions[L.symbol] = loss_unit(view, L.column)
    if law.output().conventions:  # a loss: what is nothing else has one unit
        conventions[law.output().symbol] = loss_unit(view, output)
    return conventions, notes


def _sizes(law: AnyLaw) -> list[tuple[str, Quantity]]:
    """Return the size that a law takes, where sizes like it are counted in several ways."""
    symbol = law.symbol_of(Role.SIZE)
    known = [] if symbol is None else [(symbol, law.inputs()[symbol])]
    return [(symbol, size) for symbol, size in known if size.conventions]


def loss_unit(view: View, column: str) -> str:
    """Return the unit of the losses in a column.

    Raises
    ------
    MismatchError
        If two runs differ in it.
    """
    if column in (L.column, L_VALIDATION.column):
        return _one_convention(view, f"{column}_convention", L.unit, L)[0]
    nats = L.column in column.lower() or quantities.is_perplexity(column)
    unit = L.unit if nats else "as given"
    return quantities.convention_of(column, L) or unit


def _one_convention(
    view: View, column: str, otherwise: str, quantity: Quantity
) -> tuple[str, bool]:
    """Return the convention of all points, and whether it was assumed for any.

    Raises
    ------
    MismatchError
        If there are two.
    """
    cells = view.column(column).tolist() if column in view.names() else [None] * len(view)
    stated = [cell if isinstance(cell, str) else None for cell in cells]
    names = [name or otherwise for name in stated]
    other = next((row for row, name in enumerate(names) if name != names[0]), None)
    if other is None:
        return names[0], None in stated
    told = [
        f"{names[row]}{'' if stated[row] else ' (assumed)'} in {view.file_of(row)} "
        f"(run {view.run_ids()[row]!r})"
        for row in (0, other)
    ]
    size, counts, what = quantity.column, [], "losses have two units"
    if quantity is L:
        column = f"{L.column}_convention"
    else:
        counts = [f"{size}_{c}" for c in quantity.conventions]
        what = "parameters are counted in two ways"
    shared = [c for c in counts if c in view.names() and not view.missing(c).any()]
    every = f"every run has {shared[0]} (--map {size}={shared[0]}); or " if shared else ""
    apart = f"Use one: {every}fit them apart with --where, or say what they share with --set"
    raise MismatchError(f"{what}: {told[0]}, {told[1]}.", hint=f"{apart} {column}=...")


def _other_counts(view: View, law: AnyLaw, conventions: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Return model sizes counted in other ways than the law's, where every point has one."""
    names = {
        c: f"{size.column}_{c}"
        for symbol, size in _sizes(law)
        for c in size.conventions
        if c != conventions[symbol]
    }
    counts = {c: view.column(name) for c, name in names.items() if name in view.names()}
    numbers = {c: sizes for c, sizes in counts.items() if sizes.dtype != object}
    return {c: sizes for c, sizes in numbers.items() if (np.isfinite(sizes) & (sizes > 0)).all()}


def _small(
    view: View, law: AnyLaw, sizes: np.ndarray | None, tokens: np.ndarray | None
) -> list[str]:
    """Say that counts look as if given in millions or billions.

    Raises
    ------
    DataError
        If the law takes sizes that no model has, or tokens that none is trained on.
    """
    told = plausible.small_counts(sizes, tokens)
    if told is None:
        return []
    inputs = [q for q in (N, D) if q in law.inputs().values()]
    counts = {N: sizes, D: tokens}
    if sizes is None or N not in inputs:
        return [told]
    absurd = [q for q in inputs if plausible.impossible(view, q.column, counts[q])]
    if not absurd:
        return [told]
    looks, _, options = told.partition(": if so, ")
    said = " ".join(f"--set {q.column}_scale=1" for q in absurd)
    right = f"{said} {'says' if len(absurd) == 1 else 'say'} that they are right."
    hint, few = f"{options[:1].upper()}{options[1:]} {right}", "no model learns from as few"
    why = "no model is as small" if absurd[0] is N else few
    raise DataError(f"{looks}: {why}.", file=view.files(), hint=hint)


def _measured_compute(
    view: View, law: AnyLaw, inputs: Mapping[str, np.ndarray]
) -> tuple[np.ndarray | None, list[str]]:
    """Return the compute in FLOP if every point has it, checked against what the law makes of it.

    A law without size and data makes nothing of it: then against 6 x size x tokens of the table.

    Raises
    ------
    MismatchError
        If it contradicts that by more than a way of counting can.
    """
    flops = view.column(C.column)
    spent = plausible.Spent.by_law(law, inputs) or plausible.Spent.by_table(view, flops)
    whole = ~(np.isnan(spent.size) | np.isnan(spent.tokens)) & (spent.tokens > 0)
    if not np.isnan(spent.tokens).all() and np.isnan(flops).all():
        sizes = spent.size[whole] if whole.any() else None
        rows = whole if whole.any() else ~np.isnan(spent.tokens)
        return None, _small(view, law, sizes, spent.tokens[rows])
    rows = np.flatnonzero(whole & ~np.isnan(flops))
    plausible.refuse_few(view, spent.tokens[rows])
    convention = plausible.convention_of(view.take(rows), spent.column)
    ids = [view.run_ids()[i] for i in rows.tolist()]
    wrong, notes = plausible.compared(flops[rows], spent.take(rows), convention, ids)
    if wrong is not None:
        raise MismatchError(wrong[0], hint=wrong[1], file=view.files())
    absent = int(np.isnan(flops).sum())
    if absent and len(rows):
        notes.append(f"flops of {absent} point(s) are missing; compute is not compared.")
    return None if absent else flops, notes
