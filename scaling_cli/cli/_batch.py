"""What `scaling batch` asks of a fit: costs of losses, losses after steps, the best size."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scaling_cli.vocabulary.errors import UsageError

if TYPE_CHECKING:
    from scaling_cli.artefacts.batch_fit import BatchFit, BatchTrajectory
    from scaling_cli.cli._terminal import Terminal

AROUND = (0.25, 1.0, 4.0)  # times the critical batch, where no batch is asked for


@dataclass(frozen=True)
class Asked:
    """Numbers that were asked about; empty where none."""

    N: float | None
    losses: list[float]
    batches: list[float]
    steps: list[float]


def asked(
    params: str | None,
    losses: list[str] | None,
    batches: list[str] | None,
    steps: list[str] | None,
) -> Asked:
    """Read the numbers of the options.

    Raises
    ------
    UsageError
        If one cannot be read, or steps are asked for without a batch.
    """
    from scaling_cli.cli._inputs import read_list
    from scaling_cli.vocabulary.quantities import B_TOKENS, L, N, S, parse_number

    found = Asked(
        None if params is None else parse_number(params, N),
        list(read_list(losses, L) or []),
        list(read_list(batches, B_TOKENS) or []),
        list(read_list(steps, S) or []),
    )
    if found.steps and not found.batches:
        raise UsageError(
            "the loss after so many steps depends on the batch.", hint="Say it: --batch-tokens 1M."
        )
    return found


def refuse_both(fit: str | None) -> None:
    """Refuse a fit beside logs."""
    if fit is not None:
        raise UsageError(
            "logs and --fit were both given.", hint="Logs are fitted; a fit needs no logs."
        )


def refuse_output(path: str | None) -> None:
    """Refuse to write a fit that was only read."""
    if path is not None:
        raise UsageError("there is nothing to write to -o: no logs were fitted.")


def refuse_nothing(asked: Asked) -> None:
    """Refuse a question without numbers."""
    if not (asked.losses or asked.steps):
        raise UsageError(
            "nothing is asked.",
            hint="Give logs to fit, --target-loss, or --steps with --batch-tokens.",
        )


def resolve(name: str | None, terminal: "Terminal", published: str) -> "BatchFit":
    """Return the fit of a file, or the one that two certified fits make.

    Raises
    ------
    UsageError
        If the certified fits are not one of each law.
    """
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.batch_fit import BatchFit

    if name is not None and "," not in name:
        return kinds.load(name, BatchFit)
    if name is None:
        terminal.say(f"fit: certified {published} (--fit chooses another); N without embeddings")
    return _of_certified(name or published)


def _of_certified(names: str) -> "BatchFit":
    from scaling_cli import laws
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.batch_fit import BatchFit, BatchTrajectory
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.vocabulary.outcomes import Status

    fits = [kinds.load(name.strip(), Fit) for name in names.split(",")]
    of = {laws.name_of(fit.law): fit for fit in fits}
    if set(of) != {"kaplan_ns", "critical_batch"}:
        raise UsageError(
            f"--fit needs a fit of kaplan_ns and one of critical_batch, not {', '.join(of)}."
        )
    values = {k: v for fit in of.values() for k, v in fit.parameters.items()}
    return BatchFit(BatchTrajectory(**values), status=Status.PUBLISHED, n_points=0)


def answer(fit: "BatchFit", asked: Asked, level: float) -> dict[str, Any]:
    """Return the record of every question: targets, losses after steps, warnings."""
    return {
        "targets": [_target(fit, asked, loss, level) for loss in asked.losses],
        "losses": [_loss(fit, asked, S, B, level) for B in asked.batches for S in asked.steps],
        "warnings": _beyond(fit, asked),
    }


def _target(fit: "BatchFit", asked: Asked, loss: float, level: float) -> dict[str, Any]:
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


def _at(fit: "BatchFit", asked: Asked, loss: float, B: float, level: float) -> dict[str, Any]:
    N = asked.N or fit.trajectory.N
    E = _with(fit, lambda f: f.cost(loss, B, N=asked.N).E, level)
    return {
        "B": B,
        "S": _with(fit, lambda f: f.cost(loss, B, N=asked.N).S, level),
        "E": E,
        "C": None if N is None else 6 * N * E["value"],
    }


def _loss(fit: "BatchFit", asked: Asked, S: float, B: float, level: float) -> dict[str, Any]:
    found = _with(fit, lambda f: f.loss(S, B, N=asked.N), level)
    return {"N": asked.N or fit.trajectory.N, "S": S, "B": B, "E": S * B, "L": found}


def _with(fit: "BatchFit", quantity: Any, level: float) -> dict[str, Any]:
    """Return a quantity's value and interval; no interval where a replicate cannot reach it."""
    from scaling_cli.vocabulary.errors import FitError

    value = float(quantity(fit.trajectory))
    try:
        found = fit.interval(quantity, level)
    except FitError:
        found = None
    interval = None if found is None else [float(found[0]), float(found[1])]
    return {"value": value, "interval": interval}


def _beyond(fit: "BatchFit", asked: Asked) -> list[str]:
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


def exponents(trajectory: "BatchTrajectory") -> dict[str, float]:
    """Return how the optimum grows with compute, where several sizes were fitted."""
    return {} if trajectory.Nc is None else trajectory.exponents()
