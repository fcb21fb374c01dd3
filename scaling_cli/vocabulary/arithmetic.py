"""Arithmetic as people write it: read, walked, never executed."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """Return the value of numbers, these names, + - * / ** and brackets.

    Raises
    ------
    SyntaxError, TypeError, KeyError, ArithmeticError
        If the text is anything else, names what is not there, or has no value.
    """
    return _value(ast.parse(text, mode="eval").body, names)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name():
            return names[node.id]
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, names)
        case ast.BinOp() if type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    raise TypeError(f"{type(node).__name__} is not allowed")
