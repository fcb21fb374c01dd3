"""How text may look on one stream."""

from dataclasses import dataclass

PAGE = 100  # columns of running text where there is no terminal to ask


_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


@dataclass(frozen=True)
class Style:
    """How text may look on one stream.

    Parameters
    ----------
    colour : bool
        Whether escape sequences are allowed.
    width : int
        Columns that running text is wrapped to.
    table_width : int or None
        Columns a table should fit in; None where nobody looks (a pipe): nothing is wrapped.
    """

    colour: bool = False
    width: int = PAGE
    table_width: int | None = None

    def paint(self, text: str, *names: str) -> str:
        """Return text in a style (`bold`, `red`, ...), or unchanged where colour is off."""
        if not (self.colour and text):
            return text
        return f"\033[{';'.join(_CODES[name] for name in names)}m{text}\033[0m"
