"""From columns to a law's inputs: matching by quantity, conventions, and whether units agree."""

from collections.abc import Iterator, Mapping

import numpy as np

from scaling_cli import laws
from scaling_cli.laws._law import WHOLE, Law
from scaling_cli.runs.plausible import contradiction, counted, small_tokens
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.errors import DataError, MismatchError, UsageError
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import (
    N_AVERAGE,
    D,
    Domain,
    L,
    N,
    Quantity,
    X,
    convention_of,
    parse_number,
)

_TOKENS_FROM = (
    "tokens: as logged",
    "tokens: step x batch_tokens, as none are logged",
    "tokens: the total of the run, taken as reached at its last step, as none are logged",
)
_NO_TOKENS = (
    "tokens is missing (not logged, no batch_tokens to multiply step with, and no total that the "
    "run is known to have reached)"
)


def law_inputs(
    view: View, law: type[Law] | Law
) -> tuple[dict[str, np.ndarray], np.ndarray, list[LeftOut]]:
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
    reasons: dict[str, str] = {}
    ids = view.run_ids()
    for symbol, values in columns.items():
        bad = ~law.inputs()[symbol].domain.holds(values)
        for i in np.flatnonzero(bad):
            reasons.setdefault(ids[i], _reason(law.inputs()[symbol], values[i]))
        good &= ~bad
    keep = np.flatnonzero(good)
    _refuse_shares(view, law, columns, keep)
    left = [LeftOut(run, reason) for run, reason in reasons.items()]
    return {s: values[keep] for s, values in columns.items()}, keep, left


def _input(view: View, law: type[Law] | Law, quantity: Quantity) -> np.ndarray:
    names = (quantity.column, quantity.symbol, *quantity.aliases)
    called = next((name for name in names if view.resolve(name) is not None), None)
    values = np.full(len(view), np.nan) if called is None else view.column(called)
    if called is not None and values.dtype == object:
        values = np.array([*_numbers(view, called, quantity, values)], float)
    if len(view) and np.isnan(values).all():
        raise _no_input(view, law, quantity)
    return values


def _numbers(view: View, name: str, quantity: Quantity, cells: np.ndarray) -> Iterator[float]:
    """Read a column of text as numbers of a quantity, as people write them.

    Raises
    ------
    DataError
        With file, row and column.
    """
    for row, cell in enumerate(cells.tolist()):
        try:
            yield parse_number(cell, quantity) if isinstance(cell, str) else np.nan
        except UsageError as error:
            raise DataError(
                error.message,
                hint="Mend the cell, or leave it empty if there is no value.",
                file=view.file_of(row),
                row=view.line_of(row),
                column=name,
            ) from error


def _refuse_shares(
    view: View, law: type[Law] | Law, columns: Mapping[str, np.ndarray], rows: np.ndarray
) -> None:
    """Refuse shares that do not sum to one: one of them is missing, or in another unit.

    Raises
    ------
    DataError
        At the first such row.
    """
    total = law.total({s: values[rows] for s, values in columns.items()})
    for i in np.flatnonzero(np.abs(total - 1) > WHOLE).tolist():
        row = int(rows[i])
        raise DataError(
            f"{', '.join(law.shares())} of run {view.run_ids()[row]} sum to {total[i]:.4g}; shares "
            "must sum to one.",
            hint="Give them as shares of one, all of them, a 0 for what is absent.",
            file=view.file_of(row),
            row=view.line_of(row),
        )


def _reason(quantity: Quantity, value: float) -> str:
    if np.isnan(value):
        return _NO_TOKENS if quantity is D else f"{quantity.column} is missing"
    rule = "" if quantity.domain is Domain.POSITIVE else f", not {quantity.domain.rule}"
    return f"{quantity.column} is {value:g}{rule}"


def _no_input(view: View, law: type[Law] | Law, quantity: Quantity) -> DataError:
    name = quantity.column
    if quantity is X:
        hint = "Say which column it is: --map x=flops (or tokens, params, step)."
    elif quantity is N_AVERAGE:
        hint = "For dense runs it is the parameter count: --map average_params=params."
    elif quantity is N:
        hint = (
            "Give it with --set params=124M, --meta runs.csv, --name '{params}_{tokens}' or "
            "--map params=COLUMN."
        )
    elif quantity is D:
        hint = (
            "Give it with --set batch_tokens=512k (tokens are then step x batch_tokens), "
            "--meta runs.csv or --map tokens=COLUMN."
        )
    else:
        hint = f"Give it with --set {name}=..., --meta runs.csv or --map {name}=COLUMN."
    found = ", ".join(view.original_names())
    return DataError(
        f"law {laws.name_of(law)} needs {name} ({quantity.symbol}, {quantity.meaning}); no run "
        "has it.",
        file=view.files(),
        hint=f"{hint} Columns found: {found}.",
    )


