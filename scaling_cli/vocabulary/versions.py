"""What a repeat of a fit needs to know about the software."""

import importlib.metadata
import platform

from scaling_cli._version import __version__


def versions() -> dict[str, str]:
    """Return the versions of this package, Python and the numerical libraries."""
    packages = ("jax", "numpy", "scipy")
    return {
        "scaling-cli": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
