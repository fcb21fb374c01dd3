"""What a formula says of its parameters: which are linear, which positive, whose unit they carry.

A built-in law declares these; of a formula they are read off its tree. Nothing here is taken on
trust: which parameter carries a unit is tried out on numbers before it is used.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scaling_cli.laws._law import (
    EXPONENT_PRIOR,
    FLOOR_PRIOR,
    Absorbs,
    Domain,
    Parameter,
    Prior,
)
from scaling_cli.laws._syntax import Call, Name, Node, Number, names, walk, written
from scaling_cli.vocabulary.quantities import Quantity, Role

EXPONENTS = (0.02, 0.05, 0.12, 0.2, 0.28, 0.36, 0.45, 0.6, 0.8, 1.1, 1.6, 4.0, 12.0)
EITHER_SIGN = (-1.0, -0.5, -0.3, -0.15, -0.05, 0.05, 0.15, 0.3, 0.5, 1.0)
OUTER_POWERS = (0.04, 0.12, 0.25, 0.45, 0.7, 1.0, 1.5, 5.0)
SHARES = (0.03, 0.1, 0.3, 0.6, 1.0)  # of the output: what is raised to a power begins there
SCALES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # of the middle of what they are a scale of
SLOPES = (-3.0, -1.0, -0.3, -0.1, 0.1, 0.3, 1.0, 3.0)
OFFSETS = (-4.0, -2.0, -1.0, 0.0, 1.0)
_UNITLESS = (EXPONENTS, EITHER_SIGN, OUTER_POWERS, SLOPES)


def positive(node: Node, inputs: Mapping[str, Quantity], real: Collection[str]) -> bool:
    """Return whether a part of a formula is surely positive; `real` parameters may not be."""

    def sure(part: Node) -> bool:
        return positive(part, inputs, real)

    if isinstance(node, Number):
        return node.value > 0
    if isinstance(node, Name):
        real_input = node.id in inputs and inputs[node.id].domain is Domain.REAL
        return node.id not in real and not real_input
    if node.op == "**":  # a power that is no whole number exists of positive bases only
        return sure(node.parts[0]) or not isinstance(node.parts[1], Number)
    if node.op == "log":  # of 1 + x
        return any(isinstance(p, Number) and p.value >= 1 for p in addends(node.parts[0])[0])
    every = all(map(sure, node.parts)) and node.op in ("sqrt", "tanh", "+", "*", "/", "min")
    return (
        every or node.op in ("exp", "sigmoid") or (node.op == "max" and any(map(sure, node.parts)))
    )


def addends(node: Node) -> tuple[list[Node], list[Node]]:
    """Return the terms of a sum: those that are added, and those that are taken off."""
    if isinstance(node, Call) and node.op in ("+", "-"):
        (plus, minus), (more, less) = map(addends, node.parts)
        more, less = (more, less) if node.op == "+" else (less, more)
        return plus + more, minus + less
    if isinstance(node, Call) and node.op == "neg":
        plus, minus = addends(node.parts[0])
        return minus, plus
    return [node], []


def factors(node: Node) -> tuple[list[Node], list[Node]]:
    """Return the parts of a product: those above the line, and those below it."""
    if isinstance(node, Call) and node.op in ("*", "/"):
        (above, below), (more, less) = map(factors, node.parts)
        more, less = (more, less) if node.op == "*" else (less, more)
        return above + more, below + less
    if isinstance(node, Call) and node.op == "neg":
        return factors(node.parts[0])
    return [node], []


def degree(node: Node, moving: Collection[str]) -> int:
    """Return 0 where none of these parameters occurs, 1 where a node is linear in them, else 2."""
    if isinstance(node, Name):
        return int(node.id in moving)
    if isinstance(node, Number):
        return 0
    below = [degree(part, moving) for part in node.parts]
    if node.op in ("+", "-", "neg"):
        return max(below)
    if node.op == "*":
        return min(sum(below), 2)
    if node.op == "/" and below[1] == 0:
        return below[0]
    return 2 * int(any(below))


def linear(tree: Node, parameters: Sequence[str]) -> list[str]:
    """Return parameters in which a formula is linear at once, the more of them the better."""
    taken: list[str] = []
    for name in parameters:
        if degree(tree, [*taken, name]) == 1:
            taken.append(name)
    return taken


@dataclass
class Reading:
    """What walking a formula has told of its parameters.

    Parameters
    ----------
    inputs : mapping of symbol to Quantity
    real : set of parameters that may be of either sign
    starts : mapping of parameter to where a search of it begins
    raised : mapping of parameter to the power that it is raised to
    """

    inputs: Mapping[str, Quantity]
    real: set[str] = field(default_factory=set)
    starts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    raised: dict[str, str] = field(default_factory=dict)

    def parameter(self, node: Node) -> str | None:
        """Return the name of a node that is a parameter."""
        return node.id if isinstance(node, Name) and node.id not in self.inputs else None

    def signs(self, tree: Node) -> None:
        """Find the parameters that may be of either sign."""
        before = -1
        while before < len(self.real):  # one that turns real makes its product so
            before = len(self.real)
            self._sum(tree, free=False)

    def _sum(self, node: Node, *, free: bool) -> None:
        """Look at a sum's terms; in a `free` one, of an exponential, each may be negative."""
        terms = [*addends(node)[0], *addends(node)[1]]
        for term in terms:
            parts = [*factors(term)[0], *factors(term)[1]]
            named = [(self.parameter(p), p) for p in parts]
            for name, part in named:
                others = [p for p in parts if p is not part]
                unsure = any(not positive(p, self.inputs, self.real) for p in others)
                if name and (unsure or (free and len(terms) > 1)):
                    self.real.add(name)
            for part in parts:
                self._inside(part)

    def _inside(self, node: Node) -> None:
        if not isinstance(node, Call):
            return
        for i, part in enumerate(node.parts):
            exponent = node.op == "**" and i == 1
            self._sum(part, free=exponent or node.op in ("exp", "sigmoid"))

    def exponents(self, tree: Node, falling: bool = False, outer: tuple[Node, ...] = ()) -> None:
        """Say where exponents begin: of an input alone above the line, of either sign."""
        if not isinstance(tree, Call):
            return
        number = tree.op == "**" and isinstance(tree.parts[0], Number)
        if number or tree.op in ("exp", "sigmoid"):
            self._slopes(tree.parts[-1])
        elif tree.op == "**":
            base, exponent = tree.parts
            self._exponent(base, exponent, falling, outer)
            self.exponents(tree.parts[0], falling, (*outer, tree.parts[1]))
            return
        for i, part in enumerate(tree.parts):
            inside = outer if tree.op in ("+", "-", "*", "/", "neg") else ()
            self.exponents(part, falling ^ (tree.op == "/" and i == 1), inside)

    def _exponent(
        self, base: Node, exponent: Node, falling: bool, around: tuple[Node, ...]
    ) -> None:
        own = [n for n in names(exponent) if n not in self.inputs]
        bare = isinstance(base, Name) and base.id in self.inputs
        if bare and not falling and self.parameter(exponent):
            self.real |= set(own)
        outer = any(isinstance(n, Call) and n.op == "**" for n in walk(base)) and not bare
        for name in own:
            begin = OUTER_POWERS if outer else EXPONENTS
            self.starts.setdefault(name, EITHER_SIGN if name in self.real else begin)
        power = _one_power([*around, exponent])
        if power is not None and power not in self.real:
            for name in self._coefficients(base):
                self.raised.setdefault(name, power)

    def _coefficients(self, base: Node) -> list[str]:
        """Return the coefficients of a base's terms, where all have one: the power is theirs."""
        every = [
            [n for part in factors(term)[0] if (n := self.parameter(part))]
            for term in addends(base)[0]
        ]
        return [name for own in every for name in own] if all(every) else []

    def _slopes(self, argument: Node) -> None:
        for term in (*addends(argument)[0], *addends(argument)[1]):
            for part in factors(term)[0]:
                if name := self.parameter(part):
                    begin = OFFSETS if part is term else SLOPES
                    own = begin if name in self.real else SCALES
                    self.starts.setdefault(name, own)


