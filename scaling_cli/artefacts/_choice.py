"""Which law: what a choice among several laws rested on, as a fit keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeldBack:
    """Runs that were held back, and how far from them each law forecast.

    Parameters
    ----------
    axis : str
        What they are the largest in.
    train_max : float
        The largest value that was fitted.
    n_train, n_test : int
    errors : mapping of law to float
        Root mean square of ln forecast - ln measured.
    """

    axis: str
    train_max: float
    n_train: int
    n_test: int
    errors: Mapping[str, float]


@dataclass(frozen=True)
class Ranked:
    """A law among those that were tried.

    Parameters
    ----------
    law : str
    inputs : sequence of str
    parameters : int
        How many were fitted.
    error : float or None
        Its held-back error: geometric mean over the cuts, and over the axes that were cut.
    weight : float
        Its share of the forecast.
    told : str
        Why it has none; or, of a law that has one, what is to say.
    """

    law: str
    inputs: Sequence[str]
    parameters: int
    error: float | None
    weight: float
    told: str = ""


@dataclass(frozen=True)
class Choice:
    """The laws that were tried, best first, what they were tried on, and a sentence on the choice.

    Parameters
    ----------
    laws : sequence of Ranked
    cuts : sequence of HeldBack
    reason : str
    """

    laws: Sequence[Ranked]
    cuts: Sequence[HeldBack]
    reason: str
