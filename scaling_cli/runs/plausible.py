"""Do the numbers fit together? Tokens in billions, compute against 6ND, conventions mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.runs.points import COUNTED
from scaling_cli.runs.table import Note, Runs, default_target
from scaling_cli.runs.view import View
from scaling_cli.vocabulary import loss_kinds
from scaling_cli.vocabulary.errors import DataError, some
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.quantities import (
    FLOPS_PER_PARAM_TOKEN,
    N_AVERAGE,
    QUANTITIES,
    C,
    D,
    L,
    N,
    is_perplexity,
    short_number,
)

# Beyond this factor it is a unit, not a way of counting. Counts without embeddings of
# small models reach 3.7 (6 N_nonembedding over the matrix multiplications of a 24M model).
_UNIT = 2.0
_UNIT_NON_EMBEDDING = 5.0
_COUNTED = 1.1
_APART = 1.25  # factor of a run's compute over the others' that is no way of counting
_STEP = 1.35  # factor by which a way of counting changes from one size to the next
_GROUPS = 3  # of runs that are named
WRONG_IN_RUNS = "wrong in these"
_SHOWN = 30  # columns named in a note
# No pretraining run is shorter than this many tokens; 300 means 300 billion. No ladder worth a
# law ends with a smaller model; 16,000 means 16,000 million.
_FEWEST = {"tokens": 1e5, "params": 1e5}
_NO_MODEL = 1e4  # parameters, or tokens, that no language model goes below
BY_COMPUTE = 3  # as `View.tokens` says that tokens were worked out of compute
STEPS_BY_BATCH = "step x batch_tokens"
_FEWEST_PER_PARAM = 1e-3
_ROUNDED = 0.01  # a loss against the logarithm of a perplexity, both printed to a few digits


def otherwise(size: str) -> str:
    """Return how to say that a size counts something else than all parameters."""
    return f"--set {size}_convention=non_embedding or =active says otherwise."


def doubts(runs: Runs) -> list[Note]:
    """Return what looks wrong about runs as a whole, before anything is selected."""
    every = View.of(runs)
    view = every.take(every.last_of(np.arange(len(every))))
    told = {"steps": against_steps(view), "units": _against_perplexity(view)}
    against = [Note(code, "warn", text) for code, text in told.items() if text is not None]
    kinds = _kinds(runs)
    return [
        *_assumed(runs),
        *_mixed(runs),
        *kinds,
        *_units(view),
        *against,
        *_no_steps(view),
        *_kept(view),
    ]


def _no_steps(view: View) -> list[Note]:
    """Name the runs whose tokens are those of a step times epochs or rows."""
    units = {r.file: r.unit for r in view.runs.columns if r.canonical == "step"}
    units = {file: unit for file, unit in units.items() if unit != "steps"}
    rows = np.flatnonzero((view.tokens[1] == 1) & (view.tokens[0] > 0)).tolist() if units else []
    rows = [row for row in rows if view.file_of(row) in units]
    if not rows:
        return []
    kinds = " or ".join(sorted({units[view.file_of(row)] for row in rows}))
    told = f"tokens of {len(rows)} run(s) are batch_tokens times {kinds}, which may be no steps"
    names = some([view.run_ids()[row] for row in rows])
    remedy = "--map step=COLUMN or --map tokens=COLUMN names what was logged."
    return [Note("tokens-of-no-steps", "warn", f"{told}: {names}. {remedy}")]


def _kept(view: View) -> list[Note]:
    """Name the columns that mean nothing here but can be asked for."""
    names = [name for name in view.names() if name not in QUANTITIES and name != "run_id"]
    names = [n for n in names if not n.endswith(("_convention", "_known")) and n != loss_kinds.FACT]
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


def _kinds(runs: Runs) -> list[Note]:
    """Say that training losses are not of one kind, where one of them lies off the others."""
    if loss_kinds.FACT not in runs.runs.column_names or default_target(runs) != L.column:
        return []
    kinds = [kind or str(LossKind.STEP) for kind in runs.runs[loss_kinds.FACT].to_pylist()]
    each = {LossKind(kind): kinds.count(kind) for kind in sorted(set(kinds)) if kind in [*LossKind]}
    if len(each) < 2 or not any(kind.shifts for kind in each):
        return []
    told = "; ".join(f"in {count} run(s) {kind.words}" for kind, count in each.items())
    remedy = "fit one of them (--where), or val_loss; --set loss_kind=... says that they are alike."
    message = f"training losses are of several kinds, {told}: {remedy}"
    return [Note("mixed-loss-kinds", "warn", message)]


def _units(view: View) -> list[Note]:
    flops = view.column(C.column)
    spent = Spent.by_table(view, flops)
    rows = np.flatnonzero((spent.size > 0) & (spent.tokens > 0) & (flops > 0))
    if len(rows):
        convention = convention_of(view.take(rows), spent.column)
        ids = [view.run_ids()[i] for i in rows.tolist()]
        wrong, notes = compared(flops[rows], spent.take(rows), convention, ids)
        if wrong is not None:
            return [Note("units", "fail", " ".join(wrong))]
        return [Note("counted-flops", "info", told) for told in notes]
    logged = np.where(view.own(D.column), spent.tokens, np.nan)  # not counted in steps
    known = replace(spent, tokens=logged).take(np.flatnonzero((logged > 0) | (spent.size > 0)))
    told = small_counts(*(None if np.isnan(v).any() else v for v in (known.size, known.tokens)))
    grave = told is not None and any(
        impossible(view, q.column, v) for q, v in ((N, known.size), (D, known.tokens))
    )
    return [] if told is None else [Note("units", "fail" if grave else "warn", told)]


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
    flops: np.ndarray, spent: Spent, convention: str | None, runs: Sequence[str]
) -> tuple[tuple[str, str] | None, list[str]]:
    """Compare counted compute with what size and tokens make.

    Parameters
    ----------
    flops : array, shape (n,)
        As logged, at points where everything is known.
    spent : Spent
    convention : str or None
        How the size counts parameters.
    runs : sequence of str, length n

    Returns
    -------
    wrong : (message, hint) or None
        What is wrong and what mends it, if the median ratio says that a unit is wrong.
    notes : list of str
        Whether compute was counted in another way, by more than 10 %, or in which runs it
        contradicts size and tokens.
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
    if odd := by_run(ratios, spent, runs):
        return None, [odd]
    if 1 / _COUNTED <= ratio <= _COUNTED:
        return None, []
    extremes = f"{ratios.min():.3g} to {ratios.max():.3g}"
    counted = f"they were counted, not computed as {words}; {COUNTED} {words}"
    return None, [f"flops are {ratio:.3g} of {words} (median; {extremes}): {counted}."]


