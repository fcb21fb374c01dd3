"""Published advice: certified recipes by name, and what others say, which is not certified."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scaling_cli import laws
from scaling_cli.artefacts.certified import fit_names, resolve
from scaling_cli.artefacts.recipe import Recipe, load
from scaling_cli.vocabulary.errors import UsageError, near
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, LR

PUBLISHED = "li-2025"
RELEASED = "li-2025-released"


def recipe_names() -> list[str]:
    """Return the certified recipes: names that fits of a learning rate and of a batch share."""
    found = (name.split("/") for name in fit_names(of_curves=False))
    return sorted(stem for law, stem in found if laws.get(law).output() is LR)


def resolve_recipe(text: str) -> Recipe:
    """Return the recipe that a file or a certified name stands for.

    Raises
    ------
    UsageError
        If it is neither; near names are suggested.
    DataError
        If the file holds none.
    """
    if Path(text).is_file():
        return load(text)
    if text not in recipe_names():
        raise UsageError(
            f"{text!r} is neither a file nor a certified recipe.",
            hint=near(text, recipe_names(), "certified recipes"),
        )
    fits = [resolve(name) for name in fit_names(of_curves=False) if name.split("/")[1] == text]
    return Recipe.of_fits(fits, name=text)


@dataclass(frozen=True)
class Other:
    """A published rule whose constants were read in others' notes, not in the paper.

    Parameters
    ----------
    name, source, caveat : str
    learning_rate, batch : function of (N, D), optional
        N without the embedding, batch in tokens.
    """

    name: str
    source: str
    caveat: str
    learning_rate: Callable[[float, float], float] | None = None
    batch: Callable[[float, float], float] | None = None


def _compute(N: float, D: float) -> float:
    return FLOPS_PER_PARAM_TOKEN * N * D


def _of_size(N: float, D: float) -> float:
    del D
    return math.exp(-0.4214 * math.log(N) - 0.5535)


OTHERS = (
    Other(
        "DeepSeek LLM",
        "arXiv:2401.02954",
        "of compute alone; its C counts attention too, 6ND stands in",
        learning_rate=lambda N, D: 0.3118 * _compute(N, D) ** -0.1250,
        batch=lambda N, D: 0.2920 * _compute(N, D) ** 0.3271,
    ),
    Other(
        "MM1",
        "arXiv:2403.09611",
        "of size alone",
        learning_rate=_of_size,
    ),
)
