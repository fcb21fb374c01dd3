"""A traced function with every operation done once.

Derivatives are traced one by one, each beginning with the law itself. XLA merges what is alike
within one computation, but it first moves what does not change out of a loop, one copy for each
use; what depends on the copies is then no longer alike. Merged here, the derivatives of a law
have a third of the operations, so that they also compile sooner.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import core

EITHER_WAY = ("add", "mul", "max", "min")  # of two operands, whose order does not matter


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays that traces to each operation on the same operands once."""

    def merged(*args: Any) -> Any:
        flat, tree = jax.tree.flatten(args)

        def flattened(*leaves: Any) -> Any:
            return function(*jax.tree.unflatten(tree, leaves))

        program, shape = jax.make_jaxpr(flattened, return_shape=True)(*flat)
        results = core.eval_jaxpr(_merged(program.jaxpr), program.consts, *flat)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return merged


def _merged(program: Any) -> Any:
    """Return a program in which results of equal operations are the first one's."""
    first: dict[Any, list[Any]] = {}
    instead: dict[Any, Any] = {}
    kept = []
    for operation in program.eqns:
        operands = [_taken(v, instead) for v in operation.invars]
        told: Any = tuple(map(_told, operands))
        if operation.primitive.name in EITHER_WAY:
            told = frozenset(told)
        key = (operation.primitive, told, *_settings(operation.params))
        if key in first:
            instead |= zip(operation.outvars, first[key], strict=True)
            continue
        first[key] = operation.outvars
        kept.append(operation.replace(invars=operands))
    return program.replace(eqns=kept, outvars=[_taken(v, instead) for v in program.outvars])


def _taken(variable: Any, instead: dict[Any, Any]) -> Any:
    return variable if hasattr(variable, "val") else instead.get(variable, variable)


def _told(operand: Any) -> Any:
    """Return what tells operands apart: a literal is its value and type, a variable itself."""
    return (repr(operand.val), str(operand.aval)) if hasattr(operand, "val") else operand


def _settings(params: dict[str, Any]) -> list[Any]:
    """Return what tells settings apart: values where they compare, else which object it is."""
    told: list[Any] = []
    for name in sorted(params):
        try:
            hash(params[name])
        except TypeError:
            told.append((name, id(params[name])))
        else:
            told.append((name, params[name]))
    return told
