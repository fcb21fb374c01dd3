"""The laws of loss curves: one per file; the file name is the law's name."""

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.vocabulary.registry import Classes

AVERAGE = "average"  # of several of them, where the name of one may stand
_LAWS = Classes(__name__, "curve law", CurveLaw)
names, get, name_of = _LAWS.names, _LAWS.get, _LAWS.name_of
