"""Starts from the laws that a law contains, so that no fit ends above theirs.

A single outlier may rank the starts of a rich law badly, and they may all agree on a minimum that
the simpler law undercuts.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import Problem, frame, to_free
from scaling_cli.engine.solve import LANES, solve
from scaling_cli.engine.starts import starts

ITERATIONS = 150


def nested_ends(problem: Problem) -> np.ndarray:
    """Return the best minimum of each law contained, shape (laws, k), in searched coordinates.

    None where parameters are held or tied: that is the user's own law.
    """
    names = problem.frame.names
    found = [np.zeros((0, len(names)))]
    if len(names) == len(problem.law.parameters()):
        found += [_end(problem, name, held) for name, held in problem.law.nested.items()]
    return np.concatenate(found)


def _end(problem: Problem, name: str, held: Mapping[str, float]) -> np.ndarray:
    inner, names = laws.get(name), problem.frame.names
    own = replace(problem, law=inner, frame=frame(inner, {}, {}), penalty=None)
    begin = starts(own)[:LANES]
    places = own.frame.names
    columns = [
        np.full(len(begin), to_free(problem.law, n, held[n]))
        if n in held
        else begin[:, places.index(n)]
        for n in names
    ]
    frozen = np.broadcast_to([n in held for n in names], (len(begin), len(names)))
    # Solved as the outer law with parameters held: that is compiled already.
    ends = solve(problem, np.stack(columns, axis=1), frozen=frozen, max_iterations=ITERATIONS)
    value = np.where(np.isfinite(ends.value), ends.value, np.inf)
    return ends.u[[int(np.argmin(value))]] if len(value) else ends.u
