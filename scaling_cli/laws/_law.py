"""The Law: one frozen dataclass declares parameters, inputs, equation, derived quantities, source.

An instance is a fitted law and is callable: `Chinchilla(E=..., A=..., ...)(N=7e9, D=1e12)`.
Everything else in the package reads the declaration; nothing else knows a law by name.

Equations are written with arithmetic operators and, for functions, the array-API namespace of
their inputs (`namespace(N)`), so the same code runs on floats, NumPy and under JAX's jit, grad
and vmap. Nothing here imports JAX.
"""

import dataclasses
import enum
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import (
    Annotated,
    Any,
    ClassVar,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

import numpy as np

from scaling_cli.vocabulary.quantities import (
    Quantity,
)

Value = Any  # a float, a NumPy array or a JAX tracer; equations accept all three


class Domain(enum.Enum):
    """Where a parameter may live; the engine fits the free coordinate named here."""

    POSITIVE = "positive"
    """(0, inf), fitted as its logarithm."""
    REAL = "real"
    """(-inf, inf), fitted as it is."""


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
    """The unit of an input, or of the output, that a coefficient carries.

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
        Where it may live.
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
    unit: str
    domain: Domain
    linear: bool
    starts: tuple[float, ...]
    prior: Prior | None
    absorbs: tuple[Absorbs, ...] = ()
    twin: str | None = None
    raised: str | None = None


@dataclasses.dataclass(frozen=True)
class Derived:
    """A quantity computed from a fitted law: `optimal_params(C)` and the like."""

    name: str
    meaning: str
    inputs: Mapping[str, Quantity]
    output: Quantity


_F = TypeVar("_F", bound=Callable[..., Any])


def param(
    meaning: str,
    *,
    unit: str = "1",
    domain: Domain = Domain.POSITIVE,
    linear: bool = False,
    starts: tuple[float, ...] = (),
    prior: Prior | None = None,
    absorbs: Absorbs | tuple[Absorbs, ...] = (),
    twin: str | None = None,
    raised: str | None = None,
) -> Any:
    """Declare a parameter of a law (a field specifier: use as a dataclass default)."""
    return dataclasses.field(
        metadata={
            "meaning": meaning,
            "unit": unit,
            "domain": domain,
            "linear": linear,
            "starts": starts,
            "prior": prior,
            "absorbs": (absorbs,) if isinstance(absorbs, Absorbs) else absorbs,
            "twin": twin,
            "raised": raised,
        }
    )


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


@dataclass_transform(frozen_default=True, field_specifiers=(param,), kw_only_default=True)
class Law:
    """Base of all laws: reads the declaration, adds nothing to the equation.

    A subclass lives alone in `scaling_cli/laws/<name>.py`, declares its parameters with `param`,
    its equation as `__call__` with annotated inputs and output, derived quantities with
    `@derived`, and its sources as the class attributes below.
    """

    reference: ClassVar[str] = ""
    """arXiv id and equation."""
    bibtex: ClassVar[str] = ""
    companion: ClassVar[str] = ""
    """Name of a law of the same inputs whose forecast intervals are centred on as well: where the
    two part, neither is to be believed alone."""
    nested: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    """Laws of the same inputs that this one contains, by name, and the parameters at which it is
    them: {"chinchilla": {"gamma": 1.0}}. No fit may end above theirs."""
    convention: ClassVar[Mapping[str, str]] = {}
    """Counting convention that the authors used, by symbol: {"N": "non_embedding"}."""

    def __init_subclass__(cls) -> None:
        """Make the subclass a frozen, keyword-only dataclass."""
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Evaluate the equation."""
        raise NotImplementedError

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the declared parameters in order."""
        return dict(_declared(cls))

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
            return getattr(self, name)(**inputs)
        except (OverflowError, ZeroDivisionError):  # Python floats raise where NumPy gives inf
            return float("nan")

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
    return {
        f.name: Parameter(f.name, **f.metadata)
        for f in dataclasses.fields(cast(Any, cls))  # a dataclass by __init_subclass__
    }


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
    inputs = {
        name: _quantity(p.annotation, name, function)
        for name, p in signature.parameters.items()
        if name != "self"
    }
    return inputs, _quantity(signature.return_annotation, "return", function)


def _quantity(annotation: Any, name: str, function: Callable[..., Any]) -> Quantity:
    if get_origin(annotation) is Annotated:
        for item in get_args(annotation)[1:]:
            if isinstance(item, Quantity):
                return item
    raise TypeError(f"{function.__qualname__}: {name!r} is not annotated with a Quantity")


def optimum(law: Law, compute: float) -> dict[str, float] | None:
    """Return the law's inputs of least loss at a compute, or None where it declares none."""
    found = {
        derived.output.symbol: name
        for name, derived in law.derived_quantities().items()
        if name.startswith("optimal_") and list(derived.inputs) == ["C"]
    }
    if not all(symbol in found for symbol in law.inputs()):
        return None
    return {symbol: float(getattr(law, found[symbol])(compute)) for symbol in law.inputs()}
