"""Checks of the data: R1 to R6."""

import numpy as np

from scaling_cli import laws
from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, factor, item, percent
from scaling_cli.runs.plausible import STEPS_BY_BATCH, WRONG_IN_RUNS, in_words, small_counts
from scaling_cli.search.optimum import collinearity
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.outcomes import Touches
from scaling_cli.vocabulary.quantities import C, L, Role, short_number

FEW_LEVELS = 4
FEWEST_LEVELS = 3
SPARE = 2  # configurations beyond the parameters below which nothing is left to test with
ENTANGLED = 0.1  # unexplained share of a log input below which exponents blur into each other
FLOPS_TOLERANCE = 0.1
ANOTHER_COUNT = 1.5  # factor that embeddings and attention make; a unit or an accumulation makes 2
COPIED = 0.05  # share of points beyond which copies weigh in a fit
PERPLEXITY = 12.5  # nats/token of a guess among 250,000 tokens: a larger "loss" is none
BRACKETED = 0.5  # share of isoFLOP budgets
SETTINGS = 0.02  # sd of repeats beyond which they differ in more than their seed
# Mean squares of the law's misses over that of repeats, beyond which the law is off: about the
# 95 % quantile of F with three to nine repeats to spare, the 99.9 % one with more.
LACK_OF_FIT = ((10, 4.0), (3, 9.0))


@item("data.range", "R1", "do the inputs vary enough?", Touches.DATA)
def ranges(e: Evidence) -> Verdict:
    """R1: range, levels, configurations."""
    law, k = e.problem.law, len(e.optimum.u)
    rounded = {
        s: np.round(q.domain.spread(e.problem.inputs[s]), 6) for s, q in law.inputs().items()
    }
    levels = {s: len(np.unique(v)) for s, v in rounded.items()}
    configurations = len(np.unique(np.stack(list(rounded.values()), axis=1), axis=0))
    text = f"{len(e.points)} points, {configurations} configurations: {_spans(e, levels)}"
    failed = [f"{s} takes only {n} values" for s, n in levels.items() if n < FEWEST_LEVELS]
    if configurations < k + SPARE:
        failed.append(f"{configurations} configurations for {k} parameters")
    if failed:
        return Verdict.failed(
            f"{'; '.join(failed)} ({text}). The law follows these points whatever they are: quote "
            "no parameter and no forecast from it. Add runs, or hold parameters with --fix or "
            "--tie."
        )
    thin = [f"{s} takes only {n} values" for s, n in levels.items() if n < FEW_LEVELS]
    if len(e.points) - k < 3:
        thin.append(f"{len(e.points)} points leave {len(e.points) - k} to spare for {k} parameters")
    if thin:
        told = f"{'; '.join(thin)} ({text}). Add runs before trusting exponents."
        return Verdict.passed(told, Touches.PARAMETERS)
    return Verdict.passed(f"{text}.")


def _spans(e: Evidence, levels: dict[str, int]) -> str:
    """Return range and decades of every input, of compute and of tokens per parameter."""
    law, columns = e.problem.law, dict(e.problem.inputs)
    if spent := law.size_and_data():
        size, data = spent
        ratio = columns[data] / columns[size]
        columns |= {law.axis(): law.along(e.points.inputs), f"{data}/{size}": ratio}
    parts = []
    for symbol, values in columns.items():
        low, high = float(np.min(values)), float(np.max(values))
        told = [f"{np.log10(high / low):.1f} decades"] if low > 0 else []
        told += [f"{levels[symbol]} levels"] if symbol in levels else []
        parts.append(
            f"{symbol} {_quantity(symbol, low)} to {_quantity(symbol, high)} ({', '.join(told)})"
        )
    return "; ".join(parts)


def _quantity(symbol: str, value: float) -> str:
    """Write a quantity: `7B`, `1.2e+21` for compute."""
    return f"{value:.3g}" if symbol == C.symbol else short_number(value)


@item("data.units", "R2", "do N, D, C and the loss fit together?", Touches.DATA)
def units(e: Evidence) -> Verdict:
    """R2: tokens in billions, perplexities, copies, compute against 6ND."""
    law, roles = e.problem.law, (Role.SIZE, Role.DATA)
    sizes, tokens = (e.problem.inputs.get(law.symbol_of(role) or "") for role in roles)
    words = in_words(law) if law.size_and_data() else "6ND"
    told = [n for n in e.points.notes if WRONG_IN_RUNS in n or STEPS_BY_BATCH in n]
    told = [n for n in told if not n.startswith("tokens: ")]
    # Compute that was logged and agrees shows that the unit of sizes is right.
    small = small_counts(sizes if e.points.compute is None else None, tokens)
    copies, share = _copies(e)
    doubt = small or " ".join(told) or _starved(sizes, tokens) or _perplexity(e)
    if doubt or share > COPIED:
        return Verdict.warned(doubt or copies)
    if e.points.compute is None or sizes is None or tokens is None:
        return Verdict.passed(
            " ".join([f"no logged compute to compare with {words}.", copies]).strip()
        )
    verdict = _counted(e.points.compute / law.along(e.points.inputs), words)
    return verdict._replace(sentence=f"{verdict.sentence} {copies}".strip())