def _one_power(exponents: Sequence[Node]) -> str | None:
    """Return the parameter that a product of exponents is, if it is one."""
    try:
        power = product([monomial(e) for e in exponents], [])
    except Unresolved:
        return None
    single = [own[0][0] for own, times in power.items() if _one(own) and abs(times) == 1]
    return single[0] if len(power) == len(single) == 1 else None


def _one(own: "Monomial") -> bool:
    return len(own) == 1 and own[0][1] == 1


def read(tree: Node, inputs: Mapping[str, Quantity], output: Quantity) -> dict[str, Parameter]:
    """Return the declaration of a formula's parameters, without the units that they carry."""
    own = [name for name in names(tree) if name not in inputs]
    reading = Reading(inputs)
    reading.exponents(tree)
    reading.starts.clear()
    reading.signs(tree)
    reading.exponents(tree)
    moving = linear(tree, [n for n in own if n not in reading.starts])
    plus, minus = addends(tree)
    bounded = not minus and all(positive(term, inputs, reading.real) for term in plus)
    floors = [n.id for n in plus if isinstance(n, Name) and n.id in moving and bounded]
    found = {}
    for name in own:
        is_linear, is_real = name in moving, name in reading.real
        floor = name in floors and not is_real
        raised = None if is_linear or is_real else reading.raised.get(name)
        begin = reading.starts.get(name, SHARES if raised else SLOPES if is_real else SCALES)
        found[name] = Parameter(
            name,
            "irreducible loss" if floor else _meaning(tree, name, is_linear, reading),
            unit=output.unit if is_linear else "1",
            domain=Domain.REAL if is_real else Domain.POSITIVE,
            linear=is_linear,
            starts=() if is_linear else begin,
            prior=FLOOR_PRIOR if floor else _prior(begin, is_linear),
            raised=raised,
        )
    return found


