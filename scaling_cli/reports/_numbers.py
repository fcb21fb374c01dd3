"""Numbers, ranges and lists as people read them: with the digits that they carry."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from scaling_cli.vocabulary.quantities import format_number, short_number

_K = TypeVar("_K")
_T = TypeVar("_T")
LONGEST = 60  # of a piece that is not broken


def value(number: float | None) -> str:
    """Write a measured or predicted value: four decimals, or five digits where it is small."""
    if number is None or not math.isfinite(number):
        return "-" if number is None else str(number)
    return f"{number:.4f}" if abs(number) >= 0.1 else f"{number:.5g}"


def parameter(number: float) -> str:
    """Write a fitted parameter: six significant digits."""
    return f"{number:.6g}"


def interval(pair: Sequence[float] | None, write: Callable[[float], str] | None = None) -> str:
    """Write an interval: `[2.0512, 2.1034]`; `-` where there is none."""
    if pair is None:
        return "-"
    low, high = (write(end) for end in pair) if write else values(pair)
    return f"[{low}, {high}]"


def values(pair: Sequence[float]) -> list[str]:
    """Write two values as `value` does, and with four decimals if that tells both."""
    low, high = sorted(abs(end) for end in pair)
    return [f"{end:.4f}" if low >= 0.001 and high >= 0.1 else value(end) for end in pair]


def percent(fraction: float | None, *, sign: bool = False) -> str:
    """Write a fraction as a percentage with two or three digits: `0.81 %`, `+1.2 %`, `6e+79 %`."""
    if fraction is None or not math.isfinite(fraction):
        return "-"
    number = 100 * fraction
    if abs(number) >= 1e5:
        return f"{number:{'+' if sign else ''}.2g} %"
    digits = 2 if abs(number) < 10 else 1 if abs(number) < 100 else 0
    return f"{number:{'+' if sign else ''}.{digits}f} %"


def share(fraction: float) -> str:
    """Write a share of a count: `97 %`."""
    return f"{100 * fraction:.0f} %"


def level(fraction: float) -> str:
    """Write at which level an interval is: `90 %`, `99.5 %`."""
    return f"{100 * fraction:g} %"


def either_side(fraction: float | None) -> str:
    """Write half the width of an interval: `+/-2.4 %`."""
    return f"+/-{percent(fraction)}"


def bias(mean_log: float | None) -> str:
    """Write a mean of ln prediction - ln measured as a percentage, by its geometric mean."""
    return percent(None if mean_log is None else math.expm1(mean_log), sign=True)


def quantity(number: float, symbol: str = "") -> str:
    """Write a quantity for a table: `7B`, `1.33T`; compute always as a power of ten."""
    return f"{number:.4g}" if symbol == "C" else short_number(number)


def span(pair: Sequence[float], symbol: str = "") -> str:
    """Write a range: `44M to 16.2B`, `2.07 to 5.01` for a loss, or the one value there is."""
    writers = {"L": value, "lr": lambda rate: f"{rate:.3g}"}
    return ends(pair, writers.get(symbol) or partial(quantity, symbol=symbol))


def ends(numbers: Iterable[float], write: Callable[[Any], str]) -> str:
    """Write the smallest and the largest of numbers, or the one there is: `2.1 to 3.4 %`."""
    numbers = [*numbers] or [math.nan]
    low, high = write(min(numbers)), write(max(numbers))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def echo(symbol: str, numbers: Sequence[float]) -> str:
    """Write how an input was read: `N = 7e+09`, `N = 1e+09, 7e+09`."""
    return f"{symbol} = {', '.join(format_number(number) for number in numbers)}"


def count(number: int, noun: str) -> str:
    """Write a count with its noun: `1 run`, `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def grouped(pairs: Iterable[tuple[_K, _T]]) -> dict[_K, list[_T]]:
    """Return things by what they are paired with, in the order of its first."""
    groups: dict[_K, list[_T]] = {}
    for key, thing in pairs:
        groups.setdefault(key, []).append(thing)
    return groups


def some(lines: Sequence[str], limit: int) -> list[str]:
    """Return the first lines and, where there are more, how many."""
    rest = len(lines) - limit
    return list(lines) if rest <= 0 else [*lines[:limit], f"and {rest} more"]


def listed(lines: Sequence[str], limit: int, *, full: bool) -> list[str]:
    """Return the lines of a list; those that the first screen has no room for only if wanted."""
    shown = list(lines) if full else list(lines[:limit])
    return shown + more(len(lines) - len(shown))


def more(rest: int) -> list[str]:
    """Return the line that ends a list which goes on."""
    return [f"and {rest} more (--full)"] if rest else []


def pieces(*parts: str) -> str:
    """Return pieces of a line that are parted by gaps: a line is broken between them only."""
    kept = (p.replace(" ", "\u00a0") if len(p) <= LONGEST else p for p in parts if p)
    return "   ".join(kept)


def deserved(number: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a number and its interval with the digits that the interval deserves.

    Two where the shorter side of the interval begins with 1, 2 or 3, otherwise one: 0.4221 in
    [0.308, 0.497] is 0.42 in 0.31 to 0.50. An end that would be rounded to zero keeps two digits,
    and so do the others.
    """

    def each(write: Callable[[float], str]) -> tuple[str, str, str]:
        return write(number), write(low), write(high)

    sides = [side for side in (number - low, high - number, high - low) if side > 0]
    ends = (number, low, high)
    if not sides or not all(map(math.isfinite, ends)):
        return each(lambda x: f"{x:.4g}")
    power = math.floor(math.log10(min(sides)))
    places = -power + (min(sides) < 3.5 * 10.0**power)
    if low > 0 and round(low, places) == 0:
        return each(lambda x: f"{x:.2g}")
    if places > 6 or max(map(abs, ends)) >= 1e6:
        return each(lambda x: f"{x:.3g}")
    if max(map(abs, ends)) >= 1e5:
        return each(lambda x: short_number(round(x, places)))
    return each(lambda x: f"{round(x, places):.{max(0, places)}f}")


def rounded(number: float, symbol: str = "") -> str:
    """Write a quantity with three digits, for a sentence."""
    return quantity(float(f"{number:.3g}"), symbol)