def by_run(ratios: np.ndarray, spent: Spent, runs: Sequence[str]) -> str | None:
    """Name the runs in which logged compute over size and tokens is not what it is in the others.

    A way of counting changes smoothly with the size (attention, embeddings); an error jumps.

    Parameters
    ----------
    ratios : array, shape (n,)
        Logged compute over what size and tokens make.
    spent : Spent
    runs : sequence of str, length n
    """
    logs = np.log(ratios)
    near, ordered = np.log(_COUNTED), np.sort(logs)
    upper = np.searchsorted(ordered, logs + near)
    neighbours = upper - np.searchsorted(ordered, logs - near, side="right")
    usual = np.abs(logs - logs[int(np.argmax(neighbours))]) < near
    apart = np.abs(logs - np.median(logs[usual])) > np.log(_APART)
    if not apart.any() or _is_smooth(logs, np.log(spent.size)):
        return None
    of = float(np.median(ratios[usual]))
    groups: dict[str, list[str]] = {}
    for i in np.flatnonzero(apart).tolist():
        groups.setdefault(f"{ratios[i]:.2g}", []).append(str(runs[i]))
    most = sorted(groups.items(), key=lambda group: -len(set(group[1])))[:_GROUPS]
    told = "; ".join(f"{ratio} in {some(list(dict.fromkeys(names)), 3)}" for ratio, names in most)
    low, high = of / _APART, of * _APART
    where = f"{low:.3g} < flops / (6 * {spent.column} * tokens) < {high:.3g}"
    return (
        f"flops are {of:.3g} of {spent.words} in {np.sum(~apart)} of {len(apart)} points, but "
        f"{told}: {spent.column}, tokens or "
        f"flops are {WRONG_IN_RUNS}. Mend them, or leave them out (--where '{where}')."
    )


def _is_smooth(logs: np.ndarray, sizes: np.ndarray) -> bool:
    """Return whether a ratio changes with the size step by step, and not by much each time."""
    _, member = np.unique(np.round(sizes, 3), return_inverse=True)
    member = np.ravel(member)
    groups = [logs[member == k] for k in range(int(member.max()) + 1)]
    scattered = max(float(np.ptp(group)) for group in groups)
    steps = np.abs(np.diff([float(np.median(group)) for group in groups]))
    largest = float(np.max(steps, initial=0.0))
    return max(scattered, largest) < np.log(_STEP) and len(groups) > 2


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


def small_counts(params: np.ndarray | None, tokens: np.ndarray | None) -> str | None:
    """Return a note if parameters or tokens look as if given in millions or billions."""
    small = _small(params, tokens)
    if not small:
        return None
    words = {1e6: "millions", 1e9: "billions", 1e12: "trillions"}
    factors = _likely(params, tokens, small)
    looks = dict.fromkeys(words[factors[name]] for name in small)
    ranges = " and ".join(_range(values) for values in small.values())
    told = f"{' and '.join(small)} look as if given in {' and '.join(looks)} (they are {ranges})"
    options = " ".join(
        f"--set {name}_scale={factors[name]:.0e}".replace("e+0", "e").replace("e+", "e")
        for name in small
    )
    ends = "multiplies the column" if len(small) == 1 else "multiply the columns"
    return f"{told}: if so, {options} {ends}."