def _prior(begin: tuple[float, ...], is_linear: bool) -> Prior | None:
    if is_linear:
        return None
    wide = Prior(center=1.0, log_sd=0.5)
    return {EXPONENTS: EXPONENT_PRIOR, OUTER_POWERS: wide}.get(begin)


def _meaning(tree: Node, name: str, is_linear: bool, reading: Reading) -> str:
    if name in reading.starts:
        for node in walk(tree):
            if isinstance(node, Call) and node.op == "**" and name in names(node.parts[1]):
                return f"exponent of {written(node.parts[0], 4)}"
        offset = any(Name(name) in [*p, *m] for p, m in map(addends, _arguments(tree)))
        return f"{'offset' if offset else 'slope'} inside an exponential"
    if is_linear:
        terms = [t for side in addends(tree) for t in side if name in names(t)]
        return f"coefficient of {written(without(terms[0], name))}" if terms else "coefficient"
    return f"parameter of {written(_around(tree, name))}"


def without(term: Node, name: str) -> Node:
    """Return a term with a factor replaced by one."""
    if isinstance(term, Name):
        return Number(1.0) if term.id == name else term
    if not isinstance(term, Call):
        return term
    parts = tuple(without(part, name) for part in term.parts)
    if term.op == "*" and Number(1.0) in parts:
        return parts[1] if parts[0] == Number(1.0) else parts[0]
    return Call(term.op, parts)


def _arguments(tree: Node) -> Iterator[Node]:
    for node in walk(tree):
        if isinstance(node, Call) and node.op in ("exp", "sigmoid", "**"):
            yield node.parts[-1]


def _around(tree: Node, name: str) -> Node:
    """Return the smallest operation that a parameter is part of."""
    holding = [n for n in walk(tree) if isinstance(n, Call) and name in names(n)]
    return min(holding, key=lambda n: len(list(walk(n))))


def twins(tree: Node, inputs: Mapping[str, Quantity], declared: Mapping[str, Parameter]) -> str:
    """Return the exponents of size and data, `beta alpha`, where each has a term of its own."""
    found = {}
    for term in addends(tree)[0]:
        used, own = [n for n in names(term) if n in inputs], names(term)
        powers = [n for n in own if n in declared and declared[n].prior is EXPONENT_PRIOR]
        if len(used) == len(powers) == 1:
            found[inputs[used[0]].role] = powers[0]
    return f"{found[Role.DATA]} {found[Role.SIZE]}" if {Role.DATA, Role.SIZE} <= set(found) else ""


# ---- whose unit a parameter carries

Monomial = tuple[tuple[str, int], ...]
Power = dict[Monomial, float]  # of a unit: a sum of products of parameters
Dimension = dict[str, Power]  # by input, and the output


