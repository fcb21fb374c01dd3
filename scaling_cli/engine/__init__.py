"""The engine: the only code that imports JAX, the only float64 scope, the only jit."""
