"""A table for every law in the catalogue: its certified fit's own losses, with a little noise."""

import itertools

import numpy as np

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.runs.points import Points

LEVELS = {1: 15, 2: 4}  # of each input, by how many inputs there are: 15 or 16 rows in all


def own_table(law: str, *, noise: float = 0.002, seed: int = 5) -> Points:
    """Return points of a law's first certified fit on levels that span its anchors."""
    name = next(n for n in kinds.fit_names() if n.partition("/")[0] == law)
    fit = kinds.load(name, Fit)
    symbols = list(fit.law.inputs())
    anchors = {s: [a["inputs"][s] for a in fit.origin["anchors"]] for s in symbols}
    levels = LEVELS.get(len(symbols), 3)
    axes = [
        (np.geomspace if min(v) > 0 else np.linspace)(min(v), max(v), levels)
        for v in anchors.values()
    ]
    columns = dict(zip(symbols, np.array(list(itertools.product(*axes))).T, strict=True))
    output = np.asarray(fit.law(**columns), float)
    shaken = output * np.exp(noise * np.random.default_rng(seed).standard_normal(len(output)))
    return Points(columns, shaken, [f"run{i:02d}" for i in range(len(output))])
