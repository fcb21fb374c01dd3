"""How upstream repositories lay out their data: one reader per file, found by its file name.

Each module has `records(files)`, which yields one flat record (key to text or number) per row of
the normalised table, in a stable order.
"""

from scaling_cli.vocabulary.registry import Modules

_LAYOUTS = Modules(__name__, "layout")
names, get = _LAYOUTS.names, _LAYOUTS.module
