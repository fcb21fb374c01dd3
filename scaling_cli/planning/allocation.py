"""The size and data of least loss that a budget buys, under limits; draws of the law at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.laws._planned import FARTHEST, STEPS, around, least

ANSWERED = 2.0  # FLOP per parameter and token that a model reads or writes after training
SAME = 1e-9  # within which a size is at its ceiling: what a search tells apart


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is decided already, and what must not be exceeded.

    Parameters
    ----------
    size : float, optional
        The model's size.
    ratio : float, optional
        Tokens per parameter.
    most_size, most_data : float, optional
        A ceiling on the size; the tokens that there are.
    answers : float
        Tokens that the model will read and write once it is trained: 2 FLOP per parameter each,
        paid from the same budget (arXiv 2401.00448, eq. 1).
    """

    size: float | None = None
    ratio: float | None = None
    most_size: float | None = None
    most_data: float | None = None
    answers: float = 0.0

    @property
    def are_none(self) -> bool:
        """Whether size and data are free, and training is all there is to pay."""
        return self == Limits()


def best(
    law: Law, budget: float | np.ndarray, limits: Limits, held: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return size and data of least loss within a budget and limits.

    Parameters
    ----------
    law : Law
        With a size and data. Its parameters may be draws, of shape (draws,).
    budget : float or array
        In FLOP, what answers cost included; of a shape that broadcasts against the parameters.
    limits : Limits
    held : mapping of symbol to float
        Inputs that do not grow.

    Returns
    -------
    sizes, data : arrays
        NaN where the budget does not pay for the answers, and where the law has no best split
        between the smallest and the largest size that are looked at.
    """
    shape = np.broadcast_shapes(np.shape(budget), *(np.shape(v) for v in law.values().values()))
    spent = np.broadcast_to(np.asarray(budget, float), shape)
    if limits.size is None and limits.ratio is None:
        free = law.optimum(spent, **held) if limits.are_none else None
        if free is not None:
            size, data = law.size_and_data() or ("", "")
            return np.broadcast_to(free[size], shape), np.broadcast_to(free[data], shape)
        sizes = np.exp(_least(law, spent, limits, held))
    elif limits.size is not None:
        sizes = np.full(shape, limits.size)
    else:
        sizes = np.exp(_at_ratio(law, spent, limits, held))
        if limits.most_data is not None:
            sizes = np.minimum(sizes, limits.most_data / (limits.ratio or np.nan))
    if limits.most_size is not None:
        sizes = np.where(sizes < limits.most_size * (1 - SAME), sizes, limits.most_size)
    return sizes, data_left(law, sizes, spent, limits, held)


def total(law: Law, inputs: Mapping[str, np.ndarray | float], limits: Limits) -> np.ndarray:
    """Return what training costs and the answers after it, in FLOP."""
    size = inputs[(law.size_and_data() or ("",))[0]]
    return np.asarray(law.compute(**inputs) + ANSWERED * limits.answers * size, float)


def at(
    law: Law, sizes: np.ndarray, data: np.ndarray, held: Mapping[str, float]
) -> dict[str, np.ndarray | float]:
    """Return the law's inputs."""
    size, tokens = law.size_and_data() or ("", "")
    return {**held, size: sizes, tokens: data}


def data_left(
    law: Law, sizes: np.ndarray, budget: np.ndarray, limits: Limits, held: Mapping[str, float]
) -> np.ndarray:
    """Return the data that sizes leave to buy, NaN where the answers take all; shapes broadcast."""
    size, data = law.size_and_data() or ("", "")
    left = budget - ANSWERED * limits.answers * sizes
    paid = np.where(left > 0, left, np.nan)
    bought = np.asarray(law.spending(paid, **held, **{size: sizes})[data], float)
    if limits.ratio is not None:
        bought = np.minimum(bought, limits.ratio * sizes)  # where a ceiling on the size holds
    return bought if limits.most_data is None else np.minimum(bought, limits.most_data)


def _least(law: Law, budget: np.ndarray, limits: Limits, held: Mapping[str, float]) -> np.ndarray:
    """Return ln N of least loss under limits."""

    def loss(places: np.ndarray) -> np.ndarray:
        sizes = np.exp(places)
        return np.asarray(law(**at(law, sizes, data_left(law, sizes, budget, limits, held), held)))

    top, bottom = around(budget) + FARTHEST, around(budget) - FARTHEST
    if limits.most_size is not None:
        top = np.minimum(top, np.log(limits.most_size))
    return least(loss, np.minimum(bottom, top - 1), top, capped=limits.most_size is not None)


def _at_ratio(
    law: Law, budget: np.ndarray, limits: Limits, held: Mapping[str, float]
) -> np.ndarray:
    """Return ln N at which size and as many tokens for each cost the budget."""
    low, high = around(budget) - 2 * FARTHEST, around(budget) + 2 * FARTHEST
    for _ in range(2 * STEPS):
        middle = (low + high) / 2
        sizes = np.exp(middle)
        cost = total(law, at(law, sizes, (limits.ratio or 0.0) * sizes, held), limits)
        low, high = np.where(cost < budget, middle, low), np.where(cost < budget, high, middle)
    return (low + high) / 2
