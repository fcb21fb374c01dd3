"""The `--where` expression: which rows to take, in a small language over columns.

    role == "fit" and params < 1B
    schedule in ["cosine", "wsd"] and not tokens / params > 400
    `eval/c4` < 3.2

Comparisons, `and`, `or`, `not`, `in`, arithmetic, text in quotes, numbers with a suffix. A column
name that is not one word stands in backticks. Nothing is ever executed: the expression is parsed
and walked. A comparison with a missing value is false.
"""

import ast
import difflib
import functools
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.vocabulary.arithmetic import OPERATORS
from scaling_cli.vocabulary.errors import UsageError

_TOKEN = re.compile(
    r"""(?P<text>"[^"]*"|'[^']*')|`(?P<name>[^`]*)`"""
    r"""|(?<![\w.])(?P<number>\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?)(?P<suffix>[kKmMbBgGtT])\b"""
)
_SUFFIX = {"k": "e3", "m": "e6", "b": "e9", "g": "e9", "t": "e12"}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EXAMPLE = "Such as 'params < 1B and role == \"fit\"'."
# A column by name: float64 (missing is NaN) or objects (text; missing is None); KeyError if none.
Lookup = Callable[[str], np.ndarray]


def rows_where(expression: str, column: Lookup, names: Sequence[str], length: int) -> np.ndarray:
    """Return which rows an expression selects.

    Parameters
    ----------
    expression : str
        See the head of this file.
    column : callable
        Returns a column of `length` rows by name, or raises KeyError.
    names : sequence of str
        All column names, for the message.
    length : int
        Number of rows.

    Returns
    -------
    bool array, shape (length,)

    Raises
    ------
    UsageError
        If the expression cannot be read, names an unknown column, or is not a condition.
    """
    quoted: dict[str, str] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # what it means is judged here
            tree = ast.parse(_prepared(expression, quoted).strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        hint = "Write == to compare." if re.search(r"(?<![<>=!])=(?!=)", expression) else _EXAMPLE
        raise UsageError(f"cannot read --where {expression!r}.", hint=hint) from error
    walk = _Walk(expression, column, names, quoted)
    try:
        value = walk.evaluate(tree.body)
    except TypeError as error:
        told = f"--where {expression!r} compares text with numbers."
        raise UsageError(told, hint=_EXAMPLE) from error
    except (OverflowError, RecursionError) as error:
        told = f"--where {expression!r} holds a number that is too large, or too many parts."
        raise UsageError(told, hint=_EXAMPLE) from error
    kept = np.broadcast_to(np.asarray(value), (length,))
    if kept.dtype != bool:
        raise UsageError(f"--where {expression!r} is not a condition.", hint=_EXAMPLE)
    return kept.copy()


def _prepared(expression: str, quoted: dict[str, str]) -> str:
    """Replace `1B` by `1e9` and names in backticks by placeholders, outside quoted text."""

    def replace(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match["text"]
        if match["name"] is not None:
            placeholder = f"_column_{len(quoted)}_"
            quoted[placeholder] = match["name"]
            return placeholder
        return repr(float(match["number"]) * float("1" + _SUFFIX[match["suffix"].lower()]))

    return _TOKEN.sub(replace, expression)


@dataclass(frozen=True)
class _Walk:
    """Evaluates one parsed expression."""

    expression: str
    column: Lookup
    names: Sequence[str]
    quoted: Mapping[str, str]

    def refused(self, message: str, hint: str | None = None) -> UsageError:
        """Return the refusal of a part of the expression."""
        return UsageError(f"--where {self.expression!r}: {message}", hint=hint)

    def evaluate(self, node: ast.expr) -> Any:
        """Return the value of a node: a column, a number, a text, or a condition."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            may = "may hold comparisons, and, or, not, in and arithmetic, not"
            told = f"--where {self.expression!r} {may} {ast.unparse(node)!r}."
            raise UsageError(told, hint=_EXAMPLE)
        return method(node)

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bool):
            return str(node.value)  # logs write True and False as text
        if not isinstance(node.value, int | float | str):
            raise TypeError(node.value)
        return node.value

    def _name(self, node: ast.Name) -> np.ndarray:
        name = self.quoted.get(node.id, node.id)
        try:
            return self.column(name)
        except KeyError:
            raise self._unknown(name) from None

    def _unknown(self, name: str) -> UsageError:
        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.5)
        near += [n for n in self.names if name in re.split(r"\W", n) and n not in near]
        quoted = [n if n.isidentifier() else f"`{n}`" for n in near[:3]]
        guess = f"Did you mean {' or '.join(quoted)}? " if near else ""
        hint = f"{guess}Columns: {', '.join(self.names)}. Text stands in quotes."
        return self.refused(f"there is no column {name!r}.", hint)

    def _boolop(self, node: ast.BoolOp) -> np.ndarray:
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return functools.reduce(join, [self._condition(value) for value in node.values])

    def _condition(self, node: ast.expr) -> np.ndarray:
        value = np.asarray(self.evaluate(node))
        if value.dtype != bool:
            raise self.refused(f"{ast.unparse(node)!r} is not a condition.", _EXAMPLE)
        return value

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not | ast.Invert):
            return ~self._condition(node.operand)
        value = self.evaluate(node.operand)
        return -value if isinstance(node.op, ast.USub) else +value

    def _binop(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            join = np.logical_and if isinstance(node.op, ast.BitAnd) else np.logical_or
            return join(self._condition(node.left), self._condition(node.right))
        if type(node.op) not in OPERATORS:
            raise self.refused(f"{ast.unparse(node)!r} is not known.")
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        if _is_text(left) or _is_text(right):
            raise TypeError("arithmetic with text")
        with np.errstate(all="ignore"):  # a value that cannot be computed compares as false
            return OPERATORS[type(node.op)](np.float64(left), right)

    def _compare(self, node: ast.Compare) -> np.ndarray:
        left = self.evaluate(node.left)
        held = np.asarray(True)
        for sign, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(sign, ast.In | ast.NotIn):
                right = [self.evaluate(item) for item in self._items(right_node)]
                inside = np.any([_compared(ast.Eq, left, item) for item in right], axis=0)
                held = held & (~inside & _there(left) if isinstance(sign, ast.NotIn) else inside)
                continue
            if type(sign) not in _COMPARE:
                raise self.refused("'is' is not known; write ==.")
            right = self.evaluate(right_node)
            held, left = held & _compared(type(sign), left, right), right
        return held

    def _items(self, node: ast.expr) -> list[ast.expr]:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set) or not node.elts:
            hint = 'Such as \'schedule in ["cosine", "wsd"]\'.'
            raise self.refused("'in' needs a list.", hint)
        return node.elts


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object)


def _there(value: Any) -> np.ndarray:
    """Say where a value is not missing."""
    if _is_text(value):
        return np.asarray([v is not None for v in np.atleast_1d(np.asarray(value, object))])
    return ~np.isnan(np.atleast_1d(np.asarray(value, float)))


def _compared(sign: type[ast.cmpop], left: Any, right: Any) -> np.ndarray:
    """Compare; a missing value on either side makes it false, also with `!=`."""
    if _is_text(left) != _is_text(right):
        raise TypeError("text with numbers")
    compare = _COMPARE[sign]
    if not _is_text(left):
        there = _there(left) & _there(right)
        return compare(np.asarray(left, float), np.asarray(right, float)) & there
    one, other = np.broadcast_arrays(np.asarray(left, object), np.asarray(right, object))
    pairs = zip(np.atleast_1d(one), np.atleast_1d(other), strict=True)
    return np.array([a is not None and b is not None and bool(compare(a, b)) for a, b in pairs])
