"""Count what the code's own imports and lines say of its structure: python tests/structure.py

A floor is a level of the import graph: a module that imports none of the package's is on the
first, any other one above the highest that it imports. Modules that import each other in a circle
stand on the same floor. Imports inside functions count; those under TYPE_CHECKING do not, nor that
of a package which importing its module brings along. A part is what lies at the root of the
package: a module or a package.
"""

import ast
import io
import runpy
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "scaling_cli"
# `__init__` only names what is public and `__main__` only starts the command: neither is a part.
DOORS = {NAME, f"{NAME}.__main__"}
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

Graph = Mapping[str, set[str]]


@cache
def text(path: Path) -> str:
    """Return what a source says: every rule reads the same copy."""
    return path.read_text(encoding="utf8")


@cache
def parsed(path: Path) -> ast.Module:
    """Return the tree of a source, parsed once for all rules."""
    return ast.parse(text(path))


@cache
def tokens(path: Path) -> tuple[tokenize.TokenInfo, ...]:
    """Return the tokens of a source, comments included."""
    return tuple(tokenize.generate_tokens(io.StringIO(text(path)).readline))


def named(path: Path) -> str:
    """Return a path from the root of the checkout."""
    return path.relative_to(ROOT).as_posix()


def modules() -> dict[str, Path]:
    """Return every module by its dotted name; a package goes by its folder's."""
    result = {}
    for path in sorted((ROOT / NAME).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        result[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return result


def imported(
    tree: ast.AST, module: str, known: Mapping[str, Path], *, typing: bool = False
) -> Iterator[str]:
    """Yield the modules of ours that a tree imports, those under TYPE_CHECKING only if wanted."""
    pending = [tree]
    while pending:
        node = pending.pop()
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.If) and guarded and not typing:
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module, known)
            names = [f"{source}.{alias.name}" for alias in node.names]
            yield from (name if name in known else source for name in names if source in known)
        pending += ast.iter_child_nodes(node)


def _source(node: ast.ImportFrom, module: str, known: Mapping[str, Path]) -> str:
    """Return the dotted name of what is imported from; a relative one counts from the folder."""
    if not node.level:
        return node.module or ""
    folder = module.split(".")
    if known[module].name != "__init__.py":
        folder = folder[:-1]
    base = folder[: len(folder) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(*, typing: bool = False) -> dict[str, set[str]]:
    """Return which of the package's modules each imports, but for the two doors."""
    known = modules()
    return {
        module: set(imported(parsed(path), module, known, typing=typing)) - {module, *DOORS}
        for module, path in known.items()
        if module not in DOORS
    }


def parts(graph: Graph) -> dict[str, set[str]]:
    """Return the graph of the modules and packages at the root of the package."""
    result: dict[str, set[str]] = {}
    for module, others in graph.items():
        part = module.split(".")[1]
        result.setdefault(part, set()).update(other.split(".")[1] for other in others)
    return {part: others - {part} for part, others in result.items()}


def circles(graph: Graph) -> list[set[str]]:
    """Return the sets of nodes that all reach one another, one for every node in none."""
    reached = {node: _reach(graph, node) for node in graph}
    result, left = [], set(graph)
    while left:
        node = min(left)
        circle = {other for other in reached[node] if node in reached[other]} | {node}
        result.append(circle)
        left -= circle
    return result


def _reach(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        fresh = graph[pending.pop()] - found
        found |= fresh
        pending += fresh
    return found


def floors(graph: Graph) -> int:
    """Return how many nodes the longest chain of imports has, each circle counted as one."""
    home = {node: min(circle) for circle in circles(graph) for node in circle}
    below: dict[str, set[str]] = {name: set() for name in home.values()}
    for node, others in graph.items():
        below[home[node]] |= {home[other] for other in others} - {home[node]}
    heights: dict[str, int] = {}

    def height(node: str) -> int:
        if node not in heights:
            heights[node] = 1 + max((height(other) for other in below[node]), default=0)
        return heights[node]

    return max(map(height, below), default=0)


def upward(graph: Graph, rank: Mapping[str, int]) -> list[str]:
    """Return the imports that point up in an order of the packages."""
    return [
        f"{module} -> {other}"
        for module, others in graph.items()
        for other in sorted(others)
        if rank.get(other.split(".")[1], -1) > rank.get(module.split(".")[1], -1)
    ]


def code_lines(path: Path) -> int:
    """Count the lines that hold code: no docstring, comment or blank line."""
    held: set[int] = set()
    for token in tokens(path):
        if token.type not in LAYOUT:
            held.update(range(token.start[0], token.end[0] + 1))
    return len(held - set(_docstring_lines(parsed(path))))


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def main() -> None:
    """Print the figures."""
    graph = imports()
    roots = parts(graph)
    packages = sorted(path.parent.name for path in (ROOT / NAME).glob("*/__init__.py"))
    nested = len(list((ROOT / NAME).glob("*/**/__init__.py"))) - len(packages)
    print(f"modules         {len(modules())}, at the root {len(list((ROOT / NAME).glob('*.py')))}")
    print(f"packages        {len(packages)} at the root, {nested} inside: {', '.join(packages)}")
    print(f"floors          {floors(roots)} of parts, {floors(graph)} of modules")
    for name, of in (("parts", roots), ("modules", graph)):
        loops = [sorted(circle) for circle in circles(of) if len(circle) > 1]
        print(f"circles         {len(loops)} of {name}", *map(", ".join, loops), sep="\n    ")
    order = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))["RANK"]
    against = upward(graph, order)
    print("imports upward ", len(against), *(f"\n    {line}" for line in against))
    for folder in (NAME, "tests"):
        paths = sorted((ROOT / folder).rglob("*.py"))
        print(f"{folder:15} {sum(map(code_lines, paths))} lines of code in {len(paths)} files")


if __name__ == "__main__":
    main()
