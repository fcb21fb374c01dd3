"""What does the fit look like? The numbers of a figure first, then the figure."""

import scaling_cli as sc
from scaling_cli import plots

fit = sc.fit(sc.read("data/ladder/runs.csv"), where='role == "fit"', bootstrap=200)
table = plots.get("residuals").table(fit)
print(f"largest residual: {abs(table.residual).max():.2f} per cent of the loss")
plots.save(plots.figure("residuals", table), "residuals.png")
