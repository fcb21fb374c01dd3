"""Scaling laws from logs to a forecast: read, fit, predict, plan.

`import scaling_cli as sc; fit = sc.fit(sc.read("runs/*.csv"), law="chinchilla")`.
Names are loaded on first use, so that importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_cli.artefact import Fit as Fit
    from scaling_cli.artefact import Objective as Objective
    from scaling_cli.artefact import Prediction as Prediction
    from scaling_cli.artefact import load as load
    from scaling_cli.backtesting import backtest as backtest
    from scaling_cli.errors import ScalingError as ScalingError
    from scaling_cli.fitting import fit as fit
    from scaling_cli.ingest import read as read
    from scaling_cli.methods import intervals as intervals
    from scaling_cli.points import Points as Points

__version__ = "0.1.0"

_HOME = {
    "Fit": "artefact",
    "Objective": "artefact",
    "Prediction": "artefact",
    "load": "artefact",
    "ScalingError": "errors",
    "backtest": "backtesting",
    "fit": "fitting",
    "intervals": "methods",
    "read": "ingest",
    "Points": "points",
}

__all__ = [
    "Fit",
    "Objective",
    "Points",
    "Prediction",
    "ScalingError",
    "__version__",
    "backtest",
    "fit",
    "intervals",
    "load",
    "read",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
