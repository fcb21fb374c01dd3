"""How upstream repositories lay out their data: one reader per file, found by its file name.

Each module has `records(card, files)`, which yields one flat record (key to text or number) per
row of the normalised table, in a stable order.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def names() -> tuple[str, ...]:
    """Return the names of all layouts, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def get(name: str) -> ModuleType:
    """Return the reader of a layout."""
    return importlib.import_module(f"{__name__}.{name}")
