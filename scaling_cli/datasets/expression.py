"""Small expressions over the columns of a record: `flops / (6 * params)`, `loss < 3.42`.

Only numbers, text, column names, arithmetic, comparisons, and/or/not and brackets: a card or a
fit file is data, and data must not be able to run code.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from scaling_cli.errors import DataError

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.USub: operator.neg, ast.Not: operator.not_,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


def evaluate(text: str, record: Mapping[str, Any]) -> Any:
    """Return the value of an expression for one record.

    Raises
    ------
    DataError
        If the expression is not one of these, or names a column that is not there.
    """
    try:
        return _value(ast.parse(text, mode="eval").body, record)
    except (SyntaxError, TypeError, ZeroDivisionError) as error:
        raise DataError(f"cannot evaluate {text!r}: {error}.") from error
    except KeyError as error:
        raise DataError(f"{text!r} names {error}, which is no column.") from error


def _value(node: ast.expr, record: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() | str()):
            return node.value
        case ast.Name():
            return record[node.id]
        case ast.UnaryOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_value(node.operand, record))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            left, right = _value(node.left, record), _value(node.right, record)
            return _OPERATORS[type(node.op)](left, right)
        case ast.BoolOp():
            fold = all if isinstance(node.op, ast.And) else any
            return fold(_value(item, record) for item in node.values)
        case ast.Compare() if all(type(x) in _OPERATORS for x in node.ops):
            items = [_value(x, record) for x in (node.left, *node.comparators)]
            pairs = zip(node.ops, items[:-1], items[1:], strict=True)
            return all(_OPERATORS[type(op)](a, b) for op, a, b in pairs)
    raise TypeError(f"{type(node).__name__} is not allowed")
