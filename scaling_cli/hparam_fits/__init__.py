"""Learning rate and batch: valleys, design of sweeps, laws through them."""
