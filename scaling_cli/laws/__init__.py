"""The catalogue: one law per file; the file name is the law's name; this module discovers them."""

import sys

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.registry import Asked, Classes

sys.modules[__name__].__class__ = Asked

_LAWS = Classes(__name__, "law", Law)
names, get, name_of = _LAWS.names, _LAWS.get, _LAWS.name_of