def _counted(ratio: np.ndarray, words: str) -> Verdict:
    """Compare the compute that was logged with what the law counts."""
    low, high = float(np.min(ratio)), float(np.max(ratio))
    if max(abs(low - 1), abs(high - 1)) <= FLOPS_TOLERANCE:
        return Verdict.passed(f"logged compute agrees with {words}.")
    counted = f"logged compute is {low:.3g} to {high:.3g} times {words}: another way of counting"
    budgets = (
        f"Decades beyond the data are counted in {words}; give budgets to 'scaling predict' in the "
        "same."
    )
    if max(1 / low, high) <= ANOTHER_COUNT:
        return Verdict.passed(f"{counted}. {budgets}", Touches.OPTIMUM)
    return Verdict.warned(f"{counted}, or tokens or parameters in other units. {budgets}")


def _starved(sizes: np.ndarray | None, tokens: np.ndarray | None) -> str | None:
    """Say that no run saw as many tokens as it has parameters: no ladder is trained so little."""
    if sizes is None or tokens is None or np.max(tokens / sizes) >= 1:
        return None
    low, high = np.min(tokens / sizes), np.max(tokens / sizes)
    return (
        f"every run has fewer tokens than parameters ({low:.3g} to {high:.3g} of them): are the "
        "two columns swapped, or counted in other units? Name them with --map, or scale them with "
        "--set tokens_scale=1e3."
    )


def _perplexity(e: Evidence) -> str | None:
    usual = float(np.median(e.points.output))
    if e.points.conventions.get(e.problem.law.output().symbol) != L.unit or usual <= PERPLEXITY:
        return None
    return (
        f"half the losses are above {usual:.4g} nats/token, more than any vocabulary allows: "
        "perplexities, or sums over a sequence? Map perplexities from a column called perplexity, "
        "and divide sums by their tokens."
    )


def _copies(e: Evidence) -> tuple[str, float]:
    """Name rows that repeat another row exactly, under another run, and their share of all."""
    table = np.stack([*e.problem.inputs.values(), e.problem.output], axis=1)
    _, member, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[np.ravel(member)] > 1).tolist()
    names = list(dict.fromkeys(str(e.points.runs[i]) for i in rows))
    if len(names) < 2:
        return "", 0.0
    told = (
        f"{len(rows)} points repeat each other exactly, {e.problem.law.output().column} included "
        f"({some(names)}): one run entered twice counts twice. Leave the copies out with "
        "--where."
    )
    return told, len(rows) / len(table)


@item(
    "data.params_convention", "R3", "how are parameters counted, and does it matter?", Touches.DATA
)
def convention(e: Evidence) -> Verdict:
    """R3: which parameters count, and what the other count would say."""
    theirs = type(e.optimum.law).convention
    ours = e.points.conventions
    assumed = any(n.startswith("convention assumed") for n in e.points.notes)
    wrong = [
        f"{s} is counted as {ours[s]} here and as {theirs[s]} by the authors of "
        f"{laws.name_of(e.optimum.law)}{' (assumed)' if assumed else ''}. Exponents are not "
        "comparable with the published ones; predict with the same count that was fitted"
        for s in theirs
        if s in ours and s in e.problem.inputs and ours[s] != theirs[s]
    ]
    known = ", ".join(f"{s} {c}" for s, c in ours.items()) or "none stated"
    other = [v for v in e.diagnosis.choices if v.kind == "convention"]
    told = [
        f"with {v.name} the prediction at {e.place} moves by {percent(v.shift)}"
        + ("" if v.optimum_shift is None else f" and N* by a factor of {factor(v.optimum_shift)}")
        for v in other
    ]
    if any(abs(v.shift) > e.half_widths[1] for v in other):
        wrong.append(f"{'; '.join(told)}, more than the interval: say which count you forecast in")
    problem = f"{'; '.join(wrong)}." if wrong else None
    text = f"conventions: {known}"
    text += f" ({e.problem.law.symbol_of(Role.SIZE)} assumed)" if assumed else ""
    return Verdict.judged(problem, f"{'; '.join([text, *told])}.")


