"""`sc.batch`: the critical batch, fitted to runs at several batch sizes, and what it says."""

from dataclasses import replace
from typing import Any

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.batch_fit import BatchFit, BatchTrajectory
from scaling_cli.artefacts.fit import Fit
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.outcomes import Status
from scaling_cli.vocabulary.quantities import B_TOKENS, L, N, Quantity, S, parse_number

PUBLISHED = "kaplan_ns/kaplan-2020-headline,critical_batch/kaplan-2020"


def batch(
    data: Any = None,
    *,
    fit: kinds.Named | None = None,
    params: float | str | None = None,
    target_loss: Any = None,
    batch_tokens: Any = None,
    steps: Any = None,
    target: str | None = None,
    start: int | None = None,
    level: float = 0.9,
    command: str = "",
) -> Answer:
    """Fit the critical batch to runs, or take a fit; say what losses cost at any batch.

    Parameters
    ----------
    data : whatever `read` understands, optional
        Logs of runs at several batch sizes.
    fit : BatchFit, path or names, optional
        In place of data: a stored fit, or two certified ones, of kaplan_ns and of critical_batch,
        with a comma between. Default: Kaplan et al. 2020.
    params : float or str, optional
        Of which model.
    target_loss, batch_tokens, steps : number or list, optional
        Losses to reach, tokens per step, steps after which the loss is wanted.
    target : str, optional
        Column of the loss.
    start : int, optional
        First step to take. Default: the end of the warm-up.
    level : float
        Nominal coverage of the intervals.
    command : str
        For the record.

    Returns
    -------
    Answer
        `made` is the BatchFit.
    """
    from scaling_cli.batch_fits.answer import Question, answer

    check_level(level)
    question = Question(
        None if params is None else parse_number(params, N),
        *(_numbers(v, q) for v, q in ((target_loss, L), (batch_tokens, B_TOKENS), (steps, S))),
    )
    if data is not None and fit is not None:
        raise UsageError(
            "logs and --fit were both given.", hint="Logs are fitted; a fit needs no logs."
        )
    made = resolve(fit) if data is None else _fitted(data, target, start, command)
    if data is None and not (question.losses or question.steps):
        raise UsageError(
            "nothing is asked.",
            hint="Give logs to fit, --target-loss, or --steps with --batch-tokens.",
        )
    record = answer(made, question, level)
    fitted = None if data is None else made.to_dict()
    return Answer({"fit": fitted, **record}, made)


def resolve(fit: kinds.Named | None) -> BatchFit:
    """Return the fit of a file, or the one that two certified fits make.

    Raises
    ------
    UsageError
        If the certified fits are not one of each law.
    """
    from scaling_cli import laws

    named = PUBLISHED if fit is None else fit
    if not isinstance(named, str) or "," not in named:
        return kinds.load(named, BatchFit)
    fits = [kinds.load(name.strip(), Fit) for name in named.split(",")]
    of = {laws.name_of(each.law): each for each in fits}
    if set(of) != {"kaplan_ns", "critical_batch"}:
        raise UsageError(
            f"--fit needs a fit of kaplan_ns and one of critical_batch, not {', '.join(of)}."
        )
    values = {k: v for each in of.values() for k, v in each.parameters.items()}
    return BatchFit(BatchTrajectory(**values), status=Status.PUBLISHED, n_points=0)


def _fitted(data: Any, target: str | None, start: int | None, command: str) -> BatchFit:
    from scaling_cli.batch_fits.fitting import fit_batches
    from scaling_cli.batch_fits.levels import batch_runs_of
    from scaling_cli.ingest import as_runs
    from scaling_cli.runs.table import default_target

    runs = as_runs(data)
    curves, left = batch_runs_of(runs, target=target, start=start)
    selection = {"target": target or default_target(runs), "start": start}
    return replace(fit_batches(curves, left_out=left), selection=selection, command=command)


def _numbers(values: Any, quantity: Quantity) -> list[float]:
    several = () if values is None else np.ravel(np.array(values, object)).tolist()
    return [parse_number(v, quantity) for v in several]
