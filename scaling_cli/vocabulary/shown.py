"""What has a report is shown by it; reports lie above, so they are found by their name."""

import importlib


class Shown:
    """What has a report, and is shown by it."""

    def __str__(self) -> str:
        """Return the first screen of the report: what `print(fit)` shows."""
        return importlib.import_module("scaling_cli.reports").short(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return importlib.import_module("scaling_cli.reports").short_html(self)