@item("data.filters", "R4", "what was left out, and is what stayed finished?", Touches.DATA)
def filters(e: Evidence) -> Verdict:
    """R4: what was left out; runs that stopped early."""
    left = [x.run for x in e.points.left_out]
    text = f"{len(left)} left out, listed with reasons: {some(left)}"
    text = text if left else "nothing was left out"
    short = next((n for n in e.points.notes if "stopped short" in n), None)
    problem = (
        f"{text}; {(short or '').rstrip('.')}. Leave them out with --where: a loss before the "
        "learning rate has decayed is not a final loss."
    )
    return Verdict.judged(problem if short else None, f"{text}.")


@item(
    "data.collinearity",
    "R5",
    "can the inputs be told apart, are minima bracketed?",
    Touches.FORECAST,
    Touches.OPTIMUM,
    Touches.PARAMETERS,
)
def collinear(e: Evidence) -> Verdict:
    """R5: whether inputs vary independently, whether isoFLOP minima are bracketed."""
    spreads = e.problem.law.spreads(e.problem.inputs)
    if len(spreads) < 2:
        return Verdict.passed("one input.")
    share = collinearity(np.stack(list(spreads.values()), axis=1))
    symbols, spent = " and ".join(e.problem.inputs), e.problem.law.size_and_data()
    apart = (
        f"only {100 * share:.1f} % of the spread of one of {symbols} is independent of the "
        f"other. Add runs at other ratios{' of tokens to parameters' if spent else ''}."
    )
    budgets = e.diagnosis.isoflop.budgets if e.diagnosis.isoflop else []
    bracketed = sum(b.optimum is not None for b in budgets)
    open_ = ""
    if budgets and bracketed < BRACKETED * len(budgets):
        reasons = list(dict.fromkeys(b.reason for b in budgets if b.reason))
        open_ = (
            f"{len(budgets) - bracketed} of {len(budgets)} isoFLOP budgets do not bracket their "
            f"minimum ({'; '.join(reasons)}). Add sizes on that side."
        )
    if share < ENTANGLED:
        return Verdict.warned(f"{apart} {open_}".strip())
    if open_:
        return Verdict.passed(open_, Touches.OPTIMUM)
    fine = f"{symbols} vary independently ({100 * share:.0f} % unexplained)"
    fine += f"; {bracketed} of {len(budgets)} isoFLOP budgets bracket their minimum" * bool(budgets)
    return Verdict.passed(f"{fine}.")


@item("data.noise", "R6", "how noisy is one run, and is the law off by more?", Touches.DATA)
def noise(e: Evidence) -> Verdict:
    """R6: sd of repeated configurations, or of residuals; lack of fit against repeats."""
    residuals = e.residuals()
    used = float(np.sqrt(np.mean(np.asarray(e.uncertainty.sigma) ** 2)))
    repeated = replicates(e)
    if repeated is None:
        return Verdict.passed(
            f"no configuration was repeated: the noise of a run, {100 * used:.2g} %, is taken "
            "from the residuals. Two seeds of one small run would measure it."
        )
    sd, freedom, groups = repeated
    text = f"{groups} configurations were repeated: sd {100 * sd:.2g} % between their runs"
    if sd > SETTINGS:
        return Verdict.warned(
            f"{text}, more than seeds do: they differ in settings that the law does not see "
            "(learning rate, data). Fit one setting with --where, or a table of the best of each."
        )
    misses = float(np.sum(residuals**2)) - freedom * sd**2
    spare = len(residuals) - len(e.optimum.u) - freedom
    limit = next((ratio for least, ratio in LACK_OF_FIT if freedom >= least), np.inf)
    off = spare > 0 and sd > 0 and misses / spare > limit * sd**2
    problem = (
        f"{text}, but the law misses by {100 * np.sqrt(max(misses, 0.0) / max(spare, 1)):.2g} %: "
        "its form is off, not the runs. Compare laws (fit.alternatives) before extrapolating."
    )
    return Verdict.passed(problem if off else f"{text}; the law misses by no more.")


def replicates(e: Evidence) -> tuple[float, int, int] | None:
    """Return the pooled sd of ln output over runs of one configuration, its freedom, and groups.

    Rows of one run are not repeats of it.
    """
    table = np.stack(list(e.problem.inputs.values()), axis=1)
    _, member = np.unique(table, axis=0, return_inverse=True)
    members: dict[int, dict[str, float]] = {}
    for i, group in enumerate(np.ravel(member).tolist()):
        members.setdefault(group, {}).setdefault(e.points.runs[i], float(e.points.output[i]))
    groups = [np.log(list(runs.values())) for runs in members.values() if len(runs) > 1]
    freedom = sum(len(g) - 1 for g in groups)
    if not freedom:
        return None
    total = sum(float(np.sum((g - np.mean(g)) ** 2)) for g in groups)
    return float(np.sqrt(total / freedom)), freedom, len(groups)
