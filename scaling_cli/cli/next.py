"""Choose the next runs: which, under a budget, tighten the forecast at a target most."""

from dataclasses import dataclass
from typing import Any

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options

EXAMPLE = """
scaling next --budget 1e14 --target-params 2M --target-tokens 30M
scaling next --fit fit.json --budget 1e21 --target-params 7B --target-tokens 1T
scaling next runs.csv --budget 1e21 --target-params 7B --target-tokens 1T
scaling next --budget 300 --target-params 7B --target-tokens 1T --candidates gpu_hours.csv
"""
ORDER = 44


@dataclass(frozen=True)
class Wanted:
    """What is known, what may be spent, and what is to be forecast."""

    sources: list[str] | None = options.argument(
        "[SRC...]", "Runs to fit first, in place of --fit: logs, a table, a store."
    )
    fit: str | None = options.fit_name()
    budget: float | None = options.option(
        "C", "What the runs may cost together: 1e21 FLOP.", read=options.number("C")
    )
    target_params: float | None = options.option(
        "N", "The size whose loss is to be forecast: 7B.", read=options.number("N")
    )
    target_tokens: float | None = options.option(
        "D", "And its tokens: 1T.", read=options.number("D")
    )
    candidates: str | None = options.option(
        "FILE", "Runs to choose from: the law's inputs by column, maybe their cost."
    )
    input: list[str] | None = options.option(
        "NAME=VALUE", "Other inputs of the target: --input U=1e9."
    )
    law: str | None = options.option("NAME", "With SRC: the law. Default: chinchilla.")
    target: str | None = options.target()
    where: str | None = options.where()
    level: float = options.level()


@options.command
def next(wanted: Wanted, asking: options.Telling) -> None:
    """Choose the next runs: which, under a budget, tighten the forecast at a target most.

    Runs are bought one by one, each by what it takes off the variance of the forecast for its
    cost. Then the fit's draws stand for truths: the runs are simulated and refitted, which says
    how wide the range will be. Before any run, published numbers stand for a prior.
    """
    from scaling_cli.verbs.next_runs import next_runs
    from scaling_cli.vocabulary.errors import UsageError

    if wanted.budget is None:
        raise UsageError("how much may be spent is missing.", hint="Such as --budget 1e21.")
    names = ("law", "target", "where")
    fitting = {n: getattr(wanted, n) for n in names if getattr(wanted, n)}
    if fitting and not wanted.sources:
        raise UsageError(f"--{min(fitting)} needs runs to fit: scaling next SRC ...")
    law = _law(wanted)
    _cache.enable()
    with asking.terminal.status("choosing runs"):
        answer = next_runs(
            wanted.fit,
            budget=wanted.budget,
            runs=wanted.sources or None,
            candidates=_candidates(wanted.candidates, law),
            fitting=fitting,
            level=wanted.level,
            **_target(wanted, law),
        )
    asking.tell(answer)


def _law(wanted: Wanted) -> Any:
    """Return the law that is asked, whose inputs files and options are read by."""
    from scaling_cli import laws
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.verbs import _stored

    if wanted.sources:
        return laws.get(wanted.law or "chinchilla")
    return type(kinds.load(wanted.fit or _stored.default()[0], Fit).law)


def _target(wanted: Wanted, law: Any) -> dict[str, float]:
    """Return the inputs of the target.

    Raises
    ------
    UsageError
        If the law needs another.
    """
    from scaling_cli.cli._inputs import read_others
    from scaling_cli.vocabulary.errors import UsageError

    size, data = law.size_and_data() or ("N", "D")
    typed = {size: wanted.target_params, data: wanted.target_tokens}
    given = {s: v for s, v in typed.items() if v is not None}
    given |= {s: v[0] for s, v in read_others(wanted.input, law).items()}
    ways = {size: "--target-params", data: "--target-tokens"}
    missing = [
        f"{s} ({q.meaning}: {ways.get(s, f'--input {s}=...')})"
        for s, q in law.inputs().items()
        if s not in given
    ]
    if missing:
        raise UsageError(f"the target needs {' and '.join(missing)}.")
    return given


def _candidates(path: str | None, law: Any) -> dict[str, Any] | None:
    from scaling_cli.cli._inputs import read_points
    from scaling_cli.verbs.next_runs import COST

    if path is None:
        return None
    read = read_points(path, law, COST)
    costs = {COST: list(read.measured)} if read.own else {}
    return {**read.inputs, **costs}
