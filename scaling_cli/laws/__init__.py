"""The catalogue: one law per file; the file name is the law's name; this module discovers them."""

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.registry import Classes

_LAWS = Classes(__name__, "law", Law)
names, get, name_of = _LAWS.names, _LAWS.get, _LAWS.name_of
