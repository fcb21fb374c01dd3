"""Do the numbers fit together? Tokens in billions, compute against 6ND, conventions mixed."""

import numpy as np

from scaling_cli.runs.table import Note, Runs
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, QUANTITIES, short_number

OTHERWISE = "--set params_convention=non_embedding or =active says otherwise."
# Beyond this factor from 6ND it is a unit, not a way of counting. Counts without embeddings of
# small models reach 3.7 (6 N_nonembedding over the matrix multiplications of a 24M model).
_UNIT = 2.0
_UNIT_NON_EMBEDDING = 5.0
_COUNTED = 1.1
_SHOWN = 30  # columns named in a note
# No pretraining run is shorter than this many tokens; 300 means 300 billion.
_FEWEST_TOKENS = 1e5
# No ladder worth a law ends with a smaller model; 16,000 means 16,000 million.
_FEWEST_PARAMS = 1e5
_FEWEST_PER_PARAM = 1e-3


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
    params, tokens, flops = (view.column(name) for name in ("params", "tokens", "flops"))
    rows = np.flatnonzero((params > 0) & (tokens > 0) & (flops > 0))
    if len(rows):
        wrong, notes = compared(view.take(rows))
        if wrong is not None:
            return [Note("units", "fail", " ".join(wrong))]
        return [Note("counted-flops", "info", told) for told in notes]
    rows = np.flatnonzero(tokens > 0)
    sizes = params[rows]
    told = small_tokens(None if np.isnan(sizes).any() else sizes, tokens[rows])
    return [] if told is None else [Note("units", "warn", told)]


def _assumed(runs: Runs) -> list[Note]:
    table = runs.runs
    stated, there = (table[name].is_valid().to_numpy() for name in ("params_convention", "params"))
    count = int((there & ~stated).sum())
    taken = f"params of {count} run(s) taken to count all parameters (total)"
    message = f"convention assumed: {taken}; {OTHERWISE}"
    return [Note("convention-assumed", "info", message)] if count else []


def compared(view: View) -> tuple[tuple[str, str] | None, list[str]]:
    """Compare counted compute with 6ND.

    Parameters
    ----------
    view : View
        Points that all have N, D and C.

    Returns
    -------
    wrong : (message, hint) or None
        What is wrong and what mends it, if the median ratio says that a unit is wrong.
    notes : list of str
        Whether compute was counted in another way than 6ND, by more than 10 %.
    """
    if not len(view):
        return None, []
    params, tokens, flops = (view.column(name) for name in ("params", "tokens", "flops"))
    ratios = flops / (FLOPS_PER_PARAM_TOKEN * params * tokens)
    ratio = float(np.median(ratios))
    convention = view.column("params_convention")[0]
    limit = _UNIT_NON_EMBEDDING if convention == "non_embedding" else _UNIT
    if not 1 / limit <= ratio <= limit:
        told = f"the median of flops / (6 params tokens) is {ratio:.3g}"
        ranges = f"params {_range(params)}, tokens {_range(tokens)}, flops {_range(flops)}"
        wrong = f"flops contradict 6ND: {told} ({ranges})."
        return (wrong, _mend(ratio, params, tokens)), []
    if 1 / _COUNTED <= ratio <= _COUNTED:
        return None, []
    extremes = f"{ratios.min():.3g} to {ratios.max():.3g}"
    counted = "they were counted, not computed as 6ND; laws in C here use 6ND"
    return None, [f"flops are {ratio:.3g} of 6ND (median; {extremes}): {counted}."]


def _mend(ratio: float, params: np.ndarray, tokens: np.ndarray) -> str:
    """Name the unit that would explain the ratio, and the option that mends it."""
    for scale, word in ((1e9, "billions"), (1e6, "millions"), (1e12, "trillions"), (1e3, "k")):
        if scale / _UNIT <= ratio <= scale * _UNIT:
            small = "tokens" if np.median(tokens) < np.median(params) else "params"
            mend = f"--set {small}_scale={scale:.0e} multiplies the column."
            return f"{small} look as if given in {word}: {mend}"
    if 1e18 / _UNIT <= ratio <= 1e18 * _UNIT:
        mend = "--set params_scale=1e+09 --set tokens_scale=1e+09 multiplies the columns."
        return f"params and tokens look as if given in billions: {mend}"
    return (
        "Check which columns were read as params, tokens and flops (--map), whether params of a "
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
