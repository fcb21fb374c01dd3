"""Half a cosine down."""

from scaling_cli.schedules._schedule import Falling


class Cosine(Falling):
    """Half a cosine from the peak to `min` at the end of the run (arXiv:1608.03983)."""
