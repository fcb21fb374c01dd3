"""A user's own law: a formula, or a Python function traced to one, declared like a built-in law.

The name of such a law is its formula, in one written form, so that a stored fit holds all of it
and loads anywhere without running code.
"""

import copyreg
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from scaling_cli.laws import _structure, _syntax
from scaling_cli.laws._law import Absorbs, Law, Parameter
from scaling_cli.laws._planned import Planned
from scaling_cli.laws._syntax import Call, Name, Node, Number
from scaling_cli.vocabulary.errors import UsageError, some
from scaling_cli.vocabulary.quantities import QUANTITIES, Domain, L, Quantity, plain_name
from scaling_cli.vocabulary.registry import Classes

LETTERS = 4  # of a name: shorter ones are parameters, whatever column they are an alias of
UNIT, SAME = 1.7, 1e-9  # of a change of units that is tried out, and what counts as no change
TRIED, POINTS = 3, 60  # draws of the parameters, and points, by which formulas are tried out
MOVED, TANGLED = 1e-4, 1e-8  # step of differences; share of the largest that counts as none
INVOLVED = 1e-3  # share in a direction that moves nothing
RESERVED = frozenset(n for n in dir(Planned) if not n.startswith("__"))


class _Typed(type):
    """The class of formulas' classes: one is sent to another process as its text."""


def _sent(cls: Any) -> Any:
    return law_of, (cls.called(),)


copyreg.pickle(_Typed, _sent)


