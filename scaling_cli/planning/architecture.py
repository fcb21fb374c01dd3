"""A concrete model near a size: layers, width and heads of a dense transformer."""

from typing import Any

import numpy as np

WIDTH_PER_LAYER = 128  # arXiv 2001.08361, figure 5: between 40 and 300 the loss hardly differs
PER_BLOCK = 12  # parameters over the squared width: attention 4, a feed-forward part 8
HEAD = {True: 128, False: 64}  # width of a head of models from a billion parameters on, and below
LARGE = 1e9


def architecture(params: float, vocabulary: int = 0) -> dict[str, Any]:
    """Return the shape of a dense transformer of about this size.

    12 layers width^2 parameters and one embedding, tied to the head.

    Parameters
    ----------
    params : float
        Embedding included where a vocabulary is given.
    vocabulary : int
        Entries of the embedding; 0: parameters without it.
    """
    head = HEAD[params >= LARGE]
    layers = max(1, round((params / (PER_BLOCK * WIDTH_PER_LAYER**2)) ** (1 / 3)))
    # 12 layers width^2 + vocabulary width = params
    quadratic = PER_BLOCK * layers
    width = (np.sqrt(vocabulary**2 + 4 * quadratic * params) - vocabulary) / (2 * quadratic)
    heads = max(1, round(float(width) / head))
    blocks = quadratic * (heads * head) ** 2
    return {
        "layers": layers,
        "width": heads * head,
        "heads": heads,
        "params_non_embedding": blocks,
        "params": blocks + vocabulary * heads * head,
    }
