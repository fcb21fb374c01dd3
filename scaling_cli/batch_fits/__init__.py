"""The critical batch: levels, joint fit, checks."""
