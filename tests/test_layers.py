"""Imports point one way, and each heavy library is imported in one place only."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import structure
from processes import HEAVY, loaded_by

PACKAGE = structure.ROOT / structure.NAME

# The packages from the ground up: each imports from those before it and from itself.
ORDER = (
    "numerics",
    "vocabulary",
    "architectures",
    "datasets",
    "schedules",
    "laws",
    "curve_laws",
    "learning_curves",
    "runs",
    "artefacts",
    "ingest",
    "engine",
    "search",
    "point_fits",
    "curve_fits",
    "batch_fits",
    "hparam_fits",
    "forecasting",
    "planning",
    "plots",
    "reference",
    "verbs",
    "reports",
    "cli",
)
FLOORS = 9  # as the imports count them, package upon package
AT_THE_ROOT = {"__init__.py", "__main__.py", "_version.py", "py.typed"}
HOMES = {
    "jax": {"engine"},
    "matplotlib": {"plots"},
    "typer": {"cli", "__main__"},
    "click": {"cli", "__main__"},
    "rich": {"cli", "__main__"},
    "pooch": {"datasets"},
    "jinja2": {"reports"},
    "plotext": {"plots"},
}
# Slow to import and not needed to predict: never at the top of a module, except in the package
# that is about nothing else.
LATE = {
    "pandas": set(),
    "jinja2": set(),
    "plotext": set(),
    "jax": {"engine"},
    "scipy": {"engine"},
    "matplotlib": {"plots"},
}
RANK = {name: rank for rank, name in enumerate(ORDER)}


def _imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Yield (library, line, whether it runs on import) of every import outside TYPE_CHECKING."""
    pending: list[tuple[ast.AST, bool]] = [(tree, True)]
    while pending:
        node, top = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield str(node.module).split(".")[0], node.lineno, top
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, top and not inside) for child in ast.iter_child_nodes(node)]


def _misplaced(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield what a file of a package imports and should not, or not so early."""
    for library, line, top in _imports(tree):
        if package not in HOMES.get(library, {package}):
            yield f"{line}: {library} outside {', '.join(sorted(HOMES[library]))}"
        if top and package not in LATE.get(library, {package}):
            yield f"{line}: {library} on import"


def test_the_root_holds_packages_only() -> None:
    entries = {p.name for p in PACKAGE.iterdir() if p.name != "__pycache__"}
    folders = {name for name in entries if (PACKAGE / name / "__init__.py").is_file()}
    assert entries - folders == AT_THE_ROOT
    assert folders == set(ORDER)


def test_imports_point_down() -> None:
    assert structure.upward(structure.imports(), RANK) == []


@pytest.mark.parametrize("of", ["packages", "modules"])
def test_there_is_no_circle(of: str) -> None:
    graph = structure.imports(typing=True)
    circles = structure.circles(structure.parts(graph) if of == "packages" else graph)
    assert [sorted(circle) for circle in circles if len(circle) > 1] == []


def test_floors() -> None:
    assert structure.floors(structure.parts(structure.imports())) <= FLOORS


def test_heavy_libraries_have_one_home() -> None:
    breaches = []
    for path in structure.modules().values():
        package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        breaches += [
            f"{structure.named(path)}:{breach}"
            for breach in _misplaced(structure.parsed(path), package)
        ]
    assert breaches == []


@pytest.mark.parametrize(
    ("graph", "circles"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, [["b", "c"]]),
    ],
)
def test_circles_are_seen(graph: Mapping[str, set[str]], circles: list[list[str]]) -> None:
    found = [sorted(circle) for circle in structure.circles(graph) if len(circle) > 1]
    assert found == circles
    assert structure.floors(graph) == 3 - len(circles)


def test_an_upward_import_is_seen() -> None:
    graph = {"scaling_cli.laws._law": {"scaling_cli.cli.fit", "scaling_cli.vocabulary.errors"}}
    assert structure.upward(graph, RANK) == ["scaling_cli.laws._law -> scaling_cli.cli.fit"]


@pytest.mark.parametrize(
    ("source", "breaches"),
    [
        ("import jax.numpy", ["1: jax outside engine", "1: jax on import"]),
        ("def f():\n    import jax", ["2: jax outside engine"]),
        ("import pandas as pd", ["1: pandas on import"]),
        ("class A:\n    import scipy", ["2: scipy on import"]),
        ("if TYPE_CHECKING:\n    import jax", []),
        ("def f():\n    import pandas", []),
        ("import numpy", []),
    ],
)
def test_misplaced_libraries_are_seen(source: str, breaches: list[str]) -> None:
    assert list(_misplaced(ast.parse(source), "laws")) == breaches


def test_importing_the_package_loads_nothing() -> None:
    assert loaded_by("import scaling_cli") & (HEAVY | {"numpy", "typer"}) == set()


def test_predicting_loads_numpy_only() -> None:
    statement = (
        "import scaling_cli as sc\n"
        "from scaling_cli.laws.chinchilla import Chinchilla\n"
        "from scaling_cli.vocabulary.outcomes import Status\n"
        "law = Chinchilla(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)\n"
        "fit = sc.Fit(law, status=Status.PUBLISHED, n_points=0)\n"
        "assert fit.predict(N=1.0, D=1.0).value == 3.0"
    )
    loaded = loaded_by(statement)
    assert "numpy" in loaded
    assert loaded & (HEAVY | {"typer"}) == set()


def test_sources_are_found_where_they_are() -> None:
    assert Path(structure.modules()["scaling_cli.laws.chinchilla"]).is_file()
