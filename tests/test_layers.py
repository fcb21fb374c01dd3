"""Imports point one way, and each heavy library is imported in one place only."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "scaling_cli"

# A part may import parts of its own layer and of layers to its left. `__init__` and `__main__`
# stand outside: the first only names what is public, the second only starts the command.
LAYERS = (
    {"errors", "shipped", "jsonfile", "executors"},
    {"quantities", "registry"},
    {"schedule"},
    {"schedules", "schedule_path", "student"},
    {"law"},
    {"curve_law"},
    {"curve_laws"},
    {"learning_curve", "despiking"},
    {"learning_curves", "family_fits", "combining", "anticipation"},
    {"prefixes"},
    {"extrapolation"},
    {"laws"},
    {"points", "runs", "view", "where", "plausible", "law_inputs", "selection"},
    {"curve"},
    {"schedule_candidates", "identification", "curves"},
    {"mestimate", "valley", "recipe_design"},
    {"prediction", "priors", "curve_prediction"},
    {"artefact"},
    {"curve_artefact"},
    {"fit_file", "schedule_regime", "descent"},
    {"store", "engine", "scores", "recipe", "batch_trajectory"},
    {"batch_levels", "batch_artefact", "batch_joint"},
    {"batch_checks"},
    {"ingest", "chunks"},
    {"edges", "vertex", "reach"},
    {"nested"},
    {"search"},
    {"optimum"},
    {"settling"},
    {"drift", "draws", "companion"},
    {"uncertainty", "stability", "resampling", "influence", "floor", "flatness", "isoflop"},
    {"delta", "sweep", "rivals", "cuts", "recounting"},
    {"profiles", "diagnosis", "posterior", "batch_fitting"},
    {"checklist"},
    {"curve_search"},
    {"curve_resampling", "curve_folds", "curve_checks", "versions"},
    {"fitting", "curve_fitting", "forecasting"},
    {"backtesting", "schedule_optimum"},
    {"datasets"},
    {"recompute"},
    {"check_result"},
    {"curve_reference"},
    {"methods"},
    {"reference", "planning", "recipe_fitting"},
    {"recipe_catalogue", "recipe_report"},
    {"plots", "report"},
    {"cli"},
)
HOMES = {
    "jax": {"engine"},
    "matplotlib": {"plots"},
    "typer": {"cli", "__main__"},
    "click": {"cli", "__main__"},
    "rich": {"cli", "__main__"},
    "pooch": {"datasets"},
}
# Slow to import and not needed to predict: never at the top of a module, except in the part
# that is about nothing else.
LATE = {"pandas": set(), "jax": {"engine"}, "scipy": {"engine"}, "matplotlib": {"plots"}}
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _part(path: Path) -> str:
    """Return the part of the package that a file belongs to: its top folder or module."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Yield (module, line, whether it runs on import) of every import outside TYPE_CHECKING."""
    pending: list[tuple[ast.AST, bool]] = [(tree, True)]
    while pending:
        node, top = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from _from(node, top)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, top and not inside) for child in ast.iter_child_nodes(node)]


def _from(node: ast.ImportFrom, top: bool) -> Iterator[tuple[str, int, bool]]:
    module = str(node.module)
    if module == "scaling_cli":
        yield from ((f"scaling_cli.{alias.name}", node.lineno, top) for alias in node.names)
    else:
        yield module, node.lineno, top


def _breaches(path: Path) -> Iterator[str]:
    part = _part(path)
    for module, line, top in _imports(ast.parse(path.read_text(encoding="utf8"))):
        where = f"{path.relative_to(PACKAGE.parent)}:{line}"
        library, _, rest = module.partition(".")
        if library == "scaling_cli" and part in RANK:
            other = rest.split(".")[0]
            if other == "__version__":
                continue
            if other not in RANK:
                yield f"{where} imports {module}, which is in no layer"
            elif RANK[other] > RANK[part]:
                yield f"{where} imports {module} upwards from {part}"
        if library in HOMES and part not in HOMES[library]:
            yield f"{where} imports {library} outside {', '.join(sorted(HOMES[library]))}"
        if top and library in LATE and part not in LATE[library]:
            yield f"{where} imports {library} when it is imported"


def test_every_part_is_in_a_layer() -> None:
    parts = {_part(path) for path in _files()} - {"__init__", "__main__"}
    assert parts <= set(RANK)


@pytest.mark.parametrize("path", _files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    assert list(_breaches(path)) == []


@pytest.mark.parametrize(
    ("source", "breach"),
    [
        ("import jax.numpy", "imports jax outside engine"),
        ("def f():\n    import jax", "imports jax outside engine"),
        ("from scaling_cli.cli import app", "imports scaling_cli.cli upwards from law"),
        ("from scaling_cli import fitting", "imports scaling_cli.fitting upwards from law"),
        ("from scaling_cli import nowhere", "imports scaling_cli.nowhere, which is in no layer"),
        ("import pandas as pd", "imports pandas when it is imported"),
        ("class A:\n    import scipy", "imports scipy when it is imported"),
    ],
)
def test_the_test_sees_breaches(
    source: str, breach: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "scaling_cli")
    path = tmp_path / "scaling_cli" / "law.py"
    path.parent.mkdir()
    path.write_text(source)
    assert any(breach in line for line in _breaches(path))


@pytest.mark.parametrize(
    "allowed",
    ["if TYPE_CHECKING:\n    import jax", "def f():\n    import pandas", "import numpy"],
)
def test_the_test_allows_what_is_right(
    allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "scaling_cli")
    path = tmp_path / "scaling_cli" / "law.py"
    path.parent.mkdir()
    path.write_text(allowed)
    assert list(_breaches(path)) == []


def _loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a statement loads in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    heavy = {"jax", "numpy", "pandas", "pyarrow", "scipy", "matplotlib", "typer"}
    assert _loaded_by("import scaling_cli") & heavy == set()


def test_predicting_loads_numpy_only() -> None:
    statement = (
        "from scaling_cli.laws.chinchilla import Chinchilla\n"
        "from scaling_cli.artefact import Fit, Objective, Status\n"
        "law = Chinchilla(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)\n"
        "fit = Fit(law, Status.PUBLISHED, Objective(), None, 0)\n"
        "assert fit.predict(N=1.0, D=1.0).value == 3.0"
    )
    heavy = {"jax", "pandas", "pyarrow", "scipy", "matplotlib", "typer"}
    loaded = _loaded_by(statement)
    assert "numpy" in loaded
    assert loaded & heavy == set()
