"""Do the numbers fit together? Tokens in billions, compute against 6ND, conventions mixed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.runs.table import Note, Runs
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.quantities import (
    FLOPS_PER_PARAM_TOKEN,
    N_AVERAGE,
    QUANTITIES,
    C,
    D,
    N,
    short_number,
)

# Beyond this factor it is a unit, not a way of counting. Counts without embeddings of
# small models reach 3.7 (6 N_nonembedding over the matrix multiplications of a 24M model).
_UNIT = 2.0
_UNIT_NON_EMBEDDING = 5.0
_COUNTED = 1.1
REPEATED = "saw tokens more than once, and the law does not see that."
_SHOWN = 30  # columns named in a note
# No pretraining run is shorter than this many tokens; 300 means 300 billion.
_FEWEST_TOKENS = 1e5
# No ladder worth a law ends with a smaller model; 16,000 means 16,000 million.
_FEWEST_PARAMS = 1e5
_FEWEST_PER_PARAM = 1e-3


def otherwise(size: str) -> str:
    """Return how to say that a size counts something else than all parameters."""
    return f"--set {size}_convention=non_embedding or =active says otherwise."


def doubts(runs: Runs) -> list[Note]:
    """Return what looks wrong about runs as a whole, before anything is selected."""
    every = View.of(runs)
    view = every.take(every.last_of(np.arange(len(every))))
    return [*_assumed(runs), *_mixed(runs), *_units(view), *_kept(view)]


def _kept(view: View) -> list[Note]:
    """Name the columns that mean nothing here but can be asked for."""
    names = [name for name in view.names() if name not in QUANTITIES and name != "run_id"]
    names = [name for name in names if not name.endswith("_convention")]
    message = f"kept as they are, for --where and --target: {some(names, _SHOWN)}."
    return [Note("other-columns", "info", message)] if names else []


def _mixed(runs: Runs) -> list[Note]:
    names = ("params_convention", "loss_convention", "val_loss_convention")
    stated = {name: sorted({*runs.runs[name].to_pylist()} - {None}) for name in names}
    together = "they cannot be fitted together."
    return [
        Note(
            "mixed-conventions",
            "fail",
            f"{name} differs between runs: {', '.join(ways)}; {together}",
        )
        for name, ways in stated.items()
        if len(ways) > 1
    ]


def _units(view: View) -> list[Note]:
    flops = view.column(C.column)
    spent = Spent.by_table(view, flops)
    rows = np.flatnonzero((spent.size > 0) & (spent.tokens > 0) & (flops > 0))
    if len(rows):
        convention = convention_of(view.take(rows), spent.column)
        wrong, notes = compared(flops[rows], spent.take(rows), convention)
        if wrong is not None:
            return [Note("units", "fail", " ".join(wrong))]
        return [Note("counted-flops", "info", told) for told in notes]
    known = spent.take(np.flatnonzero(spent.tokens > 0))
    told = small_tokens(None if np.isnan(known.size).any() else known.size, known.tokens)
    return [] if told is None else [Note("units", "warn", told)]


def convention_of(view: View, size: str) -> str | None:
    """Return how a size counts parameters at the first of these points, where that is stated."""
    column = f"{size}_convention"
    return view.column(column)[0] if column in view.names() and len(view) else None


def _assumed(runs: Runs) -> list[Note]:
    table = runs.runs
    stated, there = (table[name].is_valid().to_numpy() for name in ("params_convention", "params"))
    count = int((there & ~stated).sum())
    taken = f"params of {count} run(s) taken to count all parameters (total)"
    message = f"convention assumed: {taken}; {otherwise(N.column)}"
    return [Note("convention-assumed", "info", message)] if count else []


def _six(size: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return 6 x size x tokens, infinite where no number is as large."""
    with np.errstate(over="ignore"):
        return FLOPS_PER_PARAM_TOKEN * size * tokens


