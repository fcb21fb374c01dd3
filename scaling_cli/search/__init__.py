"""From a problem to its global minimum."""
