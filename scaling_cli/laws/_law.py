"""The Law: one frozen dataclass declares parameters, inputs, equation, derived quantities, source.

An instance is a fitted law and is callable: `Chinchilla(E=..., A=..., ...)(N=7e9, D=1e12)`.
Everything else in the package reads the declaration; nothing else knows a law by name.

Equations are written with arithmetic operators and, for functions, the array-API namespace of
their inputs (`namespace(N)`), so the same code runs on floats, NumPy and under JAX's jit, grad
and vmap. Nothing here imports JAX.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

import numpy as np

from scaling_cli.vocabulary import quantities
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, C, Domain, Quantity, Role

Value = Any  # a float, a NumPy array or a JAX tracer; equations accept all three
WHOLE = 2e-3  # shares that sum to one within this were rounded
SAME = 1e-12  # relative: a point that lies so near where it should is there
STEPS = 100  # of a fixed point: one where compute is a product of size and data


@dataclasses.dataclass(frozen=True)
class Prior:
    """A weak prior on a positive parameter, used by intervals only, never by the point fit.

    Parameters
    ----------
    center : float
        Median, in the parameter's unit, or as a share of the smallest measured output.
    log_sd : float
        Standard deviation of the parameter's logarithm.
    of_output : bool
        Whether `center` is a share of the smallest measured output.
    """

    center: float
    log_sd: float
    of_output: bool = False


# Judgement, not measurement: centred where fits of text models tend to lie (exponents near a third,
# a floor near two thirds of the best run), within a factor of 1.5 at one sd, so that any table that
# identifies them overrules them. benchmarks/coverage.py was run with these.
EXPONENT_PRIOR = Prior(center=0.35, log_sd=0.43)
FLOOR_PRIOR = Prior(center=0.64, log_sd=0.35, of_output=True)


@dataclasses.dataclass(frozen=True)
class Absorbs:
    """The unit of a positive input, or of the output, that a coefficient carries.

    The law is the same after `input` is divided by s and the coefficient by
    s**(times * exponent): A in A/N^alpha absorbs N with alpha. Without an exponent, by s**times:
    Nc in Nc/N. Where the law has the exponent's `inverse`, by s**(times / exponent): so Nc in
    (Nc/N)^alpha absorbs the loss.
    """

    input: str
    exponent: str | None = None
    times: float = 1.0
    inverse: bool = False


@dataclasses.dataclass(frozen=True)
class Parameter:
    """The declaration of one parameter of a law.

    Parameters
    ----------
    name, meaning, unit : str
        Symbol as in the paper, what it means, its unit.
    domain : Domain
        Where it may live: positive (fitted as its logarithm) or real (as it is).
    linear : bool
        Whether the loss is linear in it when the other parameters are held: such parameters
        are solved for, not searched, when starts are made (variable projection).
    starts : tuple of float
        Grid of starting values of a nonlinear parameter.
    prior : Prior, optional
        Keeps resampled fits of few points plausible when intervals are made.
    absorbs : tuple of Absorbs
        Inputs whose unit it carries, and the output where it does; the engine fits in units of
        the smallest input and, in log space, of the middle output.
    twin : str, optional
        An exponent that some authors hold equal to this one; every fit says what that would
        change.
    raised : str, optional
        The positive parameter to whose power the law raises it: what the data show of Nc in
        (Nc/N)^alpha_N is Nc^alpha_N. The engine searches it by a size that alpha_N hardly moves.
    """

    name: str
    meaning: str
    unit: str = "1"
    domain: Domain = Domain.POSITIVE
    linear: bool = False
    starts: tuple[float, ...] = ()
    prior: Prior | None = None
    absorbs: tuple[Absorbs, ...] = ()
    twin: str | None = None
    raised: str | None = None

    @property
    def positive(self) -> bool:
        """Whether it is fitted as its logarithm."""
        return self.domain is Domain.POSITIVE

    def free(self, value: Any) -> Any:
        """Return the free coordinate of a value: its logarithm where it is positive.

        Held at zero it has the coordinate -inf, which the exponential takes back exactly.
        """
        with np.errstate(divide="ignore"):
            return np.log(value) if self.positive else np.asarray(value, float)

    def at(self, free: Any) -> Any:
        """Return the value at a free coordinate."""
        return np.exp(free) if self.positive else free


@dataclasses.dataclass(frozen=True)
class Derived:
    """A quantity computed from a fitted law: `optimal_params(C)` and the like."""

    name: str
    meaning: str
    inputs: Mapping[str, Quantity]
    output: Quantity


_F = TypeVar("_F", bound=Callable[..., Any])


def param(meaning: str, *, absorbs: Absorbs | tuple[Absorbs, ...] = (), **declared: Any) -> Any:
    """Declare a parameter of a law, as `Parameter` (a field specifier: use as a default)."""
    carried = (absorbs,) if isinstance(absorbs, Absorbs) else absorbs
    parameter = Parameter("", meaning, absorbs=carried, **declared)
    return dataclasses.field(metadata={"declared": parameter})


def amplitude(meaning: str, symbol: str, exponent: str, times: float = 1.0) -> Any:
    """Declare the coefficient, in nats/token, of an input to the power -times * exponent."""
    absorbed = Absorbs(symbol, exponent, times)
    return param(meaning, unit="nats/token", linear=True, absorbs=absorbed)


def derived(method: _F) -> _F:
    """Mark a method of a law as a derived quantity; its annotations give the units."""
    vars(method)["__derived__"] = True
    return method


def namespace(*values: Value) -> ModuleType:
    """Return the array namespace of the first value that has one, else NumPy."""
    for value in values:
        if hasattr(value, "__array_namespace__"):
            return value.__array_namespace__()
    return np


def power(base: Value, exponent: Value) -> Value:
    """Return base**exponent for a positive base, as exp(exponent ln base).

    The same number to a few units in the last place; under JAX about four times faster than `**`,
    because exp runs on vector units, and ln of an input is taken once for all resamples.
    """
    xp = namespace(base, exponent)
    return xp.exp(exponent * xp.log(base))


@dataclass_transform(frozen_default=True, field_specifiers=(param, amplitude), kw_only_default=True)
class Law:
    """Base of all laws: reads the declaration, adds nothing to the equation.

    A subclass lives alone in `scaling_cli/laws/<name>.py`, declares its parameters with `param`,
    its equation as `__call__` with annotated inputs and output, derived quantities with
    `@derived`, and its sources as the class attributes below. What several laws share lies in an
    abstract base, in a file of that folder that begins with `_`.
    """

    question: ClassVar[str] = ""
    """What it is asked; empty where inputs and output say it."""
    reference: ClassVar[str] = ""
    """arXiv id and equation."""
    bibtex: ClassVar[str] = ""
    beside: ClassVar[Mapping[str, float]] = {}
    """Laws of the same inputs that are fitted to the same runs, and their weights in the centre of
    forecasts, where this one has 1: where they part, none is to be believed alone. A weight of 0
    counts in the width of the interval only."""
    nested: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    """Laws of the same inputs that this one contains, by name, and the parameters at which it is
    them: {"chinchilla": {"gamma": 1.0}}. No fit may end above theirs."""
    together: ClassVar[Mapping[str, str]] = {}
    """Inputs whose unit is another's, and moves with it: {"U": "D"} where D/U counts."""
    rises: ClassVar[frozenset[str]] = frozenset()
    """Inputs with which the output may rise: there is a reason to."""
    moves: ClassVar[Mapping[str, int]] = {}
    """Inputs of a law of something else than a loss with which its output rises (1) or falls (-1);
    of a loss it is known: it falls with all that grows."""
    convention: ClassVar[Mapping[str, str]] = {}
    """Counting convention that the authors used, by symbol: {"N": "non_embedding"}."""

    def __init_subclass__(cls) -> None:
        """Make the subclass a frozen, keyword-only dataclass."""
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Evaluate the equation."""
        raise NotImplementedError

    @classmethod
    def called(cls) -> str:
        """Return the law's name: that of its file."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def briefly(cls) -> str:
        """Return what a sentence calls the law."""
        return cls.called()

    @classmethod
    def measured_by(cls, other: "type[Law]") -> bool:
        """Say whether another law says something of this one by differing on the same runs.

        The laws of a question of their own are beside each other, and beside no general law: the
        ranges of general laws were tried on real tables without them (benchmarks/coverage.py).
        """
        return other is not cls and other.question in ("", cls.question)

    @classmethod
    def reading(cls) -> str:
        """Say what was taken for granted in reading the law; nothing of a built-in one."""
        return ""

    @classmethod
    def tangled(cls, searched: Sequence[str]) -> tuple[str, ...]:
        """Return searched parameters of which only a combination counts, whatever the data."""
        del searched
        return ()

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the declared parameters in order."""
        return dict(_declared(cls))

    @classmethod
    def floor(cls) -> str | None:
        """Return the parameter that is a floor of the output: its prior is a share of the least."""
        priors = {name: p.prior for name, p in cls.parameters().items()}
        return next((name for name, prior in priors.items() if prior and prior.of_output), None)

    @classmethod
    def parameter(cls, name: str) -> Parameter:
        """Return a declared parameter.

        Raises
        ------
        UsageError
            If the law has none of this name.
        """
        if name not in cls.parameters():
            told = f"law {cls.called()} has no parameter {name!r}."
            raise UsageError(told, hint=f"Its parameters: {', '.join(cls.parameters())}.")
        return cls.parameters()[name]

    @classmethod
    def inputs(cls) -> dict[str, Quantity]:
        """Return the inputs of the equation, by symbol."""
        return dict(_annotated(cls.__call__)[0])

    @classmethod
    def output(cls) -> Quantity:
        """Return what the equation predicts."""
        return _annotated(cls.__call__)[1]

    @classmethod
    def derived_quantities(cls) -> dict[str, Derived]:
        """Return the derived quantities, by name."""
        return dict(_derived(cls))

    @classmethod
    def asked(cls) -> dict[str, Quantity]:
        """Return what the law can be asked with: its inputs and those of derived quantities."""
        derived = (quantity.inputs for quantity in cls.derived_quantities().values())
        return {**{s: q for inputs in derived for s, q in inputs.items()}, **cls.inputs()}

    def derive(self, name: str, **inputs: Value) -> Value:
        """Evaluate a derived quantity by name; NaN where the law has none (a term is absent).

        Raises
        ------
        KeyError
            If the law has no derived quantity of that name.
        """
        if name not in self.derived_quantities():
            raise KeyError(name)
        try:
            value = getattr(self, name)(**inputs)
            return float("nan") if isinstance(value, complex) else value
        except (OverflowError, ZeroDivisionError):  # Python floats raise where NumPy gives inf
            return float("nan")

    @classmethod
    def symbol_of(cls, role: Role) -> str | None:
        """Return the input that has a role (the first that is declared), or None."""
        return next((s for s, q in cls.inputs().items() if q.role is role), None)

    @classmethod
    def size_and_data(cls) -> tuple[str, str] | None:
        """Return the two inputs that compute is spent on; None for a law without one of them."""
        size, data = cls.symbol_of(Role.SIZE), cls.symbol_of(Role.DATA)
        return None if size is None or data is None else (size, data)

    @classmethod
    def options(cls, values: Mapping[str, float]) -> str:
        """Return inputs as the command line takes them: `--params 7B --tokens 1T`."""
        own = {cls.symbol_of(Role.SIZE): "--params ", cls.symbol_of(Role.DATA): "--tokens "}
        typed = (
            f"{own.get(s, f'--input {s}=')}{quantities.short_number(v)}" for s, v in values.items()
        )
        return " ".join(typed)

    @classmethod
    def example(cls) -> dict[str, float]:
        """Return inputs that the law can be asked at."""
        typical = {Role.SIZE: 7e9, Role.DATA: 1e12}
        point = {s: typical.get(q.role, 2.0) for s, q in cls.inputs().items()}
        point |= {s: 0.5 for s, q in cls.inputs().items() if q.domain is Domain.UNIT}
        return point | {s: float(not i) for i, s in enumerate(cls.shares())}

    @classmethod
    def compute(cls, **inputs: Value) -> Value:
        """Return training compute in FLOP: 6 x size x data, of a law that has both.

        A law may count otherwise, and look at its other inputs too; compute must rise with data.
        """
        size, data = (inputs[s] for s in cls.size_and_data() or ())
        return FLOPS_PER_PARAM_TOKEN * size * data

    @classmethod
    def compute_in_words(cls) -> str:
        """Return `C = 6ND` with the law's own symbols; `C` where the law counts otherwise."""
        own = vars(cls).get("compute") is not None
        return C.symbol if own else f"{C.symbol} = 6{''.join(cls.size_and_data() or ())}"

    @classmethod
    def spending(cls, compute: Value, **inputs: Value) -> dict[str, Value]:
        """Return the inputs with the one of size and data that is missing, at a compute."""
        (missing,) = (s for s in cls.size_and_data() or () if s not in inputs)
        grown: Value = 1.0
        for _ in range(STEPS):
            grown = grown * (compute / cls.compute(**inputs, **{missing: grown}))
            reached = np.asarray(cls.compute(**inputs, **{missing: grown}), float)
            if not np.any(np.abs(reached / compute - 1) > SAME):
                break
        return {**inputs, missing: grown}

    @classmethod
    def growing(cls) -> tuple[str, ...]:
        """Return the inputs that grow from small runs to large ones; all others are held.

        Size and data where the law has both, else every positive input that is no share.
        """
        own = cls.inputs().items()
        positive = (s for s, q in own if q.domain is Domain.POSITIVE and q.role is not Role.SHARE)
        return cls.size_and_data() or tuple(positive)

    @classmethod
    def axis(cls) -> str:
        """Return the symbol of the axis along which a forecast reaches out; empty without one.

        C where the law has a size and data, else the product of what grows.
        """
        return C.symbol if cls.size_and_data() else "*".join(cls.growing())

    @classmethod
    def along(cls, inputs: Mapping[str, Any]) -> np.ndarray:
        """Return the values of the axis; infinite where no number is as large, one without axis."""
        columns = {s: np.asarray(inputs[s], float) for s in cls.inputs()}
        with np.errstate(over="ignore"):
            if cls.size_and_data():
                return np.asarray(cls.compute(**columns), float)
            product = np.ones(np.broadcast_shapes(*(v.shape for v in columns.values())))
            for symbol in cls.growing():
                product = product * columns[symbol]
            return product

    @classmethod
    def placed(cls, along: np.ndarray) -> dict[str, np.ndarray]:
        """Return the one input that grows at places of the axis."""
        return {cls.axis(): along}

    @classmethod
    def reached(cls, inputs: Mapping[str, float], factor: float) -> dict[str, float]:
        """Return inputs `factor` times as far along the axis: what grows, grows alike."""
        grown = cls.growing()
        if not grown:
            return dict(inputs)
        target, multiple = factor * cls.along(inputs), factor ** (1 / len(grown))
        there = dict(inputs)
        for _ in range(STEPS):
            there |= {s: inputs[s] * multiple for s in grown}
            left = float(target / cls.along(there))
            if not abs(left - 1) > SAME:
                break
            multiple *= left ** (1 / len(grown))
        return there

    @classmethod
    def optima(cls) -> dict[str, Derived]:
        """Return, by input, the derived quantity that is its best value at a compute.

        `optimal_params(C)`, or `optimal_params(C, U)`: what it takes beside C is held.
        """
        return {
            quantity.output.symbol: quantity
            for name, quantity in cls.derived_quantities().items()
            if name.startswith("optimal_")
            and C.symbol in quantity.inputs
            and quantity.output.symbol in set(cls.inputs()) - set(quantity.inputs)
        }

    def optimum(self, compute: Value, **held: Value) -> dict[str, Value] | None:
        """Return the inputs of least loss at a compute, what the optimum leaves open as `held`.

        None where the law declares no optimum, or an input is neither held nor optimal.
        """
        best, given = self.optima(), {C.symbol: compute, **held}
        needed = {s for quantity in best.values() for s in quantity.inputs}
        needed |= set(self.inputs()) - set(best)
        if not best or not set(self.growing()) <= set(best) or not needed <= set(given):
            return None
        own = {s: self.derive(q.name, **{n: given[n] for n in q.inputs}) for s, q in best.items()}
        return {s: own[s] if s in own else held[s] for s in self.inputs()}

    @classmethod
    def shares(cls) -> list[str]:
        """Return the inputs that must sum to one."""
        return [s for s, q in cls.inputs().items() if q.domain is Domain.SIMPLEX]

    @classmethod
    def spreads(cls, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the inputs on the axes that they vary along: logarithms of what is positive.

        The last of shares that sum to one is left out: it is what the others leave.
        """
        free = (s for s in cls.inputs() if s not in cls.shares()[-1:])
        return {s: cls.inputs()[s].domain.spread(inputs[s]) for s in free}

    @classmethod
    def total(cls, inputs: Mapping[str, Any]) -> np.ndarray:
        """Return the sum of the shares that must sum to one; one for a law without such shares."""
        shares = np.broadcast_arrays(*(np.asarray(inputs[s], float) for s in cls.shares()))
        return np.sum(shares, axis=0) if shares else np.ones(1)

    @classmethod
    def quantity(cls, symbol: str) -> Quantity | None:
        """Return what a symbol stands for in this law: its own inputs and output, else anyone's."""
        return {**quantities.BY_SYMBOL, cls.output().symbol: cls.output(), **cls.inputs()}.get(
            symbol
        )

    @classmethod
    def formula(cls) -> str:
        """Return the first line of the docstring: the equation and its source."""
        return (inspect.getdoc(cls) or "").split("\n")[0]

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]] | None:
        """Return starting points made from data, or None for the declared grid.

        For laws that are not linear in their amplitudes but become so after a transformation.
        """
        del inputs, output
        return None

    def values(self) -> dict[str, float]:
        """Return the parameter values by name."""
        return {name: getattr(self, name) for name in self.parameters()}


