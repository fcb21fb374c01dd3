"""What does the fit look like? The numbers of a figure first, then the figure."""

from pathlib import Path

import scaling_cli as sc
from scaling_cli import plots

LADDER = Path(__file__).resolve().parents[1] / "data" / "ladder"

fit = sc.fit(sc.read(LADDER / "runs.csv"), where='role == "fit"', bootstrap=200)
table = plots.get("residuals").table(fit)
print(f"largest residual: {abs(table.residual).max():.2f} per cent of the loss")
plots.save(plots.figure("residuals", table), "residuals.png")
