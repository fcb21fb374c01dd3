"""A law as JavaScript: its own code, run once on numbers that write down what is done to them.

Equations are written with operators and the namespace of their inputs (`laws/_law.py`), so there
is no second copy of any law that could differ from the first.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

Function = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]


class Untraceable(Exception):
    """What a law does that cannot be written down: it looks at the numbers themselves."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A number that is not known yet.

    Parameters
    ----------
    tape : list of str
        What was computed so far: line i is the value `v{i}`.
    text : str
        What it is called.
    """

    __array_ufunc__: ClassVar[None] = None  # NumPy leaves arithmetic with it to it

    tape: list[str]
    text: str

    def _then(self, expression: str) -> "Traced":
        self.tape.append(expression)
        return Traced(self.tape, f"v{len(self.tape) - 1}")

    def __array_namespace__(self, **_: Any) -> "type[Functions]":
        """Return the functions that laws use."""
        return Functions

    def __add__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} + {_text(other)}")

    def __radd__(self, other: Any) -> "Traced":
        return self._then(f"{_text(other)} + {self.text}")

    def __sub__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} - {_text(other)}")

    def __rsub__(self, other: Any) -> "Traced":
        return self._then(f"{_text(other)} - {self.text}")

    def __mul__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} * {_text(other)}")

    def __rmul__(self, other: Any) -> "Traced":
        return self._then(f"{_text(other)} * {self.text}")

    def __truediv__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} / {_text(other)}")

    def __rtruediv__(self, other: Any) -> "Traced":
        return self._then(f"{_text(other)} / {self.text}")

    def __pow__(self, other: Any) -> "Traced":
        return self._then(f"Math.pow({self.text}, {_text(other)})")

    def __rpow__(self, other: Any) -> "Traced":
        return self._then(f"Math.pow({_text(other)}, {self.text})")

    def __neg__(self) -> "Traced":
        return self._then(f"-{self.text}")

    def __abs__(self) -> "Traced":
        return self._then(f"Math.abs({self.text})")

    def __lt__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} < {_text(other)}")

    def __le__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} <= {_text(other)}")

    def __gt__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} > {_text(other)}")

    def __ge__(self, other: Any) -> "Traced":
        return self._then(f"{self.text} >= {_text(other)}")

    def __bool__(self) -> bool:
        raise Untraceable("a law decides by a number")

    def __float__(self) -> float:
        raise Untraceable("a law wants a number as it is")


class _Named(type):
    """The array namespace: a function by the name that JavaScript has for it."""

    OWN: ClassVar[Mapping[str, str]] = {"maximum": "max", "minimum": "min"}
    SAME: ClassVar[frozenset[str]] = frozenset(
        ("exp", "log", "log1p", "expm1", "log2", "log10", "sqrt", "abs", "tanh", "max", "min")
    )

    def __getattr__(cls, name: str) -> Callable[..., Any]:
        own = cls.OWN.get(name, name)
        if own not in (*cls.SAME, "where"):
            raise Untraceable(f"a law uses {name}")

        def form(*texts: str) -> str:
            if own == "where":
                return f"{texts[0]} ? {texts[1]} : {texts[2]}"
            return f"Math.{own}({', '.join(texts)})"

        def function(*values: Any) -> Any:
            first = next((value for value in values if isinstance(value, Traced)), None)
            if first is None:
                return getattr(np, name)(*values)
            return first._then(form(*map(_text, values)))

        return function


class Functions(metaclass=_Named):
    """What `namespace` gives a law that is traced."""


def _text(value: Any) -> str:
    if isinstance(value, Traced):
        return value.text
    number = float(value)
    if math.isfinite(number):
        return repr(number)
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def javascript(function: Function, parameters: Iterable[str], inputs: Iterable[str]) -> str:
    """Return a function of parameters `p` and inputs `x`, both by name, as JavaScript.

    Parameters
    ----------
    function : callable
        Of both, as mappings; returns a number or several by name.
    parameters, inputs : iterable of str

    Raises
    ------
    Untraceable
        If it does anything but arithmetic.
    """
    tape: list[str] = []
    p, x = (
        {name: Traced(tape, f"{letter}[{json.dumps(name)}]") for name in names}
        for letter, names in (("p", parameters), ("x", inputs))
    )
    try:
        result = function(p, x)
    except (AttributeError, TypeError, ValueError) as error:
        raise Untraceable(str(error)) from error
    lines = "".join(f"const v{i} = {line};\n" for i, line in enumerate(tape))
    if not isinstance(result, Mapping):
        return f"function (p, x) {{\n{lines}return {_text(result)};\n}}"
    entries = ", ".join(f"{json.dumps(name)}: {_text(value)}" for name, value in result.items())
    return f"function (p, x) {{\n{lines}return {{{entries}}};\n}}"
