"""Everything `scaling hparams` says, as one JSON object: advice, rivals, reach, the valley."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scaling_cli import laws
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import written_fields
from scaling_cli.artefacts.hparams import Advice, Difference, Recipe, advise, cost, differences
from scaling_cli.hparam_fits.fitting import NearBest
from scaling_cli.vocabulary.jsonfile import nulls
from scaling_cli.vocabulary.quantities import B_TOKENS, FLOPS_PER_PARAM_TOKEN, LR, short_number

FAR = 10.0  # beyond the sweep by this factor in N or D nothing like it was tried
DISTANT = 2.0  # joint standard deviations at which two recipes are said to disagree
CERTAIN_EXCESS = (0.0025, 0.01)  # of loss, for the width of the valley
PUBLISHED = "li-2025"
RELEASED = "li-2025-released"
_NAMES = {LR.symbol: "learning rate", B_TOKENS.symbol: "batch"}


@dataclass(frozen=True)
class Other:
    """A published rule whose constants were read in others' notes, not in the paper.

    Parameters
    ----------
    name, source, caveat : str
    learning_rate, batch : function of (N, D), the batch's optional
        N without the embedding, batch in tokens.
    """

    name: str
    source: str
    caveat: str
    learning_rate: Callable[[float, float], float]
    batch: Callable[[float, float], float] | None = None


OTHERS = (
    Other(
        "DeepSeek LLM",
        "arXiv:2401.02954",
        "of compute alone; its C counts attention too, 6ND stands in",
        learning_rate=lambda N, D: 0.3118 * (FLOPS_PER_PARAM_TOKEN * N * D) ** -0.1250,
        batch=lambda N, D: 0.2920 * (FLOPS_PER_PARAM_TOKEN * N * D) ** 0.3271,
    ),
    Other(
        "MM1",
        "arXiv:2403.09611",
        "of size alone",
        learning_rate=lambda N, _: math.exp(-0.4214 * math.log(N) - 0.5535),
    ),
)


def report(
    recipe: Recipe,
    rival: Recipe | None,
    point: tuple[float, float] | None,
    *,
    level: float,
    sequence: float | None = None,
    rule: NearBest | None = None,
    released: bool = True,
) -> dict[str, Any]:
    """Return what a recipe says at a point, beside others.

    Parameters
    ----------
    recipe : Recipe
        What is asked.
    rival : Recipe or None
        What it is compared with.
    point : (N, D) or None
        Default: the largest cell of the sweep.
    level : float
        Of the intervals.
    sequence : float, optional
        Tokens of a sequence.
    rule : NearBest, optional
        The same sweep by the rule of Step Law's authors.
    released : bool
        Whether the refit of the authors' released runs is shown as well.

    Raises
    ------
    UsageError
        If N or D is not positive and finite, or the level not between 0 and 1.
    """
    N, D = point or _largest(recipe)
    advice = advise(recipe, N, D, level=level)
    others = [r for r in (rival, _released(recipe, rival) if released else None) if r is not None]
    return nulls(
        {
            "fit": recipe.name,
            "level": level,
            "convention": _convention(recipe),
            **advice.to_dict(),
            "sequences": advice.sequences(sequence),
            "valid": _valid(recipe),
            "warnings": _warnings(recipe, advice),
            "valley": _valley(recipe),
            "rivals": [_rival(recipe, r, N, D, level) for r in others],
            "authors_rule": None if rule is None else _by_rule(rule, N, D),
            "others_say": _others(N, D),
            "laws": [
                {
                    "law": laws.name_of(f.law),
                    "output": s,
                    "parameters": f.parameters,
                    "intervals": dict(f.intervals),
                }
                for s, f in recipe.fits().items()
            ],
            "cells": list(recipe.cells),
            "left_out": [asdict(x) for x in recipe.left_out],
            "notes": list(recipe.notes),
        }
    )


def _largest(recipe: Recipe) -> tuple[float, float]:
    """Return N and D of the largest cell; of published laws, the ends of their ranges."""
    if not recipe.cells:
        ranges = recipe.learning_rate.data["ranges"]
        return float(ranges["N"][1]), float(ranges["D"][1])
    cell = max(recipe.cells, key=lambda c: c["N"] * c["D"])
    return float(cell["N"]), float(cell["D"])


def _released(recipe: Recipe, rival: Recipe | None) -> Recipe | None:
    """Return what the released runs say, beside the published constants."""
    shown = {recipe.name, "" if rival is None else rival.name}
    return kinds.load(RELEASED, Recipe) if PUBLISHED in shown else None


def _convention(recipe: Recipe) -> str:
    return str((recipe.learning_rate.data.get("conventions") or {}).get("N", ""))


def _valid(recipe: Recipe) -> dict[str, Any]:
    known = (fit.data.get("ranges") or {} for fit in recipe.fits().values())
    ranges = {symbol: ends for own in known for symbol, ends in own.items()}
    return {"ranges": ranges, "setting": list(recipe.learning_rate.origin.get("setting", ()))}


def _warnings(recipe: Recipe, advice: Advice) -> list[str]:
    found = []
    for symbol in ("N", "D"):
        factor = advice.beyond.get(symbol, 1.0)
        if factor >= FAR * (1 - 1e-9):
            found.append(
                f"{symbol} lies {factor:.3g} times outside the sweep: nothing here shows that its "
                "power law goes on so far, and the intervals take for granted that it does. Sweep "
                "at a size in between."
            )
    for symbol, name in _NAMES.items():
        factor = advice.beyond.get(symbol, 1.0)
        if factor > 1:
            found.append(f"the {name} lies {factor:.3g} times outside those that were tried.")
    if advice.batch is not None and advice.steps is not None and advice.steps < 1:
        found.append("the batch holds more tokens than the run: D lies far outside the sweep.")
    if recipe.batch is None:
        found.append("no batch can be advised: the sweep did not vary it.")
    return found


def _valley(recipe: Recipe) -> dict[str, Any] | None:
    if recipe.flatness is None:
        return None
    flat, widths = recipe.flatness, []
    for e in CERTAIN_EXCESS:
        ways = {"factors": flat.factors(e), "retuned": flat.retuned(e), "compute": flat.compute(e)}
        widths.append({"excess": e, **ways})
    return {**written_fields(flat), "widths": widths, "rate_per_batch": flat.rate_per_batch()}


def _rival(recipe: Recipe, other: Recipe, N: float, D: float, level: float) -> dict[str, Any]:
    found = differences(recipe, other, N, D)
    return {
        "fit": other.name,
        **advise(other, N, D, level=level).to_dict(),
        "convention": _convention(other),
        "differences": [d.to_dict() for d in found],
        "disagree": _apart(found),
        "excess_loss": cost(recipe, found),
        "sentence": _sentence(recipe, other, found),
    }


def _short(symbol: str, value: float) -> str:
    digits = f"{value:.3g}"
    return digits if symbol == LR.symbol else f"{short_number(float(digits))} tokens"


def _apart(found: Sequence[Difference]) -> bool:
    return any((d.distance or 0.0) >= DISTANT for d in found)


def _sentence(recipe: Recipe, other: Recipe, found: Sequence[Difference]) -> str:
    parts = []
    for d in found:
        there, here = (_short(d.symbol, v) for v in (d.there, d.here))
        told = f"the {_NAMES[d.symbol]} at {there}, {recipe.name} at {here}"
        told += "" if d.distance is None else f" ({d.distance:.1f} joint sd apart)"
        parts.append(told)
    verdict = "they disagree" if _apart(found) else "that is within their uncertainty"
    text = f"{other.name} puts {' and '.join(parts)}: {verdict}."
    if (price := cost(recipe, found)) is not None:
        text += f" In the valley of {recipe.name} the values of {other.name} cost "
        text += f"{100 * price:.2g} % of loss."
    one, two = _convention(recipe), _convention(other)
    if one != two:
        text += f" N counts {one or 'as not stated'} here and {two or 'as not stated'} there."
    return text


def _by_rule(rule: NearBest, N: float, D: float) -> dict[str, Any]:
    values = [float(law(N=N, D=D)) for law in rule.laws()]
    advised = dict(zip((LR.column, B_TOKENS.column), values, strict=False))
    return {**rule.to_dict(), **advised}


def _others(N: float, D: float) -> list[Mapping[str, Any]]:
    told = []
    for o in OTHERS:
        head = {"name": o.name, "source": o.source, "caveat": o.caveat, "certified": False}
        batch = None if o.batch is None else o.batch(N, D)
        told.append(head | {LR.column: o.learning_rate(N, D), B_TOKENS.column: batch})
    return told
