"""A straight way down."""

from scaling_cli.schedules._schedule import Falling


class Linear(Falling):
    """A straight line from the peak to `min` at the end of the run."""
