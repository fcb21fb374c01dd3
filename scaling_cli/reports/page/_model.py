"""What the part of a page that one moves is made of: the law, its draws, its ranges, its limits.

`assets/forecast.js` computes with it what `Fit.predict` computes; tests hold the two together.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import APART, TOKENS, Uncertainty, scatter
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws import _planned
from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import FARTHEST, SHARES
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.planning import allocation, hardware
from scaling_cli.reports import _numbers
from scaling_cli.reports.page._tracing import Untraceable, javascript
from scaling_cli.vocabulary.quantities import C, Domain

ROOM = 100.0  # a slider goes so far beyond the largest run, and a tenth below the smallest
BELOW = 10.0
ACCELERATOR = "h100"


@dataclass(frozen=True)
class Slider:
    """An input that is moved: between which ends, and where it begins."""

    symbol: str
    label: str
    low: float
    high: float
    value: float
    logarithmic: bool


@dataclass(frozen=True)
class Model:
    """A fit that can be asked in a browser.

    Parameters
    ----------
    sliders : sequence of Slider
        Inputs of the law; what grows with compute first.
    script : str
        JavaScript that makes `model`, an object of numbers and functions.
    """

    sliders: Sequence[Slider]
    script: str
    compute: Slider | None
    money: Mapping[str, Any]
    target: str
    level: float


def of(fit: Fit) -> Model | None:
    """Return the model of a fit; None where its law cannot be written down, or knows no range."""
    sliders = [*_sliders(fit)]
    if len(sliders) < len(fit.law.inputs()):
        return None
    try:
        functions = _functions(fit)
    except Untraceable:
        return None
    level = float(fit.selection.get("level", 0.9))
    numbers = {**_numbers_of(fit, level), **_sure(fit.uncertainty, level)}
    lines = [f"const model = {_safe(json.dumps(numbers, allow_nan=False))};"]
    lines += [f"model.{name} = {text};" for name, text in functions.items()]
    made = hardware.Accelerator.get(ACCELERATOR)
    return Model(
        sliders,
        "\n".join(lines),
        _compute(fit, sliders),
        {
            "name": made.name,
            "flops": made.peak * hardware.USUAL_MFU,
            "price": made.price,
            "mfu": _numbers.share(hardware.USUAL_MFU),
            "priced": made.priced,
        },
        fit.measured,
        level,
    )


def _safe(text: str) -> str:
    """Return JSON that may stand in a script: no name in it can end the script."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _start(fit: Fit) -> Mapping[str, float]:
    """Return where sliders begin: at the headline, or beyond the largest run."""
    ranges = fit.data.get("ranges") or {}
    ends = {s: ranges[s][1] for s in fit.law.inputs() if s in ranges}
    return {**ends, **(fit.diagnostics.get("headline") or {})}


def _sliders(fit: Fit) -> Iterator[Slider]:
    ranges, start = fit.data.get("ranges") or {}, _start(fit)
    order = [*fit.law.growing(), *(s for s in fit.law.inputs() if s not in fit.law.growing())]
    for symbol in order:
        quantity = fit.law.inputs()[symbol]
        if symbol not in ranges or symbol not in start:
            continue
        low, high = ranges[symbol]
        meaning = f"{quantity.meaning[0].upper()}{quantity.meaning[1:]}, {symbol}"
        positive, bounded = quantity.domain is Domain.POSITIVE, quantity.domain.rule
        if positive:
            low, high = low / BELOW, max(high, start[symbol]) * ROOM
        elif bounded.startswith("between"):
            low, high = 0.0, 1.0
        yield Slider(symbol, meaning, low, high, start[symbol], positive)


def _compute(fit: Fit, sliders: Sequence[Slider]) -> Slider | None:
    if fit.law.size_and_data() is None:
        return None
    low, high, value = (
        float(fit.law.compute(**{s.symbol: getattr(s, end) for s in sliders}))
        for end in ("low", "high", "value")
    )
    return Slider(C.symbol, f"Training compute, {C.symbol} (FLOP)", low, high, value, True)


def _functions(fit: Fit) -> dict[str, str]:
    """Return the functions of the model as JavaScript."""
    law, names, inputs = type(fit.law), list(fit.law.parameters()), list(fit.law.inputs())
    every = [fit.law, *(b.law for b in fit.uncertainty.beside)] if fit.uncertainty else [fit.law]
    told = [_written(type(one)) for one in every]
    functions = {"laws": f"[{', '.join(told)}]"}
    if law.size_and_data() is None:
        return functions
    functions["compute"] = javascript(lambda _, x: law.compute(**x), (), inputs)
    held = [s for s in inputs if s not in law.growing()]
    try:
        functions["best"] = javascript(
            lambda p, x: _best(law(**p), x[C.symbol], {s: x[s] for s in held}),
            names,
            [C.symbol, *held],
        )
    except Untraceable:
        functions["best"] = "null"
    return functions


def _best(law: Law, compute: Any, held: Mapping[str, Any]) -> Mapping[str, Any]:
    best = law.optimum(compute, **held)
    if best is None:
        raise Untraceable("the law has no optimum in closed form")
    return {s: best[s] for s in law.size_and_data() or ()}


def _written(law: type[Law]) -> str:
    return javascript(lambda p, x: law(**p)(**x), law.parameters(), law.inputs())


def _numbers_of(fit: Fit, level: float) -> dict[str, Any]:
    """Return what every law has."""
    law, ranges = fit.law, fit.data.get("ranges") or {}
    known, beside = [*law.inputs(), law.axis()], getattr(fit.uncertainty, "beside", ())
    return {
        "inputs": list(law.inputs()),
        "spent": list(law.size_and_data() or ()),
        "growing": list(law.growing()),
        "axis": law.axis(),
        "level": level,
        "target": fit.measured,
        "parameters": [one.values() for one in (law, *(b.law for b in beside))],
        "weights": [1.0, *(b.weight for b in beside)],
        "sure": None,
        "turned": None if fit.turned is None else fit.turned.to_dict(),
        "ranges": {s: list(ranges[s]) for s in known if s in ranges},
        "linear": [s for s, q in law.inputs().items() if q.domain is not Domain.POSITIVE],
        "apart": APART,
        "shares": SHARES[0],
        "farthest": float(FARTHEST),
        "search": {
            "answered": allocation.ANSWERED,
            "usual": _planned.USUAL,
            "farthest": float(_planned.FARTHEST),
            "places": _planned.PLACES,
            "golden": float(_planned.GOLDEN),
            "steps": _planned.STEPS,
        },
    }


def _sure(sure: Uncertainty | None, level: float) -> dict[str, Any]:
    """Return what ranges are made of; nothing where a fit has none."""
    if sure is None:
        return {}
    z = quantile(level)
    return {
        "sure": {
            "drift": z * sure.drift,
            "spread": z / NORMAL_90 * sure.spread,
            "widening": sure.widening,
            "largest": dict(sure.largest),
            "scatter": list(scatter(sure.sigma, level)),
            "data_worth": TOKENS,
            "draws": {name: _packed(values) for name, values in sure.draws.items()},
        },
    }


def _packed(values: np.ndarray) -> str:
    """Return doubles as text, bit by bit: shorter than digits, and the same on the other side."""
    return base64.b64encode(np.asarray(values, "<f8").tobytes()).decode("ascii")
