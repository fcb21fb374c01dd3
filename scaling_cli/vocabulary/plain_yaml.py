"""The YAML that tools write by themselves: mappings, lists of scalars, scalars, a line each.

Anchors, flow style, blocks of text and what else people write by hand are passed over.
"""

import re
from dataclasses import dataclass, field
from typing import Any

_KEY = r"'[^']*'|\"[^\"]*\"|[^\s#'\"\-\[{&*!|>%@][^#'\"]*?"
_ENTRY = re.compile(rf"(?P<indent> *)(?P<key>{_KEY})\s*:(?:\s+(?P<text>.*))?")
_ITEM = re.compile(r" *-(?: +(?P<text>.*))?")
_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
_SPECIAL = {".nan": float("nan"), ".inf": float("inf"), "-.inf": float("-inf")}
_DEEPEST = 64  # spaces
_WHOLE = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")


@dataclass
class _Node:
    """A key: its scalar, or what stands below it."""

    indent: int
    text: str = ""
    keys: "dict[str, _Node]" = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)

    def value(self) -> Any:
        """Return what the key stands for."""
        if self.items:
            return self.items
        if self.keys:
            return {key: node.value() for key, node in self.keys.items()}
        return scalar(self.text)


def mapping(text: str) -> dict[str, Any]:
    """Return the mapping that a text is; a key without a value has None."""
    within = [_Node(-1)]
    for line in text.splitlines():
        item = _ITEM.fullmatch(line)
        entry = _ENTRY.fullmatch(line.rstrip()) if item is None else None
        if item is not None and not within[-1].text:
            within[-1].items.append(scalar(item["text"] or ""))
        if entry is None or len(entry["indent"]) > _DEEPEST:
            continue
        node = _Node(len(entry["indent"]), entry["text"] or "")
        while within[-1].indent >= node.indent:
            within.pop()
        within[-1].keys[entry["key"].strip("'\"")] = node
        within.append(node)
    return {key: node.value() for key, node in within[0].keys.items()}


def scalar(text: str) -> Any:
    """Return a word, a number or a text as it is meant."""
    plain = text.strip()
    if plain[:1] in ("'", '"') and plain[-1:] == plain[:1] and len(plain) > 1:
        return plain[1:-1]
    plain = re.sub(r"\s+#.*", "", plain)
    if plain.lower() in _WORDS:
        return _WORDS[plain.lower()]
    if plain.lower() in _SPECIAL:
        return _SPECIAL[plain.lower()]
    if _WHOLE.fullmatch(plain):
        return int(plain)
    return float(plain) if _NUMBER.fullmatch(plain) else plain