def _small(params: np.ndarray | None, tokens: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the columns that are too small to be counts of a ladder."""
    known = {"params": params, "tokens": tokens}
    there = {name: v for name, v in known.items() if v is not None and len(v)}
    small = {n: v for n, v in there.items() if np.max(v) < _FEWEST[n]}
    if len(there) == 2 and np.all(there["tokens"] < _FEWEST_PER_PARAM * there["params"]):
        small["tokens"] = there["tokens"]
    return small


def _likely(
    params: np.ndarray | None, tokens: np.ndarray | None, small: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return the units of the small columns that make the likeliest ladder.

    Hundreds of millions of parameters, tens of tokens for each.
    """
    units = {name: (1e6, 1e9, 1e12)[: 2 if name == "params" else 3] for name in small}
    middle_N, middle_D = _log_middle(params, 3e8), _log_middle(tokens, 6e9)

    def unlikely(factors: tuple[float, float]) -> float:
        N, D = middle_N + np.log(factors[0]), middle_D + np.log(factors[1])
        return abs(D - N - np.log(20)) + abs(N - np.log(3e8)) / 2

    pairs = [(n, d) for n in units.get("params", (1.0,)) for d in units.get("tokens", (1.0,))]
    return dict(zip(("params", "tokens"), min(pairs, key=unlikely), strict=True))


def _log_middle(counts: np.ndarray | None, otherwise: float) -> float:
    """Return the log of the middle of counts, of those that are any: of zero there is none."""
    some = [] if counts is None else counts[np.isfinite(counts) & (counts > 0)]
    return float(np.log(np.median(some) if len(some) else otherwise))


def impossible(view: View, column: str, counts: np.ndarray | None) -> bool:
    """Return whether no language model is as small as all of these, and nobody said they are.

    Or is trained on as few tokens.
    """
    said = any(reading.canonical == f"{column}_scale" for reading in view.runs.columns)
    few = counts is not None and len(counts) > 0 and float(np.max(counts)) < _NO_MODEL
    return few and not said


def refuse_few(view: View, tokens: np.ndarray) -> None:
    """Refuse tokens worked out of compute that no model is trained on: its unit is another.

    Raises
    ------
    DataError
        If all are that few.
    """
    if (view.tokens[1] != BY_COMPUTE).any() or not impossible(view, C.column, tokens):
        return
    raise DataError(
        f"tokens, worked out as flops / (6 x params), are {np.min(tokens):.3g} to "
        f"{np.max(tokens):.3g}: no model learns from as few.",
        file=view.files(),
        hint="If flops are given in PF-days, --set flops_scale=8.64e19 multiplies the column, "
        "if in exaFLOP --set flops_scale=1e18; --set flops_scale=1 says that they are right.",
    )


def against_steps(view: View) -> str | None:
    """Return a note if logged tokens are not step x batch_tokens."""
    logged, steps, batch = view.tokens_by_steps()
    known = (logged > 0) & (steps > 0) & (batch > 0)
    if not known.any():
        return None
    ratio = (logged / (steps * batch))[known]
    low, high = float(np.min(ratio)), float(np.max(ratio))
    if high < _COUNTED and low > 1 / _COUNTED:
        return None
    times = f"{low:.3g}" if high < _COUNTED * low else f"{low:.3g} to {high:.3g}"
    return (
        f"tokens are {times} times {STEPS_BY_BATCH}: one of them counts a part (a device, a micro "
        "batch) or another unit. Mend it with --set tokens_scale=... or --set batch_tokens=..."
    )


def _against_perplexity(view: View) -> str | None:
    """Return a note if a loss that is taken for nats is the base-2 logarithm of a perplexity."""
    loss, stated = view.column(L.column), view.column("loss_convention")
    names = [n for n in view.names() if is_perplexity(n) and view.column(n).dtype != object]
    if loss.dtype == object or any(v is not None for v in stated.tolist()):
        return None
    for name in names:
        with np.errstate(all="ignore"):
            ratio = loss / np.log2(view.column(name))
        known = ratio[np.isfinite(ratio)]
        if len(known) and np.all(np.abs(known - 1) < _ROUNDED):
            return (
                f"loss is the base-2 logarithm of {name}: bits, not nats. --set "
                f"loss_convention=bits/token says so; --map loss={name} reads nats."
            )
    return None


def _range(values: np.ndarray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return short_number(low) if low == high else f"{short_number(low)} to {short_number(high)}"
