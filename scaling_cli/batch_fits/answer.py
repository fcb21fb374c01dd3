"""What a batch fit is asked: costs of losses, losses after steps, the best size."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.vocabulary.errors import FitError, UsageError

AROUND = (0.25, 1.0, 4.0)  # times the critical batch, where no batch is asked for


@dataclass(frozen=True)
class Question:
    """Numbers that are asked about; empty where none.

    Parameters
    ----------
    N : float or None
        Of which size; default, that of the fit.
    losses, batches, steps : sequence of float
        To reach, nats/token; tokens per step; at which the loss is wanted.
    """

    N: float | None = None
    losses: Sequence[float] = ()
    batches: Sequence[float] = ()
    steps: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Refuse steps without a batch."""
        if self.steps and not self.batches:
            raise UsageError(
                "the loss after so many steps depends on the batch.",
                hint="Say it: --batch-tokens 1M.",
            )


def answer(fit: BatchFit, asked: Question, level: float) -> dict[str, Any]:
    """Return the record of every question: targets, losses after steps, warnings."""
    return {
        "targets": [_target(fit, asked, loss, level) for loss in asked.losses],
        "losses": [_loss(fit, asked, S, B, level) for B in asked.batches for S in asked.steps],
        "warnings": _beyond(fit, asked),
    }


def _target(fit: BatchFit, asked: Question, loss: float, level: float) -> dict[str, Any]:
    t, N = fit.trajectory, asked.N
    least = t.cost(loss, N=N)
    batches = asked.batches or [share * float(least.B_crit) for share in AROUND]
    return {
        "N": N or t.N,
        "L": loss,
        "floor": t.min_loss(N),
        "level": level,
        "B_crit": _with(fit, lambda f: f.cost(loss, N=N).B_crit, level),
        "S_min": _with(fit, lambda f: f.cost(loss, N=N).S_min, level),
        "E_min": _with(fit, lambda f: f.cost(loss, N=N).E_min, level),
        "batches": [_at(fit, asked, loss, B, level) for B in batches],
        "optimum": None if t.Nc is None else asdict(t.optimum(loss)),
    }


def _at(fit: BatchFit, asked: Question, loss: float, B: float, level: float) -> dict[str, Any]:
    N = asked.N or fit.trajectory.N
    E = _with(fit, lambda f: f.cost(loss, B, N=asked.N).E, level)
    return {
        "B": B,
        "S": _with(fit, lambda f: f.cost(loss, B, N=asked.N).S, level),
        "E": E,
        "C": None if N is None else 6 * N * E["value"],
    }


def _loss(fit: BatchFit, asked: Question, S: float, B: float, level: float) -> dict[str, Any]:
    loss = _with(fit, lambda f: f.loss(S, B, N=asked.N), level)
    return {"N": asked.N or fit.trajectory.N, "S": S, "B": B, "E": S * B, "L": loss}


def _with(fit: BatchFit, quantity: Any, level: float) -> dict[str, Any]:
    """Return a quantity's value and interval; no interval where a replicate cannot reach it."""
    value = float(quantity(fit.trajectory))
    try:
        ends = fit.interval(quantity, level)
    except FitError:
        ends = None
    interval = None if ends is None else [float(ends[0]), float(ends[1])]
    return {"value": value, "interval": interval}


def _beyond(fit: BatchFit, asked: Question) -> list[str]:
    """Return a sentence per question that lies outside what was fitted."""
    ranges = fit.data.get("ranges")
    if not ranges:
        return []
    told = []
    for loss in asked.losses:
        low, high = ranges["L"]
        if not low <= loss <= high:
            told.append(
                f"a loss of {loss:g} lies outside the fitted ones, {low:.4g} to {high:.4g}: both "
                "laws are extrapolated."
            )
    for B in asked.batches:
        low, high = ranges["B_tokens"]
        if not low <= B <= high:
            told.append(
                f"a batch of {B:g} tokens lies outside those that were run, {low:g} to {high:g}."
            )
    return told
