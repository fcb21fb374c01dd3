"""Write docs/python.md from the docstrings: python tests/python_page.py"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scaling_cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
HEAD = """\
# Python

`import scaling_cli as sc`: the verbs are those of the command line, and give the same files and
the same sentences. This page is written from the docstrings by `python tests/python_page.py`.

```python
import scaling_cli as sc

runs = sc.read("data/ladder/runs.csv")
fit = sc.fit(runs, law="chinchilla", where='role == "fit"', bootstrap=0)
print(fit.predict(params="4M", tokens="100M"))
print(fit.predict(C=1e15))
fit.to_json("fit.json")
```
"""
# Kept short: what a class offers beside its fields is found with help().
SECTIONS = ("Verbs and functions", "What they return", "Errors")


def page() -> str:
    """Return the page."""
    sections: dict[str, list[str]] = {title: [] for title in SECTIONS}
    for name in dir(scaling_cli):
        value = getattr(scaling_cli, name)
        if not isinstance(value, str):
            sections[section(value)] += _entry(name, verb(name, value))
    parts = [[f"## {title}", "", *lines] for title, lines in sections.items()]
    return HEAD + "\n" + "\n".join(line for lines in parts for line in lines).rstrip() + "\n"


def verb(name: str, value: Any) -> Any:
    """Return what answers a call: of a package that is a verb too, the verb."""
    if not inspect.ismodule(value):
        return value
    return getattr(importlib.import_module(f"scaling_cli.verbs.{name}"), name)


def section(value: Any) -> str:
    if not inspect.isclass(value):
        return SECTIONS[0]
    return SECTIONS[2] if issubclass(value, Exception) else SECTIONS[1]


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### `sc.{name}`"
    yield ""
    if not inspect.isclass(value):
        yield "```text"
        yield f"sc.{name}({', '.join(_parameters(value))})"
        yield "```"
        yield ""
    yield from _markdown(inspect.getdoc(value) or "")
    yield ""


def _parameters(function: Any) -> Iterator[str]:
    """Yield parameters with their defaults; what they are is in the docstring."""
    starred = False
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.KEYWORD_ONLY and not starred:
            yield "*"
            starred = True
        starred |= p.kind is p.VAR_POSITIONAL
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        yield mark + p.name + ("" if p.default is p.empty else f"={p.default!r}")


def _markdown(doc: str) -> Iterator[str]:
    """Yield a docstring in numpydoc's form as Markdown: sections bold, parameters as a list."""
    lines = doc.splitlines()
    for i, line in enumerate(lines):
        below = lines[i + 1] if i + 1 < len(lines) else ""
        if line and set(line) == {"-"}:
            yield ""
        elif below and set(below) == {"-"}:
            yield f"**{line}**"
        elif line.startswith("    "):
            yield f"  {line.strip()}"
        else:
            yield f"- {line}" if _in_section(lines, i) and line else line


def _in_section(lines: list[str], i: int) -> bool:
    return any(line and set(line) == {"-"} for line in lines[:i])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