_NOTHING: Monomial = (("", 1), ("", 1))  # what no parameter carries


class Unresolved(Exception):
    """A part of a formula has no one unit."""


class Units:
    """Which powers of the inputs' units the parameters of a formula carry."""

    def __init__(self, inputs: Collection[str], exponents: Collection[str]) -> None:
        """Begin with nothing known; exponents carry none."""
        self.inputs = set(inputs)
        self.carried: dict[str, Dimension] = {name: {} for name in exponents}

    def open(self, node: Node) -> str | None:
        """Return the name of a node that is a parameter of which nothing is known yet."""
        free = isinstance(node, Name) and node.id not in self.inputs | set(self.carried)
        return node.id if free and isinstance(node, Name) else None

    def give(self, node: Node, unit: Dimension) -> None:
        """Let a part of the formula have a unit, by what its open parameters carry."""
        if name := self.open(node):
            self.carried[name] = unit
        elif isinstance(node, Call) and node.op in ("+", "-", "neg", "min", "max"):
            for term in (t for part in node.parts for side in addends(part) for t in side):
                self.give(term, unit)
        elif isinstance(node, Call) and node.op in ("*", "/"):
            self._share(node, unit)
        elif isinstance(node, Call) and node.op == "**":
            self._raise(node, unit)
        elif isinstance(node, Call):
            self._function(node, unit)

    def _share(self, node: Call, unit: Dimension) -> None:
        above, below = factors(node)
        parts = [*((p, 1.0) for p in above), *((p, -1.0) for p in below)]
        taker = next((p for p, _ in parts if self.open(p)), None)
        if taker is None:
            taker = next((p for p, _ in parts if self._unknown(p)), None)
        for part, sign in parts:
            if part is not taker:
                self._settle(part)
                unit = added(unit, self.of(part), -sign)
        if taker is not None:
            sign = next(s for p, s in parts if p is taker)
            self.give(taker, scaled(unit, {(): sign}))

    def _settle(self, node: Node) -> None:
        """Let the open parameters of a part carry what the rest of it needs: n0 in N + n0."""
        if not self._unknown(node):
            return
        if isinstance(node, Call) and node.op == "**":
            self._settle(node.parts[0])
            return
        own = isinstance(node, Call) and node.op in ("+", "-", "min", "max")
        parts = node.parts if isinstance(node, Call) and own else ()
        known = (self.of(p) for p in parts if not isinstance(p, Number) and not self._unknown(p))
        self.give(node, next(known, {}))

    def _unknown(self, node: Node) -> bool:
        try:
            self.of(node)
        except Unresolved:
            return True
        return False

    def _raise(self, node: Call, unit: Dimension) -> None:
        base, exponent = node.parts
        if isinstance(exponent, Call) and exponent.op == "neg":
            exponent, unit = exponent.parts[0], scaled(unit, {(): -1.0})
        inverse = {tuple((n, -k) for n, k in m): 1 / v for m, v in monomial(exponent).items()}
        self.give(base, scaled(unit, inverse))

    def _function(self, node: Call, unit: Dimension) -> None:
        """An exponential's offset carries what the slopes of logarithms beside it leave."""
        if node.op != "exp":
            for part in node.parts:
                self._settle(part)
            return
        plus, minus = addends(node.parts[0])
        terms = [*((t, 1.0) for t in plus), *((t, -1.0) for t in minus)]
        taker = next((self.open(t) for t, _ in terms if self.open(t)), None)
        for term, sign in terms:
            if self.open(term) != taker or taker is None:
                unit = added(unit, self._slope(term), -sign)
        if taker is not None:
            self.carried[taker] = unit

    def _slope(self, term: Node) -> Dimension:
        """Return the unit that a term of an exponential puts out: b log(N) has N to the b."""
        above, below = factors(term)
        logs = [p for p in above if isinstance(p, Call) and p.op == "log"]
        rest = [p for p in above if p not in logs]
        if len(logs) != 1:
            self.give(term, {})
            return {}
        for part in rest:
            if name := self.open(part):
                self.carried[name] = {}
        if any(isinstance(p, Call) for p in rest):  # a slope that moves itself: nothing carries it
            return {n: {_NOTHING: 1.0} for n in names(logs[0]) if n in self.inputs}
        power = product([*(monomial(p) for p in rest)], [*(monomial(p) for p in below)])
        return scaled(self.of(logs[0].parts[0]), power)

    def of(self, node: Node) -> Dimension:
        """Return the unit of a part of which all parameters are known.

        Raises
        ------
        Unresolved
            If one is not.
        """
        if isinstance(node, Name):
            return self._named(node.id)
        if isinstance(node, Number):
            return {}
        if node.op == "**":
            return scaled(self.of(node.parts[0]), monomial(node.parts[1]))
        if node.op in ("+", "-", "neg", "min", "max"):
            every = [self.of(p) for p in node.parts if not isinstance(p, Number)]
            return every[0] if every else {}
        unit: Dimension = {}
        if node.op in ("*", "/"):
            for side, sign in zip(factors(node), (1.0, -1.0), strict=True):
                for part in side:
                    unit = added(unit, self.of(part), sign)
            return unit
        for part in node.parts:  # of a function
            self.of(part)
        return unit

    def _named(self, name: str) -> Dimension:
        if name in self.inputs:
            return {name: {(): 1.0}}
        if name not in self.carried:
            raise Unresolved
        return self.carried[name]


