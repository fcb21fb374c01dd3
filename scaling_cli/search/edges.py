"""Minima at the edge of the domain: starts in which one term of a law is absent.

A floor that the data deny, or a term that they do not show, goes to zero while an exponent follows
it. From where both are alive that slide takes thousands of iterations; without the term, and with
the other coefficients solved for again, it takes a few.
"""

from dataclasses import replace

import numpy as np

from scaling_cli.engine.problem import Frame, Problem, parameters, predictions
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Domain

ABSENT = 45.0  # below the smallest output in ln: a share of 3e-20
EDGE_STARTS = 4
SAME_CURVE = 9  # decimals of ln prediction in which two starts are one


def vanishing(problem: Problem) -> list[str]:
    """Return the searched coefficients whose term can vanish."""
    declared = problem.law.parameters()
    return [
        name
        for name, moved in zip(problem.frame.names, problem.frame.matrix.T, strict=True)
        if declared[name].linear
        and declared[name].domain is Domain.POSITIVE
        and np.count_nonzero(moved) == 1
    ]


def starts_without(problem: Problem, name: str) -> np.ndarray:
    """Return the best starts, shape (m, k), in which one coefficient's term is absent."""
    column = problem.frame.names.index(name)
    reduced = _without(problem, column)
    if problem.penalty is not None or not reduced.frame.names:
        return np.zeros((0, len(problem.frame.names)))
    found = starts(reduced)
    if not len(found):
        return np.zeros((0, len(problem.frame.names)))
    chosen = found[_distinct(reduced, found)[:EDGE_STARTS]]
    return np.insert(chosen, column, _nothing(reduced, chosen, name), axis=1)


def _without(problem: Problem, column: int) -> Problem:
    """Return the problem with one searched coefficient held at zero."""
    frame = problem.frame
    offset = np.where(frame.matrix[:, column] != 0, -np.inf, frame.offset)
    names = tuple(n for i, n in enumerate(frame.names) if i != column)
    return replace(problem, frame=Frame(np.delete(frame.matrix, column, axis=1), offset, names))


def _distinct(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return the rows of u that predict differently, in order: a lost term's exponent is idle."""
    curves = np.log(predictions(problem, parameters(problem, u)))
    _, first = np.unique(np.round(curves, SAME_CURVE), axis=0, return_index=True)
    return np.sort(first)


def _nothing(problem: Problem, u: np.ndarray, name: str) -> np.ndarray:
    """Return the coefficient's logarithm at which its term is a share of exp(-ABSENT)."""
    declared = problem.law.parameters()
    blank = {n: 0 * v if declared[n].linear else v for n, v in parameters(problem, u).items()}
    one = predictions(problem, blank | {name: np.ones(len(u))}) - predictions(problem, blank)
    with np.errstate(divide="ignore"):
        largest = np.log(np.max(one, axis=1))
    return np.log(np.min(problem.output)) - largest - ABSENT
