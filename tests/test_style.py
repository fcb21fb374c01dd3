"""The house style that a program can check: lengths, names, suppressions, printing."""

import ast
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from structure import NAME, ROOT, named, parsed, text, tokens

PACKAGE = ROOT / NAME
MEDIAN, NINETIETH, LONGEST, NESTING = 8, 25, 50, 3
LINES = {NAME: 600, "examples": 400, "benchmarks": 400, "tests": 600}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:|ruff:|mypy:|pylint:|fmt:)")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _sources(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _of_functions(measure: Callable[[Function], int]) -> dict[str, int]:
    """Return a measure of every function of the package, by where it is."""
    return {
        f"{named(path)}:{function.lineno} {function.name}": measure(function)
        for path in _sources(NAME)
        for function in _functions(parsed(path))
    }


def _length(function: Function) -> int:
    """Return the lines of a function's body: a command's signature is the list of its options."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and ast.get_docstring(function, clean=False)
    start = (first.end_lineno or 0) + 1 if documented else first.lineno
    return (function.end_lineno or 0) - start + 1


def _nesting(node: ast.AST, depth: int = 0) -> int:
    """Return how deep blocks lie inside one another; elif and nested functions start afresh."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deeper = isinstance(child, _BLOCKS) and not is_elif
        deepest = max(deepest, _nesting(child, depth + deeper))
    return deepest


def _unannotated(function: Function) -> bool:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    bare = [a for a in given if a.arg not in ("self", "cls") and a.annotation is None]
    return function.returns is None or bool(bare)


def test_functions_are_short() -> None:
    lengths = _of_functions(_length)
    ordered = sorted(lengths.values())
    assert {where: n for where, n in lengths.items() if n > LONGEST} == {}
    assert ordered[len(ordered) // 2] <= MEDIAN
    assert ordered[int(0.9 * len(ordered))] <= NINETIETH


def test_files_are_short() -> None:
    long = {
        named(path): lines
        for folder, most in LINES.items()
        for path in _sources(folder)
        if (lines := text(path).count("\n")) > most
    }
    assert long == {}


def test_blocks_are_shallow() -> None:
    assert {where: n for where, n in _of_functions(_nesting).items() if n > NESTING} == {}


def test_everything_is_annotated() -> None:
    assert [where for where, bare in _of_functions(_unannotated).items() if bare] == []


def test_every_file_says_what_it_is() -> None:
    every = _sources(NAME, "tests", "examples", "benchmarks")
    assert [named(path) for path in every if not ast.get_docstring(parsed(path))] == []


def test_nothing_is_suppressed_or_unfinished() -> None:
    breaches = [
        f"{named(path)}:{token.start[0]} {token.string}"
        for path in _sources(NAME, "tests", "examples", "benchmarks")
        for token in tokens(path)
        if token.type == tokenize.COMMENT
        if _SUPPRESSION.search(token.string) or _UNFINISHED.search(token.string)
    ]
    assert breaches == []


def test_names_say_something() -> None:
    paths = [*PACKAGE.rglob("*"), *(ROOT / "tests").rglob("*")]
    assert [named(path) for path in paths if path.stem.strip("_") in EMPTY_NAMES] == []


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{named(path)}:{node.lineno}"
        for path in _sources(NAME)
        if "cli" not in path.relative_to(PACKAGE).parts
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert printing == []


def test_data_and_fits_hold_no_code() -> None:
    assert _sources("data", "fits") == []


def test_length_and_nesting_are_counted_as_people_count() -> None:
    body = "    if x:\n        for y in x:\n            pass\n"
    source = f'def f(x):\n    """Doc.\n\n    More.\n    """\n{body}'
    function = next(_functions(ast.parse(source)))
    assert _length(function) == 3
    assert _nesting(function) == 2
    chain = ast.parse("if a:\n    pass\nelif b:\n    pass\nelif c:\n    pass")
    assert _nesting(chain) == 1
