"""How text may look on one stream."""

from dataclasses import dataclass

PAGE = 80  # columns where there is no terminal to ask


_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


@dataclass(frozen=True)
class Style:
    """How text may look on one stream.

    Parameters
    ----------
    colour : bool
        Whether escape sequences are allowed.
    width : int
        Columns that tables fit in and running text is wrapped to.
    """

    colour: bool = False
    width: int = PAGE

    def paint(self, text: str, *names: str) -> str:
        """Return text in a style (`bold`, `red`, ...), or unchanged where colour is off."""
        if not (self.colour and text):
            return text
        return f"\033[{';'.join(_CODES[name] for name in names)}m{text}\033[0m"
