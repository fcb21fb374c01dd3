"""A geometric way down."""

from scaling_cli.schedules._schedule import Falling


class Exponential(Falling):
    """A geometric decay, lr = peak (min/peak)^x, from the peak to `min` at the end of the run."""
