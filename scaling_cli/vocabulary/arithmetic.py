"""Arithmetic as people write it: read, walked, never executed."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

Operators = Mapping[type[ast.operator], Callable[[Any, Any], Any]]
BASIC: Operators = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
OPERATORS: Operators = {**BASIC, ast.Pow: operator.pow}


def evaluate(text: str, names: Mapping[str, Any], known: Operators = OPERATORS) -> Any:
    """Return the value of numbers, these names, brackets and the operators that are known.

    Raises
    ------
    SyntaxError, TypeError, KeyError, ArithmeticError
        If the text is anything else, names what is not there, or has no value.
    """
    return _value(ast.parse(text, mode="eval").body, names, known)


def _value(node: ast.expr, names: Mapping[str, Any], known: Operators) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name():
            return names[node.id]
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, names, known)
        case ast.BinOp() if type(node.op) in known:
            left, right = (_value(side, names, known) for side in (node.left, node.right))
            return known[type(node.op)](left, right)
    raise TypeError(f"{type(node).__name__} is not allowed")