@functools.cache
def _declared(cls: type[Law]) -> dict[str, Parameter]:
    declared = dataclasses.fields(cast(Any, cls))  # a dataclass by __init_subclass__
    found = {f.name: dataclasses.replace(f.metadata["declared"], name=f.name) for f in declared}
    for name, parameter in found.items():
        for absorbed in parameter.absorbs:
            quantity = cls.inputs().get(absorbed.input)
            if quantity is not None and quantity.domain is not Domain.POSITIVE:
                raise TypeError(f"{cls.__name__}: {name} absorbs {absorbed.input}, which may be 0")
    return found


@functools.cache
def _derived(cls: type[Law]) -> dict[str, Derived]:
    found = {}
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if getattr(method, "__derived__", False):
            inputs, output = _annotated(method)
            meaning = (inspect.getdoc(method) or "").split("\n")[0]
            found[name] = Derived(name, meaning, inputs, output)
    return found


@functools.cache
def _annotated(function: Callable[..., Any]) -> tuple[dict[str, Quantity], Quantity]:
    """Read (inputs, output) quantities off a function's annotations."""
    signature = inspect.signature(function)
    named = {name: p.annotation for name, p in signature.parameters.items() if name != "self"}
    inputs = {name: _quantity(said, name, function) for name, said in named.items()}
    return inputs, _quantity(signature.return_annotation, "return", function)


def _quantity(annotation: Any, name: str, function: Callable[..., Any]) -> Quantity:
    for item in getattr(annotation, "__metadata__", ()):  # of Annotated
        if isinstance(item, Quantity):
            return item
    raise TypeError(f"{function.__qualname__}: {name!r} is not annotated with a Quantity")