class Formula(Planned, metaclass=_Typed):
    """Base of laws that are given as a formula; `law_of` makes them."""

    text: ClassVar[str] = ""
    tree: ClassVar[Node] = Number(0.0)
    taken: ClassVar[Mapping[str, Quantity]] = {}
    given: ClassVar[Quantity] = L
    _value: ClassVar[_syntax.Compiled]

    def __call__(self, **inputs: Any) -> Any:
        """Evaluate the formula."""
        values = {**vars(self), **inputs}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return type(self)._value(values, _syntax.array_namespace(values.values()))

    @classmethod
    def called(cls) -> str:
        """Return the formula: it is the law's name."""
        return cls.text

    @classmethod
    def inputs(cls) -> dict[str, Quantity]:
        """Return the inputs of the formula, by symbol."""
        return dict(cls.taken)

    @classmethod
    def output(cls) -> Quantity:
        """Return what the formula predicts."""
        return cls.given

    @classmethod
    def formula(cls) -> str:
        """Return the formula with its left side."""
        return f"{cls.given.symbol}({', '.join(cls.taken)}) = {_syntax.written(cls.tree)}"

    @classmethod
    def briefly(cls) -> str:
        """Return what a sentence calls the law: formulas are long."""
        return "the formula"

    @classmethod
    def reading(cls) -> str:
        """Say which names were taken for columns that mean nothing by themselves."""
        own = [s for s in cls.taken if s not in _known()]
        told = f"formula: {some(own)} {'are columns' if len(own) > 1 else 'is a column'}"
        return f"{told}, so no parameter." if own else ""

    @classmethod
    def tangled(cls, searched: Sequence[str]) -> tuple[str, ...]:
        """Return parameters of which only a combination counts, whatever the data."""
        generator = np.random.default_rng(0)
        involved: set[str] | None = None
        for _ in range(TRIED):
            values, inputs = cls._sample(generator)
            slopes = cls._slopes(values, inputs, searched)
            rows = slopes[np.all(np.isfinite(slopes), axis=1)]
            if len(rows) < len(searched):
                return ()
            size = np.max(np.abs(rows), axis=0)
            _, sizes, turned = np.linalg.svd(rows / np.where(size > 0, size, 1.0))
            away = turned[sizes < TANGLED * sizes[0]]
            share = np.max(np.abs(away), axis=0, initial=0.0)
            own = {n for n, s in zip(searched, share, strict=True) if s > INVOLVED}
            involved = own if involved is None else involved & own
        return tuple(name for name in searched if name in (involved or ()))

    @classmethod
    def _slopes(
        cls, values: Mapping[str, float], inputs: Mapping[str, np.ndarray], searched: Sequence[str]
    ) -> np.ndarray:
        """Return the law's slopes in its parameters, by central differences, shape (n, k)."""

        def at(name: str, step: float) -> np.ndarray:
            moved = {**values, name: values[name] * (1 + step)}
            own = np.asarray(cls(**moved)(**inputs), float)
            return np.broadcast_to(own, (POINTS,))

        with np.errstate(over="ignore", invalid="ignore"):
            columns = [
                (8 * (at(n, MOVED) - at(n, -MOVED)) - at(n, 2 * MOVED) + at(n, -2 * MOVED))
                / (12 * MOVED)
                for n in searched
            ]
        return np.stack(columns, axis=1)

    @classmethod
    def _sample(
        cls, generator: np.random.Generator
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return parameters and inputs of ordinary size, at random."""
        values = {name: float(generator.uniform(0.3, 1.5)) for name in cls.parameters()}
        inputs = {
            s: np.exp(generator.uniform(-1.5, 1.5, POINTS))
            if q.domain in (Domain.POSITIVE, Domain.REAL)
            else generator.uniform(0.05, 0.95, POINTS)
            for s, q in cls.inputs().items()
        }
        return values, inputs

    @classmethod
    def _carries(cls, symbol: str, absorbed: Mapping[str, Sequence[Absorbs]]) -> bool:
        """Say whether the law is the same in another unit of one input, or of the output."""
        values, inputs = cls._sample(np.random.default_rng(1))
        other, declared = dict(values), cls.parameters()
        for name, every in absorbed.items():
            for own in (a for a in every if a.input == symbol):
                power = values[own.exponent] if own.exponent else 1.0
                shift = own.times * (1 / power if own.inverse else power) * np.log(UNIT)
                free = declared[name].free(values[name]) - shift
                other[name] = float(declared[name].at(free))
        there = {s: v / UNIT if s == symbol else v for s, v in inputs.items()}
        before, after = cls(**values)(**inputs), cls(**other)(**there)
        scale = UNIT if symbol == cls.given.symbol else 1.0
        return bool(np.allclose(np.asarray(after) * scale, before, rtol=SAME, atol=0.0))


def law_of(text: str, columns: Collection[str] = ()) -> type[Law]:
    """Return the law that a formula is.

    Parameters
    ----------
    text : str
        `E + A/N**alpha + B/D**beta`; names of quantities and of columns are inputs, all others are
        parameters. `L(N, heads) = ...` says which are inputs; `+D` that the loss may rise with D.
    columns : collection of str
        Of the table that it is to be fitted to.

    Raises
    ------
    UsageError
        If the text is no formula, or none that can be fitted; the message says why.
    """
    left, tree = _syntax.parsed(text)
    if left:
        head, listed = _syntax.declared(left, text)
        output, names, own = _output(head), [name for name, _ in listed], _syntax.names(tree)
        if idle := [name for name in names if name not in own]:
            raise UsageError(f"{some(idle)} stands on the left of the formula, not on the right.")
        stated = {_symbol(name) for name, plus in listed if plus}
        inputs = names or _recognised(tree, columns)
    else:
        output, stated, inputs = L, set(), _recognised(tree, columns)
        _refuse_misspelt(tree, inputs, columns)
    tree = _syntax.renamed(tree, {name: _symbol(name) for name in inputs})
    symbols = list(dict.fromkeys(map(_symbol, inputs)))
    plain = output is L and not stated and all(s in _known() for s in symbols)
    marked = ", ".join(f"{'+' * (s in stated)}{s}" for s in symbols)
    side = "" if plain and symbols else f"{output.symbol}({marked}) = "
    return _made(f"{side}{_syntax.written(tree)}")


@functools.lru_cache(maxsize=256)
def _made(text: str) -> type[Law]:
    """Return the class of a formula in its written form."""
    left, tree = _syntax.parsed(text)
    head, listed = _syntax.declared(left, text) if left else (L.symbol, [])
    names = [name for name, _ in listed] or _recognised(tree, ())
    inputs = {name: _quantity(name, tree) for name in names}
    _refuse_unfittable(tree, inputs)
    output = _output(head)
    declared = _structure.read(tree, inputs, output)
    real = {name for name, p in declared.items() if not p.positive}
    shared: dict[str, Any] = {
        "__doc__": f"{text}.",
        "__module__": __name__,
        "__qualname__": text,
        "reference": "the user's own formula",
        "text": text,
        "tree": tree,
        "taken": inputs,
        "given": output,
        "rises": frozenset(name for name, plus in listed if plus),
        "_value": staticmethod(
            _syntax.compiled(tree, lambda node: _structure.positive(node, inputs, real))
        ),
    }
    bare = _Typed(text, (Formula,), shared | _fields(declared))
    absorbed = _structure.absorbed(tree, list(inputs), output.symbol, declared)
    symbols = {own.input for every in absorbed.values() for own in every}
    allowed = {s for s in symbols if s not in inputs or inputs[s].domain is Domain.POSITIVE}
    carried = {s for s in allowed if bare._carries(s, absorbed)}
    if not any(p.raised for p in declared.values()):
        carried -= {output.symbol}
    whole = {
        name: replace(p, absorbs=tuple(a for a in absorbed.get(name, ()) if a.input in carried))
        for name, p in declared.items()
    }
    data, _, size = _structure.twins(tree, inputs, declared).partition(" ")
    if data:
        whole[data] = replace(whole[data], twin=size)
    return _Typed(text, (Formula,), shared | _fields(whole))


def _fields(declared: Mapping[str, Parameter]) -> dict[str, Any]:
    fields: dict[str, Any] = {n: field(metadata={"declared": p}) for n, p in declared.items()}
    return {"__annotations__": dict.fromkeys(declared, float), **fields}


@functools.cache
def _known() -> dict[str, Quantity]:
    """Return the quantities that a formula may name, by symbol: of the vocabulary and of laws."""
    own = {q.symbol: q for q in QUANTITIES.values()}
    built_in = Classes(__name__.rpartition(".")[0], "law", Law)
    for name in built_in.names():
        own |= {s: q for s, q in built_in.get(name).inputs().items() if s not in own and len(s) > 1}
    return own


@functools.cache
def _names() -> dict[str, str]:
    """Return the symbol of every name that means a quantity; short aliases are parameters."""
    known: dict[str, str] = {}
    for symbol, quantity in _known().items():
        longer = (alias for alias in quantity.aliases if len(alias) > LETTERS)
        for name in (symbol, quantity.column, *longer):
            known.setdefault(name, symbol)
    return known


def _symbol(name: str) -> str:
    return _names().get(name, name)


def _recognised(tree: Node, columns: Collection[str]) -> list[str]:
    """Return the names in a formula that are inputs: of a quantity, or of a column."""
    return [n for n in _syntax.names(tree) if n in _names() or n in columns]


def _quantity(name: str, tree: Node) -> Quantity:
    """Return what an input is; of a column that means nothing here, what the formula shows."""
    if name in _known():
        return _known()[name]
    domain = Domain.POSITIVE if _needs_positive(tree, name) else Domain.REAL
    return Quantity(name, name, f"column {name}", "as given", domain=domain)


def _needs_positive(tree: Node, name: str) -> bool:
    """Return whether an input is divided by, raised to a power, or under a logarithm."""
    for node in _syntax.walk(tree):
        if not isinstance(node, Call) or node.op not in ("/", "**", "log", "log2", "log10"):
            continue
        whole = isinstance(node.parts[-1], Number)
        inner = node.parts[1] if node.op == "/" else node.parts[0]
        if inner == Name(name) and not (node.op == "**" and whole):
            return True
    return False


def _output(head: str) -> Quantity:
    symbol = _names().get(head)
    if symbol is None:
        raise UsageError(
            f"the left side of the formula is {head}, which is no quantity known here.",
            hint=f"Write L(N, D) = ..., and name the column with --target {head}.",
        )
    return _known()[symbol]


def _refuse_misspelt(tree: Node, inputs: Collection[str], columns: Collection[str]) -> None:
    """Refuse a name that is nearly one of an input: it would become a parameter unseen."""
    known = [n for n in {*_names(), *columns} if len(n) > LETTERS]
    for name in _syntax.names(tree):
        others = [] if name in inputs or len(name) <= LETTERS else known
        near = [n for n in others if _near(plain_name(name), plain_name(n))]
        if near:
            raise UsageError(
                f"{name} is neither an input nor plainly a parameter: it is nearly {near[0]}.",
                hint=f"Write {near[0]}; or declare the inputs, L(N, D) = ..., if {name} is a "
                "parameter.",
            )


def _near(name: str, other: str) -> bool:
    import difflib

    return difflib.SequenceMatcher(None, name, other).ratio() >= 0.85


def _refuse_unfittable(tree: Node, inputs: Mapping[str, Quantity]) -> None:
    own = [name for name in _syntax.names(tree) if name not in inputs]
    if not inputs:
        lower = [n for n in own if n.upper() in ("N", "D", "C")]
        hint = f"Did you mean {lower[0].upper()} for {lower[0]}? " if lower else ""
        raise UsageError(
            "the formula has no input: no name in it is a quantity or a column of the table.",
            hint=f"{hint}Inputs are N, D, C, lr, B_tokens, U and others, or names of columns.",
        )
    if not own:
        raise UsageError(
            "the formula has no parameter to fit: every name in it is an input "
            f"({some([*inputs])})."
        )
    for name in own:
        if name in RESERVED or name.startswith("_"):
            raise UsageError(f"{name} cannot name a parameter.", hint=f"Call it {name}_0.")


# ---- from Python


@dataclass(frozen=True, eq=False)
class _Traced:
    """What a traced function computes with: every operation is written down."""

    node: Node
    __array_priority__ = 1000

    def __bool__(self) -> bool:
        """Refuse: a formula has no branches."""
        raise UsageError(
            "a law cannot compare: it must be one formula.",
            hint="Use numpy.minimum and numpy.maximum.",
        )

    def __lt__(self, other: object) -> bool:
        """Refuse: a formula has no branches."""
        return bool(self)

    __gt__ = __le__ = __ge__ = __lt__

    def __array_ufunc__(self, ufunc: Any, method: str, *parts: Any, **_: Any) -> "_Traced":
        op = _UFUNCS.get(ufunc.__name__)
        if op is None or method != "__call__":
            raise UsageError(
                f"a law cannot call numpy.{ufunc.__name__}.",
                hint=f"It may call {', '.join(sorted(_UFUNCS))}.",
            )
        return _operation(op, *parts)


_UFUNCS = {name: name for name in ("exp", "log", "log2", "log10", "sqrt", "tanh")} | {
    "minimum": "min",
    "maximum": "max",
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "power": "**",
    "float_power": "**",
    "negative": "neg",
}


def _operation(op: str, *parts: Any) -> _Traced:
    nodes = tuple(p.node if isinstance(p, _Traced) else Number(float(p)) for p in parts)
    return _Traced(Call(op, nodes))


def _arithmetic() -> Iterator[tuple[str, Callable[..., _Traced]]]:
    operators = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}
    for name, op in operators.items():
        yield f"__{name}__", lambda a, b, op=op: _operation(op, a, b)
        yield f"__r{name}__", lambda a, b, op=op: _operation(op, b, a)
    yield "__neg__", lambda a: _operation("neg", a)
    yield "__pos__", lambda a: a


for _name, _act in _arithmetic():
    setattr(_Traced, _name, _act)


def law(function: Callable[..., Any]) -> type[Law]:
    """Declare a law of one's own by a Python function of its inputs and parameters.

    The function is run once, on names instead of numbers, and what it computes is written down
    as a formula: stored fits hold that, and load without the function.

    Parameters
    ----------
    function : callable
        Its arguments that name quantities (N, D, lr, ...) or are annotated as inputs are inputs,
        all others parameters. It may use arithmetic and NumPy's exp, log, log2, log10, sqrt, tanh,
        minimum and maximum.

    Returns
    -------
    type[Law]
        What `fit(runs, law=...)` takes.

    Raises
    ------
    UsageError
        If the function branches, calls something else, or computes no formula.

    Examples
    --------
    >>> @sc.law
    ... def ours(N, D, E, A, alpha, B, beta):
    ...     return E + A / N**alpha + B / D**beta
    """
    arguments = inspect.signature(function).parameters
    result = function(**{name: _Traced(Name(name)) for name in arguments})
    if not isinstance(result, _Traced):
        raise UsageError(f"{function.__name__} does not compute a formula of its arguments.")
    noted = [n for n, a in arguments.items() if getattr(a.annotation, "__metadata__", None)]
    inputs = [n for n in arguments if n in _names() or n in noted]
    side = f"L({', '.join(inputs)}) = " if inputs else ""
    return law_of(f"{side}{_syntax.written(result.node)}")
