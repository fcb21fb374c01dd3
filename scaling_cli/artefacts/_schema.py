"""What a stored thing may hold, as the schema of its kind says it: the first fault in words.

Of JSON Schema (2020-12) this reads the words that the shipped schemas use. Keys that a schema does
not name pass: a later version may write more.
"""

import functools
import json
import sys
from collections.abc import Iterator, Mapping
from operator import ge, gt, lt
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "schemas"
LARGEST = sys.float_info.max
LIMITS = {"minimum": ge, "exclusiveMinimum": gt, "exclusiveMaximum": lt}
_TYPES = {
    "object": ("an object", lambda v: isinstance(v, Mapping)),
    "array": ("a list", lambda v: isinstance(v, list)),
    "string": ("text", lambda v: isinstance(v, str)),
    "boolean": ("true or false", lambda v: isinstance(v, bool)),
    "null": ("null", lambda v: v is None),
    "number": ("a finite number", lambda v: type(v) in (int, float) and -LARGEST <= v <= LARGEST),
    "integer": ("a whole number", lambda v: type(v) is int and -LARGEST <= v <= LARGEST),
}


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return a shipped schema: of a kind, or `commands/predict`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf8"))


def fault(value: Any, name: str) -> str | None:
    """Return what is wrong with a JSON value that should be of a kind; None if nothing is."""
    return next(_faults(value, schema(name), name, ""), None)


def _faults(value: Any, rule: Mapping[str, Any], home: str, at: str) -> Iterator[str]:
    if "anyOf" in rule:  # null, or what the other says
        rule = {} if value is None else rule["anyOf"][-1]
    if "$ref" in rule:
        name, _, place = rule["$ref"].partition("#/$defs/")
        home = name.removesuffix(".json") or home
        target = schema(home)["$defs"][place] if place else schema(home)
        yield from _faults(value, target, home, at)
        return
    wrong = _alone(value, rule)
    if wrong is not None:
        yield f"{at or 'the file'} {wrong}"
    elif isinstance(value, Mapping):
        yield from _of_object(value, rule, home, at)
    elif isinstance(value, list) and "items" in rule:
        plain = rule["items"] == {"type": "number"} and all(map(_TYPES["number"][1], value))
        for i, item in enumerate(() if plain else value):
            yield from _faults(item, rule["items"], home, f"{at}[{i}]")


def _alone(value: Any, rule: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a value by itself: its type, its size, what it is one of."""
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind][1](value) for kind in kinds):
        return f"must be {' or '.join(_TYPES[kind][0] for kind in kinds)}, not {_short(value)}"
    if not any(word == value and type(word) is type(value) for word in rule.get("enum", [value])):
        return f"must be one of {', '.join(map(str, rule['enum']))}, not {_short(value)}"
    if value is not None and not _inside(value, rule):
        return f"must not be {_short(value)}"
    if isinstance(value, list):
        least, most = rule.get("minItems", 0), rule.get("maxItems", len(value))
        if not least <= len(value) <= most:
            return f"must hold {least} items, not {len(value)}"
    return None


def _inside(value: Any, rule: Mapping[str, Any]) -> bool:
    return all(holds(value, rule[word]) for word, holds in LIMITS.items() if word in rule)


def _of_object(
    value: Mapping[str, Any], rule: Mapping[str, Any], home: str, at: str
) -> Iterator[str]:
    missing = [key for key in rule.get("required", ()) if key not in value]
    if missing:
        yield f"{at or 'the file'} lacks {', '.join(missing)}"
    named, others = rule.get("properties", {}), rule.get("additionalProperties")
    for key, item in value.items():
        inner = named.get(key, others)
        if isinstance(inner, Mapping):
            yield from _faults(item, inner, home, f"{at}.{key}" if at else key)


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