def monomial(node: Node) -> Power:
    """Return an exponent as a product of parameters."""
    if isinstance(node, Number):
        return {(): node.value}
    if isinstance(node, Name):
        return {((node.id, 1),): 1.0}
    if node.op == "neg":
        return {m: -v for m, v in monomial(node.parts[0]).items()}
    if node.op == "+":
        first, second = map(monomial, node.parts)
        return {m: first.get(m, 0.0) + second.get(m, 0.0) for m in first | second}
    if node.op in ("*", "/"):
        above, below = factors(node)
        return product([monomial(p) for p in above], [monomial(p) for p in below])
    raise Unresolved


def product(above: Sequence[Power], below: Sequence[Power]) -> Power:
    """Return a product of powers of units; of what is below the line only single terms divide."""
    result: Power = {(): 1.0}
    for power in above:
        result = _times(result, power)
    for power in below:
        if len(power) != 1:
            raise Unresolved
        ((own, value),) = power.items()
        if value == 0:
            raise Unresolved
        result = _times(result, {tuple((n, -k) for n, k in own): 1 / value})
    return result


def _times(first: Power, second: Power) -> Power:
    result: Power = {}
    for m, v in first.items():
        for other, value in second.items():
            powers: dict[str, int] = {}
            for name, k in (*m, *other):
                powers[name] = powers.get(name, 0) + k
            key = tuple(sorted((n, k) for n, k in powers.items() if k))
            result[key] = result.get(key, 0.0) + v * value
    return result


def scaled(unit: Dimension, power: Power) -> Dimension:
    """Return a unit to a power."""
    return {symbol: _times(own, power) for symbol, own in unit.items()}


def added(unit: Dimension, other: Dimension, times: float) -> Dimension:
    """Return the unit of a product: one unit and another, `times` as often."""
    result = {symbol: dict(own) for symbol, own in unit.items()}
    for symbol, own in other.items():
        mine = result.setdefault(symbol, {})
        for m, v in own.items():
            mine[m] = mine.get(m, 0.0) + times * v
    return {s: {m: v for m, v in own.items() if v} for s, own in result.items()}


def absorbed(
    tree: Node, inputs: Collection[str], output: str, declared: Mapping[str, Parameter]
) -> dict[str, list[Absorbs]]:
    """Return which parameters carry the units of inputs and output, as far as that is seen.

    A unit of which any part is carried in a way that has no name is carried by none.
    """
    units = Units(inputs, [n for n, p in declared.items() if p.starts in _UNITLESS])
    try:
        units.give(tree, {output: {(): 1.0}})
    except Unresolved:
        return {}
    found: dict[str, list[Absorbs]] = {name: [] for name in declared}
    unnamed: set[str] = set()
    for name in declared:
        for symbol, power in units.carried.get(name, {}).items():
            unnamed |= {symbol for m in power if len(m) > 1 or any(abs(k) != 1 for _, k in m)}
            each = [(m[0] if m else (None, 1), times) for m, times in power.items()]
            found[name] += [Absorbs(symbol, e, times, k < 0) for (e, k), times in each]
    return {n: [a for a in every if a.input not in unnamed] for n, every in found.items()}