@dataclass(frozen=True)
class Spent:
    """What runs spend compute on, arrays of shape (n,), and how much that is, also in words."""

    column: str
    size: np.ndarray
    tokens: np.ndarray
    compute: np.ndarray
    words: str = "6ND"

    @classmethod
    def by_law(cls, law: type[Law] | Law, inputs: Mapping[str, np.ndarray]) -> "Spent | None":
        """Return it as a law counts; None for a law without size and data."""
        both = law.size_and_data()
        if both is None:
            return None
        size, data = both
        counted = law.along(inputs), in_words(law)
        return cls(law.inputs()[size].column, inputs[size], inputs[data], *counted)

    @classmethod
    def by_table(cls, view: View, flops: np.ndarray) -> "Spent":
        """Return it as 6 x size x tokens, by the size of the table that comes nearest to flops."""
        tokens, sizes = view.column(D.column), (N, N_AVERAGE)
        each = [
            cls(q.column, size, tokens, _six(size, tokens), f"6{q.symbol}D")
            for q in sizes
            if q.column in view.names()
            for size in [view.column(q.column)]
        ]
        return min(each, key=lambda spent: abs(np.log(spent.ratio(flops))))

    def ratio(self, flops: np.ndarray) -> float:
        """Return the median of logged compute over this one; infinite where none is known."""
        known = (flops > 0) & (self.compute > 0)
        return float(np.median(flops[known] / self.compute[known])) if known.any() else np.inf

    def take(self, rows: np.ndarray) -> "Spent":
        """Return it at these points."""
        arrays = (self.size[rows], self.tokens[rows], self.compute[rows])
        return Spent(self.column, *arrays, self.words)


def in_words(law: type[Law] | Law) -> str:
    """Return how a law counts compute: `6ND`, or `the law's compute`."""
    words = law.compute_in_words().removeprefix(f"{C.symbol} = ")
    return "the law's compute" if words == C.symbol else words


def compared(
    flops: np.ndarray, spent: Spent, convention: str | None
) -> tuple[tuple[str, str] | None, list[str]]:
    """Compare counted compute with what size and tokens make.

    Parameters
    ----------
    flops : array, shape (n,)
        As logged, at points where everything is known.
    spent : Spent
    convention : str or None
        How the size counts parameters.

    Returns
    -------
    wrong : (message, hint) or None
        What is wrong and what mends it, if the median ratio says that a unit is wrong.
    notes : list of str
        Whether compute was counted in another way, by more than 10 %.
    """
    if not len(flops):
        return None, []
    ratio, words, ratios = spent.ratio(flops), spent.words, flops / spent.compute
    limit = _UNIT_NON_EMBEDDING if convention == "non_embedding" else _UNIT
    if not 1 / limit <= ratio <= limit:
        told = f"the median of flops / {words} is {ratio:.3g}"
        ranges = f"{spent.column} {_range(spent.size)}, tokens {_range(spent.tokens)}"
        wrong = f"flops contradict {words}: {told} ({ranges}, flops {_range(flops)})."
        return (wrong, _mend(ratio, spent)), []
    if 1 / _COUNTED <= ratio <= _COUNTED:
        return None, []
    extremes = f"{ratios.min():.3g} to {ratios.max():.3g}"
    counted = f"they were counted, not computed as {words}; laws in C here use {words}"
    return None, [f"flops are {ratio:.3g} of {words} (median; {extremes}): {counted}."]


def _mend(ratio: float, spent: Spent) -> str:
    """Name the unit that would explain the ratio, and the option that mends it."""
    size = spent.column
    for scale, word in ((1e9, "billions"), (1e6, "millions"), (1e12, "trillions"), (1e3, "k")):
        if scale / _UNIT <= ratio <= scale * _UNIT:
            small = "tokens" if np.median(spent.tokens) < np.median(spent.size) else size
            mend = f"--set {small}_scale={scale:.0e} multiplies the column."
            return f"{small} look as if given in {word}: {mend}"
    if 1e18 / _UNIT <= ratio <= 1e18 * _UNIT:
        mend = f"--set {size}_scale=1e+09 --set tokens_scale=1e+09 multiplies the columns."
        return f"{size} and tokens look as if given in billions: {mend}"
    return (
        f"Check which columns were read as {size}, tokens and flops (--map), whether params of a "
        "mixture count active ones only, or give flops a factor: --set "
        f"flops_scale={1 / ratio:.3g}."
    )


def small_tokens(params: np.ndarray | None, tokens: np.ndarray) -> str | None:
    """Return a note if tokens look as if given in billions or millions."""
    few = params is not None and bool(np.all(tokens < _FEWEST_PER_PARAM * params))
    if not len(tokens) or (not few and np.max(tokens) >= _FEWEST_TOKENS):
        return None
    told = f"tokens look as if given in billions (they are {_range(tokens)})"
    return f"{told}: if so, --set tokens_scale=1e9 multiplies the column."


def small_params(params: np.ndarray) -> str | None:
    """Return a note if parameters look as if given in millions or billions."""
    if not len(params) or np.max(params) >= _FEWEST_PARAMS:
        return None
    told = f"params look as if given in millions or billions (they are {_range(params)})"
    return f"{told}: if so, --set params_scale=1e6, or 1e9, multiplies the column."


def _range(values: np.ndarray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return short_number(low) if low == high else f"{short_number(low)} to {short_number(high)}"
