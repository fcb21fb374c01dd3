"""`sc.plan`: the best size and tokens for a budget or a loss, what they cost, what others cost."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._prediction import by_symbol, taken
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws import name_of
from scaling_cli.laws._law import Law
from scaling_cli.planning import hardware
from scaling_cli.planning.allocation import Limits
from scaling_cli.planning.architecture import architecture
from scaling_cli.planning.plan import Planner
from scaling_cli.verbs import _stored
from scaling_cli.verbs._answer import Answer
from scaling_cli.verbs.hparams import hparams
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import C, U, parse_number

Quantity = float | str


def plan(
    fit: kinds.Named | None = None,
    *,
    C: Quantity | Sequence[Quantity] = (),
    target_loss: Quantity | Sequence[Quantity] | None = None,
    params: Quantity | None = None,
    ratio: Quantity | None = None,
    max_params: Quantity | None = None,
    max_tokens: Quantity | None = None,
    unique_tokens: Quantity | None = None,
    inference_tokens: Quantity | None = None,
    overtrain: Sequence[float] | None = None,
    gpu: str | None = None,
    gpus: int | None = None,
    mfu: float = hardware.USUAL_MFU,
    price: float | None = None,
    vocabulary: int = 0,
    level: float = 0.9,
    **inputs: Any,
) -> Answer:
    """Return the best size and tokens for budgets, or the least budgets for losses.

    Parameters
    ----------
    fit : Fit, path or name, optional
        Default: ./fit.json if it is there, else the certified chinchilla/besiroglu-2024.
    C : float or str, or a list of these
        Budgets in FLOP, those of answers included.
    target_loss : float or str, or a list of these
        Values of the target to reach, by the forecast.
    params, ratio : float or str, optional
        What is decided: the size, or tokens per parameter.
    max_params, max_tokens, unique_tokens : float or str, optional
        A ceiling on the size, and the tokens that there are. A law with unique tokens as an input
        takes those and may repeat them; for any other they are a limit.
    inference_tokens : float or str
        Tokens that the model will read and write after training, 2 FLOP per parameter each.
    overtrain : sequence of float
        Multiples of the best tokens per parameter, whose cost is wanted.
    gpu : str, optional
        An accelerator of the table.
    gpus : int, optional
        How many of them.
    mfu : float
        Share of their peak that is reached.
    price : float, optional
        Dollars for an hour of one. Default: of the table, if it has one.
    vocabulary : int
        Entries of the embedding of the model that is sketched.
    level : float
        Nominal coverage of the intervals.
    **inputs : float or str
        The law's inputs that do not grow.

    Raises
    ------
    UsageError
        If nothing is asked, the law has no size and data, what is asked contradicts itself, or no
        compute reaches a loss.
    """
    check_level(level)
    _refuse_shares(mfu, gpu, gpus, price)
    thing, told = _stored.default() if fit is None else (fit, "")
    stored = kinds.load(thing, Fit)
    asked = {"params": params, "ratio": ratio, "max_params": max_params, "max_tokens": max_tokens}
    amounts = {name: _amount(name, value) for name, value in asked.items()}
    unique = _amount("unique_tokens", unique_tokens)
    answers = _amount("inference_tokens", inference_tokens, least=0.0) or 0.0
    held = _held(stored.law, inputs, unique)
    if unique is not None and U.symbol not in stored.law.inputs():
        amounts["max_tokens"] = min(unique, amounts["max_tokens"] or unique)
    planner = Planner(stored, _limits(answers=answers, **amounts), held, level)
    allocations = [*_allocations(planner, _several(C), _several(target_loss))]
    of = hardware.Accelerator.get(gpu, price) if gpu else None
    for found in allocations:
        found["cost"] = of.cost(found["training"], mfu, gpus) if of else None
        found["model"] = _model(stored, found, vocabulary)
    budgets = [(found["C"], float(times)) for found in allocations for times in overtrain or ()]
    return Answer(
        {
            "fit": kinds.name_of(thing),
            "law": name_of(stored.law),
            "target": stored.target,
            "fitted_as": None if stored.turned is None else str(stored.turned),
            "level": level,
            "limits": {**amounts, "unique_tokens": unique, "inference_tokens": answers},
            "held": held,
            "spent": list(stored.law.size_and_data() or ()),
            "allocations": allocations,
            "overtrained": [planner.overtrained(*budget) for budget in budgets],
            "hardware": of.to_record(mfu, gpus) if of else None,
            "warnings": _warnings(planner, allocations),
            "notes": [*([f"{told}."] if told else []), *_notes(stored, unique)],
        },
        "plan",
    )


def _several(values: Any) -> list[Any]:
    if values is None:
        return []
    return [values] if isinstance(values, str) or np.ndim(values) == 0 else list(values)


def _amount(name: str, value: Any, least: float | None = None) -> float | None:
    """Read a quantity; None stays None."""
    if value is None:
        return None
    number = parse_number(value) if isinstance(value, str) else float(value)
    if not np.isfinite(number) or number < 0 or (number == 0 and least is None):
        raise UsageError(f"{name} must be a positive number, not {value!r}.")
    return number


def _refuse_shares(mfu: float, gpu: str | None, gpus: int | None, price: float | None) -> None:
    if not 0 < mfu <= 1:
        hint = f"Write {mfu / 100:g} for {mfu:g} %." if 1 < mfu <= 100 else None
        raise UsageError(f"mfu must lie between 0 and 1, not {mfu:g}.", hint=hint)
    wrong = [n for n, v in (("gpus", gpus), ("price", price)) if v is not None and not v > 0]
    if wrong:
        raise UsageError(f"{wrong[0]} must be a positive number.")
    lonely = [n for n, v in (("gpus", gpus), ("price", price)) if v is not None and gpu is None]
    if lonely:
        raise UsageError(
            f"--{lonely[0]} needs --gpu.", hint=f"Such as --gpu {hardware.names()[1]}."
        )


def _limits(
    *,
    answers: float,
    params: float | None,
    ratio: float | None,
    max_params: float | None,
    max_tokens: float | None,
) -> Limits:
    if params is not None and ratio is not None:
        raise UsageError("--params and --ratio together leave a budget nothing to decide.")
    if params is not None and max_params is not None and params > max_params:
        raise UsageError(f"--params {params:g} is above --max-params {max_params:g}.")
    return Limits(
        size=params, ratio=ratio, most_size=max_params, most_data=max_tokens, answers=answers
    )


def _held(law: Law, inputs: Mapping[str, Any], unique: float | None) -> dict[str, float]:
    """Return the law's inputs that do not grow.

    Raises
    ------
    UsageError
        If the law has no size and data, or an input is missing, unknown or to be planned.
    """
    if law.size_and_data() is None:
        raise UsageError(
            f"law {name_of(law)} has no size and data to split compute between.",
            hint="Plan with a fit of a law of N and D, such as chinchilla.",
        )
    given = by_symbol(taken(law), inputs)
    if unique is not None and U.symbol in law.inputs():
        given.setdefault(U.symbol, unique)
    others = [s for s in law.inputs() if s not in (law.size_and_data() or ())]
    unknown = [s for s in given if s not in others]
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)} is nothing that a plan holds.",
            hint=f"Inputs to hold: {', '.join(others) or 'none'}. Budgets are --compute, sizes "
            "--params.",
        )
    lacking = [s for s in others if s not in given]
    if lacking:
        raise UsageError(
            f"law {name_of(law)} needs {', '.join(lacking)} too.",
            hint=" ".join(f"--input {s}=VALUE" for s in lacking),
        )
    return {s: float(np.ravel(v)[0]) for s, v in given.items()}


def _allocations(
    planner: Planner, budgets: Sequence[Any], losses: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    """Yield an allocation for each budget, or for each loss."""
    if bool(budgets) == bool(losses):
        told = "both --compute and --target-loss were given" if budgets else "nothing to plan for"
        raise UsageError(f"{told}.", hint="Give --compute 1e24, or --target-loss 2.1.")
    for budget in budgets:
        yield planner.allocated(_amount(C.symbol, budget) or 0.0)
    for value in losses:
        wanted = parse_number(value) if isinstance(value, str) else float(value)
        budget, ends = planner.reaching(wanted)
        found = planner.allocated(budget)
        yield {**found, "target_loss": wanted, "C_interval": ends}


def _model(fit: Fit, found: Mapping[str, Any], vocabulary: int) -> dict[str, Any]:
    """Return a concrete model of that size, its batch and learning rate by Step Law."""
    size, data = fit.law.size_and_data() or ("", "")
    advice = hparams(params=found[size], tokens=found[data])
    batch, rate = advice["batch_tokens"]["value"], advice["learning_rate"]["value"]
    return {
        **architecture(found[size], vocabulary),
        "batch_tokens": batch,
        "steps": found[data] / batch,
        "learning_rate": rate,
        "by": advice["fit"],
    }


def _warnings(planner: Planner, allocations: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return what `predict` says against these forecasts and, where it is free, the best size."""
    fit, limits = planner.fit, planner.limits
    points = {s: np.array([found[s] for found in allocations]) for s in fit.law.inputs()}
    told = planner.predicted(points)
    return fit.doubts(told, sized=limits.size is None and limits.ratio is None)


def _notes(fit: Fit, unique: float | None) -> Iterator[str]:
    if unique is not None and U.symbol not in fit.law.inputs():
        yield (
            f"law {name_of(fit.law)} knows no repeated tokens: no more than the unique ones are "
            "planned with. A law with unique tokens as an input may repeat them."
        )
    conventions = fit.data.get("conventions") or {}
    size = (fit.law.size_and_data() or ("",))[0]
    if conventions.get(size):
        counted = str(conventions[size]).replace("_", "-")
        yield f"{size} counts {counted} parameters, as the data of the fit do."
