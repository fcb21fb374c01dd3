"""The house style that a program can check: lengths, names, suppressions, printing."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "scaling_cli"
MEDIAN, NINETIETH, LONGEST, NESTING = 8, 25, 50, 3
LINES = {"scaling_cli": 600, "examples": 400, "benchmarks": 400, "tests": 600}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:|ruff:|mypy:|pylint:)")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def _sources(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
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


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": _length(function)
        for path in _sources("scaling_cli")
        for function in _functions(path)
    }
    ordered = sorted(lengths.values())
    assert {where: n for where, n in lengths.items() if n > LONGEST} == {}
    assert ordered[len(ordered) // 2] <= MEDIAN
    assert ordered[int(0.9 * len(ordered))] <= NINETIETH


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder, most in LINES.items()
        for path in _sources(folder)
        if (lines := path.read_text(encoding="utf8").count("\n")) > most
    }
    assert long == {}


def test_blocks_are_shallow() -> None:
    deep = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": _nesting(function)
        for path in _sources("scaling_cli")
        for function in _functions(path)
    }
    assert {where: n for where, n in deep.items() if n > NESTING} == {}


def test_every_file_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _sources("scaling_cli", "tests", "examples", "benchmarks")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf8")))
    ]
    assert silent == []


def test_nothing_is_suppressed_or_unfinished() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {comment}"
        for path in _sources("scaling_cli", "tests", "examples", "benchmarks")
        for line, comment in _comments(path)
        if _SUPPRESSION.search(comment) or _UNFINISHED.search(comment)
    ]
    assert found == []


def test_names_say_something() -> None:
    empty = [
        str(path.relative_to(ROOT))
        for path in [*PACKAGE.rglob("*"), *(ROOT / "tests").rglob("*")]
        if path.stem.strip("_") in EMPTY_NAMES
    ]
    assert empty == []


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _sources("scaling_cli")
        if "cli" not in path.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8")))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert printing == []


def test_data_and_fits_hold_no_code() -> None:
    assert _sources("data", "fits") == []


@pytest.mark.parametrize("path", _sources("scaling_cli"), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_everything_is_annotated(path: Path) -> None:
    bare = []
    for function in _functions(path):
        given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        named = [a for a in given if a.arg not in ("self", "cls")]
        if function.returns is None or any(a.annotation is None for a in named):
            bare.append(f"{function.lineno} {function.name}")
    assert bare == []


def test_length_and_nesting_are_counted_as_people_count() -> None:
    body = "    if x:\n        for y in x:\n            pass\n"
    source = f'def f(x):\n    """Doc.\n\n    More.\n    """\n{body}'
    function = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef))
    assert _length(function) == 3
    assert _nesting(function) == 2
    chain = ast.parse("if a:\n    pass\nelif b:\n    pass\nelif c:\n    pass")
    assert _nesting(chain) == 1
