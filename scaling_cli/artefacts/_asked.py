"""What `predict` is asked for, as people write it: names of columns, texts, compute."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import C, Quantity, parse_number, recognised

AGREE = 0.01  # size, data and compute may differ from the law's count by rounding, not by more


def completed(law: Law, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a law's inputs by symbol, what is missing worked out from the compute.

    With size or data, C gives the other by the law's count of compute; alone, its own optimum.

    Raises
    ------
    UsageError
        If a quantity is given twice, or what is given contradicts itself or says too little.
    """
    given = by_symbol(law, inputs)
    spent = law.size_and_data()
    if C.symbol not in given or C.symbol in law.inputs() or spent is None:
        return given
    return _spending(law, given, np.asarray(given.pop(C.symbol), float), spent)


def by_symbol(law: Law, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given by the symbols of the law, texts as numbers.

    Raises
    ------
    UsageError
        If a quantity is given twice, or a text cannot be read.
    """
    given: dict[str, Any] = {}
    for name, value in inputs.items():
        quantity = _meant(name, law)
        symbol = quantity.symbol if quantity else name
        if symbol in given:
            raise UsageError(f"{symbol} is given twice.")
        given[symbol] = parse_number(value, quantity) if isinstance(value, str) else value
    return given


def _meant(name: str, law: Law) -> Quantity | None:
    """Return the quantity that a name stands for; a letter is the symbol that it is: n is no N."""
    known = {C.symbol: C, **law.inputs()}
    return known.get(name) if len(name) == 1 else recognised(name, known.values())


def _spending(
    law: Law, given: dict[str, Any], compute: np.ndarray, spent: tuple[str, str]
) -> dict[str, Any]:
    known = {s: np.asarray(value, float) for s, value in given.items()}
    there = [symbol for symbol in spent if symbol in given]
    if len(there) == 1:
        return law.spending(compute, **known)
    if there:
        if not np.allclose(np.asarray(law.compute(**known), float), compute, rtol=AGREE, atol=0.0):
            named = f"{', '.join(spent)} and {C.symbol}"
            hint = f"Give two of {named}."
            raise UsageError(f"{named} contradict {law.compute_in_words()}.", hint=hint)
        return given
    best = law.optimum(compute, **known) if set(known) <= set(law.inputs()) else None
    if best is None:
        raise UsageError(
            f"this law has no compute-optimal point, so {C.symbol} alone says too little.",
            hint=f"Give its inputs: {', '.join(law.inputs())}.",
        )
    return best
