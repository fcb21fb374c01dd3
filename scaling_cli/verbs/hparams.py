"""`sc.hparams`: which learning rate and batch suit a model, by a published law or a sweep."""

from typing import Any

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.verbs._answer import Answer
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import D, N, parse_number


def hparams(
    data: Any = None,
    *,
    params: float | str | None = None,
    tokens: float | str | None = None,
    fit: kinds.Named | None = None,
    seq_len: float | str | None = None,
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
    seed: int = 0,
    level: float = 0.9,
    command: str = "",
) -> Answer:
    """Advise learning rate and batch for a model, beside what others say.

    Parameters
    ----------
    data : whatever `read` understands, optional
        A sweep of your own: runs with params, tokens, lr, loss and, if it varied, batch_tokens.
    params, tokens : float or str, optional
        The model. Default, of a sweep: its own largest cell.
    fit : Recipe, path or name, optional
        What to ask, or to compare the sweep with. Default: li-2025 (Step Law).
    seq_len : float or str, optional
        Tokens of a sequence: the batch in sequences as well.
    target, where, at
        Which runs of the sweep, as in `fit`.
    seed : int
    level : float
        Nominal coverage of the intervals.
    command : str
        For the record.

    Returns
    -------
    Answer
        `made` is the Recipe that the sweep gave, None without one.
    """
    from scaling_cli.hparam_fits.answer import PUBLISHED, report

    point = _point(params, tokens, swept=data is not None)
    length = _length(seq_len)
    own, rule = None, None
    if data is not None:
        from scaling_cli.hparam_fits import fitting
        from scaling_cli.ingest import as_runs

        points = fitting.sweep_points(as_runs(data), target=target, where=where, at=at)
        own = fitting.fit_recipe(points, seed=seed, level=level, command=command)
        rule = fitting.near_best_rule(points, seed=seed)
    rival = kinds.load(PUBLISHED if fit is None else fit, Recipe)
    record = report(
        own or rival,
        rival if own else None,
        point,
        level=level,
        sequence=length,
        rule=rule,
        released=fit is None,
    )
    return Answer(record, "hparams", own)


def _point(params: Any, tokens: Any, *, swept: bool) -> tuple[float, float] | None:
    """Return N and D; None where neither is given and a sweep gives its own largest cell."""
    if params is None and tokens is None and swept:
        return None
    if params is None or tokens is None:
        raise UsageError(
            "say for which model and how many tokens: --params and --tokens.",
            hint="For example: scaling hparams --params 7B --tokens 1T",
        )
    return parse_number(params, N), parse_number(tokens, D)


def _length(length: float | str | None) -> float | None:
    if length is None:
        return None
    tokens = parse_number(length)
    if not (tokens >= 1 and tokens == int(tokens)):
        raise UsageError(f"--seq-len must be a whole number of tokens, not {length!r}.")
    return tokens
