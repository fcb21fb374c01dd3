"""Formulas as people type them: read by a whitelist, written in one form, never executed.

Text becomes a small tree of numbers, names, arithmetic and a few functions; whatever else Python's
grammar allows is refused by name. The tree is then a function of floats, NumPy and JAX.
"""

import ast
import difflib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaling_cli.laws._law import Value, namespace
from scaling_cli.vocabulary.errors import UsageError

LONGEST, MOST_NODES, DEEPEST = 1000, 300, 40
SHOWN = 60  # characters of a formula in a message
LARGEST_POWER = 8  # an integer up to which a power is a product
FUNCTIONS = ("exp", "log", "log2", "log10", "sqrt", "tanh", "sigmoid", "min", "max")
_SAME = {"ln": "log", "minimum": "min", "maximum": "max", "pow": "**"}
_PAIRS = ("min", "max", "**")  # take two
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}
_ALLOWED = f"numbers, names, + - * / **, brackets, {', '.join(FUNCTIONS)}"
_WORDS = {
    ast.Attribute: "an attribute (a dot in a name)",
    ast.Compare: "a comparison",
    ast.IfExp: "a condition",
    ast.Lambda: "a lambda",
    ast.Subscript: "an index in square brackets",
    ast.Tuple: "a comma",
}


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Name:
    """An input or a parameter."""

    id: str


@dataclass(frozen=True)
class Call:
    """An operation: + - * / ** neg, or one of FUNCTIONS, on its parts."""

    op: str
    parts: tuple["Node", ...]


Node = Number | Name | Call


def parsed(text: str) -> tuple[str, Node]:
    """Return what stands left of the equals sign, if any, and the formula as a tree.

    Raises
    ------
    UsageError
        If the text is no formula: the message says where, and what is allowed.
    """
    plain = " ".join(text.split())
    if len(plain) > LONGEST:
        raise UsageError(f"the formula has {len(plain)} characters; {LONGEST} are the most.")
    if "^" in plain:
        raise UsageError(
            f"powers are written **, not ^: {plain.replace('^', '**')!r}.",
            hint="Put the formula in single quotes, so that the shell leaves it alone.",
        )
    left, equals, right = plain.partition("=")
    if not equals:
        left, right = "", plain
    tree = _read(_grammar(right, plain, len(left) + len(equals)))
    size, depth = _extent(tree)
    if size > MOST_NODES or depth > DEEPEST:
        raise UsageError(
            f"the formula has {size} parts, {depth} deep; {MOST_NODES} and {DEEPEST} are the most."
        )
    return left.strip(), tree


def declared(left: str, whole: str) -> tuple[str, list[tuple[str, bool]]]:
    """Return the output of a left side `L(N, +D)`, and its inputs; True marks one with a plus."""
    head = _grammar(left, whole, 0)
    if isinstance(head, ast.Name):
        return head.id, []
    if isinstance(head, ast.Call) and isinstance(head.func, ast.Name) and not head.keywords:
        listed = [pair for a in head.args for pair in _listed(a)]
        if len(listed) == len(head.args):
            return head.func.id, listed
    raise UsageError(
        f"cannot read {left!r} as the left side of a formula.", hint="Write L(N, D) = ..."
    )


def _listed(node: ast.expr) -> Iterator[tuple[str, bool]]:
    """Yield the name of an input on the left, and whether it has a plus; nothing of other nodes."""
    match node:
        case ast.Name():
            yield node.id, False
        case ast.UnaryOp(op=ast.UAdd(), operand=ast.Name(id=name)):
            yield name, True


def _grammar(text: str, whole: str, before: int) -> ast.expr:
    stripped = text.lstrip()
    before += len(text) - len(stripped)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of 2(N), which is refused with better words
            return ast.parse(stripped, mode="eval").body
    except SyntaxError as error:
        reason = str(error.msg).split(". ")[0]
        place = before + min(error.offset or len(stripped) + 1, len(stripped) + 1)
    except (ValueError, RecursionError, MemoryError):
        reason, place = "it is nested too deeply or holds a character that no formula has", 1
    shown = whole if len(whole) <= SHOWN else f"{whole[:SHOWN]}..."
    raise UsageError(
        f"cannot read the formula {shown!r} at column {place}: {reason}.",
        hint=f"A formula holds {_ALLOWED}; products need their *.",
    )


def _read(node: ast.expr) -> Node:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Number(_finite(number))
        case ast.Name():
            return Name(node.id)
        case ast.UnaryOp(op=ast.USub()):
            return Call("neg", (_read(node.operand),))
        case ast.UnaryOp(op=ast.UAdd()):
            return _read(node.operand)
        case ast.BinOp() if type(node.op) in _BINARY:
            return Call(_BINARY[type(node.op)], (_read(node.left), _read(node.right)))
        case ast.Call():
            return _called(node)
    told = _WORDS.get(type(node), f"{ast.unparse(node)!r}")
    raise UsageError(
        f"the formula holds {told} at column {node.col_offset + 1}, which none may.",
        hint=f"It may hold {_ALLOWED}.",
    )


