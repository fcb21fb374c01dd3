"""Where a backtest cuts: which runs are fitted and which are held back, along one axis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.backtest import Skipped
from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import Role, parse_number

ROLLING = "rolling"
CUT_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # of the range of the axis that a cut hides
FEWEST_HIDDEN = 3  # one odd run is noise, not drift
# A cut keeps at least 2k + 2 points for k parameters: below that the refit's miss is its own noise.
SMALLEST_TRAINING = 8
MOST_CUTS = 100
AXES = {"compute": None, "params": Role.SIZE, "tokens": Role.DATA}
SAME = 1e-9  # relative: a value typed with nine digits is the value in the table
SAME_LEVEL = 1e-6  # of the logarithm: 6ND of one budget differs by rounding

Cuts = int | Sequence[float] | Literal["rolling"] | None


@dataclass(frozen=True)
class Split:
    """One cut as rows, boolean arrays of shape (n,).

    Parameters
    ----------
    at : float
        Where it cuts: nothing above it is fitted.
    train, test : array
        Rows that are fitted, and rows that are forecast.
    """

    at: float
    train: np.ndarray
    test: np.ndarray


def fewest_training(searched: int) -> int:
    """Return how many points a backtest must leave to a law of so many searched parameters."""
    return max(2 * searched + 2, SMALLEST_TRAINING)


def axis_symbol(law: type[Law], on: str) -> str:
    """Return the symbol of the axis that runs are held back along.

    Compute is the law's own axis: 6ND, or its only input.

    Raises
    ------
    UsageError
        If the axis is unknown, or the law does not take it.
    """
    inputs, role = law.inputs(), AXES.get(on)
    if not law.growing():
        raise UsageError(
            f"no input of law {laws.name_of(law)} grows from small runs to large ones: there are "
            "no larger runs to hold back.",
            hint="Keep some runs out of the fit (--where), and compare them with 'scaling predict "
            "--points'.",
        )
    if on not in AXES:
        raise UsageError(
            f"cannot hold runs back along {on!r}.", hint=f"--on takes {', '.join(AXES)}."
        )
    symbol = law.axis() if role is None else law.symbol_of(role)
    if symbol is None:
        others = [name for name, r in AXES.items() if r is None or law.symbol_of(r)]
        raise UsageError(
            f"law {laws.name_of(law)} has no {on} to hold runs back along; it takes "
            f"{', '.join(inputs)}.",
            hint=f"--on takes {' or '.join(others)} here.",
        )
    return symbol


def along(law: type[Law], inputs: Mapping[str, np.ndarray], symbol: str) -> np.ndarray:
    """Return the values of an axis, shape (n,)."""
    return np.asarray(inputs[symbol] if symbol in inputs else law.along(inputs), float)


def read_cuts(text: str, law: str, on: str) -> Cuts:
    """Read `--cuts`: a number of cuts, values such as `1e20,1e21`, or `rolling`.

    Parameters
    ----------
    text : str
    law, on : str
        Name of the law and the axis, whose quantity the values are.

    Raises
    ------
    UsageError
        If it is none of these, or the law has no such axis.
    """
    law_class = laws.get(law)
    quantity = law_class.quantity(axis_symbol(law_class, on))
    cleaned = text.strip()
    if cleaned == ROLLING:
        return ROLLING
    if cleaned.isdecimal():
        return checked(int(cleaned))
    pieces = [piece for piece in cleaned.split(",") if piece.strip()]
    return checked([parse_number(piece, quantity) for piece in pieces])


def checked(cuts: Cuts) -> Cuts:
    """Return the cuts as they are, if they can be used.

    Raises
    ------
    UsageError
        If a number of cuts is out of range, or a value is not positive and finite.
    """
    hint = f"Give a number of cuts up to {MOST_CUTS}, values (1e20,1e21), or {ROLLING}."
    if cuts is None or (isinstance(cuts, str) and cuts == ROLLING):
        return cuts
    if isinstance(cuts, str):
        raise UsageError(f"cannot read the cuts {cuts!r}.", hint=hint)
    if isinstance(cuts, int):
        if not 1 <= cuts <= MOST_CUTS:
            raise UsageError(f"{cuts} is no number of cuts.", hint=hint)
        return cuts
    values = [float(value) for value in cuts]
    if not values or not all(np.isfinite(value) and value > 0 for value in values):
        raise UsageError("cuts are positive values on the axis.", hint=hint)
    return values


def splits(
    values: np.ndarray, cuts: Cuts, symbol: str, fewest: int
) -> tuple[list[Split], list[Skipped]]:
    """Return the cuts that leave enough to fit, by rising train part, and those that do not.

    Parameters
    ----------
    values : array, shape (n,)
        The axis.
    cuts : int, sequence of float, "rolling" or None
        A number of cuts, evenly spaced in the logarithm; the values to cut at; each level in
        turn; or the seven cuts that every fit is tested by.
    symbol : str
        Of the axis, for reasons.
    fewest : int
        Points that a cut must leave to be fitted.
    """
    hidden = FEWEST_HIDDEN if cuts is None else 1
    used: list[Split] = []
    skipped: list[Skipped] = []
    for split in sorted(_candidates(values, cuts), key=lambda s: s.at):
        reason = _unusable(split, used, symbol, fewest, hidden)
        if reason is None:
            used.append(split)
        else:
            skipped.append(Skipped(split.at, reason))
    return used, skipped


def _candidates(values: np.ndarray, cuts: Cuts) -> Iterator[Split]:
    if isinstance(cuts, str):
        yield from _rolling(values)
        return
    log_values = np.log(values)
    top, span = float(np.max(log_values)), float(np.ptp(log_values))
    for at in _boundaries(top, span, cuts):
        train = log_values <= at
        yield Split(float(np.exp(at)), train, ~train)


def _boundaries(top: float, span: float, cuts: int | Sequence[float] | None) -> list[float]:
    """Return where to cut, in the logarithm of the axis."""
    if cuts is None:
        return [top - share * span for share in CUT_SHARES]
    if isinstance(cuts, int):
        return [top - span * i / (cuts + 1) for i in range(1, cuts + 1)]
    return [float(np.log(value)) + SAME for value in cuts]


def _rolling(values: np.ndarray) -> Iterator[Split]:
    """Yield a cut per level: everything below it fitted, that level alone forecast."""
    rank = _levels(values)
    for level in range(1, int(np.max(rank)) + 1):
        train = rank < level
        yield Split(float(np.max(values[train])), train, rank == level)


def _levels(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value's level, shape (n,): neighbours within rounding share one."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(np.log(values[order])) > SAME_LEVEL
    rank = np.zeros(len(values), int)
    rank[order[1:]] = np.cumsum(steps)
    return rank


def _unusable(
    split: Split, used: Sequence[Split], symbol: str, fewest: int, hidden: int
) -> str | None:
    n_train, n_test = int(np.sum(split.train)), int(np.sum(split.test))
    if n_test < hidden:
        return (
            f"holds back {_counted(n_test)}, {hidden} are needed"
            if n_test
            else "holds nothing back"
        )
    if n_train < fewest:
        return f"leaves {_counted(n_train)} to fit, {fewest} are needed"
    same = [u.at for u in used if np.array_equal(u.train, split.train)]
    return f"leaves the same points as {symbol} <= {same[0]:.4g}" if same else None


def _counted(points: int) -> str:
    return "1 point" if points == 1 else f"{points} points"
