"""What `predict` is asked for, as people write it: names of columns, texts, compute."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law, optimum
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import (
    BY_SYMBOL,
    FLOPS_PER_PARAM_TOKEN,
    QUANTITIES,
    C,
    D,
    Quantity,
    parse_number,
)

AGREE = 0.01  # three of N, D and C may differ from C = 6ND by rounding, not by more


def completed(law: Law, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a law's inputs by symbol, what is missing worked out from the compute.

    With N or D, C gives the other by C = 6ND; alone, the law's own optimum.

    Raises
    ------
    UsageError
        If a quantity is given twice, or what is given contradicts itself or says too little.
    """
    given: dict[str, Any] = {}
    for name, value in inputs.items():
        symbol = symbol_of(name)
        if symbol in given:
            raise UsageError(f"{symbol} is given twice.")
        given[symbol] = _number(value, BY_SYMBOL.get(symbol))
    if C.symbol not in given or C.symbol in law.inputs():
        return given
    size = next((s for s in ("N", "N_avg") if s in law.inputs()), "N")
    return _with_compute(law, given, given.pop(C.symbol), size)


def symbol_of(name: str) -> str:
    """Return the symbol that a name stands for: itself, or that of a column or its alias."""
    if name in BY_SYMBOL or len(name) == 1:  # a letter is the symbol that it is: n is no N
        return name
    known = (q.symbol for q in QUANTITIES.values() if name == q.column or name in q.aliases)
    return next(known, name)


def _number(value: Any, quantity: Quantity | None) -> Any:
    return parse_number(value, quantity) if isinstance(value, str) else value


def _with_compute(law: Law, given: dict[str, Any], compute: Any, size: str) -> dict[str, Any]:
    per = FLOPS_PER_PARAM_TOKEN
    flops = np.asarray(compute, float)
    if size in given and D.symbol in given:
        product = per * np.asarray(given[size], float) * np.asarray(given[D.symbol], float)
        if not np.allclose(product, flops, rtol=AGREE, atol=0.0):
            raise UsageError(
                f"{size}, D and C contradict C = 6{size}D.", hint=f"Give two of {size}, D and C."
            )
        return given
    for known, other in ((size, D.symbol), (D.symbol, size)):
        if known in given:
            return {**given, other: flops / (per * np.asarray(given[known], float))}
    each = [optimum(law, float(budget)) for budget in np.atleast_1d(flops)]
    points = [point for point in each if point is not None]
    if not points:
        raise UsageError(
            "this law has no compute-optimal point, so C alone says too little.",
            hint=f"Give its inputs: {', '.join(law.inputs())}.",
        )
    return {**{s: np.array([point[s] for point in points]) for s in points[0]}, **given}