def tokens_notes(view: View, law: type[Law] | Law) -> list[str]:
    """Say where D comes from, if the law asks for it and it was not simply logged."""
    if D not in law.inputs().values():
        return []
    sources = view.tokens[1]
    return [
        f"{_TOKENS_FROM[kind]} ({int((sources == kind).sum())} point(s))."
        for kind in (1, 2)
        if (sources == kind).any()
    ]


def read_conventions(
    view: View, law: type[Law] | Law, output: str
) -> tuple[dict[str, str], list[str]]:
    """Return how N counts and which unit L has, with notes on what was assumed.

    Raises
    ------
    MismatchError
        If two runs differ in either.
    """
    found, notes = {}, []
    if N in law.inputs().values():
        found["N"], assumed = _one_convention(view, "params_convention", "total", N)
        if assumed:
            notes.append(
                "convention assumed: N counts all parameters (total); --set "
                "params_convention=non_embedding or =active says otherwise."
            )
        wanted = law.convention.get("N")
        if not assumed and wanted not in (None, found["N"]):
            notes.append(_other_count(view, laws.name_of(law), wanted, found["N"]))
    found["L"] = _unit(view, output)
    return found, notes


def _other_count(view: View, law: str, wanted: str | None, given: str) -> str:
    other = f"params_{wanted}"
    hint = f" --map params={other} takes the other." if other in view.names() else ""
    return f"N is counted as {given} here; {law} was published for N {wanted}.{hint}"


def _unit(view: View, output: str) -> str:
    if output in ("loss", "val_loss"):
        return _one_convention(view, f"{output}_convention", "nats/token", L)[0]
    stated = convention_of(output, L)
    return stated or ("nats/token" if "loss" in output.lower() else "as given")


def _one_convention(
    view: View, column: str, otherwise: str, quantity: Quantity
) -> tuple[str, bool]:
    """Return the convention of all points, and whether it was assumed for any.

    Raises
    ------
    MismatchError
        If there are two.
    """
    stated = view.column(column) if column in view.names() else np.full(len(view), None)
    stated = np.array([v if isinstance(v, str) else None for v in stated], object)
    names = np.array([v or otherwise for v in stated], object)
    other = np.flatnonzero(names != names[0])
    if len(other):
        raise _mixed(view, quantity, [_told(view, names, stated, row) for row in (0, other[0])])
    return str(names[0]), any(v is None for v in stated)


def _told(view: View, names: np.ndarray, stated: np.ndarray, row: int) -> str:
    how = "" if stated[row] is not None else " (assumed)"
    return f"{names[row]}{how} in {view.file_of(row)} (run {view.run_ids()[row]!r})"


def _mixed(view: View, quantity: Quantity, told: list[str]) -> MismatchError:
    what, column = (
        ("parameters are counted in two ways", "params_convention")
        if quantity is N
        else ("losses have two units", "loss_convention")
    )
    shared = [
        f"params_{c}"
        for c in N.conventions
        if quantity is N and f"params_{c}" in view.names() and not view.missing(f"params_{c}").any()
    ]
    every = f"every run has {shared[0]} (--map params={shared[0]}); or " if shared else ""
    return MismatchError(
        f"{what}: {told[0]}, {told[1]}.",
        hint=f"Use one: {every}fit them apart with --where, or say what they share with "
        f"--set {column}=...",
    )


def other_counts(
    view: View, law: type[Law] | Law, conventions: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return model sizes counted in other ways than N is, where every point has one."""
    if N not in law.inputs().values():
        return {}
    found = {}
    for convention in N.conventions:
        name = f"{N.column}_{convention}"
        if convention == conventions["N"] or name not in view.names():
            continue
        sizes = view.column(name)
        if sizes.dtype != object and np.all(np.isfinite(sizes) & (sizes > 0)):
            found[convention] = sizes
    return found


def measured_compute(view: View) -> tuple[np.ndarray | None, list[str]]:
    """Return the compute in FLOP if every point has it, checked against 6ND.

    Raises
    ------
    MismatchError
        If it contradicts 6ND by more than a way of counting can.
    """
    params, tokens = view.column(N.column), view.column(D.column)
    flops = view.column("flops")
    whole = ~(np.isnan(params) | np.isnan(tokens)) & (tokens > 0)
    if not np.isnan(tokens).all() and np.isnan(flops).all():
        sizes = params[whole] if whole.any() else None
        told = small_tokens(sizes, tokens[whole] if whole.any() else tokens[~np.isnan(tokens)])
        return None, [] if told is None else [told]
    rows = np.flatnonzero(whole & ~np.isnan(flops))
    notes = []
    if len(rows):
        compared = params[rows], tokens[rows], flops[rows]
        convention = str(view.column("params_convention")[rows[0]])
        wrong = contradiction(*compared, convention)
        if wrong is not None:
            raise MismatchError(wrong[0], hint=wrong[1], file=view.files())
        told = counted(*compared)
        notes += [] if told is None else [told]
    if np.isnan(flops).any():
        absent = int(np.isnan(flops).sum())
        if len(rows):
            notes.append(f"flops of {absent} point(s) are missing; compute is not compared.")
        return None, notes
    return flops, notes
