"""One law of several recipes: parameters that they share, and those that each has for itself."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from scaling_cli.laws._law import Absorbs, Law, Parameter
from scaling_cli.vocabulary.quantities import Domain, Quantity


class Grouped(Law):
    """Base of laws of several recipes; `grouped` makes them."""

    base: ClassVar[type[Law]] = Law
    groups: ClassVar[int] = 0
    apart: ClassVar[Sequence[Law]] = ()
    """The law of every recipe, fitted by itself: where the search begins."""

    def __call__(self, **inputs: Any) -> Any:
        """Evaluate the law of each point's recipe."""
        own = {s: inputs[s] for s in self.base.inputs()}
        marks = {i: inputs[mark(i)] for i in range(1, self.groups)}
        known = self.values()

        def value(name: str) -> Any:
            if name in known:
                return known[name]
            first = known[of_group(name, 0)]
            return first + sum(m * (known[of_group(name, i)] - first) for i, m in marks.items())

        return self.base(**{name: value(name) for name in self.base.parameters()})(**own)

    @classmethod
    def inputs(cls) -> dict[str, Quantity]:
        """Return the inputs of the law, and a mark of every recipe: 1 at its points, else 0.

        The first has none: its points are those without a mark.
        """
        meaning = "whether it is of the recipe"
        marks = {
            mark(i): Quantity(mark(i), mark(i), meaning, "1", domain=Domain.UNIT)
            for i in range(1, cls.groups)
        }
        return {**cls.base.inputs(), **marks}

    @classmethod
    def output(cls) -> Quantity:
        """Return what the law predicts."""
        return cls.base.output()

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Return starts: what is shared as each recipe has it, or amid them, all terms kept."""
        del output
        declared = cls.base.parameters()
        middle = {s: np.exp(np.mean(np.log(inputs[s]))) for s in cls.base.growing()}
        free = {n: [p.free(getattr(law, n)) for law in cls.apart] for n, p in declared.items()}
        yield cls._start({n: float(np.mean(v)) for n, v in free.items()}, middle)
        for i in range(cls.groups):
            yield cls._start({n: float(v[i]) for n, v in free.items()}, middle)

    @classmethod
    def _start(cls, common: Mapping[str, float], middle: Mapping[str, float]) -> dict[str, float]:
        """Return a start with what is shared at these coordinates, terms amid the runs as apart."""
        values: dict[str, float] = {}
        for name, declared in cls.base.parameters().items():
            if name in cls.parameters():
                values[name] = float(declared.at(common[name]))
                continue
            for i, law in enumerate(cls.apart):
                term = cls._moved(declared.absorbs, law, common, middle)
                values[of_group(name, i)] = float(getattr(law, name) * term)
        return values

    @classmethod
    def _moved(
        cls,
        absorbs: Sequence[Absorbs],
        law: Law,
        common: Mapping[str, float],
        middle: Mapping[str, float],
    ) -> float:
        """Return what keeps a coefficient's term amid the runs where its exponents are shared."""
        factor = 1.0
        for a in absorbs:
            if a.exponent in cls.parameters() and not a.inverse and a.input in middle:
                shared = cls.base.parameters()[a.exponent].at(common[a.exponent])
                factor *= middle[a.input] ** (a.times * (shared - getattr(law, a.exponent)))
        return factor

    def of(self, group: int, values: Mapping[str, Any]) -> Law:
        """Return the law of one recipe, from values of the parameters of all."""
        names = self.base.parameters()
        own = {name: name if name in values else of_group(name, group) for name in names}
        return self.base(**{name: values[own[name]] for name in names})


def mark(group: int) -> str:
    """Return the input that marks the points of a recipe."""
    return f"recipe_{group}"


def of_group(name: str, group: int) -> str:
    """Return what a parameter of one recipe is called."""
    return f"{name}__{group}"


def grouped(apart: Sequence[Law], shared: frozenset[str]) -> type[Grouped]:
    """Return the law of several recipes.

    Parameters
    ----------
    apart : sequence of Law
        That of every recipe, fitted by itself.
    shared : set of str
        Parameters of which there is one; every other is each recipe's own.
    """
    base, groups = type(apart[0]), len(apart)
    declared: dict[str, Parameter] = {}
    for name, parameter in base.parameters().items():
        if name in shared:
            declared[name] = parameter
        else:
            own = {of_group(name, i): _own(parameter, i, shared) for i in range(groups)}
            declared |= own
    fields = {n: dataclasses.field(metadata={"declared": p}) for n, p in declared.items()}
    body = {"__annotations__": dict.fromkeys(declared, float), "__module__": __name__, **fields}
    body |= {"base": base, "groups": groups, "apart": tuple(apart)}
    return type(f"Grouped{base.__name__}", (Grouped,), body)


def _own(parameter: Parameter, group: int, shared: frozenset[str]) -> Parameter:
    """Return a parameter of one recipe: what it goes with is that recipe's too, if not shared."""

    def name(other: str | None) -> str | None:
        return other if other is None or other in shared else of_group(other, group)

    absorbs = tuple(dataclasses.replace(a, exponent=name(a.exponent)) for a in parameter.absorbs)
    raised, twin = name(parameter.raised), name(parameter.twin)
    return dataclasses.replace(parameter, absorbs=absorbs, raised=raised, twin=twin)