def _finite(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise UsageError("the formula holds a number that is too large.") from None


def _called(node: ast.Call) -> Call:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    op = _SAME.get(name, name)
    if op not in (*FUNCTIONS, "**"):
        near = difflib.get_close_matches(name, (*FUNCTIONS, "ln"), 1)
        guess = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"the formula calls {name!r}, which is no function here.",
            hint=f"{guess}Functions: {', '.join(FUNCTIONS)}; products need their *.",
        )
    wanted = 2 if op in _PAIRS else 1
    if node.keywords or len(node.args) != wanted:
        given = len(node.args) + len(node.keywords)
        raise UsageError(f"{name} takes {wanted} number{'s' * (wanted > 1)}, not {given}.")
    return Call(op, tuple(map(_read, node.args)))


def _extent(node: Node) -> tuple[int, int]:
    below = [_extent(part) for part in node.parts] if isinstance(node, Call) else []
    return 1 + sum(size for size, _ in below), 1 + max((depth for _, depth in below), default=0)


def names(node: Node) -> list[str]:
    """Return the names in a formula, each once, in the order of their appearance."""
    return list(dict.fromkeys(n.id for n in walk(node) if isinstance(n, Name)))


def walk(node: Node) -> Iterator[Node]:
    """Yield a tree's nodes, from the left."""
    yield node
    for part in node.parts if isinstance(node, Call) else ():
        yield from walk(part)


def renamed(node: Node, other: Mapping[str, str]) -> Node:
    """Return the tree with other names."""
    if isinstance(node, Name):
        return Name(other.get(node.id, node.id))
    if isinstance(node, Call):
        return Call(node.op, tuple(renamed(part, other) for part in node.parts))
    return node


def written(node: Node, binding: int = 0) -> str:
    """Return a formula in the one form in which it is stored and shown."""
    if isinstance(node, Number):
        whole = node.value == int(node.value) and abs(node.value) < 1e15
        return str(int(node.value)) if whole else repr(node.value)
    if isinstance(node, Name):
        return node.id
    if node.op in FUNCTIONS:
        return f"{node.op}({', '.join(map(written, node.parts))})"
    own = _BINDS[node.op]
    if node.op == "neg":
        told = f"-{written(node.parts[0], own)}"
    else:
        loose, tight = (own, own + 1) if node.op != "**" else (own + 1, own - 1)
        sign = f" {node.op} " if own == 1 else node.op
        told = f"{written(node.parts[0], loose)}{sign}{written(node.parts[1], tight)}"
    return f"({told})" if own < binding else told


Compiled = Callable[[Mapping[str, Value], Any], Value]


def compiled(node: Node, positive: Callable[[Node], bool]) -> Compiled:
    """Return the formula as a function of its names' values and an array namespace.

    Parameters
    ----------
    node : Node
    positive : callable
        Whether a node is surely positive: its powers are then exponentials of logarithms, which
        are faster, and differentiable in their exponents.
    """
    if isinstance(node, Number):
        value = node.value
        return lambda _, __: value
    if isinstance(node, Name):
        name = node.id
        return lambda values, _: values[name]
    if node.op == "**":
        return _power(node, positive)
    parts = [compiled(part, positive) for part in node.parts]
    act = _ACTS[node.op]
    return lambda values, xp: act(xp, *(part(values, xp) for part in parts))


def _power(node: Call, positive: Callable[[Node], bool]) -> Compiled:
    base, exponent = (compiled(part, positive) for part in node.parts)
    fixed = node.parts[1].value if isinstance(node.parts[1], Number) else None
    if fixed is not None and fixed == int(fixed) and 0 <= fixed <= LARGEST_POWER:
        whole = int(fixed)
        return lambda values, xp: base(values, xp) ** whole
    if positive(node.parts[0]):
        return lambda v, xp: xp.exp(exponent(v, xp) * xp.log(base(v, xp)))
    return lambda v, xp: base(v, xp) ** exponent(v, xp)


_ACTS: Mapping[str, Callable[..., Any]] = {
    "+": lambda _, a, b: a + b,
    "-": lambda _, a, b: a - b,
    "*": lambda _, a, b: a * b,
    "/": lambda _, a, b: a / b,
    "neg": lambda _, a: -a,
    "exp": lambda xp, a: xp.exp(a),
    "log": lambda xp, a: xp.log(a),
    "log2": lambda xp, a: xp.log2(a),
    "log10": lambda xp, a: xp.log10(a),
    "sqrt": lambda xp, a: xp.sqrt(a),
    "tanh": lambda xp, a: xp.tanh(a),
    "sigmoid": lambda xp, a: 1 / (1 + xp.exp(-a)),
    "min": lambda xp, a, b: xp.minimum(a, b),
    "max": lambda xp, a, b: xp.maximum(a, b),
}


def array_namespace(values: Collection[Value]) -> Any:
    """Return the namespace of arrays: JAX's where one of the values is of JAX, else NumPy."""
    import numpy as np

    known = (namespace(value) for value in values)
    return next((xp for xp in known if xp is not np), np)
