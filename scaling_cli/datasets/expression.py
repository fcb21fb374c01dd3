"""The arithmetic of a card's formula: `flops / (6 * params)` over the columns of one row.

Numbers, column names, + - * / and brackets only: a card is data, and data must not run code.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from scaling_cli.vocabulary.errors import DataError

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}


def evaluate(text: str, row: Mapping[str, Any]) -> Any:
    """Return the value of a formula for one row.

    Raises
    ------
    DataError
        If the formula is not arithmetic, or names a column that is not there.
    """
    try:
        return _value(ast.parse(text, mode="eval").body, row)
    except (SyntaxError, TypeError, ZeroDivisionError) as error:
        raise DataError(f"cannot evaluate {text!r}: {error}.") from error
    except KeyError as error:
        raise DataError(f"{text!r} names {error}, which is no column.") from error


def _value(node: ast.expr, row: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float()):
            return node.value
        case ast.Name():
            return row[node.id]
        case ast.UnaryOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_value(node.operand, row))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_value(node.left, row), _value(node.right, row))
    raise TypeError(f"{type(node).__name__} is not allowed")
