"""Tables of runs: what was read, which of it is fitted, and as what."""
