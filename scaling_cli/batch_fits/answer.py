"""What a batch fit is asked: costs of losses, losses after steps, the best size."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf
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
    S, E = (_with(fit, lambda f, q=q: getattr(f.cost(loss, B, N=asked.N), q), level) for q in "SE")
    return {"B": B, "S": S, "E": E, "C": None if N is None else 6 * N * E["value"]}


def _loss(fit: BatchFit, asked: Question, S: float, B: float, level: float) -> dict[str, Any]:
    loss = _with(fit, lambda f: f.loss(S, B, N=asked.N), level)
    return {"N": asked.N or fit.trajectory.N, "S": S, "B": B, "E": S * B, "L": loss}


def _with(fit: BatchFit, quantity: Any, level: float) -> dict[str, Any]:
    """Return a quantity's value and interval; no interval where a replicate cannot reach it."""
    value, ends = float(quantity(fit.trajectory)), None
    with suppress(FitError):
        ends = fit.interval(quantity, level)
    return {"value": value, "interval": None if ends is None else [*map(float, ends)]}


def _beyond(fit: BatchFit, asked: Question) -> list[str]:
    """Return a sentence per question that lies outside what was fitted."""
    ranges = fit.data.get("ranges") or {"L": (0.0, inf), "B_tokens": (0.0, inf)}
    (low, high), (least, most) = ranges["L"], ranges["B_tokens"]
    fitted = f"the fitted ones, {low:.4g} to {high:.4g}: both laws are extrapolated."
    run = f"those that were run, {least:g} to {most:g}."
    losses = [L for L in asked.losses if not low <= L <= high]
    batches = [B for B in asked.batches if not least <= B <= most]
    told = [f"a loss of {L:g} lies outside {fitted}" for L in losses]
    return told + [f"a batch of {B:g} tokens lies outside {run}" for B in batches]
